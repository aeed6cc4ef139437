import jax
import pytest

from benchmarks import iterate
from benchmarks.context import Context
from tests.helpers import tiny


@pytest.mark.slow
def test_layers_of_a_stage_share_a_program(tmp_path):
    checkpoint = str(tiny.write_checkpoint(tmp_path))
    few = {"pyramid_size": 1, "num_iterations": 1, "clip_length": 6400}
    options = tiny.options(checkpoint=checkpoint, **few)
    table = iterate.measure(Context(options, limits=None), layers=("dropout2", "output"))
    assert [row[1] for row in table.rows] == [1, 2]
    assert all(row[3] > 0 for row in table.rows)
    assert jax.config.jax_enable_compilation_cache
