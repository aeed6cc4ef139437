"""What accompanies a training run: progress, TensorBoard, and a place to resume from."""

import contextlib
import json
import logging
import math
import shutil
import time
from pathlib import Path

import jax
from orbax.checkpoint import v1 as ocp
from tqdm import tqdm

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.training.batch_norm import fold
from dreamsound_jax.training.loop import Quiet

log = logging.getLogger(__name__)

LOG_EVERY = 25  # steps


class Follow(Quiet):
    """Shows progress, writes TensorBoard logs, keeps the state, and measures after each epoch.

    Args:
      folder: where the state is kept, and found again; created. A run in it that was given other
        `facts` is refused.
      facts: what must be the same for the run to be resumed, as JSON types.
      steps: in the whole run.
      save_every: steps between two saves.
      board: a folder for TensorBoard, or None.
      measure: from the folded weights to {split: accuracy}.

    Raises:
      UserError: the folder cannot be written, or holds another run; no tensorboardX.
    """

    def __init__(self, folder, *, facts, steps, save_every, board, measure):
        self._facts, self._measure, self._steps = json.loads(json.dumps(facts)), measure, steps
        self._board = _open_board(board) if board else None
        self._bar = tqdm(total=steps, desc="training", unit="step", disable=None)
        self._recent = []
        self._saved = _open_states(folder, save_every)

    def restore(self, state):
        latest = self._saved.latest
        if latest is None:
            return state, 0
        if self._saved.metadata(latest.step).custom_metadata != self._facts:
            raise UserError(
                f"{self._saved.directory} holds a run with other flags or data; give the same "
                "again to go on with it, or --noresume to begin anew"
            )
        leaves, tree = jax.tree.flatten(state)
        log.info("going on from step %d of %d", latest.step, self._steps)
        self._bar.update(latest.step)
        return jax.tree.unflatten(tree, self._saved.load(latest.step, leaves)), latest.step

    def after_step(self, done, state, loss, right):
        self._bar.update()
        self._recent.append((loss, right))
        if done % LOG_EVERY == 0:
            self._report(done)
        try:
            self._saved.save(done, jax.tree.leaves(state), custom_metadata=self._facts)
        except (OSError, ValueError) as error:
            where = self._saved.directory
            raise UserError(f"cannot keep the run in {where}: {reason_of(error)}") from error

    def _report(self, done):
        losses, rights = zip(*jax.device_get(self._recent))
        self._recent = []
        loss, right = (float(sum(values) / len(values)) for values in (losses, rights))
        if not math.isfinite(loss):
            raise UserError(f"the loss is {loss} at step {done}; a lower --learning_rate helps")
        self._bar.set_postfix(loss=f"{loss:.3f}", right=f"{right:.0%}")
        if self._bar.disable:
            log.info("step %d of %d: loss %.3f, right %.3f", done, self._steps, loss, right)
        self._write(done, {"train/loss": loss, "train/right": right})

    def after_epoch(self, epoch, model):
        measured = self._measure(fold(model))
        said = ", ".join(f"{split} {share:.1%}" for split, share in measured.items())
        log.info("epoch %d: %s", epoch, said)
        self._write(epoch, {f"{split}/accuracy": share for split, share in measured.items()})

    def _write(self, step, scalars):
        if self._board:
            for name, value in scalars.items():
                self._board.add_scalar(name, value, step)
            self._board.flush()

    def close(self):
        """Ends the logs; leaves no half-saved state behind."""
        self._bar.close()
        with contextlib.suppress(OSError, ValueError):  # a save that failed, told when it did
            self._saved.close()
        _sweep(Path(self._saved.directory))
        if self._board:
            self._board.close()


def _open_states(folder, save_every):
    policies = ocp.training.save_decision_policies, ocp.training.preservation_policies
    try:
        return ocp.training.Checkpointer(
            folder,
            save_decision_policy=policies[0].FixedIntervalPolicy(save_every),
            preservation_policy=policies[1].LatestN(1),
            cleanup_tmp_directories=True,
        )
    except OSError as error:
        raise UserError(f"cannot keep the run in {folder}: {reason_of(error)}") from error


def _sweep(folder):
    """Removes what is no whole state, and the folder if there is none."""
    for _ in range(25):  # when a save has failed, orbax's threads may write for a moment more
        half = [place for place in folder.iterdir() if not place.name.isdigit()]
        if not half:
            break
        for place in half:
            shutil.rmtree(place, ignore_errors=True)
        time.sleep(0.2)
    if not any(folder.iterdir()):
        folder.rmdir()


def _open_board(folder):
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise UserError("--tensorboard needs tensorboardX: pip install -e '.[train]'") from None
    try:
        return SummaryWriter(str(folder))
    except OSError as error:
        reason = reason_of(error)
        raise UserError(f"cannot write TensorBoard's logs to {folder}: {reason}") from error
