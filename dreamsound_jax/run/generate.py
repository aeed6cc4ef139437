"""Many clips: from what was asked for to what is written, batch by batch."""

import functools
import itertools
import logging
import secrets
import time
from dataclasses import asdict, replace

import jax
from tqdm import tqdm

from dreamsound_jax.audio import find
from dreamsound_jax.dreaming.batch import draw_ahead
from dreamsound_jax.networks import loading
from dreamsound_jax.objectives.combine import CLASS_LAYER
from dreamsound_jax.outputs.clip_files import write_clip
from dreamsound_jax.outputs.folder import find_earlier_run, make_folder, write_index, write_params
from dreamsound_jax.outputs.manifest import Manifest
from dreamsound_jax.outputs.saved_rounds import FOLDER, list_unfinished_batches
from dreamsound_jax.run import grid, journey, single, sources
from dreamsound_jax.run.feed import batches, read_ahead
from dreamsound_jax.run.finish import THREADS, Finishers
from dreamsound_jax.run.options import check
from dreamsound_jax.system import devices
from dreamsound_jax.system.errors import UserError

log = logging.getLogger(__name__)

NAMED = 20  # failed clips that are named in the end
RESUME_WITH = ("output_dir", "save_every")  # Flags that may change when a run is resumed.


def run(options, *, command):
    """Dreams all clips and writes them; what fails is logged, a line each.

    Where `options.output_dir` holds a run with the same flags that was stopped, this goes on with
    it: what is done is left as it is. Of several processes, each does its share.

    Args:
      options: an `Options`.
      command: the command line that repeats this run, but for the seed.

    Returns:
      How many clips failed.

    Raises:
      UserError: nothing can be dreamed as asked for: found before the long work starts.
    """
    check(options)
    if jax.process_count() > 1 and options.output_dir is None:
        raise UserError("several processes need a common place to write to: name an --output_dir")
    earlier = find_earlier_run(options.output_dir, asdict(options), may_differ=RESUME_WITH)
    options = replace(options, seed=devices.agree(_seed(options, earlier)))
    draw_ahead(options)  # while the network is read
    model = loading.load(options.model, checkpoint=options.checkpoint, dtype=options.precision)
    grid.check_points(options, model.card)
    _warn_of_what_is_of_no_use(options)
    found, missing = find.find_inputs(options.input)
    for _, message in missing:
        log.error("%s", message)
    jobs = grid.jobs(found, options)
    model = model._replace(network=devices.everywhere(model.network))
    return _Run(model, options, command, bool(earlier)).dream(jobs) + len(missing)


def _seed(options, earlier):
    if options.seed is not None:
        return options.seed
    return earlier["seed"] if earlier else secrets.randbelow(2**31)


def _warn_of_what_is_of_no_use(options):
    every = [replace(options, **changes) for changes in grid.points(options)]
    if any(one.target_class and not one.dreams_of_class for one in every):
        log.warning("--target_class is of no use without the layer %s", CLASS_LAYER)


class _Run:
    """What one process does of a run."""

    def __init__(self, model, options, command, goes_on):
        self._model, self._options, self._command = model, options, command
        self._folder = make_folder(options.output_dir) if goes_on else None
        self._goes_on, self._unread, self._busy = goes_on, [], 0.0
        self._size = -(-options.batch_size // devices.count()) * devices.count()
        self._kind = journey if options.create_ouroboros else single

    def dream(self, jobs):
        """Dreams the jobs that are not done; returns how many failed."""
        done = Manifest(self._folder).done() if self._goes_on else set()
        todo = [job for job in jobs if job.number not in done]
        if jobs and not todo:
            log.info("%s: all %d clips were done before", self._folder, len(jobs))
            return 0
        feed = self._feed(todo)
        first = next(feed, [])
        if first or self._goes_on or jax.process_count() > 1:
            self._begin(jobs)
            return self._dream_all(itertools.chain([first], feed), len(jobs), done)
        for _, error in self._unread:  # nothing can be dreamed: no folder is made
            log.error("%s", error)
        return len(self._unread)

    def _dream_all(self, feed, count, done):
        manifest = Manifest(self._folder, process=jax.process_index())
        mine, before = (sum(map(_is_mine, numbers)) for numbers in (range(count), done))
        started = time.perf_counter()
        with self._bar(mine, before) as bar:
            write = lambda source, clip: write_clip(self._folder, clip)  # noqa: E731
            most = 2 * self._size + THREADS
            with Finishers(write, manifest, most=most, after_clip=bar.update) as finishers:
                for batch in feed:
                    self._fail_unread(finishers)
                    self._dream(batch, finishers, bar)
                self._fail_unread(finishers)
        self._summarise(finishers.failed, mine - before, time.perf_counter() - started)
        records = manifest.records()
        write_index(self._folder, records, command=self._command, seed=self._options.seed)
        left = self._folder / FOLDER
        if len(records) == count and left.exists():  # and nobody is writing there any more
            left.rmtree()
        return len(finishers.failed)

    def _begin(self, jobs):
        if not self._folder:
            self._folder = make_folder(self._options.output_dir)
        if not self._goes_on and not jax.process_index():
            targets = sources.classes_of(jobs, self._options, self._model.card)
            write_params(
                self._folder,
                flags=asdict(self._options),
                command=self._command,
                target_classes=targets,
            )

    def _feed(self, todo):
        """Batches of sources: those that an earlier run has begun, and then the others."""
        jobs = {job.number: job for job in todo}
        for numbers in list_unfinished_batches(self._folder) if self._goes_on else []:
            begun = [jobs.pop(number) for number in numbers if number in jobs]
            if begun and _is_mine(begun[0].number):
                yield list(self._read(begun))
        mine = [job for job in jobs.values() if _is_mine(job.number)]
        yield from batches(self._read(mine), self._size, alike=self._form)

    def _read(self, jobs):
        """Yields the sources; what cannot be read waits to be recorded."""
        read = functools.partial(sources.read, options=self._options, card=self._model.card)
        for job, found in read_ahead(jobs, read, ahead=2 * self._size):
            if isinstance(found, UserError):
                self._unread.append((job, found))
            else:
                yield found

    def _form(self, source):
        """What is the same for clips that are dreamed in one batch."""
        return source.shape, replace(self._options, **source.changes).program()

    def _dream(self, batch, finishers, bar):
        """Dreams a batch, in parts if the device has no room for all of it at once."""
        waiting = [batch] if batch else []
        while waiting:
            part, *waiting = waiting
            if len(part) > self._size:
                waiting = [part[: self._size], part[self._size :], *waiting]
                continue
            try:
                finishers.take(part, self._dreamed(part, bar))
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error):
                    raise
                if self._halve():
                    waiting = [part, *waiting]
                else:
                    self._fail_for_want_of_memory(part, finishers)

    def _dreamed(self, batch, bar):
        options = replace(self._options, **batch[0].changes, batch_size=self._size)
        tell = functools.partial(bar.set_postfix_str, refresh=True)
        dreamed = self._kind.dream(self._model, batch, options, folder=self._folder, tell=tell)
        self._busy += dreamed.busy
        return dreamed

    def _halve(self):
        """Makes batches smaller; False if they cannot be."""
        if self._size == devices.count():
            return False
        self._size = max(1, self._size // devices.count() // 2) * devices.count()
        log.warning(
            "the device has no room for so many clips: going on with --batch_size=%d", self._size
        )
        return True

    def _fail_for_want_of_memory(self, batch, finishers):
        for source in batch:
            finishers.fail(
                source.number,
                source.name,
                source.path,
                f"{source.name}: the device has no room for this clip; a shorter one may fit",
            )

    def _fail_unread(self, finishers):
        """Records the inputs that could not be read."""
        while self._unread:
            job, error = self._unread.pop(0)
            finishers.fail(job.number, sources.name_of(job), job.path, str(error))

    def _bar(self, total, done):
        # One bar, whatever the processes are.
        hidden = True if jax.process_index() else None
        return tqdm(
            total=total, initial=done, desc="dreaming", unit="clip", disable=hidden, leave=False
        )

    def _summarise(self, failed, finished, seconds):
        if finished > 1:
            log.info(
                "%d clips in %.0f s, %.3g a second; the device was busy for %.0f%% of the time",
                *(finished, seconds, finished / seconds, 100 * self._busy / seconds),
            )
        if failed:
            names = ", ".join(sorted(failed)[:NAMED]) + (", ..." if len(failed) > NAMED else "")
            log.error("clips that failed, for the reasons above: %d (%s)", len(failed), names)


def _is_mine(number):
    """Whether a clip is this process's to dream."""
    return number % jax.process_count() == jax.process_index()
