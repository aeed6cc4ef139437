import dataclasses

import ml_dtypes
import numpy as np
import pytest

from dreamsound_jax.networks import loading
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.torch_weights import (
    BATCH_NORM_TORCH_NAMES,
    TORCH_NAMES,
    convert_state_dict,
)
from tests.helpers.tiny import CARD
from tests.helpers.torch_files import vgg19_arrays

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


@pytest.mark.parametrize("prefix", ["module.", "model._orig_mod.", "_orig_mod.module.net."])
def test_prefixes_are_removed_if_all_names_have_them(prefix):
    arrays = vgg19_arrays(SHAPES)
    parallel = {prefix + name: array for name, array in arrays.items()}
    converted = dict(convert_state_dict(parallel, SHAPES))
    for layer, expected in convert_state_dict(arrays, SHAPES):
        np.testing.assert_equal(converted[layer], expected)
    parallel["features.0.weight"] = parallel.pop(f"{prefix}features.0.weight")
    with pytest.raises(UserError, match=rf"unexpected: {prefix}classifier\.0\.bias"):
        convert_state_dict(parallel, SHAPES)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_an_unknown_prefix_without_which_all_would_fit_is_named(batch_norm):
    arrays = vgg19_arrays(SHAPES, batch_norm=batch_norm)
    inside = {f"model.backbone.{name}": array for name, array in arrays.items()}
    message = refuse(inside)
    assert message == (
        "the names begin with backbone.: if backbone. were removed from them, the state dict would "
        "fit"
    )
    message = refuse(inside | {"model.head.weight": np.zeros(3)})
    assert "removed from them, and head.weight left out, the state dict would fit" in message
    del inside["model.backbone.features.0.bias"]
    assert "would fit" not in refuse(inside)


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
