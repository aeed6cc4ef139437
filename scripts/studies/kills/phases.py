"""The commands that are killed, one for each kind of work that takes long."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from studies.kills.inputs import CARD_FLAGS, Inputs

_SCRIPTS = Path(__file__).parents[2]
_QUICK = ("--layers_to_use=relu2_2", "--pyramid_size=1", "--num_iterations=2", "--seed=1")


class Phase(NamedTuple):
    """A command.

    Attributes:
      command: returns the command for these inputs; it writes into the working directory.
      has_own_cache: whether each trial begins without compiled programs.
    """

    command: Callable[[Inputs], list[str]]
    has_own_cache: bool = False


def _dream(*flags, plots=False):
    """Returns the phase of a dream or an ouroboros on noise."""

    def command(inputs):
        words = [sys.executable, "-m", "dreamsound_jax", f"--checkpoint={inputs.checkpoint}"]
        words += ["noise", *_QUICK, "--output_dir=out", *flags]
        return words if plots else [*words, "--noplots"]

    return command


def _run_script(name, *flags):
    return [sys.executable, str(_SCRIPTS / f"{name}.py"), *flags]


def _convert(inputs):
    flags = (f"--pth={inputs.weights}", "--model=out", "--output=out", *CARD_FLAGS)
    return _run_script("convert_weights", *flags)


def _train(inputs):
    flags = ("--width=0.0625", "--hidden=16", "--windows=32x6", "--batch_size=4", "--save_every=2")
    where = (f"--data_dir={inputs.sounds}", "--output=out", "--cache=analysed")
    return _run_script("train_classifier", "--dataset=folder", "--held_out=0.25", *where, *flags)


def _compare_optimizers(inputs):
    sounds = [str(inputs.sounds / "tone" / f"{number}.wav") for number in range(2)]
    flags = (f"--input={','.join(sounds)}", f"--real={inputs.sounds / 'tone'}", "--batch_size=2")
    seeds = ("--num_seeds=1", "--tuning_seeds=1", "--lrs=0.01,0.04", "--optimizers=adam")
    quick = (*_QUICK, "--clip_length=9000", "--target_class=dog", "--output_dir=out")
    where = f"--checkpoint={inputs.checkpoint}"
    return _run_script("compare_optimizers", where, *flags, *seeds, *quick)


def _atlas(inputs):
    flags = ("--layer=relu2_1", "--num_iterations=2", "--batch_size=4", "--channels=0:4")
    sounds = f"--sounds={inputs.sounds / 'tone'}"
    return _run_script("atlas", f"--model={inputs.checkpoint}", sounds, *flags, "--output=out")


_SHORT = ("--clip_length=6000", "--batch_size=2")
PHASES = {
    "dreams": Phase(_dream("--num_clips=12", *_SHORT)),
    "ouroboros": Phase(
        _dream(
            *("--num_clips=3", "--create_ouroboros", "--ouroboros_length=20", "--save_every=0"),
            *_SHORT,
        )
    ),
    "video": Phase(_dream("--num_clips=3", "--video=square", *_SHORT, plots=True)),
    "first start": Phase(_dream("--num_clips=3", *_SHORT), has_own_cache=True),
    "convert": Phase(_convert),
    "train": Phase(_train),
    "optimizers": Phase(_compare_optimizers),
    "atlas": Phase(_atlas),
}
"""{name: phase}."""
