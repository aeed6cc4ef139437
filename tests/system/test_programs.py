"""Traced programs are kept, found again, and never run what was planted."""

import ast
import functools
import json
import os
import pickle
import re
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import dreamsound_jax
from dreamsound_jax.system import cache, programs
from dreamsound_jax.system.cache import compilation_cache_folder
from tests.helpers.commands import QUICK, dream

PACKAGE = Path(dreamsound_jax.__file__).parent


class Pair(NamedTuple):
    key: jax.Array
    scaled: jax.Array


traced = []


@programs.keep_traces
@functools.partial(jax.jit, static_argnames="times")
def scaled(pair, added, *, times):
    traced.append(times)
    factor = times(1.0) if callable(times) else times
    return Pair(jax.random.split(pair.key)[0], pair.scaled * factor + added)


@pytest.fixture(autouse=True)
def nothing_is_traced():
    jax.clear_caches()
    traced.clear()


def pair(size=3):
    return Pair(jax.random.key(7), jnp.arange(size, dtype=jnp.float32))


def run(folder, *, size=3, times=2):
    """Calls it as a new process would; what it returns is right."""
    jax.clear_caches()
    with programs.keep_in(str(folder)):
        result = scaled(pair(size), np.float32(0.5), times=times)
    assert isinstance(result, Pair)
    expected = jax.random.key_data(jax.random.split(jax.random.key(7))[0])
    np.testing.assert_array_equal(jax.random.key_data(result.key), expected)
    factor = times(1.0) if callable(times) else times
    np.testing.assert_array_equal(result.scaled, np.arange(size) * factor + 0.5)


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
    keys = []
    for text, version in (("a = 1", "1"), ("a = 2", "1"), ("a = 2", "2"), ("a = 2", "2")):
        code.write_text(text)
        monkeypatch.setattr(programs.importlib.metadata, "version", lambda name, v=version: v)
        programs._digest_of_code.cache_clear()
        keys.append(programs._digest(scaled, jax.tree.structure(0), [], {"times": 2}))
    programs._digest_of_code.cache_clear()
    assert len({*keys[:3]}) == 3 and keys[2] == keys[3]


def test_a_program_with_a_function_as_constant_is_not_kept(tmp_path):
    """Its address, by which Python shows it, may be another function's in the next process."""
    for factor in (2, 3):
        run(tmp_path, times=lambda one, factor=factor: one * factor)
    assert list(tmp_path.iterdir()) == [] and len(traced) == 2


class Payload:
    """What it is unpickled to is a file that was made."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return Path.touch, (self._path,)


def plant(file, content, **changes):
    """Writes a trace whose digest is right."""
    header, _, _ = file.read_bytes().partition(b"\n")
    entries = json.loads(header) | changes
    entries |= {"digest": programs._digest_of(entries["result"], content)}
    file.write_bytes(json.dumps(entries).encode())
    with file.open("ab") as whole:
        whole.write(b"\n" + content)


def with_another_form(header):
    """A header whose digest was right before it was changed."""
    return json.dumps(json.loads(header) | {"result": {"tuple": ["leaf", "leaf"]}}).encode()


def with_custom_call(leaves):
    return [leaves[0], jnp.linalg.cholesky(jnp.eye(3) + jnp.diag(leaves[1]))[0]]


def with_another_result(leaves):
    return [leaves[0], leaves[1]]


def with_one_more_result(leaves):
    return [leaves[0], leaves[1], leaves[1]]


def exported(function):
    shapes = [jax.ShapeDtypeStruct((), jax.random.key(0).dtype)]
    shapes += [jax.ShapeDtypeStruct((3,), jnp.float32), jax.ShapeDtypeStruct((), jnp.float32)]
    return bytes(export.export(jax.jit(function))(shapes).serialize())


def test_a_planted_file_is_not_run_and_the_program_is_traced_anew(tmp_path):
    run(tmp_path / "traces")
    (file,) = (tmp_path / "traces").iterdir()
    assert file.parent.stat().st_mode & 0o077 == 0
    whole = file.read_bytes()
    header, _, content = whole.partition(b"\n")
    payload = pickle.dumps(Payload(tmp_path / "was_run"))
    assert b"custom_call" in exported(with_custom_call)
    plants = [
        lambda: file.write_bytes(b""),
        lambda: file.write_bytes(whole[: len(whole) // 2]),
        lambda: file.write_bytes(b"not a program"),
        lambda: file.write_bytes(payload),
        lambda: file.write_bytes(header + b"\n" + payload),
        lambda: file.write_bytes(with_another_form(header) + b"\n" + content),
        lambda: file.write_bytes(header + b"\n" + exported(with_another_result)),
        lambda: plant(file, payload),
        lambda: plant(file, exported(with_custom_call)),
        lambda: plant(file, exported(with_one_more_result)),
        lambda: plant(file, content, result={"class": ["os", "system"], "fields": ["leaf"]}),
        lambda: plant(file, content, result={"class": ["builtins", "eval"], "fields": []}),
        lambda: plant(file, content, result={"tuple": ["leaf"]}),
        lambda: plant(file, content, result=None),
    ]
    for number, make in enumerate(plants):
        make()
        run(tmp_path / "traces")
        assert traced == [2] * (number + 2), number
    run(tmp_path / "traces")
    assert len(traced) == len(plants) + 1
    assert not (tmp_path / "was_run").exists()
    pickle.loads(payload)
    assert (tmp_path / "was_run").exists()


ALLOWED = {"weights/torch_unpickler.py": {"pickle", "pickletools"}}
UNSAFE_MODULES = {"pickle", "pickletools", "cPickle", "dill", "cloudpickle", "joblib", "marshal"}
UNSAFE_MODULES |= {"shelve", "yaml", "_pickle", "code"}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__", "unsafe_load"}


def unsafe_parts(path):
    """Modules that are imported, and functions that are called, by which data could run."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from {alias.name.split(".")[0] for alias in node.names} & UNSAFE_MODULES
        elif isinstance(node, ast.ImportFrom):
            yield from {(node.module or "").split(".")[0]} & UNSAFE_MODULES
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield from {node.func.id} & UNSAFE_CALLS
            yield from {word.arg for word in node.keywords} & {"allow_pickle"}


def test_a_program_that_only_the_compiler_finds_damaged_is_traced_anew(tmp_path):
    run(tmp_path)
    (file,) = tmp_path.iterdir()
    _, _, content = file.read_bytes().partition(b"\n")
    module = content.index(b"ML\xefR")  # the magic number of MLIR's bytecode
    plant(file, content[: module + 100] + bytes(200) + content[module + 300 :])
    run(tmp_path)
    assert traced == [2, 2]


def test_a_program_that_cannot_be_compiled_is_traced_anew(tmp_path, monkeypatch):
    run(tmp_path)
    compile_it = programs.ThreadPoolExecutor.submit
    failures = [ValueError("not a program")]

    def submit(pool, function, *arguments):
        def fail():
            raise failures.pop()

        return compile_it(pool, fail if failures else function, *arguments)

    monkeypatch.setattr(programs.ThreadPoolExecutor, "submit", submit)
    run(tmp_path)
    assert (traced, failures) == ([2, 2], [])


def test_what_others_may_have_written_is_not_run(tmp_path, monkeypatch):
    folder = tmp_path / "traces"
    run(folder)
    folder.chmod(0o770)
    run(folder)
    assert (traced, folder.stat().st_mode & 0o777) == ([2, 2], 0o700)
    run(folder)
    assert traced == [2, 2]
    (file,) = folder.iterdir()
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    run(folder)
    assert traced == [2, 2, 2]
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    run(folder)
    assert traced == [2, 2, 2, 2]


def test_programs_that_are_let_go_are_found_again(tmp_path):
    with programs.keep_in(str(tmp_path)):
        scaled(pair(), np.float32(0.5), times=2)
        programs.let_go()
        result = scaled(pair(), np.float32(0.5), times=2)
    np.testing.assert_array_equal(result.scaled, np.arange(3) * 2 + 0.5)
    assert traced == [2]


def test_nothing_is_unpickled_or_evaluated_but_by_the_restricted_reader_of_torch_files():
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = {*unsafe_parts(path)}
        if parts:
            found[path.relative_to(PACKAGE).as_posix()] = parts
    assert found == ALLOWED
    reader = (PACKAGE / "weights/torch_unpickler.py").read_text()
    assert "def find_class" in reader and not re.search(r"pickle\.loads?\(", reader)


def test_where_nothing_can_be_kept_it_is_said_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(cache, "_said", [])
    (tmp_path / "file").touch()
    with programs.keep_in(f"{tmp_path}/file/folder"):
        for times in (2, 3):
            result = scaled(pair(), np.float32(0.5), times=times)
            np.testing.assert_array_equal(result.scaled, np.arange(3) * times + 0.5)
    (record,) = caplog.records
    assert record.message.startswith(
        f"compiled programs cannot be kept in {tmp_path}/file/folder, so later runs start "
        "slower: Not a"
    )


def test_of_the_kept_traces_those_used_last_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "MOST_KEPT", 2)

    def names():
        return {file.name for file in tmp_path.iterdir()}

    run(tmp_path, times=1)
    (first,) = names()
    run(tmp_path, times=2)
    (second,) = names() - {first}
    for age, name in enumerate((second, first)):
        os.utime(tmp_path / name, (time.time() - 100 - age,) * 2)
    run(tmp_path, times=1)
    run(tmp_path, times=3)
    assert len(names()) == 2 and first in names() and second not in names()


def test_a_program_is_compiled_ahead_for_arguments_that_are_not_there_yet(tmp_path):
    with programs.keep_in(str(tmp_path)):
        first = scaled.compile_ahead(pair(), np.float32(0.5), times=2)
        second = scaled.compile_ahead(first, np.float32(0.5), times=3)
        assert (second.scaled.shape, second.scaled.dtype) == ((3,), jnp.float32)
        result = scaled(scaled(pair(), np.float32(0.5), times=2), np.float32(0.5), times=3)
    np.testing.assert_array_equal(result.scaled, (np.arange(3) * 2 + 0.5) * 3 + 0.5)
    assert traced == [2, 3]


def test_elsewhere_and_inside_of_programs_it_is_the_function_of_jit(tmp_path, monkeypatch):
    assert scaled.compile_ahead(pair(), 0.5, times=2) is None
    np.testing.assert_array_equal(scaled(pair(), 0.5, times=2).scaled, np.arange(3) * 2 + 0.5)
    with programs.keep_in(str(tmp_path)):
        both = jax.vmap(lambda added: scaled(pair(), added, times=2).scaled)(jnp.ones(2))
        np.testing.assert_array_equal(both, [np.arange(3) * 2 + 1] * 2)
        monkeypatch.setattr(jax, "device_count", lambda: 2)
        assert scaled.compile_ahead(pair(), 0.5, times=2) is None
        scaled(pair(), 0.5, times=2)
    assert not list(tmp_path.iterdir())


# Of keys, rolls, analysis, the response, class probabilities, a level, all levels, and resynthesis;
# an ouroboros analyses batches and single clips, begins, and ends rounds.
@pytest.mark.parametrize(
    ("more", "count"),
    [
        ((), 8),
        pytest.param(("--create_ouroboros", "--ouroboros_length=2"), 9, marks=pytest.mark.slow),
    ],
)
def test_a_second_process_finds_all_programs_of_the_first(more, count, tiny_checkpoint, tmp_path):
    """Under the same names, so none of them depends on where things lie in memory."""
    own_cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    own_cache["JAX_COMPILATION_CACHE_DIR"] = compilation_cache_folder()
    flags = ("noise", f"--checkpoint={tiny_checkpoint}", "--clip_length=6000", "--seed=1", *QUICK)
    flags += more
    found, sounds = [], []
    for seed in ("1", "2"):
        out = tmp_path / seed
        dream(*flags, f"--output_dir={out}", cwd=tmp_path, PYTHONHASHSEED=seed, **own_cache)
        files = (tmp_path / "cache" / "dreamsound_jax" / "traces").iterdir()
        found.append({file.name: file.stat() for file in files})
        sounds.append((out / "00000-noise.wav").read_bytes())
    assert len(found[0]) == count
    assert found[0].keys() == found[1].keys()
    for name, stat in found[1].items():
        # It was read, and not written again.
        assert stat.st_ino == found[0][name].st_ino
        assert stat.st_mtime_ns > found[0][name].st_mtime_ns
    assert sounds[0] == sounds[1]
