"""Reads the file of `--mask`."""

import functools
import io

import numpy as np

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.storage import path_of


@functools.lru_cache(maxsize=8)
def read_mask(path: str) -> np.ndarray:
    """Reads the mask in a .npy file: float64, of any shape. Nothing in it is executed.

    Raises:
      UserError: the file cannot be read, or does not hold numbers from 0 to 1.
    """
    try:
        mask = np.lib.format.read_array(io.BytesIO(path_of(path).read_bytes()))
    except Exception as error:  # Each cloud client has its own errors, and NumPy has several.
        raise UserError(
            f"--mask must be a .npy file with an array of numbers, and {path!r} is not: "
            f"{reason_of(error)}"
        ) from None
    if mask.dtype.kind not in "buif":
        raise UserError(f"--mask: {path!r} must hold numbers, and holds {mask.dtype}")
    mask = mask.astype(np.float64)
    wrong = mask[~((mask >= 0) & (mask <= 1))]
    if wrong.size:
        raise UserError(f"--mask: {path!r} must hold numbers from 0 to 1, and holds {wrong[0]:g}")
    if not mask.any():
        raise UserError(f"--mask: {path!r} must have a number above 0 somewhere, and has none")
    return mask
