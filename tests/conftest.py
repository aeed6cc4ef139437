import gc

import jax
import pytest

from dreamsound_jax.system import runtime

# What one worker, or an earlier run, has compiled, no other compiles again.
runtime.keep_compiled_programs()
runtime.look_rarely_for_garbage()


@pytest.fixture
def x64():
    """JAX in double precision, for one test."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(autouse=True, scope="module")
def memory():
    """What a file's tests have compiled is of no use to those of the next."""
    yield
    jax.clear_caches()
    gc.collect()
