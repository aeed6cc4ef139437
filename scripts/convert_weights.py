"""Converts a VGG19 that PyTorch has trained into a checkpoint to dream with. Needs no PyTorch.

    python scripts/convert_weights.py --model=fma-small --pth=fma-small.pth
    python scripts/convert_weights.py --model=fma-small --download
    python scripts/convert_weights.py --model=x --pth=x.pth --classes=dog,cat --mean=-24 --std=17

The first two are for the published networks, whose classes, statistics and hash are known. The
third is for anyone's one-channel VGG19, with or without batch norm, saved as a state dict.
"""

import jax
from absl import flags

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.system import runtime
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.convert import Wanted, convert, download

_MODEL = flags.DEFINE_string("model", None, "what --model calls it afterwards", required=True)
_PTH = flags.DEFINE_string("pth", None, "the PyTorch file")
_DOWNLOAD = flags.DEFINE_boolean("download", False, "fetch the published file first")
_OUTPUT = flags.DEFINE_string(
    "output", None, "the checkpoint's folder; by default checkpoints/MODEL"
)
_VERIFY_HASH = flags.DEFINE_boolean(
    "verify_hash", True, "refuse a file that is not the published one; for published models"
)
_CLASSES = flags.DEFINE_list("classes", None, "names of the classes in order, or just how many")
_MEAN = flags.DEFINE_float("mean", None, "of the training spectrograms, in dB")
_STD = flags.DEFINE_float("std", None, "their standard deviation, in dB", 1e-6)
_WIDTH = flags.DEFINE_float("width", None, "of VGG19's channels; by default 1", 0.01, 4)
_HIDDEN = flags.DEFINE_integer("hidden", None, "features of the hidden layers; by default 4096", 1)


def main():
    if (_PTH.value is None) == (not _DOWNLOAD.value):
        raise UserError("give --pth=FILE, or --download for a published model")
    runtime.prepare(precision="float32")
    jax.config.update("jax_platforms", "cpu")  # nothing here needs an accelerator
    wanted = _wanted()
    path = download(wanted) if _DOWNLOAD.value else _PTH.value
    print(convert(path, wanted))


def _wanted():
    given = {"classes": _CLASSES.value, "mean": _MEAN.value, "std": _STD.value}
    given |= {"width": _WIDTH.value, "hidden": _HIDDEN.value}
    given = {name: value for name, value in given.items() if value is not None}
    return Wanted(_MODEL.value, given, output=_OUTPUT.value, verify_hash=_VERIFY_HASH.value)


if __name__ == "__main__":
    command_line.run(main, name="convert_weights", usage=__doc__, stopped="nothing was written")
