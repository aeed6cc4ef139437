"""Sounds that need no file: noise and a sine."""

import numpy as np

from dreamsound_jax.system.errors import UserError


def noise(key, *, samples: int) -> np.ndarray:
    """Uniform white noise in [-1, 1): float32 (samples,), whatever jax's default precision."""
    import jax

    return np.asarray(jax.random.uniform(key, (samples,), np.float32, -1, 1))


def sine(*, samples: int, frequency: float, sample_rate: int) -> np.ndarray:
    """A sine of `frequency` Hz and amplitude 1, from phase 0: float32 (samples,)."""
    if not 0 < frequency < sample_rate / 2:
        raise UserError(
            f"a sine of {frequency:g} Hz: accepted are frequencies above 0 and under "
            f"{sample_rate / 2:g} Hz, half the sample rate"
        )
    return np.sin(2 * np.pi * frequency / sample_rate * np.arange(samples)).astype(np.float32)
