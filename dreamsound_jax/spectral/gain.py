"""A time-frequency gain on a sound: each cell is made louder or quieter, and keeps its phase.

A gain is an array (mel bands, frames) in dB on the grid of the mel spectrogram. Each function takes
one clip, works in its own float dtype, and is meant to be `vmap`ped.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.spectral import loop
from dreamsound_jax.spectral.front_end import FrontEnd, mix_to_mono
from dreamsound_jax.spectral.interpolate import interpolate
from dreamsound_jax.spectral.mel_bands import NO_NORM
from dreamsound_jax.spectral.stft import find_covered, frame_count, istft, stft


def limit_gain(
    gain_db: jax.Array, headroom: jax.Array, *, gain_range: jax.Array | float
) -> jax.Array:
    """Limits a gain to +-`gain_range` dB, and keeps silence silent.

    A cell is raised by no more than it stands above the floor of the spectrogram: what is inaudible
    stays inaudible, without a threshold that could be heard.

    Args:
      gain_db: (mel bands, frames).
      headroom: `FrontEnd.headroom` of the sound that the gain is for, of the same shape.
      gain_range: in dB, 0 or more.
    """
    return jnp.clip(gain_db, -gain_range, jnp.minimum(gain_range, headroom))


def measure_rise(
    gain_db: jax.Array, mel_db: jax.Array, mask: jax.Array, *, front_end: FrontEnd
) -> jax.Array:
    """Returns how much louder a gain makes what lies under a mask, in dB: a scalar.

    Args:
      gain_db: (mel bands, frames).
      mel_db: of the sound that the gain is for, of the same shape.
      mask: how much of the gain each cell takes, from 0 to 1, of the same shape.
      front_end: of the grid.
    """
    edges = front_end.bands.edges
    # Filters without a norm have the power of a band already, others its mean.
    widths = np.ones(front_end.n_mels) if front_end.mel_norm == NO_NORM else edges[2:] - edges[:-2]
    shares = mask * jnp.asarray(widths, mask.dtype)[:, None]
    before, after = (
        jax.nn.logsumexp(np.log(10) / 10 * levels, b=shares)
        for levels in (mel_db, mel_db + mask * gain_db)
    )
    return 10 / np.log(10) * (after - before)


def gain_player(sound: jax.Array, front_end: FrontEnd) -> Callable[[jax.Array], jax.Array]:
    """Returns a function from a gain (mel bands, frames) in dB to `sound` with that gain.

    For many gains on one sound (samples,) at the front end's sample rate: the sound is analysed
    once. A gain of 0 dB gives the sound back, except for rounding.
    """
    n_fft, hop, rate = front_end.n_fft, front_end.hop, front_end.sample_rate
    if front_end.circular:
        return _loop_player(sound, front_end, rate, count=front_end.frame_count(sound.size))
    longer = _pad_one_frame(sound, hop)
    spectrum = stft(longer, n_fft=n_fft, hop=hop, exact=False)
    weights = jnp.asarray(bin_weights(front_end, rate), sound.dtype)

    def play(gain_db):
        bins_db = jnp.pad(weights @ gain_db, ((0, 0), (0, 1)), mode="edge")
        amplified = spectrum * db_to_amplitude(bins_db)
        return istft(amplified, n_fft=n_fft, hop=hop, samples=longer.size)[: sound.size]

    return play


def apply_gain(
    sound: jax.Array, gain_db: jax.Array, *, sample_rate: int, front_end: FrontEnd
) -> jax.Array:
    """Applies a gain that was made on the front end's grid to a sound of any sample rate.

    Args:
      sound: (samples,) at `sample_rate`.
      gain_db: (mel bands, frames) in dB, for the same sound at the front end's rate.
      sample_rate: in Hz.
      front_end: of the grid of `gain_db`.

    The analysis has frames as long and as far apart, in seconds, as the front end's. The gain is
    interpolated between bins and between frames; above the front end's highest frequency it is that
    of the highest bin below. A loop has as many frames at each sample rate.
    """
    if front_end.circular:
        return _loop_player(sound, front_end, sample_rate, count=gain_db.shape[1])(gain_db)
    n_fft, hop = frame_size(front_end, sample_rate), hop_size(front_end, sample_rate)
    longer = _pad_one_frame(sound, hop)
    spectrum = stft(longer, n_fft=n_fft, hop=hop, exact=False)
    at_frames = _at_frames(gain_db, spectrum.shape[1], sample_rate, front_end)
    bins_db = jnp.asarray(bin_weights(front_end, sample_rate), sound.dtype) @ at_frames
    amplified = spectrum * db_to_amplitude(bins_db)
    return istft(amplified, n_fft=n_fft, hop=hop, samples=longer.size)[: sound.size]


def _loop_player(sound, front_end, sample_rate, *, count):
    """Returns a function from a gain of `count` frames in dB to a loop with that gain."""
    n_fft = frame_size(front_end, sample_rate)
    spectrum = loop.stft(sound, n_fft=n_fft, count=count, exact=False)
    weights = jnp.asarray(bin_weights(front_end, sample_rate), sound.dtype)

    def play(gain_db):
        amplified = spectrum * db_to_amplitude(weights @ gain_db)
        return loop.istft(amplified, n_fft=n_fft, samples=sound.size)

    return play


def _at_frames(cells, count, sample_rate, front_end):
    """Interpolates (rows, frames of the front end) at as many frames of `apply_gain`."""
    scale = sample_rate / front_end.sample_rate
    hop = hop_size(front_end, sample_rate)
    return interpolate(cells, np.arange(count) * hop / scale / front_end.hop, axis=1)


def find_reached(
    mask: jax.Array, *, samples: int, sample_rate: int, front_end: FrontEnd
) -> jax.Array:
    """Returns which samples `apply_gain` may change, if the gain is 0 dB where a mask is 0.

    Args:
      mask: (mel bands, frames), 0 or more.
      samples: of the sound.
      sample_rate: of the sound, in Hz.
      front_end: of the grid of `mask`.

    Returns:
      (samples,), bool.
    """
    n_fft, hop = frame_size(front_end, sample_rate), hop_size(front_end, sample_rate)
    if front_end.circular:
        return loop.find_covered(mask.max(axis=0) > 0, n_fft=n_fft, samples=samples)
    count = frame_count(samples + hop, n_fft=n_fft, hop=hop)
    frames = mask.max(axis=0, keepdims=True)
    active = _at_frames(frames, count, sample_rate, front_end)[0] > 0
    return find_covered(active, n_fft=n_fft, hop=hop, samples=samples + hop)[:samples]


def hop_size(front_end: FrontEnd, sample_rate: int) -> int:
    """Returns the samples between frames that are as far apart as the front end's, in seconds."""
    return max(1, round(front_end.hop * (sample_rate / front_end.sample_rate)))


def frame_size(front_end: FrontEnd, sample_rate: int) -> int:
    """Returns the samples in a frame that is as long as the front end's, at another rate."""
    return max(2, round(front_end.n_fft * sample_rate / front_end.sample_rate))


def match_rms(original: jax.Array, sound: jax.Array) -> jax.Array:
    """Scales `sound` to the root mean square of `original`; arrays (channels, samples)."""
    power, wanted = (jnp.mean(jnp.square(channels)) for channels in (sound, original))
    return sound * jnp.sqrt(wanted / jnp.where(power > 0, power, 1))


def restore_unheard_level(
    original: jax.Array,
    sound: jax.Array,
    *,
    sample_rate: int,
    highest: float,
    heard_channel: int | None = None,
) -> jax.Array:
    """Returns `sound` with its unheard parts as loud, relative to the rest, as in `original`.

    The network hears neither how the channels differ below its highest frequency, nor anything
    above it. These two parts are given the gain that was made for the heard part; over many rounds
    of an ouroboros they would drift away, and nothing would correct it. Each has a factor of its
    own: with one factor for both, the louder part would let the other drift.

    Args:
      original, sound: (channels, samples).
      sample_rate: in Hz.
      highest: the highest frequency that the network hears, in Hz.
      heard_channel: the only channel that it hears; None if it hears the mean of all.
    """
    heard, *unheard = _split_heard(sound, sample_rate, highest, heard_channel)
    original_heard, *original_unheard = _split_heard(original, sample_rate, highest, heard_channel)
    restored = heard
    for part, original_part in zip(unheard, original_unheard):
        wanted = _measure_rms(original_part) * _measure_rms(heard)
        present = _measure_rms(part) * _measure_rms(original_heard)
        restored += part * jnp.where(present > 0, wanted / jnp.where(present > 0, present, 1), 1)
    return restored


def _split_heard(channels, sample_rate, highest, heard_channel):
    """Splits (channels, samples) into three parts, whose sum it is.

    They are what the network hears, which is the same in all channels, as (1, samples); how the
    channels differ from it up to the highest frequency; and what lies above that frequency.

    The heard part is not broadcast to all channels: XLA:CPU sums a broadcast in parallel, and loses
    parts of it (jaxlib 0.10.2 and 0.11.2; `mean(square(broadcast_to(x, (2, n))))` is sometimes
    halved).
    """
    samples = channels.shape[1]
    low = np.fft.rfftfreq(samples, 1 / sample_rate) <= highest
    mono = mix_to_mono(channels, heard_channel)[None]
    # The mono sound is subtracted before the transforms, whose rounding would be left of it.
    low_mono, low_side = (_keep_bins(part, low) for part in (mono, channels - mono))
    return low_mono, low_side, _keep_bins(channels, ~low)


def _keep_bins(channels, kept):
    return jnp.fft.irfft(jnp.where(kept, jnp.fft.rfft(channels), 0), channels.shape[1])


def _measure_rms(channels):
    return jnp.sqrt(jnp.mean(jnp.square(channels)))


def db_to_amplitude(db: jax.Array) -> jax.Array:
    """Converts a gain in dB to the factor on the amplitude."""
    return jnp.exp(np.log(10) / 20 * db)


@functools.cache
def bin_weights(front_end: FrontEnd, sample_rate: int) -> np.ndarray:
    """How much of each mel band's gain goes to each STFT bin: (bins, mel bands), rows of sum 1.

    A bin takes the mean over the mel bands that contain it, weighted as the filters weight it. A
    bin that no band contains (0 Hz, and those above the highest frequency) takes its nearest
    neighbour's weights.
    """
    filters = front_end.bands.filters
    covered = np.flatnonzero(filters.sum(0))
    weights = (filters[:, covered] / filters[:, covered].sum(0)).T
    covered_hz = covered * front_end.sample_rate / front_end.n_fft
    bins_hz = np.fft.rfftfreq(frame_size(front_end, sample_rate), 1 / sample_rate)
    columns = (np.interp(bins_hz, covered_hz, column) for column in weights.T)
    return np.stack(list(columns), axis=1)


def _pad_one_frame(sound, hop):
    """Pads a sound by one frame, so that its end does not lie at the rim of the last window.

    There the inverse divides by nearly nothing, and a gain would click.
    """
    return jnp.pad(sound, (0, hop))
