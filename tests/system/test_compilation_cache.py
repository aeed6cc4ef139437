"""What JAX says of its cache becomes one line, and damaged entries are written anew."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from dreamsound_jax.system import cache
from dreamsound_jax.system.compilation_cache import answer_warnings

TOLD = "Error {} persistent compilation cache entry for 'jit_dream': {}"
DAMAGED = "error: Error -5 while decompressing data: incomplete or truncated stream"
FULL = "OSError: [Errno 28] No space left on device"
MISSING = "NotADirectoryError: [Errno 20] Not a directory: '/a/file/dreamsound_jax'"


@pytest.fixture
def warn(monkeypatch, tmp_path):
    """Warns as JAX does; its folder has entries of two programs."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "_said", [])
    for name in ("jit_dream-1-cache", "jit_dream-2-cache", "jit_dream_clips-1-cache"):
        (tmp_path / name).touch()

    def call(action, reason):
        warnings.warn(TOLD.format(action, reason), stacklevel=2)

    with warnings.catch_warnings():
        answer_warnings()
        yield call


def test_a_damaged_entry_is_removed_without_a_word(warn, tmp_path, caplog, capsys):
    warn("reading", DAMAGED)
    assert [path.name for path in tmp_path.iterdir()] == ["jit_dream_clips-1-cache"]
    assert not caplog.records and capsys.readouterr().err == ""


def test_a_cache_that_cannot_be_used_is_said_once_with_its_folder(warn, tmp_path, caplog, capsys):
    warn("writing", FULL)
    assert len(list(tmp_path.iterdir())) == 1  # What it began to write is gone.
    warn("reading", MISSING)
    warn("writing", FULL)
    (record,) = caplog.records
    assert record.getMessage() == (
        f"compiled programs cannot be kept in {tmp_path}, so later runs start slower: No space "
        "left on device; "
        "set XDG_CACHE_HOME to a folder with room that can be written to"
    )
    assert capsys.readouterr().err == ""


def test_other_warnings_are_shown(warn):
    with pytest.warns(UserWarning, match="something else"):
        warnings.warn("something else", stacklevel=1)


COMPILE = """
import jax
from dreamsound_jax.system import runtime

runtime.prepare(precision="float32")
print(jax.jit(lambda x: 2 * x)(3.0))
"""


@pytest.mark.slow
def test_what_a_killed_process_has_left_in_the_cache_is_replaced_by_the_next(tmp_path):
    def compile_something(folder):
        environment = {**os.environ, "XDG_CACHE_HOME": str(folder), "JAX_PLATFORMS": "cpu"}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        command = [sys.executable, "-c", COMPILE]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == "6.0\n"
        return done.stderr

    assert compile_something(tmp_path) == ""
    entries = {path: path.read_bytes() for path in tmp_path.glob("dreamsound_jax/programs/*")}
    assert entries
    for path, content in entries.items():
        path.write_bytes(content[: len(content) // 2])
    assert compile_something(tmp_path) == ""
    sizes = {path: path.stat().st_size for path in entries}
    assert all(sizes[path] > 0.9 * len(content) for path, content in entries.items())
    said = compile_something("/proc")
    words = "compiled programs cannot be kept in /proc/dreamsound_jax"
    assert said.count("\n") == 1 and said.startswith(words)
    (tmp_path / "file").touch()
    said = compile_something(Path(tmp_path / "file"))
    assert said.count("\n") == 1 and "Not a directory" in said
