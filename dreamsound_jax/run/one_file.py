"""A run that writes one file: the dream of its only clip."""

import functools
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from etils import epath

from dreamsound_jax.networks.loading import Model
from dreamsound_jax.outputs.one_file import write_sound
from dreamsound_jax.run.batch_runner import BatchRunner
from dreamsound_jax.run.jobs import Job, list_jobs
from dreamsound_jax.run.last_words import suggest_change
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.progress import Progress
from dreamsound_jax.run.report import Reporter
from dreamsound_jax.run.sources import describe_unread, read_source
from dreamsound_jax.run.warm_up import WarmUp
from dreamsound_jax.run.work import describe_work
from dreamsound_jax.run.writers import Writers
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.stopping import begin_work

log = logging.getLogger(__name__)


class _Records(list):
    """The record of the clip, in memory."""

    def add(self, record: Mapping[str, Any]) -> None:
        """Adds a record."""
        self.append(record)


def check_only_clip(path: str, count: int) -> None:
    """Raises UserError unless a run has one clip, which one file can hold."""
    if count != 1:
        raise UserError(
            f"--output={path} is one file, and there are {count} clips: name a folder, such as "
            f"--output={path.rpartition('.')[0]}"
        )


def dream_to_file(
    models: Mapping[str, Model],
    plan: Plan,
    inputs: list[str],
    *,
    path: str,
    report: Reporter,
    warm_up: WarmUp,
) -> int:
    """Dreams the only clip of a run, and writes its sound to a file and nothing else.

    Args:
      models: {model: its card, and its network on all devices}.
      plan: of the run.
      inputs: the only input.
      path: of the file.
      report: called with the record of the clip and the path.
      warm_up: compiles programs before they are needed.

    Returns:
      How many clips failed.
    """
    (job,) = list_jobs(inputs, plan)
    plan = replace(plan, draws_pictures=False, writes_inputs=False)

    def say(record):
        report(record, None if "error" in record else path)

    records = _Records()
    writers = Writers(functools.partial(write_sound, path), records, most_waiting=1, report=say)
    begin_work()
    try:
        _dream_job(models, plan, job, writers, warm_up)
    except KeyboardInterrupt as stop:
        stop.args = ("nothing was written",)
        raise
    if not writers.failed:
        _say_what_next(records, plan, job)
    return len(writers.failed)


def _dream_job(models, plan, job, writers, warm_up):
    batches = BatchRunner(models, plan, warm_up)
    # An ouroboros saves its rounds in the folder of its run.
    unfinished = tempfile.TemporaryDirectory(prefix="dreamsound-")
    shown = log.isEnabledFor(logging.INFO)
    with unfinished as folder, Progress(1, 0, shown=shown) as progress, writers:
        try:
            source = read_source(job, pads_lengths=plan.pads_lengths)
        except Exception as error:  # whatever is wrong with the file
            writers.fail(job, describe_unread(job, error))
        else:
            log.info("%s", describe_work([job], source))
            batches.dream([source], writers, progress, folder=epath.Path(folder))


def _say_what_next(records: list[Mapping[str, Any]], plan: Plan, job: Job) -> None:
    hint = suggest_change(records, job.plan)
    if hint:
        log.info("%s", hint)
    log.info("to repeat this dream, add --seed=%d", plan.seed)
