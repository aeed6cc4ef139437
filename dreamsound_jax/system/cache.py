"""The folders of caches, and how much is kept in the one of compiled programs."""

import atexit
import contextlib
import functools
import logging
import os
import tempfile
from pathlib import Path

import jax

COMPILATION_CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"
# Bytes of compiled programs that are kept in our own folder; those used least recently are dropped.
LARGEST_CACHE = 2**30

log = logging.getLogger(__name__)
# The folders of which it was said that they cannot be used.
_said: list[str] = []


def user_cache_folder() -> Path:
    """Returns this user's cache folder: $XDG_CACHE_HOME/dreamsound_jax, or in ~/.cache.

    A user without a home folder, as in some containers, has a new one for each process.
    """
    chosen = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(chosen or Path.home() / ".cache") / "dreamsound_jax"
    except RuntimeError:
        return _make_cache_of_process()


@functools.cache
def _make_cache_of_process():
    folder = tempfile.TemporaryDirectory(prefix="dreamsound_jax_")
    atexit.register(folder.cleanup)
    log.warning("no home folder: nothing is cached for later runs; set HOME or XDG_CACHE_HOME")
    return Path(folder.name)


def compilation_cache_folder() -> str:
    """Returns the folder of compiled programs: $JAX_COMPILATION_CACHE_DIR, or one of our own."""
    return os.environ.get(COMPILATION_CACHE_VARIABLE) or str(user_cache_folder() / "programs")


def traces_folder() -> str:
    """Returns the folder of traced programs: in this user's cache, which others cannot write to."""
    return str(user_cache_folder() / "traces")


def say_not_kept(folder: str, reason: str) -> None:
    """Says in one line, once in a process, that programs cannot be kept in a folder, and why."""
    if not _said:
        _said.append(folder)
        log.warning(
            "compiled programs cannot be kept in %s, so later runs start slower: %s; set "
            "XDG_CACHE_HOME to a folder with room that can be written to",
            *(folder, reason),
        )


def cache_compiled_programs() -> None:
    """Makes JAX keep what it compiles in the compilation cache folder, and look there first."""
    jax.config.update("jax_compilation_cache_dir", compilation_cache_folder())
    bound_compilation_cache()
    # Programs that take no time to compile take even less to read.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def bound_compilation_cache() -> None:
    """Bounds the size of our own folder; a folder that the user has chosen is the user's to clean.

    JAX could bound it, too, but reads two files for each entry whenever it writes one, and writes
    none any more once a killed process has left an entry without its time.
    """
    if not os.environ.get(COMPILATION_CACHE_VARIABLE):
        drop_files_used_least_recently(Path(compilation_cache_folder()), largest=LARGEST_CACHE)


def drop_files_used_least_recently(folder: Path, *, largest: int) -> None:
    """Removes files of a folder until the others have at most `largest` bytes."""
    with contextlib.suppress(OSError):
        files = [(entry.stat(), entry.path) for entry in os.scandir(folder)]
        files.sort(key=lambda file: -max(file[0].st_atime, file[0].st_mtime))
        total = 0
        for stat, path in files:
            total += stat.st_size
            if total > largest:
                os.unlink(path)
