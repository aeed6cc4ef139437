import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import accelerator, machine, precisions, rematerialised
from benchmarks.context import Context
from benchmarks.timing import Spread
from tests.helpers import tiny


@pytest.fixture(scope="module")
def context():
    few = {"pyramid_size": 1, "num_iterations": 1, "clip_length": 6400}
    options = tiny.options(layers_to_use=["relu2_1"], **few)
    return Context(options, limits=None, width=1 / 16, rounds=1, max_batch=1)


def full(size):
    raise jax.errors.JaxRuntimeError(f"RESOURCE_EXHAUSTED: Out of memory for {size} clips")


@pytest.mark.slow
def test_every_table_is_complete(context, monkeypatch):
    monkeypatch.setattr(machine, "SIDE", {"cpu": 64})
    monkeypatch.setattr(machine, "COPIED", {"cpu": 2**16})
    step, *curves, arithmetic, activations = accelerator.measure(context)
    for table in (step, *curves, arithmetic, activations):
        assert all(len(row) == len(table.columns) for row in table.rows)
    _, _, reached, peak, share = step.rows[0]
    assert share == pytest.approx(reached / peak) and share > 0
    for curve in curves:
        assert [row[0] for row in curve.rows] == [1]
        assert all(row[3] > 0 for row in curve.rows)
    rows = {name: rest for name, *rest in arithmetic.rows}
    assert rows["TF32"] == [None] * 4  # there is none on a CPU
    assert rows["float32"][3] == 0
    assert 0 < rows["bfloat16"][3] < 3
    assert rows["bfloat16"][2] == pytest.approx(rows["float32"][2], rel=0.2)
    assert isinstance(activations.rows[1][2], Spread)


def test_a_device_without_room_ends_the_curve(context, monkeypatch):
    grow = lambda size: full(size) if size > 4 else size  # noqa: E731
    assert accelerator.curve(grow, most=64) == ([1, 2, 4], 8)
    assert accelerator.curve(grow, most=4) == ([1, 2, 4], None)
    monkeypatch.setattr(accelerator, "_whole", lambda context, size, way: full(size))
    table = accelerator.by_batch(context, 64, "bfloat16")
    assert table.rows == []
    assert "no room" in table.notes[-1]


def test_other_errors_of_the_device_are_not_hidden():
    def broken(size):
        raise jax.errors.JaxRuntimeError("INTERNAL: broken")

    with pytest.raises(jax.errors.JaxRuntimeError, match="broken"):
        accelerator.curve(broken, most=2)


def test_what_is_computed_again_comes_out_the_same():
    network = tiny.tiny_network()
    image = jnp.asarray(np.random.default_rng(0).normal(size=(32, 40)), jnp.float32)
    found = [
        jax.grad(lambda image, way=way: way(network, image, "conv3_2"))(image)
        for way in rematerialised.RESPONDING.values()
    ]
    assert math.isfinite(float(found[0].sum())) and np.abs(found[0]).max() > 0
    for again in found[1:]:
        np.testing.assert_allclose(again, found[0], rtol=1e-4, atol=1e-9)


def test_the_precision_of_products_is_given_back():
    before = jax.config.jax_default_matmul_precision
    with precisions.computing(precisions.WAYS["bfloat16"]):
        assert jax.config.jax_default_matmul_precision is None
    assert jax.config.jax_default_matmul_precision == before
