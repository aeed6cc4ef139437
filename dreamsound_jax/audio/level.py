"""Whether there is a sound at all in what was read."""

import numpy as np

from dreamsound_jax.system.errors import UserError

SILENT_PEAK = 10 ** (-100 / 20)  # -100 dBFS
_ENOUGH = 2**16  # So many samples at the beginning show mostly that there is a sound.


def check_level(path: str, channels: np.ndarray) -> None:
    """Checks that a sound moves up and down by more than -100 dBFS, in one channel at least.

    Args:
      path: its name in messages.
      channels: (samples, channels).

    Raises:
      UserError: it is silent or a constant, or only rises or only falls, as ramps and steps do.
    """
    if not channels.size or _goes_up_and_down(channels[:_ENOUGH]):
        return
    low, high = channels.min(axis=0), channels.max(axis=0)
    if np.maximum(-low, high).max() < SILENT_PEAK:
        raise UserError(f"{path!r} is silent: its peak is under -100 dBFS")
    if len(channels) == 1 or _goes_up_and_down(channels):
        return
    if (high - low).max() < 2 * SILENT_PEAK:
        largest = low[np.argmax(np.abs(low))]
        raise UserError(f"{path!r} is silent: it holds a constant of {largest:.3g}, and no sound")
    raise UserError(
        f"{path!r} is silent: it only rises or only falls, from {channels[0].max():.3g} to "
        f"{channels[-1].max():.3g}, and holds no sound"
    )


def _goes_up_and_down(channels):
    """Returns whether any channel rises and falls again, by more than what is silent."""
    rises = channels - np.minimum.accumulate(channels, axis=0)
    falls = np.maximum.accumulate(channels, axis=0) - channels
    both = np.minimum(rises.max(axis=0), falls.max(axis=0))
    return both.max() > 2 * SILENT_PEAK
