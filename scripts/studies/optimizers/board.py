"""A comparison in TensorBoard: a run for each optimizer in each setting."""

import urllib.parse
from pathlib import Path

import numpy as np
import soundfile

from dreamsound_jax.system.errors import UserError, reason_of
from studies.optimizers.rows import courses, dreams
from studies.optimizers.statistics import summarise

_SCALARS = ("objective", "gain", "moved_db", "overcooked_db", "p_class")
_METRICS = ("moved_db", "distance_db", "overcooked_db", "p_class", "frechet", "cost", "memory")


def write_board(folder, rows, costs, clips, *, baseline):
    """Writes logs: curves of the test dreams' medians, what came out in the end, and sounds.

    Args:
      folder: for TensorBoard's `--logdir`; in it a folder a setting, and in that one an optimizer.
        Logs that are there are replaced.
      rows, costs: see `statistics.summarise`.
      clips: a dict for each sound: `setting`, `optimizer` (None: the input itself, which is in a
        run "input"), `input`, and `path`, that of its file.
      baseline: the optimizer that others are compared to.

    Raises:
      UserError: no tensorboardX; the folder cannot be written; a sound cannot be read.
    """
    tested, sounds = dreams(rows, phase="test"), {}
    for clip in clips:
        sounds.setdefault((clip["setting"], clip["optimizer"]), []).append(clip)
    for summary in summarise(rows, costs, baseline=baseline):
        with _open(folder, summary.setting, summary.optimizer) as board:
            _write_curves(board, tested[summary.setting][summary.optimizer])
            _write_outcome(board, summary)
            _write_sounds(board, sounds.get((summary.setting, summary.optimizer), []))
    for setting in tested:
        if (setting, None) in sounds:
            with _open(folder, setting, "input") as board:
                _write_sounds(board, sounds[setting, None])


def _open(folder, setting, optimizer):
    """One writer for all of a run: two that open within a second would share a file."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise UserError("TensorBoard's logs need tensorboardX: pip install -e '.[train]'") from None
    places = (urllib.parse.quote(name, safe=" =:,") for name in (setting, optimizer) if name)
    run = Path(folder).joinpath(*places)
    try:
        for old in run.glob("events.out.tfevents.*"):
            old.unlink()
        return SummaryWriter(str(run))
    except OSError as error:
        reason = reason_of(error)
        raise UserError(f"cannot write TensorBoard's logs to {folder}: {reason}") from error


def _write_curves(board, own):
    for name in _SCALARS:
        medians = np.median(courses(own, name=name), axis=0)
        for step in np.flatnonzero(np.isfinite(medians)):
            board.add_scalar(f"dream/{name}", medians[step], int(step))


def _write_outcome(board, summary):
    """What it came to, for the table of hyperparameters."""
    from tensorboardX.summary import hparams

    metrics = {name: getattr(summary, name) for name in _METRICS}
    metrics |= {"gain": summary.gain.median, "times": summary.times.median, "p": summary.p}
    metrics["failed"] = summary.failed / summary.dreams
    known = {f"end/{k}": v for k, v in metrics.items() if v is not None and np.isfinite(v)}
    chosen = {name: getattr(summary, name) for name in ("setting", "optimizer", "lr")}
    # `add_hparams` would make a run of its own for them.
    for part in hparams(chosen, known):
        board.file_writer.add_summary(part)
    for name, value in known.items():
        board.add_scalar(name, value, 0)


def _write_sounds(board, clips):
    for clip in clips:
        try:
            sound, rate = soundfile.read(clip["path"], dtype="float32", always_2d=True)
        except (OSError, soundfile.SoundFileError) as error:
            raise UserError(f"cannot read {clip['path']}: {reason_of(error)}") from error
        board.add_audio(clip["input"], np.clip(sound, -1, 1), 0, rate)
