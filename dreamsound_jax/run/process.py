"""What one process does of a run: its share of the clips, batch by batch."""

import functools
import itertools
import logging
import time
from collections.abc import Iterator
from typing import Any

import jax
from tqdm import tqdm

from dreamsound_jax.networks.loading import Model
from dreamsound_jax.outputs.clip_files import write_clip
from dreamsound_jax.outputs.folder import make_folder, write_index, write_params
from dreamsound_jax.outputs.manifest import Manifest
from dreamsound_jax.outputs.saved_rounds import FOLDER, list_unfinished_batches
from dreamsound_jax.run import dreams, ouroboroses
from dreamsound_jax.run.batches import fill_batch
from dreamsound_jax.run.feed import group_into_batches, read_ahead
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.sources import Source, draw_targets, read_source
from dreamsound_jax.run.warm_up import WarmUp
from dreamsound_jax.run.writers import THREADS, Writers
from dreamsound_jax.system import devices
from dreamsound_jax.system.errors import UserError

log = logging.getLogger(__name__)

# So many failed clips are named in the end.
MOST_NAMED = 20


class ProcessRun:
    """What one process does of a run."""

    def __init__(
        self,
        model: Model,
        plan: Plan,
        *,
        flags: dict[str, Any],
        command: str,
        output_dir: str | None,
        resumes: bool,
        warm_up: WarmUp,
    ):
        """Prepares the run; nothing is written yet.

        Args:
          model: the network, on all devices of this process, and its card.
          plan: of the run.
          flags: the options as they are written to params.json.
          command: the command line that repeats this run, except for the seed.
          output_dir: the folder for the results, or None for a new one.
          resumes: whether the folder holds a run that is resumed.
          warm_up: compiles programs before they are needed.
        """
        self._model, self._plan, self._flags, self._command = model, plan, flags, command
        self._output_dir, self._resumes = output_dir, resumes
        self._folder = make_folder(output_dir) if resumes else None
        self._unread: list[tuple[Job, UserError]] = []
        self._batches = Batches(model, plan, warm_up)

    def dream(self, jobs: list[Job]) -> int:
        """Dreams the jobs that are not done; returns how many failed."""
        done = Manifest(self._folder).done() if self._resumes else set()
        remaining = [job for job in jobs if job.number not in done]
        if jobs and not remaining:
            log.info("%s: all %d clips were done before", self._folder, len(jobs))
            return 0
        batches = self._read_batches(remaining)
        first = next(batches, [])
        if first or self._resumes or jax.process_count() > 1:
            self._begin(jobs)
            return self._dream_all(itertools.chain([first], batches), len(jobs), done)
        # Nothing can be dreamed, and no folder is made.
        for _, error in self._unread:
            log.error("%s", error)
        return len(self._unread)

    def _begin(self, jobs):
        if not self._folder:
            self._folder = make_folder(self._output_dir)
        if not self._resumes and not jax.process_index():
            write_params(
                self._folder,
                flags=self._flags,
                command=self._command,
                target_classes=draw_targets(jobs),
            )

    def _dream_all(self, batches, count, done):
        manifest = Manifest(self._folder, process=jax.process_index())
        own, done_before = (sum(map(_is_own, numbers)) for numbers in (range(count), done))
        started = time.perf_counter()
        with _progress_bar(own, done_before) as bar:
            writers = Writers(
                functools.partial(write_clip, self._folder),
                manifest,
                most_waiting=2 * self._batches.size + THREADS,
                after_clip=bar.update,
            )
            with writers:
                for batch in batches:
                    self._record_unread(writers)
                    self._batches.dream(batch, writers, bar=bar, folder=self._folder)
                self._record_unread(writers)
        seconds = time.perf_counter() - started
        _summarise(writers.failed, own - done_before, seconds, self._batches.busy_seconds)
        self._end(manifest.records(), count)
        return len(writers.failed)

    def _end(self, records, count):
        write_index(self._folder, records, command=self._command, seed=self._plan.seed)
        saved_rounds = self._folder / FOLDER
        # Once all clips are recorded, no process writes there any more.
        if len(records) == count and saved_rounds.exists():
            saved_rounds.rmtree()

    def _read_batches(self, jobs) -> Iterator[list[Source]]:
        """Yields batches: first those that an earlier run has begun, then the others."""
        waiting = {job.number: job for job in jobs}
        for numbers in list_unfinished_batches(self._folder) if self._resumes else []:
            begun = [waiting.pop(number) for number in numbers if number in waiting]
            if begun and _is_own(begun[0].number):
                yield list(self._read(begun))
        own = [job for job in waiting.values() if _is_own(job.number)]
        yield from group_into_batches(self._read(own), self._batches.size, key=_batch_key)

    def _read(self, jobs) -> Iterator[Source]:
        """Yields the sources of jobs; what cannot be read waits to be recorded."""
        read = functools.partial(read_source, pads_lengths=self._plan.pads_lengths)
        for job, source in read_ahead(jobs, read, ahead=2 * self._batches.size):
            if isinstance(source, UserError):
                self._unread.append((job, source))
            else:
                yield source

    def _record_unread(self, writers):
        while self._unread:
            job, error = self._unread.pop(0)
            writers.fail(job, str(error))


class Batches:
    """Dreams batches of clips, in parts where the device has no room for all at once.

    Attributes:
      size: clips in a batch; a multiple of the number of devices.
      busy_seconds: for which the device was busy.
    """

    def __init__(self, model: Model, plan: Plan, warm_up: WarmUp):
        """Prepares to dream by `plan`."""
        self._model, self._plan, self._warm_up = model, plan, warm_up
        self._dream = dreams.dream_sources
        if plan.creates_ouroboros:
            self._dream = ouroboroses.dream_ouroboroses
        self.size = -(-plan.batch_size // devices.count()) * devices.count()
        self.busy_seconds = 0.0

    def dream(self, batch: list[Source], writers: Writers, *, bar, folder) -> None:
        """Dreams a batch, and hands its clips to the writers."""
        waiting = [batch] if batch else []
        while waiting:
            part, *waiting = waiting
            if len(part) > self.size:
                waiting = [part[: self.size], part[self.size :], *waiting]
                continue
            self._warm_up.dreams(self._model, fill_batch(part, self.size))
            try:
                pending = self._dream(
                    self._model,
                    part,
                    self._plan,
                    size=self.size,
                    report=functools.partial(bar.set_postfix_str, refresh=True),
                    folder=folder,
                )
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error):
                    raise
                waiting = self._after_out_of_memory(part, writers) + waiting
            else:
                self.busy_seconds += pending.seconds
                writers.add(part, pending)

    def _after_out_of_memory(self, part, writers):
        """Halves the size of batches; returns what is to be tried again."""
        if self.size > devices.count():
            self.size = max(1, self.size // devices.count() // 2) * devices.count()
            log.warning(
                "the device has no room for so many clips: continuing with --batch_size=%d",
                self.size,
            )
            return [part]
        for source in part:
            reason = "the device has no room for this clip; a shorter one may fit"
            writers.fail(source.job, f"{source.job.name}: {reason}")
        return []


def _batch_key(source: Source):
    """Returns what the clips of one batch have in common."""
    return source.shape, source.plan.static


def _is_own(number):
    """Whether a clip is this process's to dream."""
    return number % jax.process_count() == jax.process_index()


def _progress_bar(total, done):
    # Of several processes only the first shows a bar.
    hidden = True if jax.process_index() else None
    return tqdm(
        total=total, initial=done, desc="dreaming", unit="clip", disable=hidden, leave=False
    )


def _summarise(failed, finished, seconds, busy_seconds):
    if finished > 1:
        log.info(
            "%d clips in %.0f s, %.3g a second; the device was busy for %.0f%% of the time",
            *(finished, seconds, finished / seconds, 100 * busy_seconds / seconds),
        )
    if failed:
        names = ", ".join(sorted(failed)[:MOST_NAMED])
        more = ", ..." if len(failed) > MOST_NAMED else ""
        log.error("clips that failed, for the reasons above: %d (%s%s)", len(failed), names, more)
