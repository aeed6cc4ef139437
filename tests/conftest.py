import jax
import pytest

from dreamsound_jax import runtime

# What one worker, or an earlier run, has compiled, no other compiles again.
runtime.keep_compiled_programs()


@pytest.fixture
def x64():
    """JAX in double precision, for one test."""
    with jax.enable_x64(True):
        yield
