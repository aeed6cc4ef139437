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
# Most time of the tests is that of the compiler, which optimises for long runs. The commands that
# tests start as processes are compiled as they are for users.
jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture
def x64():
    """JAX in double precision, for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """The folder of a network of one sixteenth of VGG19's width."""
    return write_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(autouse=True, scope="module")
def memory():
    """Frees the programs of a test file, which are of no use to the next."""
    yield
    jax.clear_caches()
    gc.collect()
