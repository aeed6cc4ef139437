"""The statistics of answers.

The answers of one listener resemble each other, and so do those to the clips of one input. A
bootstrap therefore resamples listeners and, apart from them, inputs (Owen, "The pigeonhole
bootstrap", Annals of Applied Statistics 2007). It draws one fewer than there are, since few
clusters otherwise vary too little (Rao and Wu, JASA 1988). Where all answers agree it finds no
spread; so no interval is narrower than one for as many independent answers.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

INTERVAL_LEVEL = 0.95
RESAMPLES = 4000
PERMUTATIONS = 10_000
_Z = norm.ppf((1 + INTERVAL_LEVEL) / 2)


class Estimate(NamedTuple):
    """A mean, and the ends of its interval of `INTERVAL_LEVEL`."""

    mean: float
    low: float
    high: float


def estimate_share(hits: np.ndarray, sources: np.ndarray) -> Estimate:
    """Estimates a share of answers.

    Args:
      hits: (listeners, clips), 1 or 0.
      sources: (clips,), what each clip was made from: clips of one source are resampled together.
    """
    low, high = resample(hits, sources)
    by_wilson = wilson(hits.mean(), hits.size)
    return Estimate(float(hits.mean()), min(low, by_wilson[0]), max(high, by_wilson[1]))


def estimate_difference(hits: np.ndarray, controls: np.ndarray, sources: np.ndarray) -> Estimate:
    """Estimates by how much the share of one kind of answers exceeds that of its controls.

    Args:
      hits: (listeners, clips), 1 or 0.
      controls: (listeners, clips), the same of the control of each clip.
      sources: (clips,), the source of each clip and of its control.
    """
    low, high = resample(hits - controls, sources)
    count = len(controls) * len(np.unique(sources))  # Several clips share one control.
    newcombe = _difference_of_wilsons(hits.mean(), hits.size, controls.mean(), count)
    mean = float(hits.mean() - controls.mean())
    return Estimate(mean, min(low, newcombe[0]), max(high, newcombe[1]))


def resample(values: np.ndarray, sources: np.ndarray) -> tuple[float, float]:
    """Returns the interval of a mean by a bootstrap over listeners and sources.

    Where there is but one listener or source, only the others are resampled. The seed is fixed.

    Args:
      values: (listeners, clips).
      sources: (clips,).
    """
    _, source = np.unique(sources, return_inverse=True)
    counts = np.bincount(source)
    sums = np.stack([np.bincount(source, weights=row) for row in values])
    rng = np.random.default_rng(0)
    listener_weights = _draw_weights(rng, len(sums))
    source_weights = _draw_weights(rng, len(counts))
    totals = ((listener_weights @ sums) * source_weights).sum(axis=1)
    means = totals / (listener_weights.sum(axis=1) * (source_weights @ counts))
    tail = 100 * (1 - INTERVAL_LEVEL) / 2
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def _draw_weights(rng, count):
    """Returns how often each of `count` clusters is drawn, (RESAMPLES, count)."""
    if count == 1:
        return np.ones((RESAMPLES, 1))
    return rng.multinomial(count - 1, np.full(count, 1 / count), size=RESAMPLES).astype(float)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Returns Wilson's interval of the share of `count` independent answers.

    Example:
      >>> [round(end, 3) for end in wilson(0.5, 10)]
      [0.237, 0.763]
    """
    centre = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    root = np.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    half = _Z * root / (1 + _Z**2 / count)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _difference_of_wilsons(share, count, other, other_count):
    """Returns Newcombe's interval of the difference of two independent shares."""
    (low, high), (other_low, other_high) = wilson(share, count), wilson(other, other_count)
    difference = share - other
    below = np.hypot(share - low, other_high - other)
    above = np.hypot(high - share, other - other_low)
    return float(difference - below), float(difference + above)


def permutation_test(choices: np.ndarray, targets: np.ndarray, sources: np.ndarray) -> float:
    """Tests whether what is heard in a dream depends on what the dream is towards.

    If it did not, the dreams of one input could swap their targets. The swaps are the same for all
    listeners, who hear the same dreams, so that neither listeners nor inputs need be alike.

    Args:
      choices: (listeners, dreams), the class that each chose.
      targets: (dreams,), the class that each dream is towards.
      sources: (dreams,), the input of each.

    Returns:
      The probability of as many answers that name the target, or more, if nothing depended on it.
    """
    rng, observed = np.random.default_rng(0), 0
    permuted = np.zeros(PERMUTATIONS, int)
    for source in np.unique(sources):
        of_source = np.flatnonzero(sources == source)
        wanted = targets[of_source]
        named = (choices[:, of_source, None] == wanted).sum(axis=0)  # (dreams, targets)
        places = np.tile(np.arange(len(of_source)), (PERMUTATIONS, 1))
        permuted += named[places[0], rng.permuted(places, axis=1)].sum(axis=1)
        observed += np.trace(named)
    return float((1 + np.sum(permuted >= observed)) / (1 + PERMUTATIONS))
