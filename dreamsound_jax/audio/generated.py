"""Generates the sounds that need no file: noise and a sine."""

import jax
import numpy as np

from dreamsound_jax.system.errors import UserError


def noise(key: jax.Array, *, samples: int) -> np.ndarray:
    """Generates uniform white noise in [-1, 1): float32 (samples,), at any precision of JAX."""
    return np.asarray(jax.random.uniform(key, (samples,), np.float32, -1, 1))


def sine(*, samples: int, frequency: float, sample_rate: int) -> np.ndarray:
    """Generates a sine of `frequency` Hz and amplitude 1 from phase 0: float32 (samples,).

    Raises:
      UserError: the frequency is not between 0 and half the sample rate.
    """
    if not 0 < frequency < sample_rate / 2:
        raise UserError(
            f"the frequency of a sine must be above 0 and under {sample_rate / 2:g} Hz, half the "
            f"sample rate, got {frequency:g} Hz"
        )
    return np.sin(2 * np.pi * frequency / sample_rate * np.arange(samples)).astype(np.float32)
