"""Transforms of the sound between two rounds of an ouroboros.

Each transform is a function of one clip (samples,), an amount, and the keywords `sample_rate` (Hz)
and `front_end`; everything except the sound is static. To add one: write it, give it a row in
`TRANSFORMS`, and give its amount a field in `run/options/ouroboros.py`.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.fft

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.stft import istft, stft
from dreamsound_jax.system.errors import UserError

Chain = tuple[tuple[str, float], ...]
"""Transforms to apply one after the other: pairs (a name of `TRANSFORMS`, its amount)."""

# Those of librosa's phase vocoder.
N_FFT, HOP = 2048, 512
# The sample rate to which `resample` adds its offset, as the reference does.
REFERENCE_RATE = 22050
# Resampling treats the sound as periodic: so many samples of silence behind it keep its ends apart.
_SILENCE_AFTER = 1024
# The largest denominator of a ratio of sample rates that is given as a float.
_LARGEST_DENOMINATOR = 10_000


def time_stretch(sound: jax.Array, rate: float, **_: Any) -> jax.Array:
    """Plays (samples,) at `rate` times its speed at the same pitch: round(samples / rate).

    A phase vocoder, as `librosa.effects.time_stretch`: Flanagan and Golden, "Phase Vocoder", 1966.
    """
    spectrum = phase_vocoder(stft(sound, n_fft=N_FFT, hop=HOP), rate)
    samples = max(1, round(sound.size / rate))
    longest = max(samples, (spectrum.shape[1] - 1) * HOP)
    return istft(spectrum, n_fft=N_FFT, hop=HOP, samples=longest)[:samples]


def phase_vocoder(spectrum: jax.Array, rate: float) -> jax.Array:
    """(bins, frames) -> (bins, frames / rate): magnitudes are interpolated, phases accumulated.

    From frame to frame a phase advances by as much as it does in `spectrum`.
    """
    steps = np.arange(0, spectrum.shape[1], rate)
    before = steps.astype(int)
    share = jnp.asarray(steps - before, spectrum.real.dtype)
    padded = jnp.pad(spectrum, ((0, 0), (0, 2)))
    first, second = padded[:, before], padded[:, before + 1]
    magnitudes = (1 - share) * jnp.abs(first) + share * jnp.abs(second)
    advances = _unit_phasors(second) * jnp.conj(_unit_phasors(first))
    phases = jnp.concatenate([_unit_phasors(spectrum[:, :1]), advances[:, :-1]], axis=1)
    return magnitudes * _unit_phasors(jax.lax.cumprod(phases, axis=1))


def resample(sound: jax.Array, offset: float, **_: Any) -> jax.Array:
    """Resamples (samples,) from 22,050 to 22,050 + `offset` Hz, to be played at the old rate.

    Larger offsets make it slower and lower. A sound of another sample rate changes by the same
    ratio.
    """
    return change_rate(sound, Fraction(REFERENCE_RATE + round(offset), REFERENCE_RATE))


def change_rate(sound: jax.Array, ratio: Fraction | float) -> jax.Array:
    """Resamples (samples,) to round(samples * ratio), band-limited, with silence beyond the ends.

    `ratio` is that of the new to the old sample rate.
    """
    if not isinstance(ratio, Fraction):
        ratio = Fraction(ratio).limit_denominator(_LARGEST_DENOMINATOR)
    blocks = scipy.fft.next_fast_len(-(-(sound.size + _SILENCE_AFTER) // ratio.denominator))
    old, new = blocks * ratio.denominator, blocks * ratio.numerator
    kept = jnp.fft.rfft(sound, old)[: new // 2 + 1]
    return float(ratio) * jnp.fft.irfft(kept, new)[: round(sound.size * ratio)]


def pitch_shift(sound: jax.Array, semitones: float, **_: Any) -> jax.Array:
    """Raises the pitch of (samples,), at the same speed, as `librosa.effects.pitch_shift`."""
    rate = 2 ** (-semitones / 12)
    return fit_length(change_rate(time_stretch(sound, rate), rate), sound.size)


def time_roll(sound: jax.Array, seconds: float, *, sample_rate: int, **_: Any) -> jax.Array:
    """Shifts (samples,) in time; what leaves at the end comes in at the beginning."""
    return jnp.roll(sound, round(seconds * sample_rate))


def mel_shift(
    sound: jax.Array, bands: float, *, sample_rate: int, front_end: FrontEnd
) -> jax.Array:
    """Moves all frequencies of (samples,) up by so many mel bands of the front end.

    Each bin takes the bin that lies `bands` below, and its phase advances faster by the difference:
    Laroche and Dolson, "New Phase-Vocoder Techniques for Pitch-Shifting, Harmonizing and Other
    Exotic Effects", 1999.
    """
    spectrum = stft(sound, n_fft=N_FFT, hop=HOP)
    bins = np.arange(spectrum.shape[0])
    source_hz = _shift_mel(bins * sample_rate / N_FFT, -bands, front_end)
    sources = np.round(source_hz * N_FFT / sample_rate).astype(int)
    present = (sources >= 0) & (sources < bins.size)
    frames = np.arange(spectrum.shape[1])
    # Taken modulo whole turns first: float32 would lose the fraction of a large number of them.
    turns = ((bins - sources)[:, None] * frames * HOP % N_FFT) / N_FFT
    shifted = spectrum[np.where(present, sources, 0)] * jnp.asarray(
        present[:, None] * np.exp(2j * np.pi * turns), spectrum.dtype
    )
    return istft(shifted, n_fft=N_FFT, hop=HOP, samples=sound.size)


def _shift_mel(hz, bands, front_end):
    """Moves frequencies in Hz by so many mel bands; below 0 Hz the result is -1 or less."""
    count, edges = front_end.n_mels, front_end.bands.edges
    above = edges[-1] * (edges[-1] / edges[-2]) ** np.arange(1, 4 * count)
    below = edges[0] + (edges[1] - edges[0]) * np.arange(-count, 0)
    edges = np.concatenate([below, edges, above])
    positions = np.arange(edges.size)
    return np.interp(np.interp(hz, edges, positions) + bands, positions, edges)


def _unit_phasors(values):
    """Complex numbers of the same phases and absolute value 1; 1 for 0."""
    size = jnp.abs(values)
    return jnp.where(size > 0, values / jnp.where(size > 0, size, 1), 1)


class Transform(NamedTuple):
    """A transform between two rounds.

    Attributes:
      function: of a sound and an amount.
      option: the one with the amount.
      lowest, highest: the amounts that make sense.
      keeps_loops: whether it makes a loop of a loop.
    """

    function: Callable[..., jax.Array]
    option: str
    lowest: float
    highest: float
    keeps_loops: bool = False


TRANSFORMS = {
    "time_stretch": Transform(time_stretch, "ouroboros_stretch", 0.1, 10),
    # From a tenth to ten times the reference's sample rate.
    "resample": Transform(resample, "ouroboros_sr_offset", -19845, 198450),
    "pitch_shift": Transform(pitch_shift, "ouroboros_semitones", -36, 36),
    "time_roll": Transform(time_roll, "ouroboros_roll", -3600, 3600, keeps_loops=True),
    "mel_shift": Transform(mel_shift, "ouroboros_bands", -127, 127),
}


def check_amounts(chain: Chain) -> None:
    """Raises UserError for an amount that makes no sense."""
    for name, amount in chain:
        transform = TRANSFORMS[name]
        option, lowest, highest = transform.option, transform.lowest, transform.highest
        if not lowest <= amount <= highest:
            raise UserError(f"--{option} must be from {lowest:g} to {highest:g}, and is {amount:g}")


def apply_transforms(
    sound: jax.Array,
    chain: Chain,
    *,
    sample_rate: int,
    front_end: FrontEnd,
    samples: tuple[int, int],
) -> jax.Array:
    """Applies one transform after the other, then keeps about as many samples as before.

    Of a sound that became longer the end is kept, as in the reference; one that became shorter is
    repeated, so that it ends with its own end.

    Args:
      sound: (samples,).
      chain: the transforms and their amounts; static.
      sample_rate: in Hz; static.
      front_end: of the network, whose mel bands `mel_shift` counts; static.
      samples: (at least, at most) so many come out; static.
    """
    for name, amount in chain:
        function = TRANSFORMS[name].function
        sound = function(sound, amount, sample_rate=sample_rate, front_end=front_end)
    at_least, at_most = samples
    kept = sound[-at_most:]
    return kept if kept.size >= at_least else jnp.tile(kept, -(-at_least // kept.size))[-at_least:]


def fit_length(sound: jax.Array, samples: int) -> jax.Array:
    """Cuts (samples,) at `samples`, or pads it with silence to that length."""
    return jnp.pad(sound, (0, max(0, samples - sound.size)))[:samples]


def check_length(
    chain: Sequence[tuple[str, float]], samples: int, *, sample_rate: int, front_end: FrontEnd
) -> None:
    """Raises UserError if the transforms leave less than a frame of a clip of so many samples."""
    length = samples
    for name, amount in chain:
        length = _length_after(name, amount, length, sample_rate, front_end)
        if length < front_end.n_fft * sample_rate / front_end.sample_rate:
            raise UserError(
                f"--ouroboros_transform: {name} by {amount:g} leaves {length} samples of this "
                f"clip's {samples}, less than one frame: give a longer clip, or shorten it less"
            )


def _length_after(name, amount, samples, sample_rate, front_end):
    def transform(sound):
        function = TRANSFORMS[name].function
        return function(sound, amount, sample_rate=sample_rate, front_end=front_end)

    return jax.eval_shape(transform, jax.ShapeDtypeStruct((samples,), jnp.float32)).size
