"""What is said of errors, and which choice was meant."""

import pytest

from dreamsound_jax.system.errors import UserError, nearest_or_fail

LAYERS = [
    f"{kind}{block}_{number}"
    for block in range(1, 6)
    for kind in ("conv", "relu")
    for number in (1, 2)
]


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [
        ("relu6_1", "relu5_1"),
        ("relu2_9", "relu2_2"),
        ("relu0_2", "relu1_2"),
        ("Conv3_1", "conv3_1"),
    ],
)
def test_of_names_that_are_as_like_the_one_with_the_nearest_numbers_is_meant(wanted, nearest):
    with pytest.raises(UserError, match=rf"\(did you mean {nearest}\?\)"):
        nearest_or_fail("layer", wanted, LAYERS)


def test_nothing_is_meant_by_a_word_that_is_like_none():
    with pytest.raises(UserError, match="^no layer 'xyz'; choose from: conv1_1"):
        nearest_or_fail("layer", "xyz", LAYERS)


def test_a_message_is_one_printable_line_whatever_it_names():
    said = str(UserError("no file 'a\nb\x1b[31m\x85\u2028\udcff é 音'"))
    assert said == r"no file 'a\nb\x1b[31m\x85\u2028\udcff é 音'"
    said.encode()
