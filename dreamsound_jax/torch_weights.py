"""Maps a PyTorch VGG19 state dict, with torchvision's names, onto this project's weights."""

import numpy as np

from dreamsound_jax.errors import UserError
from dreamsound_jax.vgg19 import CONV_LAYERS, POOLED

# torchvision counts convolutions, ReLUs and poolings together.
CONV_POSITIONS = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34)
TORCH_NAMES = {
    **{layer: f"features.{n}" for layer, n in zip(CONV_LAYERS, CONV_POSITIONS)},
    "linear1": "classifier.0",
    "linear2": "classifier.3",
    "output": "classifier.6",
}
"""{layer: the prefix of its `.weight` and `.bias` in the state dict}."""


def from_torch(state_dict):
    """Converts {torch name: array} to {layer: {"kernel", "bias"}}, float dtype kept.

    Convolutions go from OIHW to HWIO, linear layers from (out, in) to (in, out); `linear1` reads
    PyTorch's channel-height-width order, and here height-width-channel.

    Raises:
      UserError: names that are missing or unexpected, all of them at once.
    """
    expected = {f"{name}.{part}" for name in TORCH_NAMES.values() for part in ("weight", "bias")}
    missing, unexpected = sorted(expected - set(state_dict)), sorted(set(state_dict) - expected)
    if missing or unexpected:
        raise UserError(
            "not a VGG19 state dict with torchvision's names: "
            f"missing {', '.join(missing) or 'none'}; unexpected {', '.join(unexpected) or 'none'}"
        )
    return {
        layer: {
            "kernel": _kernel(layer, np.asarray(state_dict[f"{name}.weight"])),
            "bias": np.asarray(state_dict[f"{name}.bias"]),
        }
        for layer, name in TORCH_NAMES.items()
    }


def _kernel(layer, weight):
    if layer in CONV_LAYERS:
        return weight.transpose(2, 3, 1, 0)
    if layer == "linear1":
        weight = weight.reshape(len(weight), -1, POOLED, POOLED).transpose(0, 2, 3, 1)
    return weight.reshape(len(weight), -1).T
