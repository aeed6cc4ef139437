"""Monitors a training run: shows progress, writes logs, and saves the state to resume from."""

import contextlib
import json
import logging
import math
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
from flax import nnx
from orbax.checkpoint import v1 as ocp
from tqdm import tqdm

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.training.batch_norm import fold_batch_norms
from dreamsound_jax.training.loop import Monitor, TrainState

log = logging.getLogger(__name__)

REPORT_EVERY = 25  # Steps between two reports of the loss.


class TrainingMonitor(Monitor):
    """Shows progress, writes TensorBoard logs, saves the state, and evaluates after each epoch.

    Args:
      folder: the folder in which the state is saved, and from which it is restored.
      settings: the settings of the run, as JSON types. A saved run with other settings is not
        resumed.
      steps: the number of steps in the whole run.
      save_every: the number of steps between two saves.
      tensorboard: a folder for TensorBoard logs, or None.
      evaluate: computes {split: accuracy} from the weights of the folded network.

    Raises:
      UserError: a folder cannot be written, or tensorboardX is not installed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, Any],
        steps: int,
        save_every: int,
        tensorboard: str | None,
        evaluate: Callable[[Mapping[str, Any]], Mapping[str, float]],
    ):
        # The settings are compared with saved ones, which have been through JSON.
        self._settings, self._steps = json.loads(json.dumps(settings)), steps
        self._evaluate = evaluate
        self._writer = _open_tensorboard(tensorboard) if tensorboard else None
        self._progress = tqdm(total=steps, desc="training", unit="step", disable=None)
        self._recent: list[tuple[jax.Array, jax.Array]] = []
        self._checkpointer = _open_checkpointer(folder, save_every)

    def restore(self, state: TrainState) -> tuple[TrainState, int]:
        """Restores the saved state.

        Raises:
          UserError: the saved run has other settings.
        """
        latest = self._checkpointer.latest
        if latest is None:
            return state, 0
        if self._checkpointer.metadata(latest.step).custom_metadata != self._settings:
            raise UserError(
                f"{self._checkpointer.directory} holds a run with other flags or data; give the "
                "same flags to resume it, or --noresume to start again"
            )
        leaves, tree = jax.tree.flatten(state)
        log.info("resuming from step %d of %d", latest.step, self._steps)
        self._progress.update(latest.step)
        return jax.tree.unflatten(tree, self._checkpointer.load(latest.step, leaves)), latest.step

    def after_step(
        self, done: int, state: TrainState, loss: jax.Array, accuracy: jax.Array
    ) -> None:
        """Reports and saves, each after a fixed number of steps.

        Raises:
          UserError: the state cannot be saved, or the loss is not finite.
        """
        self._progress.update()
        self._recent.append((loss, accuracy))
        if done % REPORT_EVERY == 0:
            self._report_step(done)
        try:
            self._checkpointer.save(done, jax.tree.leaves(state), custom_metadata=self._settings)
        except (OSError, ValueError) as error:
            folder = self._checkpointer.directory
            raise UserError(f"cannot save the run in {folder}: {reason_of(error)}") from error

    def after_epoch(self, epoch: int, model: nnx.Module) -> None:
        """Evaluates the network and reports its accuracy on each split."""
        accuracies = self._evaluate(fold_batch_norms(model))
        text = ", ".join(f"{split} {accuracy:.1%}" for split, accuracy in accuracies.items())
        log.info("epoch %d: accuracy on %s", epoch, text)
        self._write_scalars(
            epoch, {f"{split}/accuracy": accuracy for split, accuracy in accuracies.items()}
        )

    def close(self) -> None:
        """Closes the logs, and removes a state that was saved only in part."""
        self._progress.close()
        with contextlib.suppress(OSError, ValueError):  # A failed save has already been reported.
            self._checkpointer.close()
        _remove_partial_states(Path(self._checkpointer.directory))
        if self._writer:
            self._writer.close()

    def _report_step(self, done):
        """Reports the means since the last report."""
        losses, accuracies = zip(*jax.device_get(self._recent))
        self._recent = []
        loss, accuracy = (float(sum(values) / len(values)) for values in (losses, accuracies))
        if not math.isfinite(loss):
            raise UserError(f"the loss is {loss} at step {done}; try a lower --learning_rate")
        self._progress.set_postfix(loss=f"{loss:.3f}", accuracy=f"{accuracy:.0%}")
        if self._progress.disable:
            log.info("step %d of %d: loss %.3f, accuracy %.3f", done, self._steps, loss, accuracy)
        self._write_scalars(done, {"train/loss": loss, "train/accuracy": accuracy})

    def _write_scalars(self, step, scalars):
        if self._writer:
            for name, value in scalars.items():
                self._writer.add_scalar(name, value, step)
            self._writer.flush()


def _open_checkpointer(folder, save_every):
    training = ocp.training
    try:
        return training.Checkpointer(
            folder,
            save_decision_policy=training.save_decision_policies.FixedIntervalPolicy(save_every),
            preservation_policy=training.preservation_policies.LatestN(1),
            cleanup_tmp_directories=True,
        )
    except OSError as error:
        raise UserError(f"cannot save the run in {folder}: {reason_of(error)}") from error


def _remove_partial_states(folder):
    """Removes everything but complete states, and the folder if it has none."""
    for _ in range(25):  # After a failed save, orbax's threads may still write for a moment.
        partial = [place for place in folder.iterdir() if not place.name.isdigit()]
        if not partial:
            break
        for place in partial:
            shutil.rmtree(place, ignore_errors=True)
        time.sleep(0.2)
    if not any(folder.iterdir()):
        folder.rmdir()


def _open_tensorboard(folder):
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise UserError("--tensorboard needs tensorboardX: pip install -e '.[train]'") from None
    try:
        return SummaryWriter(str(folder))
    except OSError as error:
        reason = reason_of(error)
        raise UserError(f"cannot write TensorBoard logs to {folder}: {reason}") from error
