import jax
import pytest


@pytest.fixture
def x64():
    """JAX in double precision, for one test."""
    with jax.enable_x64(True):
        yield
