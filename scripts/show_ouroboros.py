"""Shows what --stabilise does: writes a page with tables and a picture.

    python scripts/show_ouroboros.py

Inputs dream of themselves for 100 rounds, by shallow and deep layers and by iterate, in both
domains, with --stabilise and without, by the real command. The overcooked index is what the command
says; all other measurements of a round are of the written sound. The index itself is tested first,
on sounds that were changed in harmless ways, and on sounds that were spoiled.

The runs lie in --work_dir. To resume an interrupted script, start it again.
"""

import itertools
from pathlib import Path

from absl import flags
from tqdm import tqdm

from dreamsound_jax.audio.find import find_inputs
from dreamsound_jax.cli import parsing as command_line
from studies import report
from studies.ouroboros import page
from studies.ouroboros.changes import measure_changes
from studies.ouroboros.runs import Run, dream
from studies.paths import define_path, define_paths

MARK = "<!-- what follows is written by scripts/show_ouroboros.py -->"
RECORDINGS = [f"tests/data/{name}.flac" for name in ("ambi_choir", "loop_amen", "loop_mehackit1")]

_INPUT = define_paths("input", ["noise", "sine", *RECORDINGS], "the inputs of the ouroboroses")
_SOUNDS = define_path("sounds", "tests/data/*.flac", "the sounds that test the index")
_LAYERS = flags.DEFINE_list(
    "layers", ["relu2_2", "relu3_4", "relu5_4", "iterate"], "the layers, one for each run"
)
_SHOWN = flags.DEFINE_string("shown", "relu3_4", "the layer in the picture")
_LENGTH = flags.DEFINE_integer("ouroboros_length", 100, "the number of rounds", 2)
_WORK_DIR = define_path("work_dir", "outputs/show_ouroboros", "the folder of the runs")
_PAGE = define_path("page", "docs/ouroboros_measured.md", "the page; its picture lies beside it")


def main():
    measured = measure_changes(find_inputs([_SOUNDS.value])[0])
    runs = itertools.product(("sound", "mel"), _LAYERS.value, ("--stabilise", "--nostabilise"))
    courses = {
        run: dream(run, names=_INPUT.value, rounds=_LENGTH.value, work_dir=Path(_WORK_DIR.value))
        for run in tqdm([Run(*each) for each in runs], desc="runs", disable=None)
    }
    path, facts = Path(_PAGE.value), report.describe_run()
    parts = [
        f"`{facts['command']}`, {facts['date']}, {facts['device']}.",
        page.format_changes(measured),
        page.format_worst(courses),
        f"![The index over rounds]({path.stem}.png)",
        page.format_each(courses),
    ]
    report.write_page(path, MARK, parts, title="What was measured of ouroboroses")
    path.with_suffix(".png").write_bytes(page.draw_index(courses, _SHOWN.value))


if __name__ == "__main__":
    command_line.run(main, name="show_ouroboros", usage=__doc__, stopped="its runs are kept")
