"""What the channels of a sound are: how loud each counts, and how they are mixed to one."""

import numpy as np

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


def mix_to_mono(channels: np.ndarray, heard: int | None) -> np.ndarray:
    """Returns what a network hears of (samples, channels): (samples,), float64.

    Args:
      channels: low-frequency effects are among them: no sound is left out.
      heard: the index of a channel, by `cancelling.find_heard_channel`; None for the mean of all.
    """
    if heard is None:
        return channels.mean(axis=1, dtype=np.float64)
    return channels[:, heard].astype(np.float64)
