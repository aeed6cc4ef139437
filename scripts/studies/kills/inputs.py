"""What the killed commands work on: a small network and a few short sounds."""

import json
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import soundfile

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.vgg19 import CONV_LAYERS
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.weights.conversion_request import ConversionRequest
from dreamsound_jax.weights.convert import convert_weights
from dreamsound_jax.weights.torch_weights import TORCH_NAMES

RATE = 22050
CLASSES = ("dog", "cat", "bell", "rain")
CARD = Card("tiny", CLASSES, FrontEnd(mean=-24.0, std=17.0), size={"width": 1 / 16, "hidden": 32})
CARD_FLAGS = (
    *(f"--classes={','.join(CLASSES)}", "--mean=-24", "--std=17"),
    *("--width=0.0625", "--hidden=32"),
)


class Inputs(NamedTuple):
    """The files that the commands read.

    Attributes:
      weights: a state dict of a VGG19 of one sixteenth of its width, as a safetensors file.
      checkpoint: the folder of the same network, converted.
      sounds: a folder with a folder of tones and one of noises, of half a second to a second.
    """

    weights: Path
    checkpoint: Path
    sounds: Path


def make_inputs(folder: Path) -> Inputs:
    """Makes all inputs in a folder, unless an earlier run did."""
    inputs = Inputs(folder / "tiny.safetensors", folder / "tiny", folder / "sounds")
    if not inputs.checkpoint.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write_sounds(inputs.sounds)
        inputs.weights.write_bytes(encode_safetensors(draw_state_dict()))
        entries = CARD.entries()
        del entries["name"]
        request = ConversionRequest("tiny", entries, output=inputs.checkpoint)
        convert_weights(inputs.weights, request)
    return inputs


def draw_state_dict() -> dict[str, np.ndarray]:
    """Draws the weights of the network under PyTorch's names: {name: float32 array}."""
    rng, arrays = np.random.default_rng(0), {}
    shapes = jax.tree.map(lambda leaf: leaf.shape, loading.weight_shapes(CARD))
    for layer, name in TORCH_NAMES.items():
        *inside, out = shapes[layer]["kernel"]
        shape = (out, inside[-1], 3, 3) if layer in CONV_LAYERS else (out, *inside)
        scale = np.sqrt(2 / np.prod(inside))
        arrays[f"{name}.weight"] = np.float32(scale * rng.standard_normal(shape))
        arrays[f"{name}.bias"] = np.float32(0.05 * rng.standard_normal(out))
    return arrays


def encode_safetensors(arrays: dict[str, np.ndarray]) -> bytes:
    """Encodes float32 arrays as a safetensors file."""
    header, data = {}, b""
    for name, array in arrays.items():
        stop = len(data) + array.nbytes
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [len(data), stop]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def _write_sounds(folder):
    rng = np.random.default_rng(0)
    for number in range(8):
        seconds = np.arange(rng.integers(RATE // 2, RATE)) / RATE
        tone = 0.3 * np.sin(2 * np.pi * rng.uniform(200, 2000) * seconds)
        noise = 0.1 * rng.standard_normal(len(seconds))
        for name, sound in (("tone", tone), ("noise", noise)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            soundfile.write(folder / name / f"{number}.wav", sound, RATE)
