"""Checkpoints of TensorFlow are read without TensorFlow."""

import itertools
import time

import numpy as np
import pytest

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.crc32c import compute_crc32c
from dreamsound_jax.weights.tf_checkpoint import read_tf_checkpoint
from tests.helpers.tf_files import (
    crc32c,
    field,
    make_data,
    make_header,
    make_pairs,
    make_shape,
    make_table,
    write_files,
    write_tf_checkpoint,
)

RNG = np.random.default_rng(0)
ARRAYS = {
    "1CNN/bias": RNG.normal(size=7).astype(np.float32),
    "1CNN/bias/Adam": RNG.normal(size=7).astype(np.float32),
    "1CNN/kernel": RNG.normal(size=(3, 3, 2, 7)).astype(np.float32),
    "beta1_power": np.array(0.9, np.float32),
    "dense/kernel": RNG.normal(size=(4, 5)),
    "empty": np.zeros((0, 3), np.float32),
    "global_step": np.array(2**40),
    "größe": np.arange(6, dtype=np.int32),
}
TABLE, DATA = make_table(make_pairs(ARRAYS)), make_data(ARRAYS)


def assert_arrays_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def get_refusal(prefix):
    with pytest.raises(UserError) as caught:
        read_tf_checkpoint(prefix)
    message = str(caught.value)
    assert message.isprintable() and str(prefix) in message
    return message


def write_with(tmp_path, **changes):
    return write_tf_checkpoint(tmp_path / "model", ARRAYS, **changes)


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 63, 64, 1000, 5003])
def test_crc32c_equals_the_one_computed_bit_by_bit(length):
    data = np.random.default_rng(length).bytes(length)
    assert compute_crc32c(data) == crc32c(data)


def test_crc32c_equals_the_published_one():
    assert compute_crc32c(b"123456789") == 0xE3069283  # The check value in catalogs of CRCs.
    assert compute_crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720, B.4.


@pytest.mark.parametrize("pairs_in_block", [1, 2, 100])
def test_tensors_are_read(tmp_path, pairs_in_block):
    prefix = write_with(tmp_path, pairs_in_block=pairs_in_block)
    found = read_tf_checkpoint(prefix)
    assert list(found) == sorted(ARRAYS, key=str.encode)
    assert_arrays_equal(found, ARRAYS)
    assert_arrays_equal(read_tf_checkpoint(f"{prefix}.index"), ARRAYS)


def test_many_names_that_share_their_beginnings_are_read(tmp_path):
    arrays = {f"layer_{number}/kernel/Adam": np.full(2, number) for number in range(100)}
    prefix = write_tf_checkpoint(tmp_path / "model", arrays, pairs_in_block=40)
    assert_arrays_equal(read_tf_checkpoint(prefix), arrays)


def test_the_checkpoint_without_a_name_is_found_by_its_folder(tmp_path):
    for name, contents in ((".index", TABLE), (".data-00000-of-00001", DATA)):
        (tmp_path / name).write_bytes(contents)
    for path in (tmp_path, f"{tmp_path}/", tmp_path / ".index"):
        assert_arrays_equal(read_tf_checkpoint(path), ARRAYS)


def test_the_checksum_of_eight_million_bytes_is_computed_quickly():
    start = time.perf_counter()
    compute_crc32c(np.zeros(8_000_000, np.uint8))
    assert time.perf_counter() - start < 2


ENTRY_CHANGES = {
    "another type": ({"dtype": 7}, "1CNN/kernel is string, but must be float32, float64, int32"),
    "an unknown type": ({"dtype": 99}, "1CNN/kernel is of TensorFlow's type 99"),
    "another size of number": ({"dtype": 2}, "504 bytes"),
    "the second shard": ({"shard": 1}, "must be in shard 0, not 1"),
    "shard -1": ({"shard": -1}, "must be in shard 0"),
    "slices": ({"extra": field(7, b"")}, "1CNN/kernel is saved in slices"),
    "beyond the file": ({"offset": 10**6}, "a tensor must start at byte 56"),
    "negative offset": ({"offset": -4}, "a tensor must start at byte 56"),
    "overlap": (
        {"offset": 52},
        "1CNN/kernel starts at byte 52, but a tensor must start at byte 56",
    ),
    "gap": ({"offset": 60}, "1CNN/kernel starts at byte 60, but a tensor must start at byte 56"),
    "short": ({"size": 500}, "500 bytes"),
    "negative size": ({"size": -504}, "bytes"),
    "another shape": ({"shape": make_shape((3, 3, 2, 6))}, "504 bytes"),
    "huge shape": ({"shape": make_shape((2**40, 2**40))}, "504 bytes"),
    "negative shape": ({"shape": make_shape((-3, -42))}, "504 bytes"),
    "empty, but huge": ({"shape": make_shape((0, 2**62, 2**62)), "size": 0}, "0 bytes"),
    "axes": ({"shape": make_shape((1,) * 1000)}, "at most 32 axes"),
    "unknown rank": ({"shape": field(3, 1)}, "known shape"),
    "no message as shape": ({"shape": b"\xff"}, "cut short"),
    "checksum": ({"crc": bytes(4)}, "the checksum of 1CNN/kernel is wrong"),
    "unknown field": ({"extra": field(8, 1)}, "unknown field 8"),
    "a field twice": ({"extra": field(5, 504)}, "comes twice"),
    "a field of another kind": ({"extra": field(4, b"abc")}, "unknown field 4"),
    "a field cut short": ({"extra": field(7, bytes(9))[:-1]}, "beyond its end"),
    "a number cut short": ({"extra": b"\x20\xff"}, "cut short"),
    "a huge number": ({"extra": b"\x20" + b"\xff" * 9 + b"\x7f"}, "too large"),
    "an endless number": ({"extra": b"\x20" + b"\x80" * 50}, "too large"),
}


@pytest.mark.parametrize("kind", list(ENTRY_CHANGES))
def test_an_entry_that_is_wrong_is_refused(tmp_path, kind):
    changes, words = ENTRY_CHANGES[kind]
    assert words in get_refusal(write_with(tmp_path, entries={"1CNN/kernel": changes}))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (make_header(shards=2), "must be one shard, not 2"),
        (make_header(shards=0), "must be one shard, not 0"),
        (make_header(big_endian=1), "must be little-endian"),
        (make_header(version=field(1, 9) + field(2, 2)), "must be of version 1, not 2"),
        (b"", "must be one shard, not 0"),
        (field(9, 1), "unknown field 9"),
    ],
)
def test_a_header_that_is_wrong_is_refused(tmp_path, header, words):
    assert words in get_refusal(write_with(tmp_path, header=header))


def test_a_compressed_index_is_refused(tmp_path):
    assert "compressed (kind 1)" in get_refusal(write_with(tmp_path, compression=1))


PAIRS = make_pairs(ARRAYS)
PAIR_CHANGES = {
    "no header": (PAIRS[1:], "must begin with a header"),
    "nothing": ([], "must begin with a header"),
    "a name twice": ([*PAIRS[:3], *PAIRS[2:]], "1CNN/bias/Adam comes twice"),
    "a name twice in one block": ([*PAIRS[:2], *PAIRS[1:]], "1CNN/bias comes twice"),
    "out of order": ([*PAIRS[:3], PAIRS[4], PAIRS[3], *PAIRS[5:]], "out of order"),
    "not UTF-8": ([*PAIRS, (b"\xff\x1b[2J\n", PAIRS[-1][1])], "must be UTF-8"),
    "control characters": ([*PAIRS, ("ö\x1b[2J\n".encode(), b"\x38\x01")], "unknown field 7"),
    "a long name": ([*PAIRS, (b"\xf0" * 2000, PAIRS[-1][1])], "longer than 1024 bytes"),
    "one tensor less": (PAIRS[:-1], "must have"),
}


@pytest.mark.parametrize("kind", list(PAIR_CHANGES))
def test_entries_that_do_not_fit_together_are_refused(tmp_path, kind):
    pairs, words = PAIR_CHANGES[kind]
    assert words in get_refusal(write_files(tmp_path / "model", make_table(pairs), DATA))


def test_a_name_is_shown_without_its_control_characters(tmp_path):
    arrays = {"\x1b[2J\n": np.arange(2, dtype=bool)}
    message = get_refusal(write_tf_checkpoint(tmp_path / "model", arrays))
    assert r"\x1b[2J\n is bool" in message


def test_blocks_that_are_wrong_inside_are_refused(tmp_path):
    for change, words in [
        (lambda contents: b"", "cut short"),
        (lambda contents: b"\xff\xff\xff\xff", "longer than its list"),
        (lambda contents: b"\x05" + contents, "start is missing"),
        (lambda contents: b"\xff" * 20 + contents[-8:], "too large"),
    ]:
        assert words in get_refusal(write_with(tmp_path, change=change))


@pytest.mark.parametrize("length", [0, 1, 47, 48, 100, len(TABLE) // 2, len(TABLE) - 1])
def test_an_index_cut_short_is_refused(tmp_path, length):
    prefix = write_files(tmp_path / "model", TABLE[:length], DATA)
    assert "must end with the footer" in get_refusal(prefix)


@pytest.mark.parametrize("length", [0, 1, 56, len(DATA) // 2, len(DATA) - 1])
def test_data_cut_short_are_refused(tmp_path, length):
    prefix = write_files(tmp_path / "model", TABLE, DATA[:length])
    assert f"must have {len(DATA)} bytes, not {length}" in get_refusal(prefix)


def test_bytes_before_within_and_after_the_files_are_refused(tmp_path):
    footer = TABLE[-48:]
    for table, data, words in [
        (b"\0" * 5 + TABLE, DATA, "must have"),
        (TABLE[:-48] + bytes(9) + footer, DATA, "must have"),
        (TABLE + b"\0", DATA, "must end with the footer"),
        (TABLE, DATA + b"\0", "must have"),
        (TABLE, b"\0" + DATA, "must have"),
        (TABLE, DATA[1:] + DATA[:1], "checksum"),
    ]:
        assert words in get_refusal(write_files(tmp_path / "model", table, data))


def test_every_flipped_byte_is_found(tmp_path):
    """No byte of the two files can change unnoticed."""
    prefix = tmp_path / "model"
    for position in range(0, len(TABLE)):
        table = bytearray(TABLE)
        table[position] ^= 1 << position % 8
        message = get_refusal(write_files(prefix, bytes(table), DATA))
        assert f"{prefix}.index" in message
    for position in range(0, len(DATA), 7):
        data = bytearray(DATA)
        data[position] ^= 1 << position % 8
        message = get_refusal(write_files(prefix, TABLE, bytes(data)))
        assert f"{prefix}.data-00000-of-00001: the checksum of" in message


OTHER_INDEXES = {
    "a page": b"<!DOCTYPE html><html>" + b"Not found. " * 20 + b"</html>",
    "an archive": b"PK\x03\x04" + bytes(500),
    "only a footer": bytes(40) + TABLE[-8:],
    "a footer of huge numbers": b"\xff" * 40 + TABLE[-8:],
    "data": DATA,
    "more than an index": bytes(2**20 + 1),
}


@pytest.mark.parametrize("kind", list(OTHER_INDEXES))
def test_another_file_as_index_is_refused(tmp_path, kind):
    get_refusal(write_files(tmp_path / "model", OTHER_INDEXES[kind], DATA))


def test_missing_files_and_folders_are_named(tmp_path):
    prefix = write_with(tmp_path)
    (tmp_path / "model.data-00000-of-00001").unlink()
    message = get_refusal(prefix)
    assert "model.data-00000-of-00001: No such file" in message
    (tmp_path / "model.data-00000-of-00001").mkdir()
    assert "Is a directory" in get_refusal(prefix)
    assert "none.index: No such file" in get_refusal(tmp_path / "none")
    assert ".index: No such file" in get_refusal(tmp_path)


def damage(rng, contents):
    """Returns the bytes with one byte changed, some left out, or some put in."""
    position, kind = int(rng.integers(len(contents))), rng.integers(4)
    if kind == 0:
        return contents[:position]
    if kind == 1:
        return contents[:position] + rng.bytes(5) + contents[position:]
    flipped = bytes([contents[position] ^ int(rng.integers(1, 256))])
    return contents[:position] + flipped + contents[position + 1 :]


def test_random_damage_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(300):
        table, data = TABLE, DATA
        if rng.integers(3):
            table = damage(rng, TABLE)
        else:
            data = damage(rng, DATA)
        get_refusal(write_files(tmp_path / "model", table, data))


def make_table_with_damaged_block(rng):
    """Makes an index in which the contents of one block are damaged, and all checksums correct."""
    chosen, numbers = rng.integers(4), itertools.count()

    def change(contents):
        return damage(rng, contents) if next(numbers) == chosen else contents

    return make_table(PAIRS, change=change)


def test_random_contents_with_correct_checksums_raise_no_other_error(tmp_path):
    """Somebody who forges a file can compute its checksums, so they protect from nothing."""
    rng, refused = np.random.default_rng(0), 0
    for _ in range(300):
        table = make_table_with_damaged_block(rng)
        try:
            found = read_tf_checkpoint(write_files(tmp_path / "model", table, DATA))
        except UserError:
            refused += 1
        else:
            assert sum(array.nbytes for array in found.values()) == len(DATA)
    assert refused > 200


def test_checkpoints_of_tensorflow_are_read(tmp_path):
    tensorflow = pytest.importorskip("tensorflow", reason="TensorFlow writes what is read here")
    tf = tensorflow.compat.v1
    arrays = {**ARRAYS, **{f"many/{n}": np.full((2, n + 1), n, np.float32) for n in range(300)}}
    del arrays["größe"]  # TensorFlow allows only ASCII in the names of variables.
    with tf.Graph().as_default(), tf.Session() as session:
        for name, array in arrays.items():
            tf.get_variable(name, initializer=array, use_resource=False)
        session.run(tf.global_variables_initializer())
        prefix = tf.train.Saver().save(session, str(tmp_path / "model"))
    assert_arrays_equal(read_tf_checkpoint(prefix), arrays)
