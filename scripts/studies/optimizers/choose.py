"""A learning rate for each optimizer: the one that moves a clip as far as wanted, or gains most.

Each takes what came of the learning rates tried so far, and says which to try next.
"""

from typing import NamedTuple

import numpy as np

FURTHER = 1000.0  # times the outermost learning rate, at most, is where the next try goes


class Choice(NamedTuple):
    """The learning rate to take; and one to try before that, beyond those tried, or None."""

    lr: float
    beyond: float | None


def by_distance(moved, wanted):
    """The `Choice` of a learning rate that moves clips `wanted` dB.

    It lies between two that were tried, by their logarithms. Where all moved clips too far, or not
    far enough, the next try is where the wanted distance would be if it were in proportion, and a
    little beyond that.

    Args:
      moved: {learning rate: dB}.
      wanted: dB, above 0.
    """
    lrs, dbs = _sorted(moved)
    dbs = np.maximum(dbs, 1e-9)  # what did not move at all
    for place in range(len(lrs) - 1):
        low, high = dbs[place : place + 2]
        if low <= wanted <= high:
            share = np.log(wanted / low) / np.log(high / low) if low < high else 0.0
            return Choice(float(lrs[place] * (lrs[place + 1] / lrs[place]) ** share), None)
    nearest = float(lrs[np.argmin(np.abs(np.log(dbs / wanted)))])
    if dbs.max() < wanted:
        return Choice(nearest, _beyond(lrs[-1], 1.3 * wanted / dbs[-1], 2.0, FURTHER))
    if dbs.min() > wanted:
        return Choice(nearest, _beyond(lrs[0], wanted / dbs[0] / 1.3, 1 / FURTHER, 0.5))
    return Choice(nearest, None)  # they fall where they should rise


def by_gain(gains):
    """The `Choice` of the learning rate with the highest gain; if that is the outermost, the next
    try is beyond it, as far again as the one before it is away.

    `gains` is {learning rate: gain}.
    """
    lrs, values = _sorted(gains)
    best = int(np.argmax(np.where(np.isfinite(values), values, -np.inf)))
    if len(lrs) > 1 and best in (0, len(lrs) - 1):
        inner = lrs[1] if best == 0 else lrs[-2]
        return Choice(float(lrs[best]), float(lrs[best] ** 2 / inner))
    return Choice(float(lrs[best]), None)


def _sorted(found):
    lrs = sorted(found)
    return np.array(lrs), np.array([found[lr] for lr in lrs], float)


def _beyond(lr, times, least, most):
    return float(lr * np.clip(times, least, most))
