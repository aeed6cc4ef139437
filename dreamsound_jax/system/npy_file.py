"""Reads an array from a .npy file, local or in a store. Nothing in the file is executed."""

import io

import numpy as np

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.system.storage import path_of, read_file

_START = b"\x93NUMPY"


def read_npy(path: str, what: str) -> np.ndarray:
    """Reads a .npy file.

    Args:
      path: the file, local, gs:// or s3://.
      what: begins the message of an error, such as "--mask".

    Returns:
      An array of numbers, of any shape.

    Raises:
      UserError: the file cannot be read, is cut short, or does not hold numbers.
    """
    try:
        data = read_file(path_of(path))
        if not data.startswith(_START):
            raise ValueError("numpy.save did not write it")
        array = np.lib.format.read_array(io.BytesIO(data))
    except Exception as error:  # Each cloud client has its own errors.
        raise UserError(
            f"{what} must be a .npy file with an array of numbers, and {path!r} is not: "
            f"{reason_of(error)}"
        ) from None
    if array.dtype.kind not in "buif":
        raise UserError(f"{what}: {path!r} must hold numbers, and holds {array.dtype}")
    return array
