"""Where the channels of a sound cancel in their mean, and which one a network hears instead."""

from typing import NamedTuple

import numpy as np

_BLOCK_SECONDS = 0.05
_BAND_BLOCK_SECONDS = 0.1
_LOST = 0.1  # What is heard is lost where it has less than this share of what it should have.
_AUDIBLE = 1e-6  # Blocks that are 60 dB quieter than the loudest do not count.
_MOST_LOST = 0.04  # of the energy or of the time
# Tones that unrelated channels share are lost by chance in a seventh of their blocks.
_MOST_LOST_OF_BAND = 0.5
_LEAST_OF_BAND = 2e-3  # Octaves that are 27 dB quieter than the sound do not count.
_LOWEST_BAND = 62.5  # in Hz: below, channels of records and of the outdoors cancel by themselves
_AS_LOUD = 0.99  # Of channels as loud as each other, the first is heard.
_MOST_BLOCKS = 2000  # Longer sounds are looked at in so many blocks, evenly spread.
_AT_ONCE = 100  # blocks


class Heard(NamedTuple):
    """What a network hears of several channels.

    Attributes:
      channel: the index of the only channel that is heard; None for the mean of all.
      lost: how much of the time, of the energy or of a band is lost in it, from 0 to 1.
    """

    channel: int | None
    lost: float


def find_heard(channels: np.ndarray, *, sample_rate: int) -> Heard:
    """Finds what a network hears: the mean of all channels or, where they cancel in it, one.

    In a block of 0.05 s, or in an octave of one of 0.1 s, the mean or a channel is lost if it has
    less than a tenth of the power that the mean of unrelated channels would have. Where more than
    4 % of the energy or of the time are lost in the mean, or half of an octave above 62.5 Hz
    that has a five hundredth of the energy, a channel is heard in which less than half as much is
    lost. Of several, it is the loudest.

    Args:
      channels: (samples, channels), without an offset.
      sample_rate: in Hz.

    Example:
      >>> tone = np.sin(np.arange(8000))
      >>> find_heard(np.stack([0.5 * tone, -tone / 2], axis=1), sample_rate=8000)
      Heard(channel=0, lost=0.0)
      >>> find_heard(np.stack([tone, 0.1 * tone], axis=1), sample_rate=8000)
      Heard(channel=None, lost=0.0)
    """
    if channels.shape[1] == 1 or not channels.any():
        return Heard(None, 0.0)
    powers = _measure_blocks(channels, sample_rate)
    losses = np.maximum(_lose_blocks(powers), _lose_bands(_measure_bands(channels, sample_rate)))
    of_mean, of_each = float(losses[-1]), losses[:-1]
    if of_mean <= _MOST_LOST or of_each.min() >= of_mean / 2:
        return Heard(None, of_mean)
    energies = powers.sum(axis=0)[:-1] * (of_each < of_mean / 2)
    energies[of_each > of_each.min() + _MOST_LOST] = 0
    chosen = int(np.argmax(energies > _AS_LOUD * energies.max()))
    return Heard(chosen, float(of_each[chosen]))


def find_heard_channel(channels: np.ndarray, *, sample_rate: int) -> int | None:
    """Returns the index of the channel that a network hears, by `find_heard`; None for the mean."""
    return find_heard(channels, sample_rate=sample_rate).channel


def _measure_blocks(channels, sample_rate):
    """Returns the energy of each channel, and last of their mean: (blocks, channels + 1)."""
    size, count = max(1, round(_BLOCK_SECONDS * sample_rate)), channels.shape[1]
    ends = range(size, max(1, len(channels) - size // 2), size)  # The last block is no short one.
    mean = np.full((count, 1), 1 / count, channels.dtype)
    both = (np.hstack([block, block @ mean]) for block in np.split(channels, ends))
    return np.stack([np.einsum("sc,sc->c", each, each) for each in both]).astype(np.float64)


def _lose_blocks(powers):
    """Returns how much of the energy, or of the time, each channel and the mean lose."""
    whole, lost = powers[:, :-1].sum(axis=1), _find_lost(powers)
    audible = whole > _AUDIBLE * whole.max()
    lost &= audible[:, None]
    return np.maximum(whole @ lost / whole.sum(), lost.sum(axis=0) / audible.sum())


def _find_lost(powers):
    """Returns where each channel and the mean are lost; the last axis is theirs."""
    count = powers.shape[-1] - 1
    # The mean of unrelated channels has the sum of their powers, over the square of their number.
    return powers < _LOST * powers[..., :-1].sum(axis=-1, keepdims=True) / count**2


def _measure_bands(channels, sample_rate):
    """Returns the energy of each channel, and of their mean: (blocks, octaves, channels + 1)."""
    from scipy import fft

    size = 2 ** round(np.log2(max(2, _BAND_BLOCK_SECONDS * sample_rate)))
    starts = np.arange(0, max(1, len(channels) - size + 1), size)
    starts = starts[:: -(-len(starts) // _MOST_BLOCKS)]
    window = np.hanning(min(size, len(channels)) + 2)[1:-1, None].astype(channels.dtype)
    first_bins = _begin_octaves(size, sample_rate)
    found = []
    for some in np.split(starts, range(_AT_ONCE, len(starts), _AT_ONCE)):
        blocks = np.stack([channels[start : start + size] * window for start in some])
        spectra = fft.rfft(blocks, n=size, axis=1)
        spectra = np.concatenate([spectra, spectra.mean(axis=2, keepdims=True)], axis=2)
        powers = np.square(spectra.real) + np.square(spectra.imag)
        found.append(np.add.reduceat(powers, first_bins, axis=1))
    return np.concatenate(found).astype(np.float64)


def _begin_octaves(size, sample_rate):
    """Returns the bins at which the octaves begin, from the lowest that counts on."""
    count = max(1, int(np.log2(sample_rate / 2 / _LOWEST_BAND)))
    return np.unique(np.ceil(_LOWEST_BAND * 2.0 ** np.arange(count) * size / sample_rate)).astype(
        int
    )


def _lose_bands(powers):
    """Returns how much of the octave that loses most each channel and the mean lose, if it counts.

    An octave that loses half at most is taken for one that loses nothing.
    """
    whole = powers[..., :-1].sum(axis=2)
    energies = whole.sum(axis=0)
    counts = energies > _LEAST_OF_BAND * energies.sum()
    if not counts.any():
        return np.zeros(powers.shape[2])
    lost = np.einsum("bf,bfc->fc", whole, _find_lost(powers))[counts] / energies[counts, None]
    return np.where(lost > _MOST_LOST_OF_BAND, lost, 0).max(axis=0)
