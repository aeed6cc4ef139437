"""Measures first dreams: defaults, strengths, presets and levels; writes docs/first_dream.md.

    python scripts/measure_first_dream.py --part=defaults --input=tests/data,drums --seconds=4

Each input, cut to `--seconds`, is dreamed in all ways of the part. The table replaces that of the
same part on the page.
"""

from pathlib import Path

from absl import flags

import dreamsound_jax as ds
from dreamsound_jax.audio.find import RECORDINGS, find_inputs
from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.system import runtime
from studies import report
from studies.first_dream import defaults, levels, presets, strengths
from studies.first_dream.dreams import read_inputs
from studies.paths import define_path, define_paths

PARTS = {
    "defaults": defaults,
    "strengths": strengths,
    "presets": presets,
    "levels": levels,
}

_PART = flags.DEFINE_enum("part", "defaults", list(PARTS), "what is measured")
_INPUT = define_paths("input", ["tests/data"], "sound files and folders")
_SECONDS = flags.DEFINE_float("seconds", 4.0, "how much of each input is dreamed")
_PAGE = define_path("page", "docs/first_dream.md", "the page that is written")


def main():
    runtime.prepare(precision="float32")
    model = ds.load_model()
    paths, _ = find_inputs(_INPUT.value)
    inputs = read_inputs([str(RECORDINGS.get(path, path)) for path in paths], _SECONDS.value)
    table = PARTS[_PART.value].measure(model, inputs)
    run = report.describe_run()
    names = ", ".join(Path(path).stem for path in paths)
    facts = f"`{run['command']}`, {run['date']}, {run['device']}. Inputs: {names}."
    print(table)
    report.replace_part(Path(_PAGE.value), _PART.value, f"{facts}\n\n{table}")


if __name__ == "__main__":
    command_line.run(
        main,
        name="measure_first_dream",
        usage=__doc__,
        stopped="nothing was written",
    )
