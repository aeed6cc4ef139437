import pytest

from dreamsound_jax.run.options import Options
from dreamsound_jax.run.unused import list_unused


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, []),
        ({"ouroboros_length": 3, "create_ouroboros": True}, []),
        ({"ouroboros_length": 3}, ["ouroboros_length has no effect without --create_ouroboros"]),
        ({"stabilise": False}, ["stabilise has no effect without --create_ouroboros"]),
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
            ["write_input has no effect without --nocreate_ouroboros"],
        ),
        ({"write_input": False}, []),
        ({"detail_factor": 0.5, "replace_detail": False}, ["detail_factor has no effect without"]),
    ],
)
def test_options_without_effect_are_named_with_what_they_need(given, expected):
    found = list_unused(Options(**given))
    assert len(found) == len(expected)
    for message, start in zip(found, expected):
        assert message.startswith(f"--{start}")
