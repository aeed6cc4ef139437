import dataclasses

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


def test_the_prefix_of_a_parallel_model_is_removed_if_all_names_have_it():
    arrays = vgg19_arrays(SHAPES)
    parallel = {f"module.{name}": array for name, array in arrays.items()}
    converted = dict(convert_state_dict(parallel, SHAPES))
    for layer, expected in convert_state_dict(arrays, SHAPES):
        np.testing.assert_equal(converted[layer], expected)
    parallel["features.0.weight"] = parallel.pop("module.features.0.weight")
    with pytest.raises(UserError, match=r"unexpected: .*module\.features\.0\.bias"):
        convert_state_dict(parallel, SHAPES)


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
    assert "missing" not in str(caught.value) and "features" not in str(caught.value)
