"""How mel power is compressed before a network is shown it."""

import math
from typing import Any

COMPRESSIONS = DECIBEL, LOG1P, LOG = "db", "log1p", "log"
# The factor of the mel power in "log1p".
LOG1P_FACTOR = 1e4
LOG_OFFSET = 1e-6
"""By default this is added to the mel power in "log"."""


def compress_power(power: Any, compression: str, *, log_offset: float) -> Any:
    """Compresses mel power, an array of NumPy or JAX.

    Args:
      power: of any shape, 0 or more.
      compression: "log1p" for log10(1 + 10000 x), or "log" for the natural log(x + log_offset).
      log_offset: 0 or more.
    """
    xp = power.__array_namespace__()  # NumPy, or jax.numpy.
    if compression == LOG1P:
        # log1p is exact where the power is small; a float32 can hold 1e4 times any power.
        return xp.log1p(LOG1P_FACTOR * power) / math.log(10)
    return xp.log(power + log_offset)


def describe_compression(compression: str, log_offset: float) -> str:
    """Returns the formula of "log1p" or "log", in which x is the mel power.

    Example:
      >>> describe_compression("log", 1e-6)
      'the natural log(x + 1e-06)'
    """
    if compression == LOG1P:
        return f"log10(1 + {LOG1P_FACTOR:.0f} x)"
    return f"the natural log(x + {log_offset:g})"
