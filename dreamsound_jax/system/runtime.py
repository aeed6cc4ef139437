"""Sets JAX and the log up for a command: precision, compilation cache, plain lines."""

import atexit
import gc
import logging
import os
import sys
from pathlib import Path

import fsspec.config
import jax
from absl import logging as absl_logging
from tqdm import tqdm

CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"
STORES = ("s3", "gs", "gcs")  # as fsspec calls them


def prepare(*, precision):
    """To be called once, before anything is computed."""
    _log_plainly()
    look_rarely_for_garbage()
    ask_stores_anew()
    keep_compiled_programs()
    if precision == "float64":
        jax.config.update("jax_enable_x64", True)
    elif precision == "float32":
        # Recent GPUs would round float32 products to 10 bits of mantissa.
        jax.config.update("jax_default_matmul_precision", "float32")


def look_rarely_for_garbage():
    """To trace makes many objects and no garbage, in search of which a run loses a second as it
    starts, and another as it ends.
    """
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)


def cache_folder():
    """Where compiled programs are kept: $JAX_COMPILATION_CACHE_DIR, or the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return os.environ.get(CACHE_VARIABLE) or str(Path(home) / "dreamsound_jax")


def keep_compiled_programs():
    """Has JAX keep what it compiles in `cache_folder`, and look there first."""
    jax.config.update("jax_compilation_cache_dir", cache_folder())
    # Those that take no time to compile take less to read.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def ask_stores_anew():
    """Has s3:// and gs:// asked each time what is there.

    By default fsspec remembers for good what it has listed, and what other processes write stays
    unseen.
    """
    for store in STORES:
        fsspec.config.conf.setdefault(store, {})["use_listings_cache"] = False


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
    # So do gcsfs, which logs a traceback with it, and what runs in threads of their own.
    for telling_too_much in ("asyncio", "concurrent.futures", "gcsfs"):
        logging.getLogger(telling_too_much).setLevel(logging.CRITICAL)
