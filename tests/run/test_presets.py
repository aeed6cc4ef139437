"""Presets are read from flag files, and flags change them."""

import dataclasses
import re

import numpy as np
import pytest

import dreamsound_jax as ds
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.run.checks import combinations
from dreamsound_jax.run.presets import (
    apply_changes,
    describe_presets,
    describe_replaced,
    find_preset,
    list_presets,
    make_options,
)
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped
from tests.helpers import tiny
from tests.helpers.commands import parse

NAMES = [preset.name for preset in list_presets()]
GM = read_card(shipped("checkpoints") / "gm")


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_is_its_flag_file(name):
    by_name, by_file = parse(f"--preset={name}"), parse(f"--flagfile={name}")
    assert dataclasses.replace(by_name, preset=None) == by_file


def test_there_are_a_dozen_presets_each_with_a_line_beside_the_originals():
    own = [preset for preset in list_presets() if not preset.is_original]
    assert len(own) >= 12
    assert len(NAMES) - len(own) == 8
    for preset in own:
        assert 30 < len(preset.summary) < 90, preset.name
        assert re.fullmatch("[A-Z].*[a-z]\\.", preset.summary), preset.name
    listed = describe_presets()
    own_part, original_part = listed.split("Examples of the original DreamSound")
    assert all(f"  {preset.name} " in own_part for preset in own)
    assert "  clip_1 " in original_part and "  clip_1 " not in own_part


def test_flags_that_are_given_win_over_a_preset_even_with_their_default_values():
    preset = find_preset("towards_organ")
    assert preset.values["num_iterations"] == 40
    options = parse("--preset=towards_organ", "--num_iterations=10", "--target_class=bass")
    assert (options.num_iterations, options.target_class) == (10, "bass")
    assert options.lr == preset.values["lr"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            "--preset=towards_bells --interpolate=organ>pipe",
            "--interpolate takes the place of what the preset towards_bells raises "
            "(--layers_to_use=output --target_class=chromatic_percussion)",
        ),
        (
            "--preset=hits --sweep=objective=organ,pipe",
            "--objective takes the place of what the preset hits raises (--layers_to_use=relu3_4)",
        ),
        (
            "--preview --objective=organ",
            "--objective takes the place of what the presets raise; their other flags stay",
        ),
        ("--preset=towards_bells --target_class=organ", None),
        ("--preset=towards_bells", None),
        ("--interpolate=organ>pipe", None),
    ],
)
def test_it_is_said_that_an_objective_takes_the_place_of_what_a_preset_raises(flags, said):
    assert describe_replaced(parse(*flags.split())) == said


def test_presets_are_swept_together_with_other_flags():
    options = parse("--sweep=preset=hits,towards_organ", "--num_iterations=10", "--strength=40")
    points = [apply_changes(options, changes) for changes in combinations(options.sweep)]
    assert [point.preset for point in points] == ["hits", "towards_organ"]
    assert [point.target_class for point in points] == [None, "organ"]
    assert [point.num_iterations for point in points] == [10, 10]
    assert [point.strength for point in points] == [40, 40]
    clips = resolve(dataclasses.replace(options, seed=0), GM).clips
    assert [clip.layers for clip in clips] == [("relu3_4",), ("output",)]
    assert [(clip.preset, clip.strength) for clip in clips] == [("hits", 40), ("towards_organ", 40)]


def test_swept_presets_may_be_dreams_and_ouroboroses_but_must_share_their_inputs():
    with pytest.raises(UserError, match="these presets differ in --input, which all clips"):
        make_options({"sweep": {"preset": ("clip_1", "clip_2")}})
    both = make_options({"seed": 0, "sweep": {"preset": ("hits", "slow_waves")}})
    clips = resolve(both, GM).clips
    assert [clip.ouroboros and clip.ouroboros.length for clip in clips] == [None, 16]
    with pytest.raises(UserError, match="both name presets"):
        make_options({"preset": "hits", "sweep": {"preset": ("hits",)}})


def test_an_unknown_preset_is_refused_with_the_nearest_name():
    with pytest.raises(UserError, match=r"no preset 'hit' \(did you mean hits\?\)"):
        make_options({"preset": "hit"})


def test_presets_in_python():
    sound = np.sin(np.arange(12000) / 20).astype(np.float32)
    few = {"pyramid_size": 1, "num_iterations": 1, "layers_to_use": ("relu1_1",)}
    model = tiny.tiny_model()
    by_name = ds.dream(sound, 22050, model, preset="hits", **few)
    values = {**find_preset("hits").values, **few}
    np.testing.assert_array_equal(ds.dream(sound, 22050, model, **values).sound, by_name.sound)
    assert ds.list_presets()["hits"] == find_preset("hits").summary
    with pytest.raises(UserError, match="the preset rising makes an ouroboros"):
        ds.dream(sound, 22050, model, preset="rising", **few)
