"""Summaries of a comparison: how much each optimizer gains, and how certain that is.

The inputs are the independent units. Dreams of one input with other seeds or by other layers
resemble each other, so each input contributes one value, the median of its dreams. Intervals come
from a bootstrap that resamples inputs and keeps the dreams of an input together. That mimics the
variance of clustered data better than a second resampling within the clusters (Davison and Hinkley,
"Bootstrap Methods and their Application", 1997, section 3.8), and is consistent (Field and Welsh,
"Bootstrapping clustered data", J. R. Statist. Soc. B 69, 2007). Tests are Wilcoxon's signed-rank
tests over the inputs.
"""

import numpy as np
import pandas as pd
from scipy import stats

from dreamsound_jax.system.errors import UserError
from studies.optimizers.steps import select_ends

SIGNIFICANT = 0.05
INTERVAL_LEVEL = 0.95
RESAMPLES = 2000
MIN_INPUTS = 6  # With fewer inputs a p-value is at least 2 / 2**5 = 0.0625.
GROUP = ["setting", "optimizer"]
OUTCOMES = [
    "moved_db",
    "distance_db",
    "overcooked_db",
    "overcooked_written_db",
    "p_class",
    "p_written",
]


def summarise(
    table: pd.DataFrame, costs: pd.DataFrame, *, baseline: str, over_settings: bool = False
) -> pd.DataFrame:
    """Summarises the last steps of the test dreams of each optimizer in each setting.

    Args:
      table: All steps, see `steps.COLUMNS`.
      costs: Columns "setting", "optimizer", and those of "frechet", "seconds", "state_bytes" and
        "temp_bytes" that are known.
      baseline: The optimizer with which the others are compared.
      over_settings: Whether settings are taken together, a domain at a time. Gains in different
        settings have different units, so only ratios are summarised then.

    Returns:
      A row for each setting and optimizer, sorted by both. Its columns are "setting", "optimizer",
      "inputs", "dreams", "failed" (how many dreams failed), "lr" (NaN if it differs between
      settings), "p", "is_baseline", "wins"; medians over inputs of "gain", of "ratio" (the gain
      over the baseline's) and of `OUTCOMES`; "gain_low", "gain_high", "ratio_low" and
      "ratio_high", the ends of intervals of `INTERVAL_LEVEL`; and "frechet", "cost" and "memory",
      the last two over the baseline's. "p" is corrected for the number of rows (Benjamini and
      Hochberg).

    Raises:
      UserError: A setting has no test dreams of the baseline.
    """
    pairs = pair_with_baseline(select_ends(table, "test"), baseline)
    costs = _compare_costs(costs, baseline)
    if over_settings:
        pairs = pairs.assign(setting=_name_whole(pairs["setting"]), gain=np.nan)
        costs = costs.assign(setting=_name_whole(costs["setting"]))
    rows = [
        {**dict(zip(GROUP, names)), **_summarise_dreams(dreams, is_baseline=names[1] == baseline)}
        for names, dreams in pairs.groupby(GROUP)
    ]
    summary = pd.DataFrame(rows)
    summary["p"] = _correct(summary["p"])
    summary["wins"] = (summary["p"] < SIGNIFICANT) & (summary["ratio"] > 1)
    return summary.join(costs.groupby(GROUP).median(), on=GROUP)


def pair_with_baseline(ends: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Compares each dream with the baseline's dream in its setting, with its seed and input.

    Args:
      ends: The last steps of dreams, see `steps.select_ends`.
      baseline: The optimizer with which the others are compared.

    Returns:
      `ends` with "ratio", the gain over the baseline's, NaN where the baseline gained nothing; and
      "difference", the difference of the gains over the sum of their magnitudes. That orders pairs
      as the logarithm of the ratio does, and is also defined where a gain is not above 0. Both are
      NaN where the baseline has no such dream.
    """
    shared = ["setting", "seed", "input"]
    base = ends[ends["optimizer"] == baseline].set_index(shared)["gain"]
    for setting in ends["setting"].unique():
        if setting not in base.index.get_level_values("setting"):
            raise UserError(f"setting {setting!r} has no test dreams of the baseline {baseline!r}")
    base = ends.join(base.rename("base"), on=shared)["base"]
    size = ends["gain"].abs() + base.abs()
    return ends.assign(
        ratio=(ends["gain"] / base).where(base > 0),
        difference=((ends["gain"] - base) / size).mask(size == 0, 0.0),
    )


def rank_optimizers(table: pd.DataFrame, baseline: str) -> list[str]:
    """Ranks the optimizers by their median ratio over all settings; the baseline comes first."""
    pairs = pair_with_baseline(select_ends(table, "test"), baseline)
    ratios = pairs.groupby("optimizer")["ratio"].median().drop(baseline)
    return [baseline, *ratios.sort_values(ascending=False, kind="stable").index]


def bootstrap_median(values: pd.Series) -> tuple[float, float]:
    """Returns the ends of the interval of the median; NaN with fewer than 2 values.

    It has the level `INTERVAL_LEVEL`. It is a percentile bootstrap with a fixed seed, so that all
    optimizers are resampled alike.
    """
    known = values.dropna().to_numpy()
    if known.size < 2:
        return np.nan, np.nan
    rng = np.random.default_rng(0)
    found = stats.bootstrap(
        (known,),
        np.median,
        confidence_level=INTERVAL_LEVEL,
        method="percentile",
        n_resamples=RESAMPLES,
        rng=rng,
    )
    return found.confidence_interval


def compute_p_value(differences: pd.Series) -> float:
    """Returns the p-value of the signed-rank test; 1 where nothing differs."""
    known = differences.dropna()
    return float(stats.wilcoxon(known).pvalue) if known.any() else 1.0


def _summarise_dreams(dreams, *, is_baseline):
    """Summarises the dreams of one optimizer in one setting."""
    by_input = dreams.groupby("input")[["gain", "ratio", "difference", *OUTCOMES]].median()
    gain_low, gain_high = bootstrap_median(by_input["gain"])
    ratio_low, ratio_high = bootstrap_median(by_input["ratio"])
    return {
        "inputs": len(by_input),
        "dreams": len(dreams),
        "failed": int((dreams["ended"] != "").sum()),
        "lr": dreams["lr"].iloc[0] if dreams["lr"].nunique() == 1 else np.nan,
        **by_input.drop(columns="difference").median(),
        "gain_low": gain_low,
        "gain_high": gain_high,
        "ratio_low": ratio_low,
        "ratio_high": ratio_high,
        "p": np.nan if is_baseline else compute_p_value(by_input["difference"]),
        "is_baseline": is_baseline,
    }


def _name_whole(settings):
    """Names what a setting belongs to: all settings, or all settings of its domain."""
    domain = settings.str.extract(r"(?:^|\s)(domain=\S+)", expand=False)
    return ("all, " + domain).fillna("all")


def _correct(p):
    """Controls the false discovery rate; the baseline's NaN stays as it is."""
    known = p.dropna()
    return pd.Series(stats.false_discovery_control(known), known.index).reindex(p.index)


def _compare_costs(costs, baseline):
    """Returns "frechet", and the time and memory of a step over the baseline's."""
    known = ["frechet", "seconds", "state_bytes", "temp_bytes"]
    costs = costs.reindex(columns=[*GROUP, *known]).astype(dict.fromkeys(known, float))
    costs = costs.assign(bytes=costs["state_bytes"] + costs["temp_bytes"])
    base = costs[costs["optimizer"] == baseline].set_index("setting")[["seconds", "bytes"]]
    ratios = costs[["seconds", "bytes"]] / base.reindex(costs["setting"]).to_numpy()
    return costs[[*GROUP, "frechet"]].assign(cost=ratios["seconds"], memory=ratios["bytes"])
