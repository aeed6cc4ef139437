"""Objectives add, scale and have labels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.networks.windows import measure_response
from dreamsound_jax.objectives import custom, layer, layers, probability
from dreamsound_jax.objectives.measures import Function, LogProbability, MeanSquare
from dreamsound_jax.objectives.terms import Objective, compile_objective, evaluate
from dreamsound_jax.system.errors import UserError
from tests.helpers.tiny import CARD, tiny_network

LOGITS = jnp.array([0.3, -1.0, 2.0, 0.0, 0.5, -0.2])
ACTIVATIONS = {
    "relu1_1": jnp.array([[[1.0, 3.0]]]),
    "mp5": jnp.array([[[2.0, 2.0, 2.0]]]),
    "output": LOGITS,
}


def value_of(objective, activations=ACTIVATIONS):
    measures, data = compile_objective(objective, CARD)
    return evaluate([m(activations, each) for m, each in zip(measures, data.data)], data)


def log_probability(index):
    return np.asarray(LOGITS)[index] - np.log(np.exp(np.asarray(LOGITS)).sum())


def spread(activations):
    return jnp.std(activations["relu1_1"]) * jnp.sum(activations["output"])


def test_a_layer_is_its_mean_square_and_layers_are_the_mean_of_theirs():
    assert value_of(layer("relu1_1")) == pytest.approx(5)
    assert value_of(layers(["relu1_1", "mp5"])) == pytest.approx((5 + 4) / 2)


def test_a_probability_is_its_logarithm_and_can_be_lowered():
    for objective, sign in ((probability("class_1"), 1), (-probability(1), -1)):
        assert value_of(objective) == pytest.approx(sign * log_probability(1), rel=1e-5)
        slope = jax.grad(lambda x, objective=objective: value_of(objective, {"output": x}))(LOGITS)
        assert (np.sign(slope) == sign * np.where(np.arange(6) == 1, 1, -1)).all()


def test_a_class_that_excludes_no_other_is_raised_by_its_logit():
    """Other classes have no part in it, and it has a gradient however certain it is."""
    independent = LogProbability("output", multi_label=True)
    for certain in (0.0, 200.0):
        logits = LOGITS + certain
        value, slope = jax.value_and_grad(lambda x: independent({"output": x}, 1))(logits)
        assert value == pytest.approx(float(logits[1]))
        np.testing.assert_array_equal(slope, np.arange(6) == 1)


def test_objectives_add_subtract_and_scale():
    objective = 2 * (layer("relu1_1") - 0.5 * layer("mp5")) + probability(2) * 0.25
    assert value_of(objective) == pytest.approx(2 * 5 - 4 + 0.25 * log_probability(2), rel=1e-5)
    assert [weight for weight, _ in objective.terms] == [2, -1, 0.25]
    assert value_of(-objective) == pytest.approx(-value_of(objective))
    assert hash(objective) == hash(2 * layer("relu1_1") - layer("mp5") + 0.25 * probability(2))


def test_the_order_of_terms_is_that_of_the_network_so_that_orders_share_a_program():
    traces = []

    @functools.partial(jax.jit, static_argnames="measures")
    def run(data, measures):
        traces.append(measures)
        return evaluate([m(ACTIVATIONS, each) for m, each in zip(measures, data.data)], data)

    terms = probability(2), 3 * layer("mp5"), 0.5 * custom(spread, ["output", "relu1_1"])
    values = []
    for order in ((0, 1, 2), (1, 0, 2)):
        objective = sum((terms[place] for place in order), layer("relu1_1"))
        measures, data = compile_objective(objective, CARD)
        values.append(run(data, measures=measures))
    assert len(traces) == 1
    assert traces[0][:2] == (MeanSquare("relu1_1"), MeanSquare("mp5"))
    assert values[0] == pytest.approx(float(values[1]))
    expected = 5 + 12 + log_probability(2) + 0.5 * float(LOGITS.sum())
    assert values[0] == pytest.approx(expected, rel=1e-5)


def test_classes_and_weights_are_data():
    (measures, one), (others, other) = (
        compile_objective(objective, CARD) for objective in (probability(1), -3 * probability(4))
    )
    assert measures == others == (LogProbability("output"),)
    assert (one.data, other.data) == ((1,), (4,))
    assert (one.weights.tolist(), other.weights.tolist()) == ([1], [-3])
    _, double = compile_objective(probability(1), CARD, dtype=np.float64)
    assert (one.weights.dtype, double.weights.dtype) == (np.float32, np.float64)


def test_a_custom_function_is_given_its_own_layers_alone():
    given = []

    def note(activations):
        given.append(set(activations))
        return activations["mp5"].sum()

    assert value_of(layer("relu1_1") + custom(note, ["mp5"])) == pytest.approx(5 + 6)
    assert given == [{"mp5"}]


@pytest.mark.usefixtures("x64")
def test_the_gradient_of_a_custom_function():
    network = tiny_network(dtype="float64")
    image = jnp.asarray(np.random.default_rng(0).normal(size=(32, 40)))

    def contrast(activations):
        return jnp.std(activations["relu1_1"][..., 1]) - jnp.max(activations["mp2"])

    objective = 0.5 * layer("relu2_1") - 2 * custom(contrast, ["mp2", "relu1_1"])
    measures, data = compile_objective(objective, CARD, dtype=np.float64)

    @jax.jit
    @jax.grad
    def found(image):
        return evaluate(measure_response(network, image, measures, data.data), data)

    @jax.jit
    @jax.grad
    def expected(image):
        activations = network.activations(image, ("relu1_1", "mp2", "relu2_1"))
        return 0.5 * jnp.mean(activations["relu2_1"] ** 2) - 2 * contrast(activations)

    assert jnp.abs(expected(image)).max() > 1e-3
    np.testing.assert_allclose(found(image), expected(image), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("measure", [MeanSquare("x"), Function(lambda a: a["x"].mean(), ("x",))])
def test_bfloat16_is_summed_in_float32(measure):
    value = measure({"x": jnp.full((1, 64, 64), 1.0, jnp.bfloat16)})
    assert value.dtype == jnp.float32
    assert value == 1


@pytest.mark.parametrize(
    ("returned", "got"),
    [
        (lambda found: found["mp5"].mean(axis=-1), "got an array of shape (1, 1) and type float32"),
        (lambda found: found["mp5"].argmax(), "got an array of shape () and type int32"),
        (lambda found: 1j * found["mp5"].mean(), "got an array of shape () and type complex64"),
        (lambda found: None, "got None"),
    ],
)
def test_a_custom_function_must_return_a_real_number(returned, got):
    with pytest.raises(UserError) as caught:
        jax.eval_shape(lambda found: value_of(custom(returned, ["mp5"]), found), ACTIVATIONS)
    expected = f"the objective a function must return one number of a float type, {got}"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("objective", "hint"),
    [
        (layer("relu3_5"), "no layer 'relu3_5' (did you mean relu3_"),
        (custom(spread, ["mp1", "mp9"]), "no layer 'mp9'"),
        (custom(spread, []), "custom(spread, layers) must name at least one layer"),
        (probability("clas_3"), "did you mean class_3?"),
        (probability(6), "no class 6 in model tiny"),
        (layer("output"), "use probability(CLASS)"),
        (layers(["relu1_1", "output"]), "use probability(CLASS)"),
        (layers([]), "must have at least one term"),
        (Objective(()), "must have at least one term"),
    ],
)
def test_what_the_network_does_not_have_is_refused_in_one_line(objective, hint):
    with pytest.raises(UserError) as caught:
        compile_objective(objective, CARD)
    assert hint in str(caught.value) and "\n" not in str(caught.value)


def test_labels_name_the_terms():
    square = "mean squared activation of relu1_1"
    assert layer("relu1_1").label(CARD) == square
    assert layers(["relu1_1", "mp5"]).label(CARD) == f"mean of {square}, " + (
        "mean squared activation of mp5"
    )
    both = layer("relu1_1") + layer("mp5")
    assert both.label(CARD) == f"{square} + mean squared activation of mp5"
    mixed = layer("relu1_1") - probability(1) + 0.5 * custom(spread, ["mp5"])
    assert mixed.label(CARD) == f"{square} - log probability of class_1 + 0.5 spread"
    assert custom(lambda found: 0, ["mp5"]).label(CARD) == "a function"
