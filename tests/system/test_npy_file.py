"""Arrays are read from .npy files that others made."""

import io

import numpy as np
import pytest

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.npy_file import read_npy


def save(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_numbers_come_back(tmp_path):
    (tmp_path / "a.npy").write_bytes(save(np.arange(6.0).reshape(2, 3)))
    np.testing.assert_array_equal(read_npy(f"{tmp_path}/a.npy", "it"), [[0, 1, 2], [3, 4, 5]])


# A header that claims 80 TB.
HUGE = save(np.ones(2)).replace(b"(2,), }              ", b"(9999999999999,), }  ")
assert b"9999999999999" in HUGE


@pytest.mark.parametrize("content", [b"", b"no array", save(np.ones(9))[:-1], HUGE, save(["a"])])
def test_what_is_no_array_of_numbers_is_refused(tmp_path, content):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"^--it.*a\.npy"):
        read_npy(f"{tmp_path}/a.npy", "--it")


def test_a_file_of_another_kind_is_refused_in_plain_words(tmp_path):
    (tmp_path / "s.wav").write_bytes(b"RIFF" + bytes(40))
    with pytest.raises(UserError, match=r"must be a \.npy file .* numpy\.save did not write it$"):
        read_npy(f"{tmp_path}/s.wav", "--mask")
