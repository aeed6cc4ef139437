"""Inputs and sweeps become jobs with unique names."""

from dreamsound_jax.run.jobs import Job, list_jobs
from tests.helpers import tiny

SWEEP = {"lr": (0.1, 0.2), "layers_to_use": (("relu1_1",), ("relu2_1", "relu2_2"))}


def test_without_a_sweep_each_input_is_a_clip():
    plan = tiny.plan()
    (clip,) = plan.clips
    jobs = list_jobs(["music/a.b.wav", "noise"], plan)
    assert jobs == [Job(0, "music/a.b.wav", 0, clip), Job(1, "noise", 1, clip)]
    assert [job.name for job in jobs] == ["00000-a.b", "00001-noise"]
    assert list_jobs([], tiny.plan(num_clips=3)) == []


def test_every_combination_is_a_clip_of_every_input_and_draws_the_same():
    jobs = list_jobs(["a.wav", "b.wav"], tiny.plan(sweep=SWEEP))
    assert [job.number for job in jobs] == list(range(8))
    assert [job.path for job in jobs] == ["a.wav"] * 4 + ["b.wav"] * 4
    assert [job.draw for job in jobs] == [0] * 4 + [1] * 4
    changes = [job.plan.changes for job in jobs]
    assert [each["lr"] for each in changes[:4]] == [0.1, 0.1, 0.2, 0.2]
    assert changes[1]["layers_to_use"] == jobs[1].plan.layers == ("relu2_1", "relu2_2")
    assert changes[:4] == changes[4:]


def test_num_clips_goes_through_the_list_again_with_new_draws():
    lr = {"lr": SWEEP["lr"]}
    jobs = list_jobs(["a.wav", "b.wav"], tiny.plan(sweep=lr, num_clips=7))
    assert [job.path[0] for job in jobs] == list("aabbaab")
    assert [job.draw for job in jobs] == [0, 0, 1, 1, 2, 2, 3]
    all_jobs = list_jobs(["a.wav", "b.wav"], tiny.plan(sweep=SWEEP))
    fewer = list_jobs(["a.wav", "b.wav"], tiny.plan(sweep=SWEEP, num_clips=3))
    numbers = [(job.number, job.path, job.draw, job.plan.changes) for job in fewer]
    assert numbers == [(job.number, job.path, job.draw, job.plan.changes) for job in all_jobs[:3]]
