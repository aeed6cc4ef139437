"""Numbers that are slips of the finger are refused before they take memory or time."""

import time

import pytest

from dreamsound_jax.networks.card import read_card
from dreamsound_jax.run.checks import check_options
from dreamsound_jax.run.options import Options
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped
from tests.helpers import tiny
from tests.helpers.commands import parse

MANY = tuple(range(2000))


@pytest.mark.parametrize(
    ("flag", "highest"),
    [
        ("num_iterations", 10**6),
        ("pyramid_size", 1000),
        ("pyramid_roll", 10**6),
        ("batch_size", 4096),
        ("num_clips", 10**6),
        ("ouroboros_length", 10**6),
        ("views", 65536),
    ],
)
def test_a_number_beyond_any_use_is_refused(flag, highest):
    assert getattr(parse(f"--{flag}={highest}"), flag) == highest
    for value in (highest + 1, 2**31, 2**63, 10**23):
        with pytest.raises(UserError, match=rf"--{flag}={value}: {value} is not an integer in"):
            parse(f"--{flag}={value}")
        with pytest.raises(UserError, match=f"--{flag} must be at most {highest}, and is {value}"):
            check_options(Options(**{flag: value}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"sweep": {"seed": MANY, "pyramid_roll": MANY, "num_iterations": MANY}},
            "--sweep must make at most 1000000 combinations, and makes 8000000000 of them",
        ),
        (
            {"create_ouroboros": True, "ouroboros_transform": ("resample",) * 5000},
            "--ouroboros_transform must name at most 50 transforms, and names 5000",
        ),
    ],
)
def test_lists_that_are_too_long_are_refused_at_once(options, message):
    started = time.monotonic()
    with pytest.raises(UserError, match=message):
        check_options(Options(**options))
    assert time.monotonic() - started < 10


def test_a_wrong_value_among_many_combinations_is_found_at_once(caplog):
    layers = (("relu3_4",), ("relu99",))
    rates = tuple(rate / 1000 for rate in range(1, 151))
    sweep = {"layers_to_use": layers, "lr": rates, "seed": tuple(range(300))}
    options = tiny.options(sweep=sweep)
    started = time.monotonic()
    with (
        caplog.at_level("INFO", logger="dreamsound_jax"),
        pytest.raises(UserError, match="no layer 'relu99'"),
    ):
        resolve(options, read_card(shipped("checkpoints") / "gm"))
    assert time.monotonic() - started < 10
    assert caplog.messages == ["checking all 90000 combinations of --sweep, which may take a while"]


def test_a_combination_may_be_wrong_whose_values_are_not():
    sweep = {"domain": ("sound", "mel"), "momentum": (0.5, 0.6), "optimizer": ("momentum", "adam")}
    with pytest.raises(UserError, match="the optimizer adam has no such setting"):
        check_options(Options(sweep=sweep))
