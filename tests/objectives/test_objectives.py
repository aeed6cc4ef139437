import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.objectives.combine import objective, response


def test_it_is_the_weighted_sum_over_layers_of_the_mean_square():
    activations = {"relu1_1": jnp.array([[1.0, 3.0]]), "mp5": jnp.array([2.0, 2.0, 2.0])}
    responses = {layer: response(layer, values) for layer, values in activations.items()}
    assert objective(responses, {"relu1_1": 0.25, "mp5": 0.75}, 0) == pytest.approx(5 / 4 + 3)


@pytest.mark.parametrize(("direction", "sign"), [("towards", 1), ("away", -1)])
def test_the_class_term_is_the_log_probability_or_its_negative(direction, sign):
    logits = jnp.array([0.3, -1.0, 2.0, 0.0])
    log_probability = np.log(np.exp(-1.0) / np.exp(np.asarray(logits)).sum())
    term = objective({"output": logits}, {"output": 1}, 1, class_objective=direction)
    assert term == pytest.approx(sign * log_probability, rel=1e-5)
    slope = jax.grad(
        lambda x: objective({"output": x}, {"output": 1}, 1, class_objective=direction)
    )(logits)
    assert np.sign(slope).tolist() == [-sign, sign, -sign, -sign]


def test_bfloat16_is_summed_in_float32():
    values = jnp.full(4096, 1.0, jnp.bfloat16)
    total = response("relu1_1", values)
    assert total.dtype == jnp.float32
    assert total == 1
