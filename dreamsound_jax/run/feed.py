"""Clips for the device: read ahead by threads, and grouped into batches."""

import collections
import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

READERS = 4
# So many batches' worth of clips may wait for others with which they can be batched.
MOST_WAITING = 8


def read_ahead(jobs: Iterable, read: Callable, *, ahead: int) -> Iterator[tuple[Any, Any]]:
    """Reads jobs in threads that are up to `ahead` jobs further.

    Yields:
      (job, `read(job)`), or (job, the exception that it raised), in order.
    """

    def attempt(job):
        try:
            return job, read(job)
        except Exception as error:  # Whatever a file does to its reader, other files are read.
            return job, error

    jobs = iter(jobs)
    begun: collections.deque[Future] = collections.deque()
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        try:
            while True:
                next_jobs = itertools.islice(jobs, ahead + 1 - len(begun))
                begun.extend(pool.submit(attempt, job) for job in next_jobs)
                if not begun:
                    return
                yield begun.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def group_into_batches(
    clips: Iterable, size: int, *, key: Callable[[Any], Hashable]
) -> Iterator[list]:
    """Groups clips that have the same key into lists of up to `size`.

    A group is yielded when it is full. If too many clips wait for others, the largest group is
    yielded as it is; in the end the rest is.
    """
    waiting: dict[Hashable, list] = {}
    for clip in clips:
        kind = key(clip)
        waiting.setdefault(kind, []).append(clip)
        if len(waiting[kind]) == size:
            yield waiting.pop(kind)
        elif sum(map(len, waiting.values())) >= MOST_WAITING * size:
            yield waiting.pop(max(waiting, key=lambda kind: len(waiting[kind])))
    yield from waiting.values()
