"""Cases of the hunt for bad numbers: sounds and flags at the rim of what there is.

A case is one sound that is dreamed with one set of flags. Those of one draw have all flags but the
learning rate in common, and share what is compiled.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import soundfile
from orbax.checkpoint import v1 as ocp

from dreamsound_jax.dreaming.optimizers import OPTIMIZERS
from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.loading import weight_shapes
from dreamsound_jax.spectral.front_end import FrontEnd

RATE = 22050
SAMPLES = 6144
PRECISIONS = ("float32", "bfloat16", "float64")
# Sounds of one length, which are dreamed in each draw; and others, of which each draw has one.
ALIKE = ("noise", "click", "constant", "offset", "square", "quiet", "nan", "infinite")
OTHERS = ("short", "one", "slow", "fast", "inverted", "surround", "huge", "high")
RATES = {"slow": 8000, "fast": 192000, "high": 44100}
# Each flag has another value than its default in this share of the draws.
_SHARE = 0.12
_STEP = 17
FLAGS: dict[str, tuple[Any, ...]] = {
    "num_iterations": (1, 5),
    "pyramid_size": (1, 2, 4, 12),
    "pyramid_ratio": (1.0, 1.01, 8.0, 1e6),
    "pyramid_roll": (0, 10**6),
    "replace_detail": (False,),
    "detail_factor": (0.0, -10.0, 1e6),
    "smoothing_coefficient": (0.0, 50.0, 1e6),
    "smooth_gradient": (False,),
    "standardise_gradient": (False,),
    "gain_range": (0.0, 1.0, 60.0, 1e3, 1e6),
    "mix": (0.0, 0.3),
    "amount": (0.0, 0.5),
    "strength": (0.0, 100.0),
    "until": (0.01, 1e6),
    "optimizer": tuple(OPTIMIZERS),
    "loudness": ("match", "none", "-70", "0"),
    "format": ("flac", "ogg", "mp3"),
    "bit_depth": ("24", "32f"),
    "class_objective": ("away",),
    "loop": (True,),
    "lengths": ("buckets",),
    "time": ("0.05:0.2",),
    "jitter_noise": (1e6,),
    "jitter_gain": (1e3,),
    "views": (2,),
    "create_ouroboros": (True,),
    "ouroboros_transform": (("time_stretch",), ("resample",), ("pitch_shift",), ("mel_shift",)),
}
LEARNING_RATES = (1e-6, 1e-3, 0.02, 1.0, 1e3, 1e6)


class Draw(NamedTuple):
    """What is dreamed in one run.

    Attributes:
      seed: Of the draw.
      precision: One of `PRECISIONS`.
      sounds: The names of the sounds.
      options: The fields of `Options` that are not the defaults.
    """

    seed: int
    precision: str
    sounds: tuple[str, ...]
    options: dict[str, Any]

    @property
    def cases(self) -> int:
        """How many clips the run has."""
        return len(self.sounds) * len(self.options["sweep"]["lr"])


def draw(seed: int, precision: str, layers: tuple[str, ...], *, rates: int = 3) -> Draw:
    """Draws the flags of a run, so that draws of all seeds take each layer and each domain."""
    rng = np.random.default_rng([seed, PRECISIONS.index(precision)])
    options: dict[str, Any] = {
        # By a step that divides no number of layers, few draws reach shallow and deep ones.
        "layers_to_use": (layers[seed // 2 * _STEP % len(layers)],),
        "domain": ("sound", "mel")[seed % 2],
        "num_iterations": 2,
        "pyramid_size": 1,
        "ouroboros_length": 2,
        "batch_size": 2,
        "seed": seed,
        "plots": False,
    }
    for name, values in FLAGS.items():
        if rng.random() < _SHARE:
            options[name] = values[rng.integers(len(values))]
    chosen = rng.choice(LEARNING_RATES, rates, replace=False)
    options["sweep"] = {"lr": tuple(map(float, chosen))}
    other = OTHERS[rng.integers(len(OTHERS))]
    return Draw(seed, precision, (*ALIKE, other), options)


def make_sound(name: str) -> np.ndarray:
    """Makes a sound (samples, channels), float64; its rate is in `RATES`, or else `RATE`."""
    rng, rate = np.random.default_rng(0), RATES.get(name, RATE)
    noise = rng.uniform(-0.5, 0.5, round(SAMPLES * rate / RATE))
    at = np.arange(noise.size)
    if name == "inverted":
        return np.stack([noise, -noise], axis=1)
    if name == "surround":
        return rng.uniform(-0.5, 0.5, (SAMPLES, 6)) * [1, 1, 1, 2, 0.1, 0.1]
    mono = {
        "click": np.where(at == 1000, 1.0, 0.0),
        "constant": np.full(noise.size, 0.7),
        "offset": 0.1 * noise + 0.5,
        "square": np.where(at // 25 % 2, 1.0, -1.0),
        "quiet": noise * 10 ** (-95 / 20) / 0.5,
        "nan": np.where(at == 1000, np.nan, noise),
        "infinite": np.where(at == 1000, np.inf, noise),
        "short": noise[:1000],
        "one": noise[:1],
        "huge": 1e30 * noise,
        "high": np.sin(2 * np.pi * 15000 / rate * at),
    }
    return mono.get(name, noise)[:, None]


def write_sound(folder: Path, name: str) -> Path:
    """Writes a sound as a WAV file of floats, and returns its path."""
    path = folder / f"{name}.wav"
    kind = {"format": "WAVEX"} if name == "surround" else {}
    soundfile.write(path, make_sound(name), RATES.get(name, RATE), subtype="FLOAT", **kind)
    return path


def write_network(folder: Path) -> Path:
    """Writes a VGG19 of a sixteenth of the width with random weights; returns the folder."""
    card = Card(
        name="random",
        classes=tuple(f"class_{number}" for number in range(6)),
        front_end=FrontEnd(mean=-24.0, std=17.0),
        size={"width": 1 / 16, "hidden": 32},
    )
    rng = np.random.default_rng(0)

    def fill(leaf):
        deviation = np.sqrt(2 / np.prod(leaf.shape[:-1])) if leaf.ndim > 1 else 0.01
        return jnp.asarray(deviation * rng.standard_normal(leaf.shape), jnp.float32)

    ocp.save(folder / "weights", jax.tree.map(fill, weight_shapes(card)))
    (folder / "card.json").write_text(json.dumps(card.entries()), encoding="utf-8")
    return folder
