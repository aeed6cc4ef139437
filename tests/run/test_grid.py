import pytest

from dreamsound_jax.run import grid
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny

SWEEP = [("lr", [0.1, 0.2]), ("layers_to_use", [["relu1_1"], ["relu2_1", "relu2_2"]])]


def test_without_a_sweep_each_input_is_a_clip():
    jobs = grid.jobs(["a.wav", "noise"], tiny.options())
    assert jobs == [grid.Job(0, "a.wav", 0, {}), grid.Job(1, "noise", 1, {})]
    assert grid.jobs([], tiny.options(num_clips=3)) == []


def test_a_sweep_takes_every_value_on_every_input_and_draws_the_same():
    jobs = grid.jobs(["a.wav", "b.wav"], tiny.options(sweep=SWEEP))
    assert [job.number for job in jobs] == list(range(8))
    assert [job.path for job in jobs] == ["a.wav"] * 4 + ["b.wav"] * 4
    assert [job.draw for job in jobs] == [0] * 4 + [1] * 4
    assert [job.changes["lr"] for job in jobs[:4]] == [0.1, 0.1, 0.2, 0.2]
    assert jobs[1].changes["layers_to_use"] == ["relu2_1", "relu2_2"]
    assert [job.changes for job in jobs[:4]] == [job.changes for job in jobs[4:]]


def test_num_clips_goes_through_the_list_again_drawing_anew():
    jobs = grid.jobs(["a.wav", "b.wav"], tiny.options(sweep=SWEEP[:1], num_clips=7))
    assert [job.path[0] for job in jobs] == list("aabbaab")
    assert [job.draw for job in jobs] == [0, 0, 1, 1, 2, 2, 3]
    fewer = grid.jobs(["a.wav", "b.wav"], tiny.options(sweep=SWEEP, num_clips=3))
    assert fewer == grid.jobs(["a.wav", "b.wav"], tiny.options(sweep=SWEEP))[:3]


@pytest.mark.parametrize(
    ("sweep", "hint"),
    [
        ([("lr", [0.1, float("nan")])], "finite"),
        ([("lr", [])], "--sweep=lr= is empty"),
        ([("layers_to_use", [["relu1_1"], ["relu1_3"]])], "no layer 'relu1_3'"),
        ([("target_class", ["class_1", "organ"]), ("lr", [1.0])], "no class 'organ'"),
    ],
)
def test_every_value_is_checked_before_the_work_starts(sweep, hint):
    with pytest.raises(UserError, match=hint):
        grid.check_points(tiny.options(sweep=sweep), tiny.CARD)
    grid.check_points(tiny.options(sweep=SWEEP), tiny.CARD)
