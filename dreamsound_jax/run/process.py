"""What one process does of a run: its share of the clips, batch by batch."""

import contextlib
import functools
import itertools
import logging
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dreamsound_jax.audio.formats import find_sound
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.outputs.clip_files import write_clip
from dreamsound_jax.outputs.folder import PAGE, make_folder, write_index, write_params
from dreamsound_jax.outputs.manifest import Manifest
from dreamsound_jax.outputs.saved_rounds import list_unfinished_batches, remove_unfinished
from dreamsound_jax.run.added_files import add_files
from dreamsound_jax.run.batch_runner import BatchRunner
from dreamsound_jax.run.clip_command import make_clip_command
from dreamsound_jax.run.feed import group_into_batches, read_ahead
from dreamsound_jax.run.jobs import Job, list_jobs
from dreamsound_jax.run.last_words import (
    describe_rest,
    describe_stop,
    log_failures,
    log_speed,
    suggest_next,
)
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.presets import find_preset
from dreamsound_jax.run.progress import Progress
from dreamsound_jax.run.report import Reporter
from dreamsound_jax.run.sources import Source, describe_unread, draw_targets, read_source
from dreamsound_jax.run.warm_up import WarmUp
from dreamsound_jax.run.work import describe_work
from dreamsound_jax.run.writers import THREADS, Writers, describe_failure
from dreamsound_jax.system import devices
from dreamsound_jax.system.errors import UserError, describe_error
from dreamsound_jax.system.folder_lock import lock_folder
from dreamsound_jax.system.processes import Share
from dreamsound_jax.system.stopping import begin_work

log = logging.getLogger(__name__)

# While a run goes on, its page is written so often.
SECONDS_BETWEEN_PAGES = 5.0
# So many batches are read while one is dreamed.
_BATCHES_AHEAD = 2


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
        """
        self._models, self._plan, self._flags, self._command = models, plan, flags, command
        self._output_dir, self._share, self._resumes = output_dir, share, resumes
        self._adds_files = adds_files
        self._folder = make_folder(output_dir) if resumes else None
        self._report_clip = report
        self._notes, self._jobs = notes or {}, []
        self._unread: list[tuple[Job, Exception]] = []
        self._batches = BatchRunner(models, plan, warm_up)
        self._next_page = time.monotonic() + SECONDS_BETWEEN_PAGES

    def dream(self, inputs: Sequence[str], *, earlier_inputs: Sequence[str] | None = None) -> int:
        """Dreams the clips of this process that are not done; returns how many failed.

        Args:
          inputs: the inputs of the run.
          earlier_inputs: those that it began with, if it is resumed and they are known.

        Raises:
          UserError: another run is writing to the folder.
        """
        with contextlib.ExitStack() as self._locks:
            if self._resumes:
                self._lock_folder()
            return self._dream(inputs, earlier_inputs)

    def _lock_folder(self):
        own_file = Manifest(self._folder, process=self._share.index).file_name
        self._locks.enter_context(lock_folder(self._folder, self._share, own_file=own_file))

    def _dream(self, inputs, earlier_inputs):
        self._jobs = jobs = list_jobs(inputs, self._plan)
        done = self._find_done(jobs)
        has_new_inputs = earlier_inputs is not None and [*inputs] != [*earlier_inputs]
        if self._adds_files:
            self._write_params(inputs, jobs)
        if done:
            own = [job for job in jobs if job.number in done and self._share.includes(job.number)]
            add_files(self._folder, own, self._plan, self._open_manifest())
        if jobs and len(done) == len(jobs) and not has_new_inputs:
            log.info("%s: all clips were done before (%d)", self._folder, len(jobs))
            self._report_done(done, self._end(Manifest(self._folder), len(jobs)))
            return 0
        batches, first = self._read_batches(jobs, done), []
        if not self._resumes:
            first = next(batches, [])
            if not first:
                # Nothing can be dreamed, and no folder is made.
                for job, error in self._unread:
                    reason = describe_unread(job, error)
                    log.error("%s", reason)
                    self._report(describe_failure(job, reason))
                return len(self._unread)
        if has_new_inputs or not self._resumes:
            self._write_params(inputs, jobs)
        waiting = [job for job in jobs if job.number not in done]
        own = [job for job in waiting if self._share.includes(job.number)]
        work = describe_work(own, next(iter(first), None)) if own else None
        return self._dream_all(itertools.chain([first], batches), len(jobs), done, work)

    def _open_manifest(self):
        return Manifest(self._folder, process=self._share.index)

    def _find_done(self, jobs):
        """Returns the numbers of the jobs that an earlier run has done."""
        if not self._resumes:
            return set()
        done = Manifest(self._folder).done()
        return {job.number for job in jobs if (job.number, job.name, job.path) in done}

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
            anew=self._resumes,
        )
        if not is_written:
            raise UserError(
                f"another run was begun in {self._folder} at the same time: give this command "
                "again, or name another --output_dir"
            )

    def _dream_all(self, batches, count, done, work):
        manifest = self._open_manifest()
        includes = self._share.includes
        own, done_before = (sum(map(includes, numbers)) for numbers in (range(count), done))
        started = time.perf_counter()
        if not self._share.index:
            names = [model.card.name for model in self._models.values()]
            kind = "network" if len(names) == 1 else "networks"
            log.info("dreaming by the %s %s on %s", kind, ", ".join(names), devices.describe())
            if work:
                log.info("%s", work)
            if own > 1:
                log.info("%s shows the clips as they are done", self._folder / PAGE)
        if done:
            self._report_done(done, manifest.records())
        # Of several processes only the first shows how far it is.
        shown = not self._share.index and log.isEnabledFor(logging.INFO)
        with Progress(own, done_before, shown=shown) as progress:
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
                        self._rewrite_page(manifest)
                    self._record_unread(writers, progress)
            except KeyboardInterrupt as stop:
                # What stopped may say what else is kept.
                stop.args = (self._end_early(manifest, count, str(stop)),)
                raise
        seconds = time.perf_counter() - started
        log_failures(writers.failed)
        records = self._end(manifest, count)
        new = [each for number, each in records.items() if includes(number) and number not in done]
        log_speed(new, seconds, self._batches.busy_seconds)
        if self._share.count > 1 and len(records) < count:
            log.info("%s", describe_rest(count - len(records), count))
        if not self._share.index:
            self._say_what_next(list(records.values()))
        return len(writers.failed)

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

    def _rewrite_page(self, manifest):
        """Writes the page with the clips that are done so far, if that was not done lately."""
        begun = time.monotonic()
        if begun < self._next_page:
            return
        self._write_page(manifest.records())
        # With many clips, or in a store, it takes long: then it is done less often.
        took = time.monotonic() - begun
        self._next_page = begun + max(SECONDS_BETWEEN_PAGES, 20 * took)

    def _write_page(self, records):
        write_index(
            self._folder,
            {number: self._describe_for_page(record) for number, record in records.items()},
            command=self._command,
            seed=self._plan.seed,
            count=len(self._jobs),
            notes=self._notes,
            is_preview=bool(self._flags.get("preview")),
        )

    def _describe_for_page(self, record):
        """Returns a record with what to expect of its preset, and the command that repeats it."""
        if record["number"] >= len(self._jobs):
            return record
        job = self._jobs[record["number"]]
        command = make_clip_command(job, run_command=self._command)
        known = dict(record)
        if "preset" in job.plan.changes:
            known |= {"preset": job.plan.preset}
            known["what_to_expect"] = find_preset(job.plan.preset).summary
        return known | ({} if command is None else {"command": command})

    def _end_early(self, manifest, count, kept):
        """Writes the page of a run that the user stops; returns the words on it."""
        records = manifest.records()
        try:
            self._write_page(records)
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

    def _end(self, manifest, count):
        """Writes the page, and removes what only a run that goes on needs; returns the records."""
        while True:
            records = manifest.records()
            self._write_page(records)
            # Another process may have recorded a clip and written its page in the meantime.
            if self._share.count == 1 or manifest.records() == records:
                break
        if len(records) == count:
            remove_unfinished(self._folder, only_if_empty=self._share.count > 1)
        return records

    def _read_batches(self, jobs, done) -> Iterator[list[Source]]:
        """Yields batches: first those that an earlier run has begun, then the others.

        One that was begun is whole: a clip of it that is done comes out again as it is.
        """
        every = {job.number: job for job in jobs}
        waiting = every.keys() - done
        for numbers in list_unfinished_batches(self._folder) if self._resumes else []:
            if waiting.isdisjoint(numbers) or not every.keys() >= set(numbers):
                continue
            waiting = waiting.difference(numbers)
            if self._share.includes(numbers[0]):
                yield list(self._read([every[number] for number in numbers]))
        own = [job for job in jobs if job.number in waiting and self._share.includes(job.number)]
        sources = self._read(own)
        first = list(itertools.islice(sources, 1))
        for source in first:
            self._batches.make_room(source, batches=1 + _BATCHES_AHEAD)
        sources = itertools.chain(first, sources)
        yield from group_into_batches(sources, self._batches.size, key=_batch_key)

    def _read(self, jobs) -> Iterator[Source]:
        """Yields the sources of jobs; what cannot be read waits to be recorded.

        The first source is read alone: by its length, batches may be made smaller.
        """
        jobs = iter(jobs)
        for job in jobs:
            first = list(self._read_ahead([job], clips=0))
            yield from first
            if first:
                break
        yield from self._read_ahead(jobs, clips=_BATCHES_AHEAD * self._batches.size)

    def _read_ahead(self, jobs, *, clips):
        read = functools.partial(read_source, pads_lengths=self._plan.pads_lengths)
        for job, source in read_ahead(jobs, read, ahead=clips):
            if isinstance(source, Exception):
                self._unread.append((job, source))
            else:
                yield source

    def _record_unread(self, writers, progress):
        while self._unread:
            job, error = self._unread.pop(0)
            log.debug("%s", job.path, exc_info=error)
            writers.fail(job, describe_unread(job, error))
            progress.end(1)


def _batch_key(source: Source):
    """Returns what the clips of one batch have in common."""
    return source.shape, source.plan.static
