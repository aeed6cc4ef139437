"""A small benchmark for the tests of its parts."""

import pytest

from benchmarks.dreams import Context
from tests.helpers import tiny


@pytest.fixture
def context():
    """The smallest benchmark; parts that use it as it is share their compiled programs."""
    options = tiny.options(clip_length=6400, pyramid_size=1, num_iterations=2)
    small = {"width": 0.02, "rounds": 1, "batch_sizes": (1,), "layers": ("relu1_1",)}
    return Context(options, peak=1e11, max_batch=1, **small)
