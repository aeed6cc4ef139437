"""The statistics of a comparison, with inputs as the independent units."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dreamsound_jax.system.errors import UserError
from studies.optimizers import statistics
from studies.optimizers.steps import make_table
from tests.helpers.compared import SETTINGS, make_comparison, make_costs, make_ends


def summarise(records, *, over_settings=False, **columns):
    """Summarises records; rows are indexed by setting and optimizer."""
    table = make_table(records)
    costs = make_costs(table["optimizer"].unique(), table["setting"].unique(), **columns)
    found = statistics.summarise(table, costs, baseline="sgd", over_settings=over_settings)
    return found.set_index(["setting", "optimizer"])


def simulate(rng, *, inputs, seeds, ratio=1.0):
    """Simulates ratios (inputs, seeds) around a true median.

    Dreams of one input are strongly correlated: their intraclass correlation is 0.92.
    """
    between = rng.normal(0, 0.5, (inputs, 1))
    return ratio * np.exp(between + rng.normal(0, 0.15, (inputs, seeds)))


def make_correlated_ends(rng, *, inputs, seeds):
    """Makes dreams of sgd that gain 1, and dreams of adam that gain as much by the median."""
    ratios = simulate(rng, inputs=inputs, seeds=seeds)
    for seed in range(seeds):
        yield from make_ends([1.0] * inputs, seed=seed)
        yield from make_ends(ratios[:, seed], seed=seed, optimizer="adam")


@pytest.mark.slow
def test_intervals_by_input_cover_the_truth_where_pooled_ones_do_not():
    rng, trials = np.random.default_rng(1), 200
    by_input = pooled = 0
    for _ in range(trials):
        ratios = simulate(rng, inputs=16, seeds=4)
        low, high = statistics.bootstrap_median(pd.Series(np.median(ratios, axis=1)))
        by_input += low <= 1 <= high
        low, high = statistics.bootstrap_median(pd.Series(ratios.ravel()))
        pooled += low <= 1 <= high
    # The standard error of a coverage of 0.95 is 0.015 here, and 0.03 at 0.7.
    assert by_input / trials > 0.90
    assert pooled / trials < 0.80


@pytest.mark.slow
def test_the_test_by_input_keeps_its_level_where_a_pooled_one_does_not():
    rng, trials = np.random.default_rng(2), 60
    by_input = pooled = 0
    for _ in range(trials):
        ends = make_table(make_correlated_ends(rng, inputs=12, seeds=8))
        found = statistics.summarise(ends, make_costs(["sgd", "adam"]), baseline="sgd")
        by_input += found.set_index("optimizer").loc["adam", "p"] < 0.05
        pairs = statistics.pair_with_baseline(ends, "sgd")
        pooled += statistics.compute_p_value(pairs["difference"]) < 0.05
    # The standard error of a share of 0.05 is 0.03 here, and 0.065 at 0.5.
    assert by_input / trials < 0.15
    assert pooled / trials > 0.25


def test_more_seeds_of_the_same_dreams_make_nothing_more_certain():
    gains = np.random.default_rng(3).uniform(1, 2, (2, 8))
    ends = [*make_ends(gains[0]), *make_ends(1.1 * gains[1], optimizer="adam")]
    more = [end | {"seed": seed} for end in ends for seed in range(5)]
    once, often = summarise(ends), summarise(more)
    assert often.loc[("", "adam"), "dreams"] == 40 and often.loc[("", "adam"), "inputs"] == 8
    pd.testing.assert_frame_equal(once.drop(columns="dreams"), often.drop(columns="dreams"))


def test_one_and_a_half_times_the_baseline_is_found_to_be_just_that():
    gains = np.random.default_rng(0).uniform(1, 2, 20)
    found = summarise([*make_ends(gains), *make_ends(1.5 * gains, optimizer="adam", lr=0.3)])
    base, adam = found.loc[("", "sgd")], found.loc[("", "adam")]
    np.testing.assert_allclose(adam[["ratio", "ratio_low", "ratio_high"]].astype(float), 1.5)
    assert base["ratio"] == base["ratio_low"] == base["ratio_high"] == 1
    assert np.isnan(base["p"]) and base["is_baseline"] and not base["wins"]
    assert adam["gain"] == pytest.approx(1.5 * np.median(gains))
    assert adam["gain_low"] < adam["gain"] < adam["gain_high"]
    assert adam["p"] < 0.001 and adam["wins"]
    assert (adam["lr"], adam["dreams"], adam["failed"], adam["distance_db"]) == (0.3, 20, 0, 5.0)
    assert np.isnan(adam["p_class"]) and adam["cost"] == adam["memory"] == 1


def test_p_values_are_those_of_scipy_on_the_log_ratios_corrected_over_all_settings():
    gains = np.exp(np.random.default_rng(0).normal(0.2, 1, (4, 12)))
    names = ("sgd", "a", "b", "c")
    ends = [end for name, own in zip(names, gains) for end in make_ends(own, optimizer=name)]
    ps = [stats.wilcoxon(np.log(own / gains[0])).pvalue for own in gains[1:]]
    expected = stats.false_discovery_control(ps)
    np.testing.assert_allclose(summarise(ends).loc[""].loc[["a", "b", "c"], "p"], expected)
    more = [end | {"setting": "layers_to_use=relu5_4"} for end in ends]
    expected = stats.false_discovery_control([*ps, *ps])[:3]
    np.testing.assert_allclose(summarise(ends + more).loc[""].loc[["a", "b", "c"], "p"], expected)


def test_dreams_are_paired_by_seed_and_input_and_those_without_a_partner_are_ignored():
    base = [*make_ends([1, 2, 3, 4]), *make_ends([10, 20, 30, 40], seed=1)]
    other = [
        *make_ends([3, 6, 9], optimizer="adam"),
        *make_ends([30, 60], optimizer="adam", seed=1),
        *make_ends([7], optimizer="adam", seed=2),
    ]
    adam = summarise(base + other).loc[("", "adam")]
    assert adam["ratio"] == adam["ratio_low"] == adam["ratio_high"] == 3
    assert (adam["dreams"], adam["inputs"]) == (6, 3)
    alone = summarise([*base, *make_ends([7], optimizer="adam", seed=2)]).loc[("", "adam")]
    assert alone["p"] == 1 and np.isnan(alone["ratio"]) and alone["gain"] == 7


def test_no_fewer_inputs_than_the_least_can_be_significant():
    for inputs in (statistics.MIN_INPUTS - 1, statistics.MIN_INPUTS):
        p = statistics.compute_p_value(pd.Series(np.arange(1.0, 1 + inputs)))
        assert (p < statistics.SIGNIFICANT) == (inputs == statistics.MIN_INPUTS)


def test_a_failed_dream_counts_as_no_gain_or_as_its_loss():
    gains = [5, np.nan, np.inf, -3, 2]
    failed = make_ends(gains, optimizer="wild", ended="non-finite gradient")
    wild = summarise([*make_ends([1] * 5), *failed]).loc[("", "wild")]
    assert wild["failed"] == wild["dreams"] == 5
    assert (wild["gain"], wild["gain_low"], wild["gain_high"], wild["ratio"]) == (0, -3, 0, 0)
    assert not wild["wins"]
    odd = summarise([*make_ends([1] * 5), *make_ends(gains, optimizer="odd")]).loc[("", "odd")]
    assert odd["gain"] == 0  # The gains that count are 5, 0, 0, -3 and 2.


def test_equal_or_single_dreams_and_ratios_to_nothing_leave_p_defined():
    same = summarise([*make_ends([1, 2, 3]), *make_ends([1, 2, 3], optimizer="a")]).loc[("", "a")]
    assert same["p"] == 1 and same["ratio"] == 1 and not same["wins"]
    one = summarise([*make_ends([2]), *make_ends([3], optimizer="a")]).loc[("", "a")]
    assert one["p"] == 1 and one["gain"] == 3 and np.isnan(one["gain_low"])
    ends = [*make_ends([0, 0, -1, 2]), *make_ends([0, 1, 1, 4], optimizer="a")]
    still = summarise(ends).loc[("", "a")]
    assert still["ratio"] == 2 and 0.1 < still["p"] < 1
    differences = statistics.pair_with_baseline(make_table(ends), "sgd")["difference"]
    assert sorted(differences) == [0, 0, 0, 0, 0, pytest.approx(1 / 3), 1, 1]


@pytest.mark.parametrize("over_settings", [False, True])
def test_neither_tuning_dreams_nor_the_order_of_rows_matter(over_settings):
    table, costs = make_comparison()
    summarise = statistics.summarise
    expected = summarise(table, costs, baseline="sgd", over_settings=over_settings)
    for other in (table.sample(frac=1, random_state=0), table[table["phase"] == "test"]):
        found = summarise(other, costs, baseline="sgd", over_settings=over_settings)
        pd.testing.assert_frame_equal(found, expected)
    settings = {"all, domain=mel"} if over_settings else set(SETTINGS)
    assert set(expected["setting"]) == settings


def test_over_all_settings_ratios_alone_count_and_domains_stay_apart():
    rng, ends = np.random.default_rng(0), []
    settings = (*SETTINGS, "domain=sound layers_to_use=relu5_4")
    for setting, scale, ratio in zip(settings, (1, 1e-6, 1), (2, 2, 0.5)):
        gains = scale * rng.uniform(1, 2, 8)
        ends += make_ends(gains, setting=setting)
        ends += make_ends(ratio * gains, setting=setting, optimizer="adam", lr=scale)
    found = summarise(ends, over_settings=True)
    mel, sound = found.loc[("all, domain=mel", "adam")], found.loc[("all, domain=sound", "adam")]
    assert mel["ratio"] == pytest.approx(2) and mel["wins"] and np.isnan(mel["lr"])
    assert (mel["dreams"], mel["inputs"]) == (16, 8) and np.isnan(mel["gain"])
    assert sound["ratio"] == pytest.approx(0.5) and sound["p"] < 0.05 and not sound["wins"]
    assert sound["lr"] == 1
    undivided = [end | {"setting": end["setting"].split(" ")[1]} for end in ends[:32]]
    assert set(summarise(undivided, over_settings=True).index.unique("setting")) == {"all"}


def test_costs_are_relative_to_the_baseline():
    table, costs = make_comparison(seeds=1)
    found = statistics.summarise(table, costs, baseline="sgd").set_index(["setting", "optimizer"])
    weak = found.loc[(SETTINGS[0], "weak")]
    assert weak["cost"] == pytest.approx(1.3) and weak["memory"] == 1
    assert weak["frechet"] == pytest.approx(8.4)
    untimed = costs.drop(columns=["seconds", "state_bytes", "temp_bytes"])
    found = statistics.summarise(table, untimed, baseline="sgd")
    assert found[["cost", "memory"]].isna().all(axis=None)


def test_a_setting_without_the_baseline_is_named():
    with pytest.raises(UserError, match="setting 'a=1' has no test dreams of the baseline 'sgd'"):
        summarise(make_ends([1], optimizer="adam", setting="a=1"))


def test_optimizers_are_ranked_by_their_ratio_after_the_baseline():
    table, _ = make_comparison()
    names = statistics.rank_optimizers(table, "sgd")
    assert names[0] == "sgd" and set(names[1:3]) == {"adam", "adam:b1=0.5"} and names[-1] == "weak"
