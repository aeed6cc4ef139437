"""Options without effect are named."""

import pytest

from dreamsound_jax.run.options import Options
from dreamsound_jax.run.presets import make_options
from dreamsound_jax.run.unused import list_unused


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"ouroboros_length": 3, "create_ouroboros": True}, []),
        ({"ouroboros_length": 3}, ["ouroboros_length has no effect without --create_ouroboros"]),
        ({"stabilise": False}, ["nostabilise has no effect without --create_ouroboros"]),
        ({"ouroboros_roll": 0.5}, ["ouroboros_roll has no effect without --create_ouroboros"]),
        (
            {"ouroboros_roll": 0.5, "create_ouroboros": True},
            ["ouroboros_roll has no effect without --ouroboros_transform=time_roll"],
        ),
        (
            {
                "ouroboros_roll": 0.5,
                "create_ouroboros": True,
                "ouroboros_transform": ("pitch_shift", "time_roll"),
            },
            [],
        ),
        (
            {"gain_range": 6.0, "domain": "mel"},
            ["gain_range has no effect without --domain=sound"],
        ),
        ({"gain_range": 6.0, "sweep": {"domain": ("mel", "sound")}}, []),
        (
            {"domain": "mel", "sweep": {"gain_range": (6.0, 12.0)}},
            ["gain_range has no effect without --domain=sound"],
        ),
        (
            {"input": ("a.wav",), "clip_length": 9000, "sine_freq": 100.0},
            [
                "sine_freq has no effect without --input=sine",
                "clip_length has no effect without --input=noise or sine",
            ],
        ),
        (
            {"write_input": False, "create_ouroboros": True},
            ["nowrite_input has no effect with --create_ouroboros"],
        ),
        ({"write_input": False}, []),
        (
            {"detail_factor": 0.5, "replace_detail": False, "domain": "mel"},
            ["detail_factor has no effect with --noreplace_detail"],
        ),
        ({"replace_detail": False}, ["noreplace_detail has no effect without --domain=mel"]),
        (
            {"smooth_gradient": False, "smoothing_coefficient": 2.0},
            ["smoothing_coefficient has no effect with --nosmooth_gradient"],
        ),
        (
            {"pyramid_size": 1, "pyramid_ratio": 1.5},
            ["pyramid_ratio has no effect with --pyramid_size=1"],
        ),
        (
            {"optimizer_state": "carry"},
            ["optimizer_state has no effect with an optimizer that has no state"],
        ),
        ({"optimizer_state": "carry", "sweep": {"optimizer": ("sgd", "adam")}}, []),
    ],
)
def test_options_without_effect_are_named_with_what_they_need(given, expected):
    found = list_unused(Options(**given))
    assert len(found) == len(expected)
    for message, start in zip(found, expected):
        assert message.startswith(f"--{start}")


def test_what_a_preset_sets_is_not_held_against_the_user():
    assert list_unused(make_options({"preset": "hits", "domain": "mel"})) == []
    assert list_unused(make_options({"preset": "slow_waves", "create_ouroboros": False})) == []
    given = {"preset": "hits", "domain": "mel", "gain_range": 6.0}
    (message,) = list_unused(make_options(given))
    assert message.startswith("--gain_range has no effect")
