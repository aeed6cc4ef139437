"""The folders of caches, and how much is kept in the one of compiled programs."""

import atexit
import contextlib
import functools
import logging
import os
import shlex
import stat
import tempfile
from pathlib import Path

import jax

from dreamsound_jax.system.errors import reason_of

COMPILATION_CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"
# Bytes of compiled programs that are kept in our own folder; those used least recently are dropped.
LARGEST_CACHE = 2**30

log = logging.getLogger(__name__)
OTHERS_CAN_WRITE = stat.S_IWGRP | stat.S_IWOTH
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


def can_others_write(folder: Path) -> bool:
    """Whether anybody but this user can write to a folder, or has made it; OSError if it is gone.

    On Windows it is False: there, the folders of a user are the user's own.
    """
    if not hasattr(os, "getuid"):
        return False
    # A link is its maker's, wherever it leads.
    owners = {folder.lstat().st_uid, folder.stat().st_uid}
    return owners != {os.getuid()} or bool(folder.stat().st_mode & OTHERS_CAN_WRITE)


def cache_compiled_programs() -> None:
    """Makes JAX keep what it compiles in the compilation cache folder, and look there first.

    Compiled programs are code, so a folder of our own to which others can write is not used, which
    one line says. Whom a folder that the user has chosen is shared with, is the user's choice.
    """
    folder = compilation_cache_folder()
    if not os.environ.get(COMPILATION_CACHE_VARIABLE) and not _make_private(Path(folder)):
        jax.config.update("jax_compilation_cache_dir", None)
        return
    jax.config.update("jax_compilation_cache_dir", folder)
    bound_compilation_cache()
    # Programs that take no time to compile take even less to read.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def _make_private(folder):
    """Makes a folder in this user's cache if it is not there; whether it can be trusted.

    If not, that is said. The folder above must be private as well, or the folder could be replaced.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if can_others_write(folder.parent):  # Nothing in it is trusted for where it lies.
            with contextlib.suppress(PermissionError):
                folder.parent.chmod(0o700)
        folder.mkdir(mode=0o700, exist_ok=True)
        for place in (folder.parent, folder):
            if can_others_write(place):
                _say_not_trusted(place)
                return False
    except OSError as error:
        say_not_kept(str(folder), reason_of(error))
        return False
    return True


def _say_not_trusted(folder):
    if not _said:
        _said.append(str(folder))
        log.warning(
            "compiled programs are neither read from %s nor kept there, so this run starts slower: "
            "other users can write to it; remove it with rm -r %s, or set XDG_CACHE_HOME to a "
            "folder to which you alone can write",
            *(folder, shlex.quote(str(folder))),
        )


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
