"""Objectives as text: `--objective` on the command line."""

import dataclasses

import numpy as np
import pytest

from dreamsound_jax import objectives
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.objectives.grammar import TERMS, parse_objective
from dreamsound_jax.run.options import Options
from dreamsound_jax.run.presets import make_options
from dreamsound_jax.run.ranges import expand_ranges, split_objectives
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped
from tests.helpers import tiny

GM = read_card(shipped("checkpoints") / "gm")
TAGS = dataclasses.replace(
    GM, classes=("60s", "new age", "Hip-Hop", "Speech, male", "no vocals", "vocals"), synonyms={}
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("layer(relu3_4)", objectives.layer("relu3_4")),
        (" - channel( relu3_4 , 17 ) ", -objectives.channel("relu3_4", 17)),
        (
            "2*(channel(relu3_4,1) - stay_near(0.5))*.5 + 1e-1 * total_variation(frequency=0)",
            objectives.channel("relu3_4", 1)
            - objectives.stay_near(0.5)
            + 0.1 * objectives.total_variation(frequency=0),
        ),
        (
            "neuron(relu2_2, 3, frame=9) + logit(organ) - margin(4) + probability('a, (b)')",
            objectives.neuron("relu2_2", 3, frame=9)
            + objectives.logit("organ")
            - objectives.margin(4)
            + objectives.probability("a, (b)"),
        ),
    ],
)
def test_a_text_is_the_sum_that_it_says(text, expected):
    assert parse_objective(text) == expected


def test_a_guide_is_a_file_and_a_direction_a_file_of_numpy(tmp_path):
    np.save(tmp_path / "v.npy", np.arange(3.0))
    guide = parse_objective('guide(relu2_2, "my dog\'s bark.wav", power=2, match=statistics)')
    ((_, term),) = guide.terms
    assert (term.sound.name, term.power, term.match) == ("my dog's bark.wav", 2, "statistics")
    ((_, term),) = parse_objective(f"direction(relu2_2, {tmp_path}/v.npy)").terms
    assert term.vector == (0, 1, 2)


@pytest.mark.parametrize(
    ("text", "why", "place"),
    [
        ("chanel(relu3_4, 1)", "did you mean channel?", ">>> chanel"),
        ("layer(a) + chan(b)", "did you mean channel?", "layer(a) + >>> chan"),
        ("layer(a) + channel", "channel needs its arguments in parentheses", "+ >>> channel"),
        ("channel(relu3_4, x)", "number must be a whole number, and is 'x'", ">>> channel"),
        ("channel(relu3_4, 1.5)", "number must be a whole number", ">>> channel"),
        ("stay_near(much)", "weight must be a number, and is 'much'", ">>> stay_near"),
        ("channel(relu3_4", "expected , or ) here", "relu3_4 >>>"),
        ("channel(relu3_4,)", "expected an argument here", ", >>> )"),
        ("layer(a) layer(b)", "expected + or - here, or the end", ") >>> layer(b)"),
        ("layer(a)*layer(b)", "can only be scaled", "* >>> layer(b)"),
        ("3", "expected a term here, such as *layer(relu3_4)", "3 >>>"),
        ("2*", "expected a term here", "2* >>>"),
        ("", "expected a term here", ">>>"),
        ("channel(relu3_4)", "needs number, and must be channel(LAYER, NUMBER)", ">>> channel"),
        ("layer(a, b)", "2 arguments without a name, and must be layer(NAME)", ">>> layer"),
        ("channel(a, 1, number=2)", "channel has number twice", ">>> channel"),
        ("guide(a, b.wav, powr=2)", "did you mean power?", ">>> guide"),
        ("guide(a, b.wav, sample_rate=2)", "no such argument of guide: 'sample_rate'", ">>> guide"),
        ("guide(a, b.wav, match=x)", "no such way to match: 'x'", ">>> guide"),
        ("direction(a, nowhere.npy)", "must be a .npy file", ">>> direction"),
        ("(layer(a)", "expected ) here", "(layer(a) >>>"),
        ("__import__('os')", "no such term of an objective: '__import__'", ">>> __import__"),
    ],
)
def test_what_cannot_be_read_is_shown_in_one_line(text, why, place):
    with pytest.raises(UserError) as caught:
        parse_objective(text)
    message = str(caught.value)
    assert message.startswith("--objective: ") and "\n" not in message
    assert why in message and place in message


@pytest.mark.parametrize(
    ("text", "meant", "card"),
    [
        ("relu3_4", "layer(relu3_4)", GM),
        ("RELU3_4 - 0.1*total_variation()", "layer(relu3_4) - 0.1*total_variation()", GM),
        ("Organ + flute", "probability(organ) + probability(pipe)", GM),
        ("-(relu1_1-organ)*2", "-2*layer(relu1_1) + 2*probability(organ)", GM),
        ("'chromatic percussion' + 2*organ", "probability(1) + 2*probability(organ)", GM),
        ("60s + new age - Hip-Hop", "probability(0) + probability(1) - probability(2)", TAGS),
        ("'Speech, male' + No Vocals", "probability(3) + probability(4)", TAGS),
        ("Speech, male - vocals", "probability(3) - probability(5)", TAGS),
    ],
)
def test_a_bare_name_is_a_layer_or_a_class(text, meant, card):
    found, expected = (parse_objective(each, card=card) for each in (text, meant))
    assert [weight for weight, _ in found.terms] == [weight for weight, _ in expected.terms]
    assert found.label(card) == expected.label(card)
    without_card = parse_objective("relu3_4 - organ")
    assert without_card.label(GM) == parse_objective("relu3_4 - organ", card=GM).label(GM)


@pytest.mark.parametrize(
    ("text", "why", "place"),
    [
        ("relu1_1 + relu6_1", "no layer or class 'relu6_1'; did you mean relu5_1", "+ >>> relu6_1"),
        ("organn", "'organn'; did you mean organ or horn?; --list_models", ">>> organn"),
        ("new agee - organ", "has no layer or class 'new agee'", ">>> new agee - organ"),
        ("output", "use probability(CLASS)", ">>> output"),
        ("layer(relu1_1) - channel(relu3_4, 99)", "from 0 to 63, and is 99", "- >>> channel("),
        ("2*(layer(relu1_1) + layer(relu6_1))", "did you mean relu5_1?", "+ >>> layer(relu6_1))"),
        ("layer(relu1_1) + margin(organn)", "did you mean organ?", "+ >>> margin(organn)"),
        ("guide(relu1_1, no.wav) + layer(mp1)", "guide cannot be read", ">>> guide(relu1_1, no"),
    ],
)
def test_what_a_network_does_not_have_is_shown_at_its_place(text, why, place):
    with pytest.raises(UserError) as caught:
        parse_objective(text, card=GM)
    message = str(caught.value)
    assert message.startswith("--objective: ") and "\n" not in message
    assert why in message and place in message


def test_an_array_of_objects_is_not_unpickled(tmp_path):
    np.save(tmp_path / "v.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "several.npz", np.zeros(3))
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    np.save(tmp_path / "table.npy", np.ones((2, 2)))
    for name in ("v.npy", "several.npz", "words.npy", "table.npy"):
        with pytest.raises(UserError, match="a direction.* must (be|hold) "):
            parse_objective(f"direction(relu2_2, {tmp_path}/{name})")


def test_a_guide_may_be_a_recording_that_is_included():
    ((_, term),) = parse_objective("guide(relu2_2, drums)").terms
    shape = term.data(GM, 100)[0].shape
    assert shape == (128, 100)


def test_the_help_names_every_term():
    help = Options.__dataclass_fields__["objective"].metadata["help"]
    assert set(help.partition("Terms: ")[2].partition(";")[0].split(", ")) == set(TERMS)


def test_a_range_is_a_sweep_and_the_last_one_changes_fastest():
    swept = Options(objective="channel(relu3_4, 2:4) + neuron(a, 0, band=5:7)").sweep["objective"]
    assert [text[17] + text[-2] for text in swept] == ["25", "26", "35", "36"]
    assert Options(objective="layer(relu3_4)").sweep == {}
    assert expand_ranges("guide(a, '1:3')") == ("guide(a, '1:3')",)
    in_quotes = "guide(a, \"b,0:3,c.wav\") + guide(a, '(1:3)')"
    assert expand_ranges(in_quotes) == (in_quotes,)
    assert expand_ranges(f"{in_quotes} + channel(a,  1:2 )") == (f"{in_quotes} + channel(a,  1 )",)
    assert split_objectives("channel(a, 1),layer('b,c)')") == ["channel(a, 1)", "layer('b,c)')"]
    for wrong in ("channel(a, 4:4)", "neuron(a, 0:1000, band=0:1000)"):
        with pytest.raises(UserError, match="--objective: the range"):
            Options(objective=wrong)


def test_clips_of_a_range_share_a_program():
    plan = tiny.plan(objective="channel(relu3_1, 0:4) - 0.1*total_variation()")
    assert len(plan.clips) == 4
    assert len({clip.static for clip in plan.clips}) == 1
    numbers = [int(clip.objective_data(None).data[1]) for clip in plan.clips]
    assert numbers == [0, 1, 2, 3]


def test_an_objective_takes_the_place_of_what_swept_presets_raise():
    options = make_options({"sweep": {"preset": ("hits", "storm")}, "objective": "layer(relu1_1)"})
    clips = resolve(dataclasses.replace(options, seed=0), GM).clips
    assert [clip.layers for clip in clips] == [("relu1_1",)] * 2
    assert clips[0].num_iterations != clips[1].num_iterations or clips[0].steps != clips[1].steps


def test_signs_and_parentheses_may_be_nested_but_not_without_end():
    minus = parse_objective("layer(a) + -2*-(layer(b) - -layer(c))")
    assert [weight for weight, _ in minus.terms] == [1, 2, 2]
    with pytest.raises(UserError, match="at most 50 parentheses"):
        parse_objective(400 * "(" + "layer(a)" + 400 * ")")


def test_an_objective_takes_the_place_of_what_a_preset_raises_and_the_other_way_round():
    hits = make_options({"preset": "hits", "objective": "channel(relu3_4, 1)"})
    assert hits.layers_to_use is None and hits.lr == make_options({"preset": "hits"}).lr
    with pytest.raises(UserError, match="--objective and --target_class must not both be given"):
        tiny.plan(objective="layer(relu3_1)", target_class="class_1")
