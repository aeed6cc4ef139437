"""Tests the overcooked index on sounds that were changed in harmless ways, or spoiled."""

from collections.abc import Iterable

import jax.numpy as jnp
import numpy as np
import pandas as pd

from dreamsound_jax.audio.files import read_sound
from dreamsound_jax.dreaming.overcooked import overcooked_index
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.transforms import apply_transforms

FRONT_END = FrontEnd()
RATE = FRONT_END.sample_rate


def measure_changes(paths: Iterable[str]) -> pd.DataFrame:
    """Measures the index of each change of each sound.

    Returns:
      Columns "kind" ("harmless" or "spoiled"), "change", "path" and "index" (in dB).
    """
    records = []
    for path in paths:
        sound = read_sound(path, sample_rate=RATE)
        before = _compute_levels(sound)
        for kind, changes in CHANGES.items():
            for name, change in changes.items():
                index = overcooked_index(_compute_levels(np.float32(change(sound))), before)
                records.append({"kind": kind, "change": name, "path": path, "index": float(index)})
    return pd.DataFrame(records)


def measure_margins(measured: pd.DataFrame) -> pd.Series:
    """Measures for each sound the lowest index of the spoiled minus the highest of the harmless."""
    by_kind = measured.groupby(["kind", "path"])["index"]
    return by_kind.min()["spoiled"] - by_kind.max()["harmless"]


def _compute_levels(sound):
    return FRONT_END.level_db(jnp.asarray(sound))


def _add_hiss(sound):
    """Adds white noise that is as loud as the sound."""
    noise = np.random.default_rng(0).normal(size=sound.size)
    return sound + noise * np.sqrt(np.mean(sound**2))


def _add_howl(sound):
    """Adds a beating whistle at 7 kHz that is as loud as the sound."""
    times = np.arange(sound.size) / RATE
    whistle = sum(np.sin(2 * np.pi * hz * times) for hz in (6900, 7000, 7110))
    return sound + whistle * np.sqrt(np.mean(sound**2) / np.mean(whistle**2))


def _drain(sound):
    """Silences all but the loudest fifth of the moments."""
    level = np.convolve(sound**2, np.ones(FRONT_END.n_fft) / FRONT_END.n_fft, "same")
    return np.where(level > np.quantile(level, 0.8), sound, 0)


def _add_tremolo(sound):
    return sound * (1 + 0.3 * np.sin(2 * np.pi * 5 / RATE * np.arange(sound.size)))


def _slow_down(sound):
    return apply_transforms(
        sound,
        (("time_stretch", 0.9),),
        sample_rate=RATE,
        front_end=FRONT_END,
        samples=(sound.size, sound.size),
    )


CHANGES = {
    "harmless": {
        "rotated by half its length": lambda sound: np.roll(sound, sound.size // 2),
        "backwards": lambda sound: sound[::-1],
        "3 dB quieter": lambda sound: sound * 10 ** (-3 / 20),
        "tremolo": _add_tremolo,
        "slower by a tenth": _slow_down,
    },
    "spoiled": {
        "hiss as loud as the sound": _add_hiss,
        "30 dB louder, and clipped": lambda sound: np.clip(sound * 10**1.5, -1, 1) * 4,
        "howl at 7 kHz as loud as the sound": _add_howl,
        "only the loudest fifth of the moments": _drain,
        "quantised to 4 levels": lambda sound: np.round(sound * 2) / 2,
    },
}
