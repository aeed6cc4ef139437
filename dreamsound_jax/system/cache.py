"""The folders of caches."""

import contextlib
import os
from pathlib import Path

COMPILATION_CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def user_cache_folder() -> Path:
    """Returns this user's cache folder: $XDG_CACHE_HOME/dreamsound_jax, or in ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "dreamsound_jax"


def compilation_cache_folder() -> str:
    """Returns the folder of compiled programs: $JAX_COMPILATION_CACHE_DIR, or one of our own."""
    return os.environ.get(COMPILATION_CACHE_VARIABLE) or str(user_cache_folder() / "programs")


def traces_folder() -> str:
    """Returns the folder of traced programs: in this user's cache, which others cannot write to."""
    return str(user_cache_folder() / "traces")


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
