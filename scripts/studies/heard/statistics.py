"""Measures how well dreams are heard, and how certain that is.

Inputs are the independent units: the dreams of one input resemble each other, so intervals come
from a bootstrap that resamples inputs, and keeps the dreams of an input together.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

INTERVAL_LEVEL = 0.95
RESAMPLES = 2000


class Estimate(NamedTuple):
    """A mean, and the ends of its interval of `INTERVAL_LEVEL`; NaN with fewer than 2 clusters."""

    mean: float
    low: float
    high: float


def measure_hits(scores: np.ndarray, wanted: np.ndarray) -> dict[str, np.ndarray]:
    """Measures for each sound how clearly the wanted class is heard.

    Args:
      scores: (sounds, classes) of one judge.
      wanted: (sounds,) indices of classes.

    Returns:
      Arrays (sounds,): "top1", 1 where the wanted class scores highest, else 0; "rank" of the
      wanted class, from 1; "margin", its score minus the best other one.
    """
    rows = np.arange(len(scores))
    own = scores[rows, wanted]
    others = scores.astype(np.float64)
    others[rows, wanted] = -np.inf
    margin = own - others.max(axis=1)
    rank = 1 + np.sum(others > own[:, None], axis=1)
    return {"top1": np.float64(margin > 0), "rank": np.float64(rank), "margin": margin}


def compare_dreams(
    scores: np.ndarray, wanted: np.ndarray, inputs: np.ndarray
) -> dict[str, np.ndarray]:
    """Compares each dream with the other dreams of its input, by the score of its own class.

    So it does not matter how readily a judge hears a class, or what it hears in the input.

    Args:
      scores: (dreams, classes) of one judge.
      wanted: (dreams,) indices of classes; -1 for a class that the judge does not know. Such dreams
        are among those that others are compared with.
      inputs: (dreams,), the input of each dream.

    Returns:
      Arrays (dreams,): "z", the score minus the mean of the other dreams, over their standard
      deviation; "highest", 1 where no other dream scores as high, else 0. NaN where the class is
      not known, and "z" also with fewer than two other dreams, or where these do not differ.
    """
    z, highest = np.full(len(wanted), np.nan), np.full(len(wanted), np.nan)
    for dream in np.flatnonzero(wanted >= 0):
        is_other = inputs == inputs[dream]
        is_other[dream] = False
        own, others = scores[dream, wanted[dream]], scores[is_other, wanted[dream]]
        if others.size:
            highest[dream] = own > others.max()
        if others.size > 1 and np.ptp(others) > 0:
            z[dream] = (own - others.mean()) / others.std(ddof=1)
    return {"z": z, "highest": highest}


def estimate(values: np.ndarray, clusters: np.ndarray) -> Estimate:
    """Estimates a mean, with the interval of a percentile bootstrap over clusters.

    Args:
      values: (sounds,); NaNs are left out.
      clusters: (sounds,), what is resampled as a whole. The seed is fixed, so that the same inputs
        are resampled for all judges.
    """
    known = ~np.isnan(values)
    if not known.any():
        return Estimate(np.nan, np.nan, np.nan)
    _, cluster = np.unique(clusters[known], return_inverse=True)
    sums, counts = np.bincount(cluster, weights=values[known]), np.bincount(cluster)
    mean = float(sums.sum() / counts.sum())
    if len(sums) < 2:
        return Estimate(mean, np.nan, np.nan)
    drawn = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = 100 * (1 - INTERVAL_LEVEL) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return Estimate(mean, float(low), float(high))


def estimate_all(measured: Mapping[str, np.ndarray], clusters: np.ndarray) -> dict[str, Estimate]:
    """Applies `estimate` to each of several measures."""
    return {name: estimate(values, clusters) for name, values in measured.items()}
