"""Clips for the device: read ahead by threads, and put together into batches."""

import collections
import itertools
from concurrent.futures import ThreadPoolExecutor

from dreamsound_jax.system.errors import UserError

READERS = 4
MOST_WAITING = 8  # batches' worth of clips that may wait for others like them


def read_ahead(jobs, read, *, ahead):
    """Yields (job, `read(job)` or its UserError) in order; threads are up to `ahead` further."""

    def attempt(job):
        try:
            return job, read(job)
        except UserError as error:
            return job, error

    jobs, begun = iter(jobs), collections.deque()
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        try:
            while True:
                wanted = itertools.islice(jobs, ahead + 1 - len(begun))
                begun.extend(pool.submit(attempt, job) for job in wanted)
                if not begun:
                    return
                yield begun.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def batches(sources, size, *, alike):
    """Groups sources for which `alike` is the same; yields lists of up to `size` of them.

    A group is yielded when it is full; if too many clips wait for others like them, the largest
    group goes as it is; and in the end the rest does.
    """
    waiting = {}
    for source in sources:
        form = alike(source)
        waiting.setdefault(form, []).append(source)
        if len(waiting[form]) == size:
            yield waiting.pop(form)
        elif sum(map(len, waiting.values())) >= MOST_WAITING * size:
            yield waiting.pop(max(waiting, key=lambda form: len(waiting[form])))
    yield from waiting.values()
