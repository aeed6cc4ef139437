"""Part `inversion`: from a mel spectrogram to a sound, compiled before, against librosa.

The sounds of both are compared with the spectrogram that was asked for, so that speed is not bought
with quality.
"""

import functools
import importlib.util

import jax
import numpy as np

from benchmarks.dreams import FRONT_END, Context
from benchmarks.results import Spread, Table, compare_pairs, time_in_turns
from dreamsound_jax.audio import generated
from dreamsound_jax.dreaming.batch import RENDERED_AT_ONCE, analyse_clips
from dreamsound_jax.system.devices import over_clips

COLUMNS = ["sound", "clips in a batch", "this project (s/clip)", "librosa (s/clip)"]
COLUMNS += ["times as fast", "error of this project (dB)", "error of librosa (dB)"]
NOTES = (
    "librosa inverts one clip after the other, and is timed with the first.",
    "The error is the mean absolute difference, in dB, between the spectrogram that was asked for "
    "and that of the sound.",
)

invert = jax.jit(over_clips(FRONT_END.invert, at_once=RENDERED_AT_ONCE))
"""Keys and (clips, mel bands, frames) in dB to sounds (clips, samples)."""

measure_level_db = jax.jit(over_clips(FRONT_END.level_db))
"""Sounds (clips, samples) to (clips, mel bands, frames) in dB, at the level that they have."""


def measure(context: Context, batch_sizes: tuple[int, ...] = (1, 16)) -> Table:
    """Returns the table of this part."""
    has_librosa = importlib.util.find_spec("librosa") is not None
    rows = [
        _row(context, name, size, has_librosa) for name in ("noise", "sine") for size in batch_sizes
    ]
    missing = () if has_librosa else ("librosa is not installed here: `pip install librosa`.",)
    title = f"Sound from a spectrogram of {context.shape[0]} x {context.shape[1]} cells"
    return Table(title, COLUMNS, rows, NOTES + missing)


def _row(context, name, size, has_librosa):
    keys = jax.random.split(jax.random.key(context.options.seed), size)
    mel_db = analyse_clips(_make_sounds(name, keys, context.options), front_end=FRONT_END)
    functions = {"own": functools.partial(invert, keys, mel_db)}
    if has_librosa:
        functions["librosa"] = functools.partial(_invert_by_librosa, np.asarray(mel_db[0]))
    seconds = time_in_turns(functions, rounds=context.rounds)
    own = np.divide(seconds["own"], size)
    row, errors = [name, size, Spread.of(own)], [_error(functions["own"](), mel_db)]
    if not has_librosa:
        return [*row, None, None, *errors, None]
    errors.append(_error(functions["librosa"]()[None], mel_db))
    other = seconds["librosa"]
    return [*row, Spread.of(other), compare_pairs(other, own), *errors]


def _make_sounds(name, keys, options):
    """Returns (clips, samples) of noise or of sine."""
    samples, rate = options.clip_length, FRONT_END.sample_rate
    if name == "noise":
        return np.stack([generated.noise(key, samples=samples) for key in keys])
    sine = generated.sine(samples=samples, frequency=options.sine_freq, sample_rate=rate)
    return np.stack([sine] * len(keys))


def _invert_by_librosa(mel_db):
    """Returns the sound of one clip, (samples,), with librosa's default iterations."""
    import librosa  # It takes long to import.

    return librosa.feature.inverse.mel_to_audio(
        librosa.db_to_power(mel_db),
        sr=FRONT_END.sample_rate,
        n_fft=FRONT_END.n_fft,
        hop_length=FRONT_END.hop,
    )


def _error(sounds, mel_db):
    heard_db = measure_level_db(np.asarray(sounds, np.float32))
    return float(np.abs(heard_db - mel_db[: len(sounds)]).mean())
