"""Files of safetensors are read without its package."""

import json

import ml_dtypes
import numpy as np
import pytest

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.safetensors_file import is_safetensors, read_safetensors
from tests.helpers.safetensors_files import encode, entry, write_safetensors

RNG = np.random.default_rng(0)
ARRAYS = {
    "half": RNG.normal(size=(3, 5)).astype(np.float16),
    "brain": RNG.normal(size=3).astype(ml_dtypes.bfloat16),
    "single": RNG.normal(size=(2, 1, 3, 3)).astype(np.float32),
    "double": RNG.normal(size=7),
    "count": np.array(5),
    "empty": np.zeros((0, 3)),
}


def test_tensors_of_all_dtypes_are_read(tmp_path):
    path = write_safetensors(tmp_path / "a.safetensors", ARRAYS)
    assert is_safetensors(path) and not is_safetensors(tmp_path / "no")
    found = read_safetensors(path)
    assert set(found) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_files_of_the_safetensors_package_are_read(tmp_path):
    numpy_files = pytest.importorskip("safetensors.numpy", reason="it writes the file")
    arrays = {name: array for name, array in ARRAYS.items() if name != "brain"}
    numpy_files.save_file(arrays, tmp_path / "a.safetensors", metadata={"format": "pt"})
    for name, array in read_safetensors(tmp_path / "a.safetensors").items():
        np.testing.assert_array_equal(array, arrays[name])


GOOD = {"a": entry("F32", [2], 0, 8), "b": entry("F32", [1], 8, 12)}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (encode(GOOD, bytes(11)), "'b' must lie in the file"),
        (encode(GOOD, bytes(13)), "1 bytes belong to no tensor"),
        (encode(GOOD | {"b": entry("F32", [1], 4, 8)}, bytes(12)), "'b' must begin at byte 8"),
        (encode(GOOD | {"b": entry("F32", [1], 9, 13)}, bytes(13)), "'b' must begin at byte 8"),
        (encode(GOOD | {"b": entry("F32", [2], 8, 12)}, bytes(12)), "as many bytes as it needs"),
        (encode({"a": entry("F32", [2], 8, 0)}, bytes(8)), "'a' must begin at byte 0"),
        (encode({"a": entry("F32", [-2], 0, -8)}, bytes(8)), "'a' must begin at byte 0"),
        (encode({"a": entry("F32", [2.0], 0, 8)}, bytes(8)), "'a' must begin at byte 0"),
        (encode({"a": entry("F32", [True], 0, 4)}, bytes(4)), "'a' must begin at byte 0"),
        (encode({"a": entry("F32", [10**4000] * 2000, 0, 0)}, b""), "'a' must begin at byte 0"),
        (encode({"a": entry("x" * 9999, [2], 0, 8)}, bytes(8)), "xxx..., not one of"),
        (encode({"a": entry("F32", [0, 2**62, 2**62], 0, 0)}, b""), "not a whole safetensors file"),
        (encode({"a": entry("F8_E4M3", [2], 0, 2)}, bytes(2)), "'a' is F8_E4M3, not one of F16"),
        (encode({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)), "no 'data_offsets'"),
        (encode({"a": [1]}, bytes(8)), "not a whole safetensors file"),
        (encode({"a": entry(["F32"], [2], 0, 8)}, bytes(8)), "not a whole safetensors file"),
        (encode(b'{"a": 1, "a": 2}', b""), "names an entry twice"),
        (encode(b'{"a": {"dtype": "F32", "dtype": "F16"}}', b""), "names an entry twice"),
        (encode(b"{" * 100_000, b""), "not a whole safetensors file"),
        (b"\xff" * 7 + b"\x7f{}", "its header would have 9223372036854775807 bytes"),
        ((10).to_bytes(8, "little") + b"{}", "its header would have 10 bytes"),
        (b"", "not a whole safetensors file"),
    ],
)
def test_damaged_files_are_refused_in_one_line(tmp_path, content, words):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_safetensors(path)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_names_are_printed_without_control_characters(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(encode({"\x1b[2J\n": entry("F8", [1], 0, 1)}, bytes(1)))
    with pytest.raises(UserError) as caught:
        read_safetensors(path)
    assert "\x1b" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_header_may_be_padded_and_hold_metadata(tmp_path):
    header = json.dumps({"__metadata__": {"format": "pt"}} | GOOD).encode() + b"   "
    path = tmp_path / "a.safetensors"
    path.write_bytes(encode(header, bytes(12)))
    assert set(read_safetensors(path)) == {"a", "b"}
