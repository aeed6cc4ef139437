import numpy as np
import pytest

from dreamsound_jax.errors import UserError
from dreamsound_jax.torch_weights import TORCH_NAMES, from_torch


def state_dict():
    return {
        f"{name}.{part}": np.zeros((49, 49) if name == "classifier.0" else (2, 3, 3, 3))
        for name in TORCH_NAMES.values()
        for part in ("weight", "bias")
    }


def test_names_are_torchvisions():
    assert TORCH_NAMES["conv1_2"] == "features.2"
    assert TORCH_NAMES["conv3_1"] == "features.10"
    assert TORCH_NAMES["conv5_4"] == "features.34"
    assert TORCH_NAMES["output"] == "classifier.6"
    assert len(TORCH_NAMES) == 19


def test_axes_are_turned_and_linear1_reads_height_width_channel():
    weights = state_dict()
    kernel = np.arange(2 * 3 * 9).reshape(2, 3, 3, 3)
    features = np.arange(5 * 2 * 49).reshape(5, 98)
    weights |= {"features.0.weight": kernel, "classifier.0.weight": features}
    converted = from_torch(weights)
    assert converted["conv1_1"]["kernel"][1, 2, 0, 1] == kernel[1, 0, 1, 2]
    # Torch's input 49 c + 7 h + w is ours 14 h + 2 w + c, with two channels.
    channel, row, column = 1, 3, 5
    ours = converted["linear1"]["kernel"][14 * row + 2 * column + channel, 4]
    assert ours == features[4, 49 * channel + 7 * row + column]


def test_all_that_is_missing_or_unexpected_is_named_at_once():
    weights = state_dict()
    del weights["features.0.weight"], weights["classifier.6.bias"]
    weights["fc.weight"] = np.zeros(1)
    with pytest.raises(UserError) as caught:
        from_torch(weights)
    for name in ("classifier.6.bias, features.0.weight", "unexpected fc.weight"):
        assert name in str(caught.value)
