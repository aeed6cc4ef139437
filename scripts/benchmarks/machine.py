"""What the machine is, and how many FLOPs a second it reaches: measured, not from a data sheet."""

import os
import platform
from pathlib import Path

import jax
import jax.numpy as jnp

from benchmarks.results import time_call

ROUNDS = 30
# The side of the square matrices that are multiplied.
SIDE = {"cpu": 1024, "gpu": 8192, "tpu": 8192}
# The dtypes of networks, and the precision of their products as JAX names it.
PRODUCTS = {"float32": "float32", "bfloat16": None}


def measure_peak(dtype="float32", *, precision: str | None = "float32") -> float:
    """Returns the FLOPs a second of a large matrix product on the first device: the best round."""
    side = SIDE[jax.default_backend()]
    # Products of random numbers take longer than those of ones, which need less power.
    matrix = jax.random.normal(jax.random.key(0), (side, side), dtype)
    with jax.default_matmul_precision(precision):
        multiply = jax.jit(jnp.matmul).lower(matrix, matrix).compile()
    seconds = [time_call(lambda: multiply(matrix, matrix)) for _ in range(1 + ROUNDS)]
    return 2 * side**3 / min(seconds)


def describe_machine(peak: float, dtype: str = "float32") -> str:
    """Returns the device, the versions of what runs on it, and its peak as a line."""
    device = jax.devices()[0]
    if device.platform == "cpu":
        name, count = _processor_name(), f"{len(os.sched_getaffinity(0))} cores"
    else:
        name, count = device.device_kind, f"{jax.device_count()} of them"
    return (
        f"{name} ({count}), JAX {jax.__version__}, Python {platform.python_version()}; "
        f"{peak / 1e9:.3g} GFLOP/s in a large matrix product of {dtype}"
    )


def _processor_name():
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
