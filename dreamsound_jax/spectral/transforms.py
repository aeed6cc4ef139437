"""What may happen to a sound between two dreams of an ouroboros, as an image is zoomed or turned.

Each transform is a function of one clip (samples,), an amount, and the sample rate; all but the
sound is static. To add one: write it, and give it a row in `TRANSFORMS` and a flag in cli.py.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft

from dreamsound_jax.spectral import mel, stft
from dreamsound_jax.system.errors import UserError

N_FFT, HOP = 2048, 512  # librosa's, of the phase vocoder
_RINGING = 1024  # samples of silence behind a sound that is resampled as if it went round
_FINEST = 10_000  # denominator of a ratio of sample rates


def time_stretch(sound, rate, *, sample_rate):
    """Plays (samples,) at `rate` times its speed at the same pitch: round(samples / rate).

    A phase vocoder, as `librosa.effects.time_stretch`: Flanagan and Golden, "Phase Vocoder", 1966.
    """
    del sample_rate
    spectrum = phase_vocoder(stft.stft(sound, n_fft=N_FFT, hop=HOP), rate)
    samples = max(1, round(sound.size / rate))
    longest = max(samples, (spectrum.shape[1] - 1) * HOP)
    return stft.istft(spectrum, n_fft=N_FFT, hop=HOP, samples=longest)[:samples]


def phase_vocoder(spectrum, rate):
    """(bins, frames) -> (bins, frames / rate): levels interpolated, phases turned as they turn.

    A phase that turns by so much from a frame to the next in `spectrum` does so in the result.
    """
    steps = np.arange(0, spectrum.shape[1], rate)
    before = steps.astype(int)
    share = jnp.asarray(steps - before, spectrum.real.dtype)
    padded = jnp.pad(spectrum, ((0, 0), (0, 2)))
    first, second = padded[:, before], padded[:, before + 1]
    levels = (1 - share) * jnp.abs(first) + share * jnp.abs(second)
    turns = _phasor(second) * jnp.conj(_phasor(first))
    phases = jnp.concatenate([_phasor(spectrum[:, :1]), turns[:, :-1]], axis=1)
    return levels * _phasor(jax.lax.cumprod(phases, axis=1))


def resample(sound, offset, *, sample_rate):
    """Resamples (samples,) from 22,050 to 22,050 + `offset` Hz, to be played at the old rate.

    More is slower and lower; a sound of any other sample rate becomes so by as much.
    """
    del sample_rate
    return change_rate(sound, Fraction(mel.SAMPLE_RATE + round(offset), mel.SAMPLE_RATE))


def change_rate(sound, ratio):
    """Resamples (samples,) to round(samples * ratio), band-limited, with silence beyond the ends.

    Args:
      sound: samples.
      ratio: of the new to the old sample rate, a Fraction or a float.
    """
    ratio = ratio if isinstance(ratio, Fraction) else Fraction(ratio).limit_denominator(_FINEST)
    blocks = scipy.fft.next_fast_len(-(-(sound.size + _RINGING) // ratio.denominator))
    old, new = blocks * ratio.denominator, blocks * ratio.numerator
    kept = jnp.fft.rfft(sound, old)[: new // 2 + 1]
    return float(ratio) * jnp.fft.irfft(kept, new)[: round(sound.size * ratio)]


def pitch_shift(sound, semitones, *, sample_rate):
    """Raises the pitch of (samples,), at the same speed, as `librosa.effects.pitch_shift`."""
    rate = 2 ** (-semitones / 12)
    shifted = change_rate(time_stretch(sound, rate, sample_rate=sample_rate), rate)
    return exactly(shifted, sound.size)


def time_roll(sound, seconds, *, sample_rate):
    """Shifts (samples,) in time; what leaves at the end comes in at the beginning."""
    return jnp.roll(sound, round(seconds * sample_rate))


def mel_shift(sound, bands, *, sample_rate):
    """Moves all frequencies of (samples,) up by so many mel bands, of 128 to 11,025 Hz.

    Below 1 kHz that is by 26 Hz a band, above by 2.7 %. Each bin takes what lies `bands` below, and
    its phase turns faster by the difference: Laroche and Dolson, "New Phase-Vocoder Techniques for
    Pitch-Shifting, Harmonizing and Other Exotic Effects", 1999.
    """
    spectrum = stft.stft(sound, n_fft=N_FFT, hop=HOP)
    bins = np.arange(spectrum.shape[0])
    sources = np.round(_moved(bins * sample_rate / N_FFT, -bands) * N_FFT / sample_rate).astype(int)
    heard = (sources >= 0) & (sources < bins.size)
    frames = np.arange(spectrum.shape[1])
    # The turn is taken modulo a whole one first: a float32 would lose it.
    turns = ((bins - sources)[:, None] * frames * HOP % N_FFT) / N_FFT
    turned = spectrum[np.where(heard, sources, 0)] * jnp.asarray(
        heard[:, None] * np.exp(2j * np.pi * turns), spectrum.dtype
    )
    return stft.istft(turned, n_fft=N_FFT, hop=HOP, samples=sound.size)


def _moved(hz, bands):
    """`hz`, moved by so many mel bands; below 0 Hz, -1 or less."""
    corners = mel.mel_frequencies(mel.N_MELS + 2, highest=mel.SAMPLE_RATE / 2)
    highest = corners[-1] * (corners[-1] / corners[-2]) ** np.arange(1, 4 * mel.N_MELS)
    lowest = corners[1] * np.arange(-mel.N_MELS, 0)
    corners = np.concatenate([lowest, corners, highest])
    places = np.arange(corners.size)
    return np.interp(np.interp(hz, corners, places) + bands, places, corners)


def _phasor(values):
    """Complex numbers of their phases and absolute value 1; 1 for 0."""
    size = jnp.abs(values)
    return jnp.where(size > 0, values / jnp.where(size > 0, size, 1), 1)


class Transform(NamedTuple):
    """A transform: its function, the flag with its amount, and the amounts that make sense."""

    function: Callable
    flag: str
    lowest: float
    highest: float


TRANSFORMS = {
    "time_stretch": Transform(time_stretch, "ouroboros_stretch", 0.1, 10),
    "resample": Transform(resample, "ouroboros_sr_offset", -19845, 198450),  # 0.1 to 10 times
    "pitch_shift": Transform(pitch_shift, "ouroboros_semitones", -36, 36),
    "time_roll": Transform(time_roll, "ouroboros_roll", -3600, 3600),
    "mel_shift": Transform(mel_shift, "ouroboros_bands", -127, 127),
}


def check(chain):
    """Raises UserError for an amount that makes no sense; see `apply` for `chain`."""
    for name, amount in chain:
        _, flag, lowest, highest = TRANSFORMS[name]
        if not lowest <= amount <= highest:
            raise UserError(f"--{flag}={amount:g}: accepted are {lowest:g} to {highest:g}")


def apply(sound, chain, *, sample_rate, samples):
    """One transform after the other, and then about as many samples as before.

    Of a sound that became longer its end is kept, as in the reference; one that became shorter is
    repeated, so that it ends with its own end.

    Args:
      sound: (samples,).
      chain: pairs (a name of `TRANSFORMS`, amount); static.
      sample_rate: in Hz; static.
      samples: (at least, at most) so many come out; static.
    """
    for name, amount in chain:
        sound = TRANSFORMS[name].function(sound, amount, sample_rate=sample_rate)
    at_least, at_most = samples
    kept = sound[-at_most:]
    return kept if kept.size >= at_least else jnp.tile(kept, -(-at_least // kept.size))[-at_least:]


def exactly(sound, samples):
    """So many samples of a sound, from its beginning; with silence behind a shorter one."""
    return jnp.pad(sound, (0, max(0, samples - sound.size)))[:samples]


def check_length(chain, samples, *, sample_rate):
    """Raises UserError if nothing is left of a clip of so many samples: less than a frame."""
    length = samples
    for name, amount in chain:
        transform = TRANSFORMS[name].function
        one = jax.ShapeDtypeStruct((length,), jnp.float32)
        length = jax.eval_shape(lambda s: transform(s, amount, sample_rate=sample_rate), one).size  # noqa: B023
        if length < mel.N_FFT * sample_rate / mel.SAMPLE_RATE:
            raise UserError(
                f"--ouroboros_transform: {name} by {amount:g} leaves {length} samples of this "
                f"clip's {samples}, less than one frame"
            )
