"""What the machine is, and what it can do at most: measured, not read off a data sheet."""

import os
import platform
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import once

ROUNDS = 10
SIDE = {"cpu": 2048, "gpu": 8192, "tpu": 8192}  # of the matrices
COPIED = {"cpu": 2**28, "gpu": 2**32, "tpu": 2**31}  # bytes


class Limits(NamedTuple):
    """FLOPs a second of a matrix product, and bytes a second read and written by a copy."""

    flops: float
    bandwidth: float

    def seconds(self, *, flops=0.0, moved=0.0):
        """The least time for so many FLOPs and so many bytes: what takes longer of the two."""
        return max(flops / self.flops, moved / self.bandwidth)


def limits(dtype=np.float32, *, precision="float32"):
    """Measures the `Limits` of the first device; the best of several rounds."""
    platform_name = jax.default_backend()
    side = SIDE[platform_name]
    one = jnp.ones((side, side), dtype)
    with jax.default_matmul_precision(precision):
        product = jax.jit(jnp.matmul).lower(one, one).compile()
    flops = 2 * side**3 / _best(lambda: product(one, one))
    many = jnp.ones(COPIED[platform_name] // 4, np.float32)
    copy = jax.jit(lambda array: array + 1)
    return Limits(flops, 2 * many.nbytes / _best(lambda: copy(many)))


def told(limits):
    """`Limits`, in words."""
    return (
        f"at most {limits.flops / 1e9:.3g} GFLOP/s in a matrix product and "
        f"{limits.bandwidth / 1e9:.3g} GB/s in a copy"
    )


def _best(function):
    once(function)
    return min(once(function) for _ in range(ROUNDS))


def describe():
    """The device and what runs on it, as a line."""
    device = jax.devices()[0]
    name = _processor() if device.platform == "cpu" else device.device_kind
    count = (
        f"{len(os.sched_getaffinity(0))} cores"
        if device.platform == "cpu"
        else (f"{jax.device_count()} of them")
    )
    return f"{name} ({count}), JAX {jax.__version__}, Python {platform.python_version()}"


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
