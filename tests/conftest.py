"""What all tests share: the cache of compiled programs, precision, and a small network."""

import contextlib
import gc

import jax
import pytest

from dreamsound_jax.system import cache, runtime
from tests.helpers.tiny import write_checkpoint

# They have no examples, and some import packages that may be missing.
collect_ignore = ["helpers"]

# A program that one worker, or an earlier run, has compiled is not compiled again.
cache.cache_compiled_programs()
runtime.collect_garbage_rarely()


@pytest.fixture
def x64():
    """JAX in double precision, for one test."""
    with jax.enable_x64(True):
        yield


@contextlib.contextmanager
def _set_x64(enabled):
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", enabled)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


@pytest.fixture
def in_precision():
    """Prepares JAX for a value of --precision in all threads, as `runtime.prepare` does."""
    return lambda precision: _set_x64(precision == "float64")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """The folder of a network of one sixteenth of VGG19's width."""
    return write_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True, scope="module")
def optimisation(request):
    """Compiles programs with few optimisations, since tests spend most of their time compiling.

    What is compared with other programs, or is timed, is compiled as it is for users. Commands that
    tests start as processes compile as tests do, too, but for those of `compiled_in_full`.
    """
    in_full = "parity" in request.path.parts or request.config.option.markexpr == "timing"
    jax.config.update("jax_disable_most_optimizations", not in_full)


@pytest.fixture
def compiled_in_full(monkeypatch):
    """Lets the commands that a test starts compile as they do for users."""
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "0")


@pytest.fixture(autouse=True, scope="module")
def memory():
    """Frees the programs of a test file, which are of no use to the next."""
    yield
    jax.clear_caches()
    gc.collect()
