"""Reads the sounds of jobs ahead of the dream, and groups them into batches."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from dreamsound_jax.audio.find import BUILT_IN
from dreamsound_jax.run.batch_runner import BatchRunner
from dreamsound_jax.run.feed import group_into_batches, read_ahead
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.sources import Source, read_source
from dreamsound_jax.system.fingerprint import take_fingerprint

# So many batches are read while one is dreamed.
_BATCHES_AHEAD = 2


class BatchReader:
    """Reads the sounds of jobs in threads, and groups them into batches.

    Attributes:
      unread: jobs whose sound could not be read, and what was raised.
    """

    def __init__(self, batches: BatchRunner, *, pads_lengths: bool):
        """Prepares to read for `batches`; with `pads_lengths`, sounds share few lengths."""
        self.unread: list[tuple[Job, Exception]] = []
        self._batches, self._pads_lengths = batches, pads_lengths

    def read(self, begun: Iterable[list[Job]], jobs: Sequence[Job]) -> Iterator[list[Source]]:
        """Yields batches: those that an earlier run has begun, as they were, and then the others.

        Args:
          begun: the jobs of each batch that was begun.
          jobs: all others.
        """
        for batch in begun:
            yield list(self._read(batch))
        sources = self._read(jobs)
        first = list(itertools.islice(sources, 1))
        for source in first:
            self._batches.make_room(source, batches=1 + _BATCHES_AHEAD)
        sources = itertools.chain(first, sources)
        yield from group_into_batches(sources, self._batches.size, key=_batch_key)

    def _read(self, jobs):
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

    def _read_source(self, job):
        # Taken first: a file that is written while it is read counts as changed afterwards.
        fingerprint = None if job.path in BUILT_IN else take_fingerprint(job.path)
        source = read_source(job, pads_lengths=self._pads_lengths)
        return source._replace(input_file=fingerprint)

    def _read_ahead(self, jobs, *, clips):
        for job, source in read_ahead(jobs, self._read_source, ahead=clips):
            if isinstance(source, Exception):
                self.unread.append((job, source))
            else:
                yield source


def _batch_key(source: Source) -> tuple:
    """Returns what the clips of one batch have in common."""
    return source.shape, source.plan.static
