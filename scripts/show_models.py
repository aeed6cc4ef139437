"""Shows what a network is good for: writes a table into docs/models.md, and a picture.

    python scripts/show_models.py --checkpoint=checkpoints/mtt --layers=relu1,relu2,relu3,pool5 \\
        --shown=relu1,relu3,pool5 --classes=sitar,opera,choir,techno

The inputs dream by the layers, and towards the classes as presets do, at half the default learning
rate, at the default and at its double, all by the real command. The table has medians over the
inputs; the picture shows the dreams at the default, as they are written, side by side. The runs lie
in --work_dir. To resume an interrupted script, start it again.
"""

from pathlib import Path

from absl import flags

import dreamsound_jax as ds
from dreamsound_jax.audio.find import RECORDINGS
from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.system import runtime
from studies import report
from studies.first_dream.dreams import Input
from studies.models.dreams import SHOWN_RATE, cut_inputs, dream_by_layers, dream_towards_classes
from studies.models.page import format_dreams
from studies.models.picture import draw_dreams
from studies.paths import define_path, define_paths

INPUTS = (
    "drums",
    "tests/data/ambi_choir.flac",
    "tests/data/guit_em9.flac",
    "/usr/share/sonic-pi/samples/ambi_piano.flac",
)

_CHECKPOINT = define_path("checkpoint", None, "the folder of the network", required=True)
_INPUT = define_paths("input", list(INPUTS), "the sound files")
_SECONDS = flags.DEFINE_float("seconds", 2.8, "how much of each input is dreamed")
_LAYERS = flags.DEFINE_list("layers", None, "the layers of the table", required=True)
_SHOWN = flags.DEFINE_list("shown", None, "the layers of the picture", required=True)
_CLASSES = flags.DEFINE_list("classes", None, "the classes of both", required=True)
_WORK_DIR = define_path("work_dir", "outputs/show_models", "the folder of the runs")
_PAGE = define_path("page", "docs/models.md", "the page that is written")


def main():
    folder, runs = Path(_CHECKPOINT.value), Path(_WORK_DIR.value)
    runtime.prepare(precision="float32")
    card = read_card(folder)
    paths = [str(RECORDINGS.get(name, name)) for name in _INPUT.value]
    inputs = cut_inputs(paths, _SECONDS.value, runs / "inputs")
    files = list(inputs.values())
    by_layers = dream_by_layers(folder, files, _LAYERS.value, runs / f"{folder.name}-layers")
    towards = dream_towards_classes(folder, files, _CLASSES.value, runs / f"{folder.name}-classes")
    sounds = {name: Input(*ds.load_sound(str(path))) for name, path in inputs.items()}
    table = format_dreams([*by_layers, *towards], sounds)
    names = {*_SHOWN.value, *_CLASSES.value}
    shown = [each for each in [*by_layers, *towards] if each.by in names and each.lr == SHOWN_RATE]
    title = f"Dreams of {card.name}: the input, and its dreams by layers and towards classes"
    picture = draw_dreams(title, shown, inputs, card.front_end)
    write(Path(_PAGE.value), card.name, table, picture)
    print(table)


def write(page, name, table, picture):
    """Writes the part of the page about the network of that name, and its picture beside it."""
    beside = page.with_name(f"{page.stem}_{name}.png")
    beside.write_bytes(picture)
    run = report.describe_run()
    facts = f"`{run['command']}`, {run['date']}, {run['device']}."
    shown = f"![Four inputs, and their dreams by {name}]({beside.name})"
    report.replace_part(page, name, "\n\n".join((shown, table, facts)))


if __name__ == "__main__":
    command_line.run(main, name="show_models", usage=__doc__, stopped="its runs are kept")
