"""Sets up a process for a command: precision, caches, logging and garbage collection.

These are settings of the whole process, so only commands make them; importing the package, or
calling it from Python, makes none.
"""

import atexit
import contextlib
import gc
import importlib.util
import logging
import os
import sys

import fsspec.config
from absl import logging as absl_logging
from tqdm import tqdm

from dreamsound_jax.system import jax_settings
from dreamsound_jax.system.cache import cache_compiled_programs
from dreamsound_jax.system.compilation_cache import answer_warnings
from dreamsound_jax.system.devices import require_devices
from dreamsound_jax.system.errors import as_printable
from dreamsound_jax.system.matplotlib_settings import ignore_settings

# The names under which fsspec knows cloud stores.
STORES = ("s3", "gs", "gcs")
# The packages with which JAX computes on NVIDIA's GPUs.
NVIDIA_PLUGINS = ("jax_cuda12_plugin", "jax_cuda13_plugin")
DETERMINISM = "xla_gpu_exclude_nondeterministic_ops"


def prepare(*, precision: str, quiet: bool = False) -> None:
    """Prepares a command; called once, before anything is computed.

    Args:
      precision: "float32", "bfloat16" or "float64".
      quiet: whether only warnings and errors are shown.

    Raises:
      UserError: JAX finds no device.
    """
    log_plainly(quiet=quiet)
    ignore_settings()
    collect_garbage_rarely()
    list_stores_anew()
    cache_compiled_programs()
    answer_warnings()
    repeat_bit_for_bit()
    jax_settings.set_needed(precision=precision)
    require_devices()


def repeat_bit_for_bit() -> None:
    """Makes XLA leave out algorithms for NVIDIA GPUs that round otherwise each time they run.

    On an H100, two runs of `dreamsound --seed=1` differed without this, and had the same bits with
    it; compiling took no longer (JAX 0.11, 2026-11-27). It must be set before JAX finds the GPU.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if any(map(importlib.util.find_spec, NVIDIA_PLUGINS)) and DETERMINISM not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} --{DETERMINISM}=true".strip()


def collect_garbage_rarely() -> None:
    """Raises the threshold of garbage collection, which saves a second at the start and the end.

    Tracing allocates many objects and little garbage.
    """
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)


def list_stores_anew() -> None:
    """Makes fsspec ask cloud stores each time what they contain.

    By default it remembers what it has listed, and does not see what other processes write.
    """
    for store in STORES:
        fsspec.config.conf.setdefault(store, {})["use_listings_cache"] = False


class _Forgiving:
    """Standard error, whose writing never fails: no run ends because nobody reads what it says."""

    def __init__(self, stream):
        """Wraps `stream`, which is None if the process was started without standard error."""
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes a text, if it can be written."""
        with contextlib.suppress(AttributeError, OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flushes what was written, if it can be."""
        with contextlib.suppress(AttributeError, OSError, ValueError):
            self._stream.flush()


class _LinesAboveBar(logging.Handler):
    """Writes one plain line per message to stderr, above a progress bar.

    A name of a file may hold what moves the cursor of a terminal, so such characters are escaped.
    """

    def emit(self, record):
        tqdm.write(as_printable(self.format(record)), file=sys.stderr)


def log_plainly(*, quiet: bool = False) -> None:
    """Shows this package's log as plain lines, and silences what libraries log as well as raise.

    Args:
      quiet: whether only warnings and errors are shown.
    """
    if not isinstance(sys.stderr, _Forgiving):
        sys.stderr = _Forgiving(sys.stderr)
    log = logging.getLogger("dreamsound_jax")
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    log.handlers, log.propagate = [_LinesAboveBar()], False
    absl_logging.set_verbosity(absl_logging.FATAL)
    for name in ("asyncio", "concurrent.futures", "gcsfs"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
