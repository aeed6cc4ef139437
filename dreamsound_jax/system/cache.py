"""Folders in which things are kept that can be made again."""

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
