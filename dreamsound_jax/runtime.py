"""Sets JAX and the log up for a command: precision, compilation cache, plain lines."""

import logging
import os
import sys
from pathlib import Path

import jax
from absl import logging as absl_logging
from tqdm import tqdm

CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def prepare(*, precision):
    """To be called once, before anything is computed."""
    _log_plainly()
    keep_compiled_programs()
    if precision == "float64":
        jax.config.update("jax_enable_x64", True)
    elif precision == "float32":
        # Recent GPUs would round float32 products to 10 bits of mantissa.
        jax.config.update("jax_default_matmul_precision", "float32")


def cache_folder():
    """Where compiled programs are kept: $JAX_COMPILATION_CACHE_DIR, or the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return os.environ.get(CACHE_VARIABLE) or str(Path(home) / "dreamsound_jax")


def keep_compiled_programs():
    """Has JAX keep what it compiles in `cache_folder`, and look there first."""
    jax.config.update("jax_compilation_cache_dir", cache_folder())
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


class _AboveTheBar(logging.Handler):
    """One plain line a message, on stderr; a progress bar stays below it."""

    def emit(self, record):
        tqdm.write(self.format(record), file=sys.stderr)


def _log_plainly():
    log = logging.getLogger("dreamsound_jax")
    log.setLevel(logging.INFO)
    log.handlers, log.propagate = [_AboveTheBar()], False
    # Orbax tells of every array that it reads; what goes wrong it raises, too.
    absl_logging.set_verbosity(absl_logging.FATAL)
    for of_its_threads in ("asyncio", "concurrent.futures"):
        logging.getLogger(of_its_threads).setLevel(logging.CRITICAL)
