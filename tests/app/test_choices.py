"""What is chosen on the page of the app becomes options and a command."""

import pytest

import dreamsound_jax as ds
from dreamsound_jax.app.choices import (
    Choices,
    card_of,
    describe_preset,
    included_models,
    layer_names,
    preset_names,
)
from dreamsound_jax.run.presets import make_options
from tests.helpers.commands import parse


@pytest.mark.parametrize(
    "choices",
    [
        Choices(),
        Choices(preset="hits", strength=12.5, mix=0.25, seed=3),
        Choices(preset="towards_opera", target_class="choir"),
        Choices(preset="swells", model="gm_robust", layer="relu2_2"),
    ],
)
def test_the_command_asks_for_what_the_page_asks_for(choices):
    import shlex

    words = shlex.split(choices.command("a b.wav"))
    asked = parse(*words[1:])
    assert asked.input == ("a b.wav",)
    expected = make_options(choices.options())
    assert {**vars(asked), "input": None} == {**vars(expected), "input": None}


def test_a_file_that_is_named_like_a_flag_or_an_input_is_a_file():
    for name in ("-x.wav", "noise"):
        assert f"./{name}" in Choices().command(name)


def test_a_class_is_dreamed_by_the_layer_of_classes_whatever_the_preset_says():
    options = Choices(preset="hits", target_class="organ").options()
    assert options["layers_to_use"] == ("output",)
    with pytest.raises(ds.UserError, match="not both"):
        Choices(target_class="organ", layer="relu1_1").options()


def test_each_preset_on_the_page_dreams_with_a_network_that_is_included():
    names = preset_names()
    assert "hits" in names and "slow_waves" not in names and "clip_1" not in names
    for name in names:
        assert make_options({"preset": name}).model in included_models()
        assert describe_preset(name).endswith(".")
        assert card_of(name, None).architecture.class_layer not in layer_names(card_of(name, None))
