"""What a training says of itself while it goes on."""

import errno

import jax
import numpy as np
import pytest

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.monitor import REPORT_EVERY, TrainingMonitor
from tests.helpers.training import Recorder, train_briefly

STATE = {"weights": np.zeros(3)}


def make_monitor(folder, *, kind=TrainingMonitor, save_every=1, tensorboard=None, **settings):
    options = {"steps": 9, "save_every": save_every, "tensorboard": tensorboard}
    return kind(folder, settings=settings, evaluate=lambda weights: {}, **options)


class Killed(TrainingMonitor):
    def after_step(self, done, state, loss, accuracy):
        super().after_step(done, state, loss, accuracy)
        if done == 4:
            raise KeyboardInterrupt


class Finished(TrainingMonitor):
    def after_step(self, done, *_):
        raise AssertionError(f"step {done} had been done already")


@pytest.mark.slow
def test_a_killed_run_resumes_bit_for_bit(tmp_path):
    expected = train_briefly(Recorder())
    with pytest.raises(KeyboardInterrupt):
        train_briefly(make_monitor(tmp_path / "run", kind=Killed, save_every=2))
    for kind in (TrainingMonitor, Finished):
        resumed = train_briefly(make_monitor(tmp_path / "run", kind=kind))
        jax.tree.map(np.testing.assert_array_equal, resumed, expected)


def test_a_run_with_other_settings_is_not_resumed(tmp_path):
    monitor = make_monitor(tmp_path / "run", lr=1)
    monitor.after_step(1, STATE, 0.5, 0.5)
    monitor.close()
    monitor = make_monitor(tmp_path / "run", lr=2)
    with pytest.raises(UserError, match="other flags or data; .* --noresume"):
        monitor.restore(STATE)
    monitor.close()


def test_a_state_that_cannot_be_saved_stops_the_run_and_leaves_no_part(tmp_path):
    monitor = make_monitor(tmp_path / "run")
    (tmp_path / "run/1.orbax-checkpoint-tmp").mkdir()
    monitor.after_step(1, STATE, 0.5, 0.5)
    (tmp_path / "run/2.orbax-checkpoint-tmp").mkdir()
    monitor._checkpointer.save = raise_no_space
    with pytest.raises(UserError, match="cannot save the run in .*: No space left on device"):
        monitor.after_step(2, STATE, 0.5, 0.5)
    monitor.close()
    assert [place.name for place in (tmp_path / "run").iterdir()] == ["1"]


def raise_no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    monitor = make_monitor(tmp_path / "run", save_every=1000)
    for step in range(1, REPORT_EVERY):
        monitor.after_step(step, STATE, np.nan, 0.5)
    with pytest.raises(UserError, match="the loss is nan at step 25; try a lower --learning_rate"):
        monitor.after_step(REPORT_EVERY, STATE, np.nan, 0.5)
    monitor.close()


def test_a_tensorboard_folder_that_cannot_be_written_is_named(tmp_path):
    pytest.importorskip("tensorboardX", reason="it writes the logs")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot write TensorBoard logs to .*file/logs"):
        make_monitor(tmp_path / "run", tensorboard=str(tmp_path / "file/logs"))
