"""A preview has each preset that is possible."""

import pytest

from dreamsound_jax.run.checks import check_options, combinations
from dreamsound_jax.run.presets import apply_changes, list_presets
from dreamsound_jax.run.preview import choose_presets
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny
from tests.helpers.commands import parse

OWN = [preset.name for preset in list_presets() if not preset.is_original]


def points(options):
    return [apply_changes(options, changes) for changes in combinations(options.sweep)]


def test_a_preview_is_of_all_presets_whose_networks_are_here():
    options, notes = choose_presets(parse("a.wav", "--preview"))
    assert options.sweep == {"preset": (*OWN,)} and options.input == ("a.wav",)
    assert "clip_1" in notes["left out"] and "fma-small is not here" in notes["left out"]
    assert "ouroboros_1, ouroboros_2: the network UrbanSounds8k" in notes["left out"]
    assert {point.create_ouroboros for point in points(options)} == {False, True}


def test_the_page_says_that_an_objective_takes_the_place_of_what_the_presets_raise():
    _, notes = choose_presets(parse("--preview", "--objective=organ", "--sweep=preset=hits,swells"))
    assert notes["raised"].startswith("--objective takes the place of what the presets raise")


def test_flags_that_are_given_win_and_presets_may_be_named():
    flags = ("--preview", "--num_iterations=2", "--strength=60", "--sweep=mix=0.5,1")
    options, notes = choose_presets(parse(*flags, "--preset=towards_organ"))
    assert "left out" not in notes
    assert [(each.preset, each.num_iterations, each.strength, each.mix) for each in points(options)]
    assert {(each.preset, each.num_iterations, each.strength) for each in points(options)} == {
        ("towards_organ", 2, 60.0)
    }
    assert sorted(each.mix for each in points(options)) == [0.5, 1.0]
    with pytest.raises(UserError, match="--preset and --sweep=preset=... both name presets"):
        parse("--preview", "--preset=hits", "--sweep=preset=hits,swells")


@pytest.mark.parametrize(("flags", "rounds"), [((), 3), (("--ouroboros_length=10",), 10)])
def test_an_ouroboros_has_a_few_rounds_unless_their_number_is_given(flags, rounds):
    options = parse("--preview", "--sweep=preset=grain,rising", "--seed=1", *flags)
    clips = resolve(choose_presets(options)[0], tiny.CARD).clips
    assert [clip.ouroboros and clip.ouroboros.length for clip in clips] == [None, rounds]


def test_what_cannot_be_combined_is_left_out_and_what_is_always_wrong_is_an_error():
    options, notes = choose_presets(
        parse("--preview", "--frequency=:4000", "--sweep=preset=grain,rising,clip_1")
    )
    assert options.sweep["preset"] == ("grain",)
    assert "rising: --frequency and --create_ouroboros must not both" in notes["left out"]
    check_options(options)
    for wrong, words in [
        ("--time=:1", "--preview and --time must not both be given"),
        ("--mask=m.npy", "--preview and --mask must not both be given"),
        ("--optimizer=adamm", "did you mean adam"),
    ]:
        with pytest.raises(UserError, match=words):
            check_options(choose_presets(parse("--preview", wrong))[0])
    # A network that does not exist is named when it is loaded, as for any run.
    assert choose_presets(parse("--preview", "--model=gmm"))[1] == {}
