"""The part `accelerator` in a tiny size, and devices without enough memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import accelerator, rematerialised
from benchmarks.accelerator import ARITHMETIC
from benchmarks.dreams import make_model
from benchmarks.results import Spread
from tests.helpers import tiny


@pytest.mark.slow
def test_every_table_is_complete(context):
    arithmetic, activations, *batches = accelerator.measure(context)
    for table in (*batches, arithmetic, activations):
        assert table.rows and all(len(row) == len(table.columns) for row in table.rows)
    for table in batches:
        ((size, spread, speed, _),) = table.rows
        assert size == 1 and speed == pytest.approx(1 / spread.median)
        assert "The best batch had 1 clips" in table.notes[-1]
    rows = {name: rest for name, *rest in arithmetic.rows}
    assert list(rows) == ["float32", "bfloat16"]  # A CPU has no TF32.
    for _, reached, peak, share, _, _ in rows.values():
        assert share == pytest.approx(reached / peak) and share > 0
    assert rows["float32"][5] == 0 < rows["bfloat16"][5] < 3
    assert rows["bfloat16"][4] == pytest.approx(rows["float32"][4], rel=0.2)
    kept, *others = activations.rows
    assert kept[2] == Spread(1, 1, 1) and kept[4] == 1
    assert all(row[3] > 0 for row in others)


def measure_until(size, error):
    def measure_batch(context, arithmetic, clips):
        if clips > size:
            raise jax.errors.JaxRuntimeError(error)
        return [clips, None, 100.0 - clips, None]

    return measure_batch


def test_batches_grow_until_memory_is_full(context):
    full = measure_until(16, "RESOURCE_EXHAUSTED: Out of memory")
    table = accelerator.measure_batches(context, 64, "bfloat16", full)
    assert [row[0] for row in table.rows] == [1, 4, 16]
    assert "too small for 64 clips" in table.notes[-1] and "had 1 clips: 99" in table.notes[-1]
    table = accelerator.measure_batches(context, 15, "bfloat16", full)
    assert [row[0] for row in table.rows] == [1, 4]
    assert "15 clips are the most that were tried" in table.notes[-1]
    none = measure_until(0, "RESOURCE_EXHAUSTED: Out of memory")
    assert accelerator.measure_batches(context, 4, "float32", none).rows == []


def test_other_errors_of_the_device_are_not_hidden(context):
    broken = measure_until(1, "INTERNAL: broken")
    with pytest.raises(jax.errors.JaxRuntimeError, match="broken"):
        accelerator.measure_batches(context, 4, "float32", broken)


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["conv1_1", "conv3_2"])
def test_activations_that_are_computed_again_give_the_same_gradient(layer):
    network = tiny.tiny_network()
    image = jnp.asarray(np.random.default_rng(0).normal(size=(32, 40)), jnp.float32)
    kept, *others = (
        jax.grad(lambda image, respond=respond: respond(network, image, layer))(image)
        for respond in rematerialised.WAYS.values()
    )
    assert np.abs(kept).max() > 0
    for again in others:
        np.testing.assert_allclose(again, kept, rtol=1e-4, atol=1e-9)


def test_stages_end_where_the_network_pools():
    architecture = make_model(0.02).card.architecture
    assert rematerialised.list_stage_ends(architecture, "conv3_2") == ["mp1", "mp2", "conv3_2"]
    assert rematerialised.list_stage_ends(architecture, "relu1_1") == ["relu1_1"]


def test_a_precision_applies_to_its_calls_alone():
    read = ARITHMETIC["float32"].bind(lambda: jax.config.jax_default_matmul_precision)
    before = jax.config.jax_default_matmul_precision
    with jax.default_matmul_precision("bfloat16"):
        assert read() == "float32"
    assert jax.config.jax_default_matmul_precision == before
