"""Reads the file of `--mask`."""

import functools

import numpy as np

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.npy_file import read_npy
from dreamsound_jax.system.storage import when_changed


def read_mask(path: str) -> np.ndarray:
    """Reads the mask in a .npy file: float64, of any shape; it is kept until the file changes.

    Raises:
      UserError: the file cannot be read, or does not hold numbers from 0 to 1.
    """
    return _read_once(path, when_changed(path))


@functools.lru_cache(maxsize=8)
def _read_once(path: str, changed: int) -> np.ndarray:
    mask = read_npy(path, "--mask").astype(np.float64)
    wrong = mask[~((mask >= 0) & (mask <= 1))]
    if wrong.size:
        raise UserError(f"--mask: {path!r} must hold numbers from 0 to 1, and holds {wrong[0]:g}")
    if not mask.any():
        raise UserError(f"--mask: {path!r} must have a number above 0 somewhere, and has none")
    return mask
