"""Compares settings of a first dream: how far each moves a sound, and whether in time.

    python scripts/compare_defaults.py --input=tests/data --settings=relu3_4:0.06,relu5_4:0.02

Each input, cut to `--seconds`, is dreamed by each layer and learning rate in the domain sound. The
table gives medians over inputs, and each input's distance.
"""

import itertools
from pathlib import Path

import numpy as np
from absl import flags

import dreamsound_jax as ds
from dreamsound_jax.audio.find import find_inputs
from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.system import runtime
from studies import report
from studies.first_dream.measures import measure_difference

MARK = "<!-- what follows is written by scripts/compare_defaults.py -->"

_INPUT = flags.DEFINE_list("input", ["tests/data"], "sound files and folders")
_SETTINGS = flags.DEFINE_list(
    "settings",
    [f"{layer}:{lr}" for layer in ("relu3_4", "relu4_4", "relu5_4") for lr in (0.02, 0.04, 0.06)],
    "LAYER:LEARNING_RATE each",
)
_SECONDS = flags.DEFINE_float("seconds", 6.0, "how much of each input is dreamed")
_ITERATIONS = flags.DEFINE_integer("num_iterations", 10, "steps in each pass")
_PAGE = flags.DEFINE_string("page", None, "the page that is written; by default the table is shown")


def main():
    runtime.prepare(precision="float32")
    model = ds.load_model()
    paths, _ = find_inputs(_INPUT.value)
    settings = [(each.split(":")[0], float(each.split(":")[1])) for each in _SETTINGS.value]
    found = {}
    for path, (layer, rate) in itertools.product(paths, settings):
        found[path, layer, rate] = dream_and_measure(model, path, layer, rate)
        print(Path(path).stem, layer, rate, *(f"{each:.2f}" for each in found[path, layer, rate]))
    rows = [_row(found, paths, *setting) for setting in settings]
    heads = ["layer", "lr", "LSD (dB)", "tv (dB)", "tv / LSD", "onset r", "tv of each input (dB)"]
    table = report.markdown_table(heads, rows, names=2)
    print(table)
    if _PAGE.value:
        run = report.describe_run()
        names = ", ".join(Path(path).stem for path in paths)
        facts = f"`{run['command']}`, {run['date']}, {run['device']}. Inputs: {names}."
        blocks = [facts, table]
        report.write_page(Path(_PAGE.value), MARK, blocks, title="The first dream")


def dream_and_measure(model, path, layer, rate):
    """Dreams on a file by a layer; returns the `Difference` of its mono mix."""
    sound, sample_rate = ds.load_sound(path)
    sound = sound[..., : round(_SECONDS.value * sample_rate)]
    made = ds.dream(
        sound,
        sample_rate,
        model,
        objective=ds.layer(layer),
        lr=rate,
        num_iterations=_ITERATIONS.value,
    )
    before, after = (np.atleast_2d(each).mean(axis=0) for each in (sound, made.sound))
    return measure_difference(before, after, sample_rate=sample_rate)


def _row(found, paths, layer, rate):
    of_inputs = np.array([found[path, layer, rate] for path in paths])
    lsd, tv, onset_r = np.median(of_inputs, axis=0)
    share = np.median(of_inputs[:, 1] / of_inputs[:, 0])
    each = ", ".join(f"{value:.1f}" for value in of_inputs[:, 1])
    return [layer, f"{rate:g}", f"{lsd:.1f}", f"{tv:.1f}", f"{share:.2f}", f"{onset_r:.2f}", each]


if __name__ == "__main__":
    command_line.run(
        main,
        name="compare_defaults",
        usage=__doc__,
        stopped="nothing was written",
    )
