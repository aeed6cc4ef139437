"""What the channels of a sound are: how loud each counts, and which of them a network hears."""

import numpy as np

_BLOCK_SECONDS = 0.1
_CANCELLED = 0.1  # Channels cancel if their mean has less than this share of what it should have.
_AUDIBLE = 1e-6  # Blocks that are 60 dB quieter than the loudest do not count.
_MOST_LOST = 0.1  # of the energy or of the time
_AS_LOUD = 0.99  # Of channels as loud as each other, the first is heard.

# FFmpeg's names of channels. These have the weight 1.41 in BS.1770, as FFmpeg's meter gives it.
_SURROUND = {"BL", "BR", "BC", "SL", "SR", "SDL", "SDR", "TBL", "TBR", "TBC"}
_LOW = {"LFE", "LFE2"}
_SURROUND_WEIGHT = 1.41
# What players and FFmpeg take a file for that does not say its layout, by its number of channels.
_USUAL = {4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}


def weigh_channels(count: int, layout: str | None = None) -> np.ndarray:
    """Returns how much the power of each channel counts for the loudness (ITU-R BS.1770).

    Low-frequency effects count nothing, channels at the sides and behind 1.41, and all others 1.

    Args:
      count: the number of channels.
      layout: FFmpeg's name of their layout, such as "5.1(side)"; None if it is not known. Four to
        eight channels then count as players take them: 6 as 5.1, 8 as 7.1.

    Returns:
      (channels,), float64.

    Example:
      >>> weigh_channels(6, "5.1").tolist()
      [1.0, 1.0, 1.0, 0.0, 1.41, 1.41]
    """
    names = _name_channels(layout or _USUAL.get(count)) if count > 2 else ()
    if len(names) != count:
        return np.ones(count)
    return np.array(
        [0.0 if n in _LOW else _SURROUND_WEIGHT if n in _SURROUND else 1.0 for n in names]
    )


def _name_channels(layout):
    """Returns FFmpeg's names of the channels of a layout; none if it does not know it."""
    import av

    if layout is None:
        return ()
    try:
        return tuple(channel.name for channel in av.AudioLayout(layout).channels)
    except ValueError:
        return ()


def find_heard_channel(channels: np.ndarray, *, sample_rate: int) -> int | None:
    """Returns which channel a network hears in place of the mean of all, where they cancel in it.

    Channels cancel in a block of 0.1 s if their mean has less than a tenth of the power that it
    would have if they were unrelated. If blocks with more than a tenth of the energy, or of the
    time, are lost in this way, the network hears the channel of the most energy.

    Args:
      channels: (samples, channels), without an offset.
      sample_rate: in Hz.

    Returns:
      The index of the channel; None for the mean of all channels.

    Example:
      >>> tone = np.sin(np.arange(8000))
      >>> find_heard_channel(np.stack([0.5 * tone, -tone / 2], axis=1), sample_rate=8000)
      0
      >>> find_heard_channel(np.stack([tone, 0.1 * tone], axis=1), sample_rate=8000) is None
      True
    """
    samples, count = channels.shape
    if count == 1 or not samples:
        return None
    powers = _sum_blocks(channels, sample_rate)
    whole = powers.sum(axis=1)
    mean = channels @ np.full((count, 1), 1 / count, channels.dtype)
    mixed = _sum_blocks(mean, sample_rate)[:, 0]
    audible = whole > _AUDIBLE * whole.max()
    # The mean of unrelated channels has the sum of their powers, over the square of their number.
    lost = audible & (mixed < _CANCELLED * whole / count**2)
    lost_energy, lost_time = whole[lost].sum(), lost.sum()
    if lost_energy > _MOST_LOST * whole.sum() or lost_time > _MOST_LOST * audible.sum():
        energies = powers.sum(axis=0)
        return int(np.argmax(energies > _AS_LOUD * energies.max()))
    return None


def _sum_blocks(channels, sample_rate):
    """Returns the energy of each channel in each block: (blocks, channels), float64."""
    size = max(1, round(_BLOCK_SECONDS * sample_rate))
    blocks = (channels[start : start + size] for start in range(0, len(channels), size))
    return np.stack([np.einsum("sc,sc->c", block, block) for block in blocks]).astype(np.float64)


def mix_to_mono(channels: np.ndarray, heard: int | None) -> np.ndarray:
    """Returns what a network hears of (samples, channels): (samples,), float64.

    Args:
      channels: low-frequency effects are among them: no sound is left out.
      heard: the index of a channel, by `find_heard_channel`; None for the mean of all.
    """
    if heard is None:
        return channels.mean(axis=1, dtype=np.float64)
    return channels[:, heard].astype(np.float64)
