"""Names and shapes of PyTorch's weights become those of the network."""

import dataclasses

import ml_dtypes
import numpy as np
import pytest

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped
from dreamsound_jax.weights import panns_weights
from dreamsound_jax.weights.torch_pickle import UNREAD
from dreamsound_jax.weights.torch_weights import (
    BATCH_NORM_TORCH_NAMES,
    TORCH_NAMES,
    convert_state_dict,
)
from tests.helpers.tiny import CARD
from tests.helpers.torch_files import vgg19_arrays

SPARSE = UNREAD["torch._utils", "_rebuild_sparse_tensor"]
SHAPES = loading.weight_shapes(CARD)


def test_names_are_those_of_torchvision():
    assert TORCH_NAMES["conv1_2"] == "features.2"
    assert TORCH_NAMES["conv3_1"] == "features.10"
    assert TORCH_NAMES["conv5_4"] == "features.34"
    assert TORCH_NAMES["output"] == "classifier.6"
    assert BATCH_NORM_TORCH_NAMES["conv1_2"] == "features.3"
    assert BATCH_NORM_TORCH_NAMES["conv3_1"] == "features.14"
    assert BATCH_NORM_TORCH_NAMES["conv5_4"] == "features.49"
    assert len(TORCH_NAMES) == len(BATCH_NORM_TORCH_NAMES) == 19


def test_axes_are_transposed_and_linear1_reads_height_width_channel():
    arrays = vgg19_arrays(SHAPES)
    converted = dict(convert_state_dict(arrays, SHAPES))
    assert converted["conv1_2"]["kernel"][1, 2, 0, 3] == arrays["features.2.weight"][3, 0, 1, 2]
    channels, (channel, row, column) = 32, (11, 3, 5)
    expected = arrays["classifier.0.weight"][4, 49 * channel + 7 * row + column]
    assert converted["linear1"]["kernel"][channels * (7 * row + column) + channel, 4] == expected
    np.testing.assert_array_equal(converted["output"]["bias"], arrays["classifier.6.bias"])


PREFIXES = [
    "_module.",
    "module.",
    "_orig_mod.",
    "model._orig_mod.",
    "_orig_mod.module.net.",
    "net.backbone.",
]


def check_same(found, expected):
    found = dict(found)
    for layer, arrays in expected:
        np.testing.assert_equal(found[layer], arrays)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_whatever_stands_before_the_names_is_removed(prefix):
    arrays = vgg19_arrays(SHAPES)
    inside = {prefix + name: array for name, array in arrays.items()}
    check_same(convert_state_dict(inside, SHAPES), convert_state_dict(arrays, SHAPES))


def test_a_part_of_the_network_may_be_wrapped():
    """The example of PyTorch for ImageNet wraps the features of a VGG alone."""
    arrays = vgg19_arrays(SHAPES)
    for wrapper in ("module", "_module"):  # Opacus adds the second to what it trains.
        wrapped = {n.replace("features.", f"features.{wrapper}."): arrays[n] for n in arrays}
        check_same(convert_state_dict(wrapped, SHAPES), convert_state_dict(arrays, SHAPES))


@pytest.mark.parametrize("kind", ["weight", "bias"])
def test_a_tensor_of_the_network_that_is_not_read_is_named_as_what_it_is(kind):
    arrays = vgg19_arrays(SHAPES) | {"graph.adjacency": SPARSE}
    check_same(convert_state_dict(arrays, SHAPES), convert_state_dict(vgg19_arrays(SHAPES), SHAPES))
    arrays[f"features.2.{kind}"] = SPARSE
    with pytest.raises(UserError) as caught:
        convert_state_dict(arrays, SHAPES)
    assert str(caught.value) == (
        f"features.2.{kind} is a sparse tensor: in PyTorch, save its to_dense() in its place"
    )


def test_a_filter_of_panns_that_is_not_read_is_named_as_what_it_is():
    card = read_card(shipped("checkpoints") / "cnn10")
    tensors = dict.fromkeys([*panns_weights.WANTED, panns_weights.FILTERS], SPARSE)
    with pytest.raises(UserError, match="melW is a sparse tensor, as (is|are) . more: in PyTorch"):
        panns_weights.convert_panns(tensors, card)


def test_what_lies_beside_the_network_is_left_out_and_named(caplog):
    arrays = vgg19_arrays(SHAPES)
    inside = {f"model.{name}": array for name, array in arrays.items()}
    beside = {"criterion.weight": np.ones(6), "mel.window": np.ones(9), "n_averaged": np.array(5)}
    check_same(convert_state_dict(inside | beside, SHAPES), convert_state_dict(arrays, SHAPES))
    assert "3 tensors, criterion.weight, mel.window, n_averaged" in caplog.text
    with_counter = {f"module.{name}": array for name, array in arrays.items()}
    with_counter["n_averaged"] = np.array(5)  # As torch.optim.swa_utils saves it.
    check_same(convert_state_dict(with_counter, SHAPES), convert_state_dict(arrays, SHAPES))


def test_a_network_that_is_there_twice_is_refused():
    arrays = vgg19_arrays(SHAPES)
    both = {f"{who}.{name}": arrays[name] for who in ("student", "teacher") for name in arrays}
    assert "2 times, under names that begin with student. and teacher.: save the one" in refuse(
        both
    )


def test_beside_an_averaged_copy_the_network_itself_is_read():
    arrays = vgg19_arrays(SHAPES)
    both = {f"model.{name}": array for name, array in arrays.items()}
    both |= {f"ema_model.module.{name}": array + 1 for name, array in arrays.items()}
    check_same(convert_state_dict(both, SHAPES), convert_state_dict(arrays, SHAPES))


def test_a_misfit_under_a_prefix_says_what_would_fit_in_a_short_line():
    arrays = vgg19_arrays(SHAPES) | {"classifier.3.weight": np.zeros((64, 32))}
    message = refuse({f"model.backbone.{name}": array for name, array in arrays.items()})
    assert "--hidden=64 fits" in message and "38 names start with model.backbone." in message
    long = "a_name_as_long_as_a_laboratory_gives_it."
    message = refuse({f"{long}{number}.weight\n" + "x" * 999: np.ones(2) for number in range(300)})
    assert f"300 names start with {long}" in message and len(message) < 900


def test_convolutions_before_batch_norms_may_have_no_bias():
    arrays = vgg19_arrays(SHAPES, batch_norm=True)
    biases = {f"{name}.bias" for name in BATCH_NORM_TORCH_NAMES.values() if "features" in name}
    without = {name: array for name, array in arrays.items() if name not in biases}
    zero = arrays | {name: 0 * arrays[name] for name in biases}
    check_same(convert_state_dict(without, SHAPES), convert_state_dict(zero, SHAPES))
    assert len(without) == len(arrays) - 16


def test_all_tensors_that_do_not_fit_are_named_at_once():
    arrays = vgg19_arrays(SHAPES)
    del arrays["features.2.bias"], arrays["classifier.6.weight"]
    arrays |= {"fc.weight": np.zeros(3), "features.0.weight": np.zeros((4, 3, 3, 3))}
    with pytest.raises(UserError) as caught:
        convert_state_dict(arrays, SHAPES)
    for words in (
        "missing: classifier.6.weight, features.2.bias",
        "unexpected: fc.weight",
        "features.0.weight is (4, 3, 3, 3), not (4, 1, 3, 3)",
    ):
        assert words in str(caught.value)


def test_another_size_is_refused_with_all_shapes_that_differ():
    arrays = vgg19_arrays(SHAPES)
    wider = dataclasses.replace(CARD, classes=("a", "b"), size={**CARD.size, "hidden": 64})
    with pytest.raises(UserError) as caught:
        convert_state_dict(arrays, loading.weight_shapes(wider))
    for words in ("classifier.3.weight is (32, 32), not (64, 64)", "classifier.6.bias is (6,)"):
        assert words in str(caught.value)
    assert "missing" not in str(caught.value) and "features." not in str(caught.value)


def refuse(arrays):
    with pytest.raises(UserError) as caught:
        dict(convert_state_dict(arrays, SHAPES))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float64])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_other_dtypes_become_float32(dtype, batch_norm):
    arrays = vgg19_arrays(SHAPES, batch_norm=batch_norm)
    narrow = {name: array.astype(dtype) for name, array in arrays.items()}
    rounded = {name: array.astype(np.float32) for name, array in narrow.items()}
    expected = dict(convert_state_dict(rounded, SHAPES))
    for layer, found in convert_state_dict(narrow, SHAPES):
        for part, numbers in found.items():
            assert numbers.dtype == np.float32
            np.testing.assert_allclose(numbers, expected[layer][part], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "number", "words"),
    [
        ("features.3.weight", np.nan, "finite numbers that fit float32, got nan"),
        ("classifier.6.bias", -np.inf, "finite numbers that fit float32, got -inf"),
        ("classifier.0.weight", 1e300, "finite numbers that fit float32, got inf"),
        ("features.4.running_mean", np.nan, "finite numbers that fit float64, got nan"),
        ("features.4.running_var", -1.0, "must be 0 or above, got -1"),
    ],
)
def test_numbers_that_no_network_has_are_refused_with_their_name(name, number, words):
    arrays = vgg19_arrays(SHAPES, batch_norm=True)
    array = arrays[name].astype(np.float64)
    array.ravel()[-1] = number
    message = refuse(arrays | {name: array})
    assert message.startswith(name) and words in message


def test_a_network_of_pictures_is_told_what_it_lacks():
    arrays = vgg19_arrays(SHAPES) | {"features.0.weight": np.zeros((4, 3, 3, 3))}
    message = refuse(arrays)
    assert message.startswith("conv1_1 must have 1 input channel, and features.0.weight has 3: a")
    assert "weight.sum(1, keepdim=True)" in message


def test_another_depth_is_refused_with_the_number_of_convolutions():
    arrays = vgg19_arrays(SHAPES)
    shallow = {name: array for name, array in arrays.items() if not name.startswith("features.3")}
    assert refuse(shallow).startswith("the network must have the 16 convolutions of VGG19, and has")


def test_a_network_without_pooling_to_7_by_7_is_refused_with_what_it_must_read():
    arrays = vgg19_arrays(SHAPES) | {"classifier.0.weight": np.zeros((32, 128), np.float32)}
    assert "must have 1568 inputs, which are 32 channels that are pooled to 7 x 7" in refuse(arrays)


def test_quantised_weights_are_refused():
    arrays = vgg19_arrays(SHAPES)
    arrays["features.2.weight"] = arrays["features.2.weight"].astype(np.int8)
    assert "not floating-point: features.2.weight" in refuse(arrays)
