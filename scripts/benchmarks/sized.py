"""A dream of one size in a process of its own, to see what it costs.

    python -m benchmarks.sized SIZE

SIZE is a `Size` in JSON. What `cost` returns is printed, in JSON, too.
"""

import dataclasses
import json
import re
import resource
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from benchmarks import random_network, whole
from benchmarks.timing import once
from dreamsound_jax.run.options import Options
from dreamsound_jax.system import devices, runtime


class Size(NamedTuple):
    """What is dreamed: `batch` clips with `options`, as {flag: value}, by a network of `width`.

    `keep` is a .npz for the dreams, or "".
    """

    options: dict
    width: float
    batch: int
    rounds: int
    keep: str = ""

    @classmethod
    def of(cls, options, **rest):
        """Of an `Options`."""
        return cls(dataclasses.asdict(options), **rest)


def cost(size):
    """What a `Size` costs.

    Returns:
      {"seconds": median of a batch, after a first time; "bytes": the most that the process held at
      any time; "devices": how many it had}.
    """
    options = Options(**size.options)
    model = random_network.model(size.width)
    model = model._replace(network=devices.everywhere(model.network))
    clips = whole.noises(model, options, size.batch)
    dreams = whole.dream(model, clips, options).finished
    if size.keep:
        np.savez(size.keep, **jax.tree.map(np.asarray, dreams)._asdict())
    seconds = [once(lambda: whole.dream(model, clips, options)) for _ in range(size.rounds)]
    return {
        "seconds": statistics.median(seconds),
        "bytes": high_water(),
        "devices": jax.local_device_count(),
    }


def high_water():
    """The most bytes that this process held at any time.

    Where Linux tells, not by `getrusage`: that counts what the process was a copy of, too.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    if found:
        return 1024 * int(found[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


if __name__ == "__main__":
    asked = Size(*json.loads(sys.argv[1]))
    runtime.prepare(precision=asked.options["precision"])
    print(json.dumps(cost(asked)))
