"""Each option is a flag with help, and flags become options."""

import dataclasses
from collections.abc import Mapping

import pytest
from absl import flags
from absl.testing import flagsaver

import dreamsound_jax.cli.flags as own_flags
from dreamsound_jax.cli import parsing
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.run import options as run_options
from dreamsound_jax.run import presets
from dreamsound_jax.run.options import FIELDS, Options, value_type
from dreamsound_jax.run.options.option import option
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.system.shipped import preset_names, shipped
from tests.helpers.commands import parse


def test_every_option_is_a_flag_with_its_default_and_help():
    defined = {flag.name for flag in flags.FLAGS.flags_by_module_dict()[own_flags.__name__]}
    assert defined >= {*FIELDS}
    for name, field in FIELDS.items():
        flag = flags.FLAGS[name]
        assert field.metadata["help"] in flag.help, name
        if value_type(name) is not Mapping:
            default = tuple(flag.default) if isinstance(flag.default, list) else flag.default
            assert default == field.default, name
        may_stand_alone = value_type(name) is bool or field.metadata["bare"] is not None
        assert flag.boolean == may_stand_alone, name
    assert parse() == Options()


def test_every_flag_stands_in_one_section_of_the_help():
    listed = [name for names in own_flags.list_sections().values() for name in names]
    defined = {flag.name for flag in flags.FLAGS.flags_by_module_dict()[own_flags.__name__]}
    assert sorted(listed) == sorted(defined)


def test_a_new_option_is_a_flag_without_more_code(monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class More(Options):
        voices: int | None = option(None, "Number of voices.", role="data", at_least=1, at_most=4)
        colours: tuple[str, ...] = option(("red",), "Colours of the noise.", role="run")
        mood: str = option("calm", "calm or wild.", role="data", choices=("calm", "wild"))

    new = dataclasses.fields(More)[-3:]
    for module in (own_flags, presets):
        monkeypatch.setattr(module, "Options", More)
    for field in new:
        monkeypatch.setitem(run_options.FIELDS, field.name, field)
    for field in new:
        own_flags._define(field)
    try:
        arguments = ("--voices", "3", "--colours", "pink", "brown", "--mood=wild")
        assert parse() == More()
        assert parse(*arguments) == More(voices=3, colours=("pink", "brown"), mood="wild")
        assert "  --mood (default calm)\n      calm or wild." in parsing.help_text(
            own_flags.__name__, ""
        )
        with pytest.raises(parsing.UserError, match=r"--voices=5: 5 is not an integer in the"):
            parse("--voices=5")
    finally:
        for field in new:
            delattr(flags.FLAGS, field.name)


def test_a_loudness_is_a_word_or_a_number_also_in_a_sweep():
    assert parse("--loudness", "-14").loudness == "-14"
    swept = parse("--sweep=loudness=match,-14.5,none").sweep
    assert swept == {"loudness": ("match", "-14.5", "none")}


@pytest.mark.parametrize("name", preset_names())
def test_shipped_flag_files_are_valid_for_their_networks(name):
    with flagsaver.flagsaver():
        options = parse(f"--flagfile={name}", "--seed=0")
    card = read_card(shipped("checkpoints") / options.model)
    assert resolve(options, card).seed == 0
    assert options != Options(seed=0)
