"""From the dreams of a comparison to statistics: which optimizer climbed how far, and how surely.

A dream that failed counts against its optimizer: as no gain at all, or as its loss.

Costs are {setting: {optimizer: {"lr", "frechet"; and, where they were measured, "seconds",
"state_bytes", "temp_bytes"}}}.
"""

import re
from typing import NamedTuple

import numpy as np
from scipy import stats

from dreamsound_jax.system.errors import UserError
from studies.optimizers.rows import counted_gains, dreams, median

SIGNIFICANT = 0.05
MEDIANS = (
    "moved_db",
    "distance_db",
    "overcooked_db",
    "overcooked_written_db",
    "p_class",
    "p_written",
)


class Interval(NamedTuple):
    """A median, and the ends of the 95% interval around it; all NaN where nothing is known."""

    median: float
    low: float
    high: float


class Summary(NamedTuple):
    """What became of an optimizer's test dreams in one setting, or in all of a domain.

    Attributes:
      setting: its name; "all" or "all, domain=..." where settings are taken together.
      optimizer: its name.
      lr: the learning rate that was chosen; None if settings differ in it.
      dreams: how many there are; failed: how many of them did not go to their end.
      gain: of the objective; None over all settings, for layers differ in its unit.
      times: the gain over the baseline's on the same seed and input. Where the baseline gained
        nothing there is no ratio, and the dream is left out of this alone.
      p: that such a difference from the baseline comes about by chance, corrected for the number
        of comparisons; None for the baseline itself.
      moved_db, distance_db, overcooked_db, overcooked_written_db, p_class, p_written: medians of
        the last step's; None if not known of any dream.
      frechet: the Fréchet distance to real sounds, or None.
      cost, memory: time and memory over the baseline's; None if not known.
    """

    setting: str
    optimizer: str
    lr: float | None
    dreams: int
    failed: int
    gain: Interval | None
    times: Interval
    p: float | None
    moved_db: float | None
    distance_db: float | None
    overcooked_db: float | None
    overcooked_written_db: float | None
    p_class: float | None
    p_written: float | None
    frechet: float | None
    cost: float | None
    memory: float | None

    @property
    def wins(self):
        """Whether it is better than the baseline, and hardly by chance."""
        return self.p is not None and self.p < SIGNIFICANT and self.times.median > 1


def summarise(rows, costs, *, baseline, key_seed=0):
    """Sums up each optimizer in each setting, by the last steps of its test dreams.

    Intervals are 95% percentile bootstraps of the median (Efron and Tibshirani, "An Introduction
    to the Bootstrap", 1993). The test is Wilcoxon's signed-rank test of the gains on the same
    seeds and inputs, two-sided, corrected over all optimizers and settings after Benjamini and
    Hochberg, 1995. Dreams count as independent of each other.

    Args:
      rows: of all dreams, in any order; tuning rows are passed over.
      costs: see above.
      baseline: the optimizer that others are compared to.
      key_seed: of the bootstrap.

    Returns:
      A list of `Summary`, sorted by setting and optimizer.

    Raises:
      UserError: a setting has no test dreams of the baseline.
    """
    groups = {setting: [setting] for setting in dreams(rows, phase="test")}
    return _summaries(rows, costs, groups, baseline=baseline, key_seed=key_seed, by_ratio=False)


def overall(rows, costs, *, baseline, key_seed=0):
    """Sums up each optimizer over all settings of a domain, or over all if none names a domain.

    As `summarise`, but by the ratio of gains alone, for layers differ in the objective's unit: the
    test is whether the ratio is 1.
    """
    groups = {}
    for setting in dreams(rows, phase="test"):
        domain = re.search(r"(?<!\S)domain=\S+", setting)
        groups.setdefault(f"all, {domain[0]}" if domain else "all", []).append(setting)
    return _summaries(rows, costs, groups, baseline=baseline, key_seed=key_seed, by_ratio=True)


def ratios(rows, *, baseline):
    """{optimizer: (dreams,)}: gains over the baseline's on the same setting, seed and input."""
    of = _together(dreams(rows, phase="test").values())
    base = _of_baseline(of, baseline, "all")
    return {optimizer: _ratios(*_paired(_gains(each), base)) for optimizer, each in of.items()}


def _summaries(rows, costs, groups, *, baseline, key_seed, by_ratio):
    tested = dreams(rows, phase="test")
    found = []
    for name, settings in sorted(groups.items()):
        of = _together(tested[setting] for setting in settings)
        base = _of_baseline(of, baseline, name)
        for optimizer, own in sorted(of.items()):
            told = _of_dreams(own, base, key_seed=key_seed, by_ratio=by_ratio)
            told |= _of_costs(costs, settings, optimizer, baseline)
            told |= {"p": None} if optimizer == baseline else {}
            found.append(Summary(setting=name, optimizer=optimizer, **told))
    return _corrected(found)


def _together(settings):
    """{optimizer: [dream, ...]} of several settings' such."""
    found = {}
    for of in settings:
        for optimizer, each in of.items():
            found.setdefault(optimizer, []).extend(each)
    return found


def _gains(own):
    """{what a dream shares with other optimizers' dreams: its gain at the end}."""
    shared = ("setting", "seed", "input")
    return {tuple(dream[0][key] for key in shared): counted_gains(dream)[-1] for dream in own}


def _of_baseline(of, baseline, name):
    if baseline not in of:
        raise UserError(f"no test dreams of the baseline {baseline!r} in the setting {name!r}")
    return _gains(of[baseline])


def _of_dreams(own, base, *, key_seed, by_ratio):
    """What `Summary` says of an optimizer's dreams beside the baseline's gains."""
    gains, lasts = _gains(own), [dream[-1] for dream in own]
    paired = _paired(gains, base)
    times = _ratios(*paired)
    lrs = {row["lr"] for row in lasts}
    return {
        "lr": lrs.pop() if len(lrs) == 1 else None,
        "dreams": len(lasts),
        "failed": sum(bool(row["ended"]) for row in lasts),
        "gain": None if by_ratio else _interval(np.array([*gains.values()]), key_seed),
        "times": _interval(times, key_seed),
        "p": _chance(times - 1 if by_ratio else paired[0] - paired[1]),
        **{name: median(row[name] for row in lasts) for name in MEDIANS},
    }


def _paired(own, base):
    """The gains (pairs,) of both where both dreamed."""
    pairs = [(own[key], base[key]) for key in own if key in base]
    return np.array(pairs).reshape(-1, 2).T


def _ratios(own, base):
    return own[base > 0] / base[base > 0]


def _interval(values, key_seed):
    """The same resampling for all: what differs between optimizers is not its luck."""
    if values.size < 2:
        return Interval(*[float(values[0]) if values.size else np.nan] * 3)
    rng = np.random.default_rng(key_seed)
    found = stats.bootstrap((values,), np.median, method="percentile", rng=rng)
    return Interval(float(np.median(values)), *map(float, found.confidence_interval))


def _chance(differences):
    """The p of the signed-rank test; 1 where nothing differs."""
    return float(stats.wilcoxon(differences).pvalue) if np.any(differences) else 1.0


def _corrected(summaries):
    ps = [each.p for each in summaries if each.p is not None]
    corrected = iter(stats.false_discovery_control(ps) if ps else [])
    return [
        each if each.p is None else each._replace(p=float(next(corrected))) for each in summaries
    ]


def _of_costs(costs, settings, optimizer, baseline):
    known = [costs[setting] for setting in settings if optimizer in costs.get(setting, {})]
    timed = [of for of in known if "seconds" in of[optimizer] and "seconds" in of.get(baseline, {})]
    pairs = [(of[optimizer], of[baseline]) for of in timed]
    return {
        "frechet": median(of[optimizer].get("frechet") for of in known),
        "cost": median(_ratio(own["seconds"], base["seconds"]) for own, base in pairs),
        "memory": median(_ratio(_memory(own), _memory(base)) for own, base in pairs),
    }


def _ratio(own, base):
    return own / base if base else None


def _memory(cost):
    return cost["state_bytes"] + cost["temp_bytes"]
