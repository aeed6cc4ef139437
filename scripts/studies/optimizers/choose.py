"""The choice of a learning rate: the one that moves a clip as far as wanted, or gains most.

Both functions take what the learning rates tried so far gave, and say which one to try next.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

MAX_FACTOR = 1000.0  # The next try is at most this many times the outermost learning rate.


class Choice(NamedTuple):
    """A chosen learning rate.

    Attributes:
      lr: The learning rate.
      next_lr: A learning rate beyond those tried, which should be tried first; or None.
    """

    lr: float
    next_lr: float | None


def choose_by_distance(moved: Mapping[float, float], wanted: float) -> Choice:
    """Chooses the learning rate that moves clips as far as wanted.

    It is interpolated between two learning rates on a logarithmic scale. If all tries moved clips
    too far, or not far enough, the next try assumes that the distance is proportional to the
    learning rate, and goes a little further.

    Args:
      moved: The distance in dB at each learning rate tried.
      wanted: The wanted distance in dB, above 0.
    """
    lrs, distances = _sort(moved)
    distances = np.maximum(distances, 1e-9)  # A clip that did not move has no logarithm.
    for place in range(len(lrs) - 1):
        low, high = distances[place : place + 2]
        if low <= wanted <= high:
            share = np.log(wanted / low) / np.log(high / low) if low < high else 0.0
            return Choice(float(lrs[place] * (lrs[place + 1] / lrs[place]) ** share), None)
    nearest = float(lrs[np.argmin(np.abs(np.log(distances / wanted)))])
    if distances.max() < wanted:
        factor = np.clip(1.3 * wanted / distances[-1], 2.0, MAX_FACTOR)
        return Choice(nearest, float(lrs[-1] * factor))
    if distances.min() > wanted:
        factor = np.clip(wanted / distances[0] / 1.3, 1 / MAX_FACTOR, 0.5)
        return Choice(nearest, float(lrs[0] * factor))
    return Choice(nearest, None)  # The distance falls with the learning rate.


def choose_by_gain(gains: Mapping[float, float]) -> Choice:
    """Chooses the learning rate with the highest gain.

    If it is the outermost one, the next try lies beyond it, by the same factor as that between it
    and its neighbour.

    Args:
      gains: The gain at each learning rate tried.
    """
    lrs, values = _sort(gains)
    best = int(np.argmax(np.where(np.isfinite(values), values, -np.inf)))
    if len(lrs) > 1 and best in (0, len(lrs) - 1):
        neighbour = lrs[1] if best == 0 else lrs[-2]
        return Choice(float(lrs[best]), float(lrs[best] ** 2 / neighbour))
    return Choice(float(lrs[best]), None)


def _sort(results):
    lrs = sorted(results)
    return np.array(lrs), np.array([results[lr] for lr in lrs], float)
