"""What one process does of a run: its share of the clips, batch by batch."""

import contextlib
import functools
import itertools
import logging
import shlex
import time
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dreamsound_jax.audio.formats import find_sound
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.outputs.clip_files import write_clip
from dreamsound_jax.outputs.folder import PAGE, make_folder, write_params
from dreamsound_jax.outputs.manifest import Manifest
from dreamsound_jax.outputs.saved_rounds import list_unfinished_batches, remove_unfinished
from dreamsound_jax.run.added_files import add_files
from dreamsound_jax.run.batch_reader import BatchReader
from dreamsound_jax.run.batch_runner import BatchRunner
from dreamsound_jax.run.changes import Parts, list_changed, list_left_out
from dreamsound_jax.run.jobs import list_jobs
from dreamsound_jax.run.last_words import (
    describe_rest,
    describe_stop,
    log_failures,
    log_speed,
    suggest_next,
)
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.progress import Progress
from dreamsound_jax.run.report import Reporter
from dreamsound_jax.run.run_page import RunPage
from dreamsound_jax.run.sources import describe_unread, draw_targets
from dreamsound_jax.run.warm_up import WarmUp
from dreamsound_jax.run.work import describe_work
from dreamsound_jax.run.writers import THREADS, Writers, describe_failure
from dreamsound_jax.system import devices
from dreamsound_jax.system.errors import UserError, describe_error
from dreamsound_jax.system.folder_lock import lock_folder
from dreamsound_jax.system.processes import Share
from dreamsound_jax.system.stopping import begin_work

log = logging.getLogger(__name__)


class ProcessRun:
    """What one process does of a run."""

    def __init__(
        self,
        models: Mapping[str, Model],
        plan: Plan,
        *,
        flags: dict[str, Any],
        command: str,
        output_dir: str | None,
        share: Share,
        resumes: bool,
        adds_files: bool = False,
        warm_up: WarmUp,
        report: Reporter,
        notes: Mapping[str, str] | None = None,
        parts: Parts = MappingProxyType({}),
    ):
        """Prepares the run; nothing is written yet.

        Args:
          models: {model: its card, and its network on all devices of this process}.
          plan: of the run.
          flags: the options as they are written to params.json.
          command: the command line that repeats this run, except for the seed.
          output_dir: the folder for the results, or None for a new one.
          share: the clips that this process dreams.
          resumes: whether the folder holds a run that is resumed.
          adds_files: whether that run was without videos or pictures, and is to have them now.
          warm_up: compiles programs before they are needed.
          report: called with the record of each clip that is done or failed, and its path.
          notes: what the page of the run says above its clips, name to text.
          parts: what the run is made with, for params.json.
        """
        self._models, self._plan, self._flags, self._command = models, plan, flags, command
        self._output_dir, self._share, self._resumes = output_dir, share, resumes
        self._adds_files = adds_files
        self._folder = make_folder(output_dir) if resumes else None
        self._report_clip = report
        self._notes, self._parts = notes or {}, parts
        self._batches = BatchRunner(models, plan, warm_up)
        self._reader = BatchReader(self._batches, pads_lengths=plan.pads_lengths)

    def dream(
        self,
        inputs: Sequence[str],
        *,
        earlier_inputs: Sequence[str] | None = None,
        gone: Collection[str] = (),
    ) -> int:
        """Dreams the clips of this process that are not done; returns how many failed.

        Args:
          inputs: the inputs of the run.
          earlier_inputs: those that it began with, if it is resumed and they are known.
          gone: those of them that are there no more. What was dreamed on them is kept, and what
            was not is left out.

        Raises:
          UserError: another run is writing to the folder.
        """
        with contextlib.ExitStack() as self._locks:
            if self._resumes:
                self._lock_folder()
            return self._dream(inputs, earlier_inputs, gone)

    def _lock_folder(self):
        own_file = Manifest(self._folder, process=self._share.index).file_name
        self._locks.enter_context(lock_folder(self._folder, self._share, own_file=own_file))

    def _dream(self, inputs, earlier_inputs, gone):
        jobs = list_jobs(inputs, self._plan)
        done = self._find_done(jobs)
        left_out = self._leave_out(gone, jobs, done)
        has_new_inputs = earlier_inputs is not None and [*inputs] != [*earlier_inputs]
        if self._adds_files:
            self._write_params(inputs, jobs)
        if done:
            own = [job for job in jobs if job.number in done and self._share.includes(job.number)]
            add_files(self._folder, own, self._plan, self._open_manifest())
        if jobs and len(done) + len(left_out) == len(jobs) and not has_new_inputs:
            if done:
                log.info("%s: all clips were done before (%d)", self._folder, len(done))
            page = self._open_page(jobs)
            self._report_done(done, self._end(Manifest(self._folder), page, len(jobs)))
            return 0
        begun, rest = self._list_waiting([job for job in jobs if job.path not in gone], done)
        batches, first = self._reader.read(begun, rest), []
        if not self._resumes:
            first = next(batches, [])
            if not first:
                return self._report_unread()  # Nothing can be dreamed, and no folder is made.
        if has_new_inputs or not self._resumes:
            self._write_params(inputs, jobs)
        own = [job for batch in (*begun, rest) for job in batch]
        work = describe_work(own, next(iter(first), None)) if own else None
        batches = itertools.chain([first], batches)
        return self._dream_all(batches, jobs, done, work, left_out=left_out)

    def _leave_out(self, gone, jobs, done):
        """Leaves out the jobs that are not done and whose inputs are gone; returns their numbers.

        They are recorded as clips without a dream, so that no process waits for them.
        """
        left_out = list_left_out([job for job in jobs if job.path in gone], done)
        records = self._open_manifest().records() if left_out else {}
        for job in left_out:
            failure = describe_failure(job, f"{job.path} is gone since the run began")
            if self._share.includes(job.number) and records.get(job.number) != failure:
                self._open_manifest().add(failure)
        return {job.number for job in left_out}

    def _list_waiting(self, jobs, done):
        """Returns the jobs of this process: (batches that an earlier run has begun, the others).

        A batch that was begun is whole: a clip of it that is done comes out again as it is.
        """
        every = {job.number: job for job in jobs}
        waiting = every.keys() - done
        begun = []
        for numbers in list_unfinished_batches(self._folder) if self._resumes else []:
            if waiting.isdisjoint(numbers) or not every.keys() >= set(numbers):
                continue
            waiting = waiting.difference(numbers)
            if self._share.includes(numbers[0]):
                begun.append([every[number] for number in numbers])
        own = [job for job in jobs if job.number in waiting and self._share.includes(job.number)]
        return begun, own

    def _report_unread(self):
        """Reports all jobs whose sounds could not be read; returns how many they are."""
        for job, error in self._reader.unread:
            reason = describe_unread(job, error)
            log.error("%s", reason)
            self._report(describe_failure(job, reason))
        return len(self._reader.unread)

    def _open_page(self, jobs):
        return RunPage(
            self._folder,
            self._plan,
            jobs,
            command=self._command,
            notes=self._notes,
            is_preview=bool(self._flags.get("preview")),
        )

    def _open_manifest(self):
        return Manifest(self._folder, process=self._share.index)

    def _find_done(self, jobs):
        """Returns the numbers of the jobs that an earlier run has done."""
        if not self._resumes:
            return set()
        recorded = Manifest(self._folder).done()
        done = [job for job in jobs if (job.number, job.name, job.path) in recorded]
        before = {job.number: recorded[job.number, job.name, job.path] for job in done}
        return before.keys() - {job.number for job in list_changed(done, before)}

    def _write_params(self, inputs, jobs):
        if not self._resumes:
            self._folder = make_folder(self._output_dir)
            self._lock_folder()
        is_written = write_params(
            self._folder,
            flags=self._flags,
            command=self._command,
            inputs=inputs,
            target_classes=draw_targets(jobs),
            parts=self._parts,
            anew=self._resumes,
        )
        if not is_written:
            raise UserError(
                f"another run was begun in {self._folder} at the same time: give this command "
                "again, or name another --output_dir"
            )

    def _dream_all(self, batches, jobs, done, work, *, left_out):
        manifest, page = self._open_manifest(), self._open_page(jobs)
        count, includes = len(jobs), self._share.includes
        own, ended_before = (
            sum(map(includes, numbers)) for numbers in (range(count), done | left_out)
        )
        started = time.perf_counter()
        if not self._share.index:
            self._say_what_is_done(work, own)
        if done:
            self._report_done(done, manifest.records())
        # Of several processes only the first shows how far it is.
        shown = not self._share.index and log.isEnabledFor(logging.INFO)
        with Progress(own, ended_before, shown=shown) as progress:
            writers = Writers(
                functools.partial(write_clip, self._folder),
                manifest,
                most_waiting=2 * self._batches.size + THREADS,
                report=self._report,
            )
            begin_work()
            try:
                with writers:
                    for batch in batches:
                        self._record_unread(writers, progress)
                        self._batches.dream(batch, writers, progress, folder=self._folder)
                        page.rewrite(manifest)
                    self._record_unread(writers, progress)
            except KeyboardInterrupt as stop:
                # What stopped may say what else is kept.
                stop.args = (self._end_early(manifest, page, count, str(stop)),)
                raise
        seconds = time.perf_counter() - started
        log_failures(writers.failed)
        records = self._end(manifest, page, count)
        new = [each for number, each in records.items() if includes(number) and number not in done]
        log_speed(new, seconds, self._batches.busy_seconds)
        if self._share.count > 1 and len(records) < count:
            log.info("%s", describe_rest(count - len(records), count))
        if not self._share.index:
            self._say_what_next(list(records.values()))
        return len(writers.failed)

    def _say_what_is_done(self, work, own):
        names = [model.card.name for model in self._models.values()]
        kind = "network" if len(names) == 1 else "networks"
        log.info("dreaming by the %s %s on %s", kind, ", ".join(names), devices.describe())
        if work:
            log.info("%s", work)
        if own > 1:
            log.info("%s shows the clips as they are done", self._folder / PAGE)

    def _report(self, record):
        """Reports a clip that is done or failed, with the path of its sound."""
        suffix = find_sound(record.get("files", ()))
        path = None if "error" in record else f"{self._folder / record['name']}{suffix}"
        self._report_clip(record, path)

    def _report_done(self, numbers, records):
        """Reports those clips of this process that an earlier run has done."""
        for number in sorted(numbers):
            if number in records and self._share.includes(number):
                self._report(records[number])

    def _end_early(self, manifest, page, count, kept):
        """Writes the page of a run that the user stops; returns the words on it."""
        records = manifest.records()
        try:
            page.write(records)
        except Exception as error:  # The user has stopped the run, and is not to be held up.
            log.warning("%s could not be written: %s", PAGE, describe_error(error))
        folder = shlex.quote(f"--output_dir={self._folder}")
        done = sum("error" not in record for record in records.values())
        return describe_stop(done, count, kept=kept, command=f"{self._command} {folder}")

    def _say_what_next(self, records):
        dreamed = [record for record in records if "error" not in record]
        if not dreamed:
            return
        for line in suggest_next(dreamed, self._plan, page=self._folder / PAGE):
            log.info("%s", line)

    def _end(self, manifest, page, count):
        """Writes the page, and removes what only a run that goes on needs; returns the records."""
        while True:
            records = manifest.records()
            page.write(records)
            # Another process may have recorded a clip and written its page in the meantime.
            if self._share.count == 1 or manifest.records() == records:
                break
        if len(records) == count:
            remove_unfinished(self._folder, only_if_empty=self._share.count > 1)
        return records

    def _record_unread(self, writers, progress):
        while self._reader.unread:
            job, error = self._reader.unread.pop(0)
            log.debug("%s", job.path, exc_info=error)
            writers.fail(job, describe_unread(job, error))
            progress.end(1)
