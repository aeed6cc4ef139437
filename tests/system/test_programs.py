import functools
import os
import subprocess
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.system import programs
from tests.helpers.tiny import write_checkpoint


class Pair(NamedTuple):
    key: jax.Array
    scaled: jax.Array


traced = []


@programs.Kept
@functools.partial(jax.jit, static_argnames="times")
def scaled(pair, added, *, times):
    traced.append(times)
    return Pair(jax.random.split(pair.key)[0], pair.scaled * times + added)


@pytest.fixture(autouse=True)
def nothing_traced():
    jax.clear_caches()
    traced.clear()


def pair(size=3):
    return Pair(jax.random.key(7), jnp.arange(size, dtype=jnp.float32))


def run(folder, *, size=3, times=2):
    """Calls it as a new process would; what it returns is right."""
    jax.clear_caches()
    with programs.keep_in(folder):
        result = scaled(pair(size), np.float32(0.5), times=times)
    assert isinstance(result, Pair)
    expected = jax.random.key_data(jax.random.split(jax.random.key(7))[0])
    np.testing.assert_array_equal(jax.random.key_data(result.key), expected)
    np.testing.assert_array_equal(result.scaled, np.arange(size) * times + 0.5)


def test_what_was_traced_once_is_found_again(tmp_path):
    for _ in range(2):
        run(tmp_path)
    assert traced == [2]


def test_what_differs_is_traced_anew(tmp_path):
    run(tmp_path)
    run(tmp_path, size=4)
    run(tmp_path, times=3)
    jax.config.update("jax_default_matmul_precision", "highest")
    try:
        run(tmp_path)
        run(tmp_path)
    finally:
        jax.config.update("jax_default_matmul_precision", None)
    assert traced == [2, 2, 3, 2]


def test_programs_depend_on_the_code_and_on_versions(tmp_path, monkeypatch):
    code = tmp_path / "package" / "deeper" / "code.py"
    code.parent.mkdir(parents=True)
    monkeypatch.setattr(programs, "__file__", str(tmp_path / "package" / "system" / "programs.py"))
    found = []
    for text, version in (("a = 1", "1"), ("a = 2", "1"), ("a = 2", "2"), ("a = 2", "2")):
        code.write_text(text)
        monkeypatch.setattr(programs.importlib.metadata, "version", lambda name, v=version: v)
        programs._code.cache_clear()
        found.append(programs._surroundings())
    programs._code.cache_clear()
    assert len(set(map(str, found[:3]))) == 3 and found[2] == found[3]


def test_a_damaged_program_is_made_again(tmp_path):
    run(tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"not a program"):
        file.write_bytes(damaged)
        run(tmp_path)
        run(tmp_path)  # as it was made again
    assert traced == [2] * 4


def test_where_nothing_can_be_kept_it_is_said_once(tmp_path, caplog):
    (tmp_path / "file").touch()
    with programs.keep_in(tmp_path / "file" / "folder"):
        for times in (2, 3):
            result = scaled(pair(), np.float32(0.5), times=times)
            np.testing.assert_array_equal(result.scaled, np.arange(3) * times + 0.5)
    assert [record.message.split(" (")[0] for record in caplog.records] == [
        "cannot keep programs: starts take longer"
    ]


def test_a_program_is_compiled_ahead_for_arguments_that_are_not_there_yet(tmp_path):
    with programs.keep_in(tmp_path):
        first = scaled.ahead(pair(), np.float32(0.5), times=2)
        second = scaled.ahead(first, np.float32(0.5), times=3)
        assert (second.scaled.shape, second.scaled.dtype) == ((3,), jnp.float32)
        result = scaled(scaled(pair(), np.float32(0.5), times=2), np.float32(0.5), times=3)
    np.testing.assert_array_equal(result.scaled, (np.arange(3) * 2 + 0.5) * 3 + 0.5)
    assert traced == [2, 3]


def test_elsewhere_and_inside_of_programs_it_is_the_function_of_jit(tmp_path, monkeypatch):
    assert scaled.ahead(pair(), 0.5, times=2) is None
    np.testing.assert_array_equal(scaled(pair(), 0.5, times=2).scaled, np.arange(3) * 2 + 0.5)
    with programs.keep_in(tmp_path):
        both = jax.vmap(lambda added: scaled(pair(), added, times=2).scaled)(jnp.ones(2))
        np.testing.assert_array_equal(both, [np.arange(3) * 2 + 1] * 2)
        monkeypatch.setattr(jax, "device_count", lambda: 2)
        assert scaled.ahead(pair(), 0.5, times=2) is None
        scaled(pair(), 0.5, times=2)
    assert not list(tmp_path.iterdir())


def test_a_second_start_finds_all_programs_of_the_first(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "tiny")
    cache = tmp_path / "cache"
    flags = f"--checkpoint={checkpoint} --layers_to_use=relu2_2 --pyramid_size=1 --noplots"
    command = [sys.executable, *f"-m dreamsound_jax --seed=1 {flags}".split()]
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    kept, sounds = [], []
    for name in ("first", "second"):
        subprocess.run([*command, f"--output_dir={tmp_path / name}"], env=environment, check=True)
        kept.append({file: file.stat().st_mtime_ns for file in (cache / "traced").iterdir()})
        sounds.append(next((tmp_path / name).glob("*.wav")).read_bytes())
    # Of keys, rolls, analysis, class probabilities, a level, all levels, and resynthesis.
    assert len(kept[0]) == 7
    assert kept[0] == kept[1]
    assert sounds[0] == sounds[1]
