"""From a mel spectrogram to a sound, warm: this project and librosa, which take turns; and how far
the sounds of both are from what they should have been, so that speed is not bought with quality.
"""

import functools
import importlib.util

import jax
import numpy as np

from benchmarks.stages import griffin_lim, least_squares
from benchmarks.table import Table
from benchmarks.timing import Spread, interleaved, ratios
from dreamsound_jax.audio import generated
from dreamsound_jax.dreaming import batch
from dreamsound_jax.spectral import inversion, mel
from dreamsound_jax.system import devices

OURS, LIBROSA = "this project", "librosa"
COLUMNS = ["what", "of", "clips in a batch", f"{OURS} (s/clip)", f"{LIBROSA} (s/clip)"]
COLUMNS += ["times as fast", f"error of {OURS} (dB)", f"error of {LIBROSA} (dB)"]
BATCH_SIZES = (1, 16)
SOUNDS = ("noise", "sine")
WHAT = ("spectrogram to sound", "... least squares", "... Griffin-Lim")
NOTES = (
    "Medians, and the fastest and the slowest round; of ratios, each round by itself. librosa "
    "inverts one clip after the other.",
    "Errors: the mean absolute difference, in dB, between the spectrogram that was asked for and "
    "that of the sound, over the clips of the batch; of librosa's first clip.",
)

invert = jax.jit(devices.over_clips(inversion.mel_db_to_sound, at_once=batch.AT_ONCE))
"""Keys and (clips, mel bands, frames) in dB to sounds (clips, samples)."""

mel_db_of = jax.jit(devices.over_clips(mel.sound_to_mel_db))
"""Sounds (clips, samples) to (clips, mel bands, frames) in dB, as loud as they are."""


def measure(context):
    """The `Table` of this part."""
    there = importlib.util.find_spec("librosa") is not None
    rows = [
        row
        for name in SOUNDS
        for size in BATCH_SIZES
        for row in _rows(context, name, size, with_librosa=there)
    ]
    notes = NOTES if there else (*NOTES, "librosa is not installed here: `pip install librosa`.")
    title = f"Sound from a spectrogram of {context.shape[0]} x {context.shape[1]} cells"
    return Table(title, COLUMNS, rows, notes)


def _rows(context, name, size, *, with_librosa):
    keys = jax.random.split(jax.random.key(context.options.seed), size)
    mel_db = batch.analyse(_sounds(name, keys, context.options))
    functions = _ours(keys, mel_db) | (_librosas(mel_db[0]) if with_librosa else {})
    seconds = interleaved(functions, rounds=context.rounds)
    seconds |= {(OURS, what): np.divide(seconds[OURS, what], size) for what in WHAT}
    errors = {
        who: _error(functions[who, WHAT[0]](), mel_db) for who, what in functions if what == WHAT[0]
    }
    return [_row(what, name, size, seconds, errors) for what in WHAT]


def _row(what, name, size, seconds, errors):
    own, peer = (OURS, what), (LIBROSA, what)
    there = peer in seconds
    errors = [errors.get(who) for who in (OURS, LIBROSA)] if what == WHAT[0] else ["", ""]
    return [
        what,
        name,
        size,
        Spread.of(seconds[own]),
        Spread.of(seconds[peer]) if there else None,
        ratios(seconds, of=peer, to=own) if there else None,
        *errors,
    ]


def _sounds(name, keys, options):
    """(clips, samples)."""
    samples = options.clip_length
    if name == "noise":
        return np.stack([generated.noise(key, samples=samples) for key in keys])
    sine = generated.sine(samples=samples, frequency=options.sine_freq, sample_rate=mel.SAMPLE_RATE)
    return np.stack([sine] * len(keys))


def _ours(keys, mel_db):
    """{(who, what): function} of a batch."""
    magnitude = least_squares(mel_db)
    calls = [(invert, keys, mel_db), (least_squares, mel_db), (griffin_lim, keys, magnitude)]
    return {(OURS, what): functools.partial(*call) for what, call in zip(WHAT, calls)}


def _librosas(mel_db):
    """The same of one clip, with librosa's own settings."""
    import librosa  # slow to import

    power = librosa.db_to_power(np.asarray(mel_db))
    frames = {"n_fft": mel.N_FFT, "hop_length": mel.HOP}
    to_stft = functools.partial(
        librosa.feature.inverse.mel_to_stft, power, sr=mel.SAMPLE_RATE, n_fft=mel.N_FFT
    )
    calls = (
        functools.partial(
            librosa.feature.inverse.mel_to_audio, power, sr=mel.SAMPLE_RATE, **frames
        ),
        to_stft,
        functools.partial(librosa.griffinlim, to_stft(), **frames),
    )
    return {(LIBROSA, what): call for what, call in zip(WHAT, calls)}


def _error(sounds, mel_db):
    """Of sounds (clips, samples), or of that of the first clip, (samples,)."""
    sounds = np.atleast_2d(np.asarray(sounds, np.float32))
    return float(np.abs(mel_db_of(sounds) - mel_db[: len(sounds)]).mean())
