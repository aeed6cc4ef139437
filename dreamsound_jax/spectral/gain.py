"""A time-frequency gain on a sound: each place of it is turned up or down, its phase stays.

A gain is an array (mel bands, frames) in dB on the grid of the mel spectrogram. Each function takes
one clip, works in its own float dtype, and is meant to be `vmap`ped.
"""

import functools

import jax.numpy as jnp
import numpy as np

from dreamsound_jax.spectral import interpolate, mel, stft


def bounded(gain_db, mel_db, *, gain_range):
    """Keeps a gain musical: within +-`gain_range` dB, and silence silent.

    A cell is raised by no more than it stands above the floor of the spectrogram, 80 dB below the
    loudest cell: what is inaudible stays so, without a threshold that could be heard.

    Args:
      gain_db: (mel bands, frames).
      mel_db: the spectrogram of the sound that it is for, of that shape.
      gain_range: dB, 0 or more.
    """
    headroom = mel_db - mel_db.max() + mel.TOP_DB
    return jnp.clip(gain_db, -gain_range, jnp.minimum(gain_range, headroom))


def player(sound):
    """A function from a gain (mel bands, frames) to `sound` (samples,) with that gain.

    For many gains on one sound at 22,050 Hz: the sound is analysed only once. A gain of 0 dB gives
    the sound back, but for rounding.
    """
    longer = _with_one_frame_more(sound, mel.HOP)
    spectrum = stft.stft(longer, to_be_heard=True)
    weights = jnp.asarray(bin_weights(mel.SAMPLE_RATE), sound.dtype)

    def play(gain_db):
        bins_db = jnp.pad(weights @ gain_db, ((0, 0), (0, 1)), mode="edge")
        played = stft.istft(spectrum * db_to_amplitude(bins_db), samples=longer.size)
        return played[: sound.size]

    return play


def apply(sound, gain_db, *, sample_rate):
    """Gives `sound` (samples,) a gain that was made for it at 22,050 Hz, at any sample rate.

    The analysis has frames as long and as far apart, in seconds, as the network's. Between bins and
    between frames the gain is interpolated; above 11,025 Hz, it is that of the highest bin below.
    """
    scale = sample_rate / mel.SAMPLE_RATE
    n_fft, hop = frame_size(sample_rate), max(1, round(mel.HOP * scale))
    longer = _with_one_frame_more(sound, hop)
    spectrum = stft.stft(longer, n_fft=n_fft, hop=hop, to_be_heard=True)
    frames = np.arange(spectrum.shape[1]) * hop / scale / mel.HOP
    at_frames = interpolate.between(gain_db, frames, axis=1)
    bins_db = jnp.asarray(bin_weights(sample_rate), sound.dtype) @ at_frames
    amplified = spectrum * db_to_amplitude(bins_db)
    return stft.istft(amplified, n_fft=n_fft, hop=hop, samples=longer.size)[: sound.size]


def frame_size(sample_rate):
    """Samples in a frame as long as the network's."""
    return max(2, round(mel.N_FFT * sample_rate / mel.SAMPLE_RATE))


def as_loud_as(original, sound):
    """`sound` scaled to the root mean square of `original`; arrays (channels, samples)."""
    power, wanted = (jnp.mean(jnp.square(channels)) for channels in (sound, original))
    return sound * jnp.sqrt(wanted / jnp.where(power > 0, power, 1))


def with_unheard_as_in(original, sound, *, sample_rate):
    """`sound`, with what the network does not hear as loud beside the rest as in `original`.

    That is what is above 11,025 Hz, and how channels differ. It gets the gain that is meant for
    what is heard; dream after dream of it, it would drift away, and nothing would call it back.
    Arrays are (channels, samples).
    """
    heard, unheard = _split(sound, sample_rate)
    power, unheard_power = (jnp.mean(jnp.square(part)) for part in (heard, unheard))
    was, unheard_was = (jnp.mean(jnp.square(part)) for part in _split(original, sample_rate))
    wanted, there = unheard_was * power, unheard_power * was
    return heard + unheard * jnp.sqrt(
        jnp.where(there > 0, wanted / jnp.where(there > 0, there, 1), 1)
    )


def _split(channels, sample_rate):
    """What the network hears of (channels, samples): (1, samples), the same in each; and the rest.

    It is not broadcast to all channels: XLA:CPU sums a broadcast in parallel, and loses parts of it
    (jaxlib 0.10.2 and 0.11.2; `mean(square(broadcast_to(x, (2, n))))` is now and then halved).
    """
    samples = channels.shape[1]
    low = np.fft.rfftfreq(samples, 1 / sample_rate) <= mel.SAMPLE_RATE / 2
    mono = channels.mean(axis=0, keepdims=True)
    heard = jnp.fft.irfft(jnp.where(low, jnp.fft.rfft(mono), 0), samples)
    return heard, channels - heard


def db_to_amplitude(db):
    """What to multiply a sound by for a gain in dB."""
    return jnp.exp(np.log(10) / 20 * db)


@functools.cache
def bin_weights(sample_rate):
    """How much of each mel band's gain goes to each STFT bin: (bins, mel bands), rows of sum 1.

    A bin takes the mean over the mel bands that see it, weighted by how much they do; a bin that
    none sees (0 Hz, and what is above the network's hearing) takes what its nearest neighbour does.
    """
    filters = mel.mel_filters()
    seen = np.flatnonzero(filters.sum(0))
    weights = (filters[:, seen] / filters[:, seen].sum(0)).T
    heard_hz = seen * mel.SAMPLE_RATE / mel.N_FFT
    wanted_hz = np.fft.rfftfreq(frame_size(sample_rate), 1 / sample_rate)
    columns = (np.interp(wanted_hz, heard_hz, column) for column in weights.T)
    return np.stack(list(columns), axis=1)


def _with_one_frame_more(sound, hop):
    """The sound, padded so that its last samples are not at the rim of the last window: there the
    inverse divides by next to nothing, and a gain would click.
    """
    return jnp.pad(sound, (0, hop))
