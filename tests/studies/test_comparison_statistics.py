import numpy as np
import pytest
from scipy import stats

from dreamsound_jax.system.errors import UserError
from studies.optimizers import rows as comparison_rows
from studies.optimizers import statistics
from tests.helpers.compared import SETTINGS, comparison, cost, row

RNG = np.random.default_rng(0)


def ends(gains, **known):
    """The last rows of dreams that gained so much, a seed each."""
    known = {"last": True, "step": 9} | known
    return [row(gain=gain, seed=seed, **known) for seed, gain in enumerate(gains)]


def costs(*names, settings=("",), **known):
    return {setting: {name: cost(**known) for name in names} for setting in settings}


def summaries(rows, of=statistics.summarise):
    names = {row["optimizer"] for row in rows}
    given = costs(*names, settings={row["setting"] for row in rows})
    return {(s.setting, s.optimizer): s for s in of(rows, given, baseline="sgd")}


def test_one_and_a_half_times_the_baseline_is_found_to_be_just_that():
    gains = RNG.uniform(1, 2, 20)
    found = summaries([*ends(gains), *ends(1.5 * gains, optimizer="adam", lr=0.3)])
    base, adam = found["", "sgd"], found["", "adam"]
    np.testing.assert_allclose(adam.times, 1.5)
    assert base.times == (1, 1, 1) and base.p is None and not base.wins
    assert adam.gain.median == pytest.approx(1.5 * np.median(gains))
    assert adam.gain.low < adam.gain.median < adam.gain.high
    assert adam.p == pytest.approx(2 / 2**20) and adam.wins  # all of 20 differences have one sign
    assert (adam.lr, adam.dreams, adam.failed, adam.distance_db) == (0.3, 20, 0, 5.0)
    assert adam.p_class is None and adam.cost == adam.memory == 1


def test_the_p_is_that_of_scipy_on_the_same_pairs_corrected():
    gains = RNG.normal(3, 1, (4, 12))
    names = ("sgd", "a", "b", "c")
    rows = [row for name, each in zip(names, gains) for row in ends(each, optimizer=name)]
    ps = [stats.wilcoxon(each - gains[0]).pvalue for each in gains[1:]]
    found = summaries(rows)
    corrected = stats.false_discovery_control(ps)
    np.testing.assert_allclose([found["", name].p for name in names[1:]], corrected)
    # Those of a second setting count as further comparisons.
    more = [row | {"setting": "layers_to_use=relu5_4"} for row in rows]
    wider = stats.false_discovery_control(ps + ps)[:3]
    np.testing.assert_allclose([summaries(rows + more)["", name].p for name in names[1:]], wider)


def test_pairs_are_of_the_same_seed_and_input_and_what_has_no_partner_is_passed_over():
    base = [*ends([1, 2, 3, 4]), *ends([10, 20, 30, 40], input="loop")]
    other = [*ends([3, 6, 9], optimizer="adam"), *ends([30, 60], optimizer="adam", input="loop")]
    adam = summaries([*base, *other, *ends([7], optimizer="adam", input="sine")])["", "adam"]
    assert adam.times == (3, 3, 3) and adam.dreams == 6
    alone = summaries([*base, *ends([7], optimizer="adam", input="sine")])["", "adam"]
    assert alone.p == 1 and np.isnan(alone.times.median) and alone.gain.median == 7


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    trials, truth = 100, 0.0
    held = 0
    for _ in range(trials):
        interval = statistics._interval(RNG.normal(truth, 1, 25), 0)
        held += interval.low <= truth <= interval.high
    assert 0.88 < held / trials <= 0.99


def test_a_dream_that_failed_counts_as_no_gain_or_as_its_loss():
    gains = [5, np.nan, np.inf, -3, 2]
    rows = ends([1] * 5) + ends(gains, optimizer="wild", ended="non-finite gradient")
    wild = summaries(rows)["", "wild"]
    assert wild.failed == wild.dreams == 5
    assert wild.gain.median == 0 and wild.gain.low == -3 and wild.gain.high == 0
    assert wild.times.median == 0 and not wild.wins
    odd = ends([1] * 5) + ends(gains, optimizer="odd")
    assert summaries(odd)["", "odd"].gain.median == 0  # 5, 0, 0, -3 and 2


def test_what_is_alike_or_alone_or_cannot_be_divided_has_no_nan_in_its_p():
    same = summaries([*ends([1, 2, 3]), *ends([1, 2, 3], optimizer="adam")])["", "adam"]
    assert same.p == 1 and same.times == (1, 1, 1) and not same.wins
    one = summaries([*ends([2]), *ends([3], optimizer="adam")])["", "adam"]
    assert one.p == 1 and one.gain == (3, 3, 3)
    still = summaries([*ends([0, 0, 2]), *ends([1, 1, 4], optimizer="adam")])["", "adam"]
    assert still.times == (2, 2, 2) and still.p == 0.25


def test_neither_tuning_rows_nor_the_order_of_rows_matters():
    rows, given = comparison()
    shuffled = [rows[place] for place in RNG.permutation(len(rows))]
    tested = [row for row in rows if row["phase"] == "test"]
    for of in (statistics.summarise, statistics.overall):
        found = of(rows, given, baseline="sgd")
        assert repr(found) == repr(of(shuffled, given, baseline="sgd"))
        assert repr(found) == repr(of(tested, given, baseline="sgd"))
    names = [s.optimizer for s in found]
    assert names == sorted(names) and {s.setting for s in found} == {"all, domain=mel"}


def test_over_all_settings_ratios_alone_count_and_domains_stay_apart():
    settings = (*SETTINGS, "domain=sound layers_to_use=relu5_4")
    rows = []
    for setting, scale, times in zip(settings, (1, 1e-6, 1), (2, 2, 0.5)):
        gains = scale * RNG.uniform(1, 2, 8)
        rows += ends(gains, setting=setting)
        rows += ends(times * gains, setting=setting, optimizer="adam", lr=scale)
    found = summaries(rows, statistics.overall)
    mel, sound = found["all, domain=mel", "adam"], found["all, domain=sound", "adam"]
    np.testing.assert_allclose(mel.times, 2)
    assert mel.gain is None and mel.dreams == 16 and mel.lr is None and mel.wins
    np.testing.assert_allclose(sound.times, 0.5)
    assert sound.p < 0.05 and not sound.wins and sound.lr == 1
    undivided = [row | {"setting": row["setting"].split(" ")[1]} for row in rows[:32]]
    assert {name for name, _ in summaries(undivided, statistics.overall)} == {"all"}


def test_costs_are_told_over_the_baselines():
    rows = ends([1, 2]) + ends([1, 2], optimizer="adam")
    given = {"": {"sgd": cost(), "adam": cost(seconds=3.0, state_bytes=1100, frechet=7.0)}}
    base, adam = (statistics.summarise(rows, given, baseline="sgd")[n] for n in (1, 0))
    assert (base.cost, base.memory, base.frechet) == (1, 1, None)
    assert (adam.cost, adam.memory, adam.frechet) == (1.5, 2, 7)
    assert statistics.summarise(rows, {}, baseline="sgd")[0].cost is None


def test_a_baseline_that_never_dreamed_is_told():
    with pytest.raises(UserError, match="no test dreams of the baseline 'adam' in the setting"):
        statistics.summarise(ends([1]), {}, baseline="adam")


def test_a_dream_that_stopped_stays_where_it_was():
    steps = [row(gain=gain, step=step) for step, gain in enumerate((0, 2, 4))]
    steps[-1]["ended"] = ""
    short = [row(gain=gain, seed=1, step=step) for step, gain in enumerate((0, -1))]
    short[-1]["ended"] = "zero gradient"
    ((whole, stopped),) = comparison_rows.dreams(short + steps, phase="test")[""].values()
    np.testing.assert_array_equal(
        comparison_rows.courses([whole, stopped]), [[0, 2, 4], [0, -1, -1]]
    )
    assert np.isnan(comparison_rows.courses([whole], name="p_class")).all()
