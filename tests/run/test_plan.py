"""Options and a card become a plan, or one line says why not."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.networks.card import read_card
from dreamsound_jax.run.checks import check_options, combinations
from dreamsound_jax.run.options import FIELDS, SWEEPABLE
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped
from tests.helpers import tiny

OUROBOROS = {"create_ouroboros": True}
STRETCH = {**OUROBOROS, "ouroboros_transform": ("time_stretch",)}
RESAMPLE = {**OUROBOROS, "ouroboros_transform": ("mel_shift", "resample")}
GM = read_card(shipped("checkpoints") / "gm")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers_to_use": ("relu3_5",)}, "no layer 'relu3_5' (did you mean relu3_4?); choose"),
        ({"target_class": "orgam"}, "no class 'orgam' (did you mean organ?); choose from: piano"),
        (
            {"target_class_index": 16, "layers_to_use": ("output",)},
            "no class 16 in model gm; its classes: 0 piano, 1 chromatic_percussion, 2 organ",
        ),
        ({"target_class_index": 99}, "no class 99 in model gm; its classes: 0 piano, 1 chrom"),
        ({"target_class_index": 99, "layers_to_use": ("relu2_1",)}, "no class 99 in model gm;"),
        ({"sweep": {"target_class_index": (3, 99)}}, "no class 99 in model gm; its classes: 0"),
        ({"time": ("0:1e400",)}, "--time must be a range FROM:TO in seconds, with 0 <= FROM < TO"),
        ({"frequency": ("1:2e999",)}, "--frequency must be a range FROM:TO in Hz, with 0 <= FROM"),
        ({"output_dir": ""}, "--output_dir must name a folder, and is ''"),
        (
            {"target_class": "organ", "target_class_index": 3},
            "--target_class=organ and --target_class_index=3 both name a class: give only one",
        ),
        ({"layers_to_use": ()}, "--layers_to_use must not be empty"),
        (
            {"layers_to_use": ("relu3_4", "my.wav")},
            "--layers_to_use must name layers, and 'my.wav' is a sound: put inputs before",
        ),
        ({"input": ()}, "--input must not be empty"),
        ({"optimizer": "addam"}, "no optimizer 'addam' (did you mean adam?); choose from: sgd,"),
        (
            {"momentum": 0.5},
            "--momentum=0.5: the optimizer sgd has no such setting; with --momentum, --optimizer "
            "must be one of momentum, nesterov, lars, sm3",
        ),
        ({"optimizer": "momentum", "momentum": 1.0}, "--momentum must be under 1, and is 1.0"),
        ({"optimizer": "adam", "b1": 1.0}, "--b1 must be under 1, and is 1.0"),
        ({"sweep": {"b2": (0.9, 1.5)}, "optimizer": "adam"}, "--b2 must be under 1, and is 1.5"),
        ({"lr": float("nan")}, "--lr must be a finite number, and is nan"),
        ({"gain_range": float("inf")}, "--gain_range must be a finite number, and is inf"),
        ({"domain": "sond"}, "no such value of --domain: 'sond' (did you mean sound?)"),
        (
            {"loudness": "loud"},
            "--loudness must be safe, match, none or a number of LUFS from -70 to ",
        ),
        (
            {"loudness": "nan"},
            "--loudness must be safe, match, none or a number of LUFS from -70 to ",
        ),
        ({"sweep": {"loudness": ("-14", "1")}}, "--loudness must be safe, match, none or a number"),
        ({"loudness": "-70.1"}, "--loudness must be safe, match, none or a number"),
        ({"sample_rate": 44100}, "--sample_rate must be 22050, the rate at which the network gm"),
        (
            {**OUROBOROS, "lengths": "buckets"},
            "--lengths must be exact with --create_ouroboros, and is buckets",
        ),
        ({"layers_to_use": ("iterate",)}, "--layers_to_use=iterate takes another layer in each"),
        (
            {**OUROBOROS, "layers_to_use": ("iterate", "relu2_2")},
            "--layers_to_use=iterate,relu2_2: iterate must stand alone",
        ),
        (
            {**OUROBOROS, "ouroboros_transform": ("pitchshift",)},
            "no transform 'pitchshift' (did you mean pitch_shift?); choose from: none, time_st",
        ),
        (
            {**OUROBOROS, "ouroboros_transform": ("none", "resample")},
            "--ouroboros_transform must be none, or transforms without it, and is none,resample",
        ),
        (
            {**OUROBOROS, "ouroboros_transform": ()},
            "--ouroboros_transform must be none, or transforms without it, and is empty",
        ),
        ({**STRETCH, "ouroboros_stretch": 0.0}, "--ouroboros_stretch must be from 0.1 to 10, and"),
        ({**STRETCH, "ouroboros_stretch": float("nan")}, "--ouroboros_stretch must be a finite"),
        (
            {**RESAMPLE, "ouroboros_sr_offset": -22050},
            "--ouroboros_sr_offset must be from -19845 to 198450, and is -22050",
        ),
        ({"sweep": {"learning_rate": (1.0,)}}, "no such flag for --sweep: 'learning_rate'"),
        ({"sweep": {"input": ("sine",)}}, "no such flag for --sweep: 'input'"),
        ({"sweep": {"lr": ()}}, "--sweep=lr= must have values, as in --sweep=lr=VALUE,VALUE"),
        ({"sweep": {"lr": (0.1, float("nan"))}}, "--lr must be a finite number, and is nan"),
        ({"sweep": {"target_class": ("organ", "orgam")}}, "no class 'orgam' (did you mean organ?)"),
        ({"sweep": {"layers_to_use": (("relu1_1",), ("relu1_3",))}}, "no layer 'relu1_3' (did"),
        (
            {"sweep": {"lr": (0.1,), "optimizer": ("momentum", "adam")}, "momentum": 0.5},
            "--momentum=0.5: the optimizer adam has no such setting",
        ),
    ],
)
def test_a_wrong_option_is_named_in_one_line_with_what_it_must_be(changes, message):
    with pytest.raises(UserError) as error:
        resolve(tiny.options(**changes), GM)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


BOUNDED = [
    (name, bound, bound + step)
    for name, field in FIELDS.items()
    for bound, step in ((field.metadata["at_least"], -1), (field.metadata["at_most"], 1))
    if bound is not None
]


def test_bounds_hold_for_values_from_python_and_in_a_sweep():
    # A hyperparameter needs an optimizer that takes it.
    others = dict.fromkeys(("b1", "b2", "eps", "weight_decay"), {"optimizer": "adamw"})
    others["momentum"] = {"optimizer": "momentum"}
    assert len(BOUNDED) > 15
    for name, bound, outside in BOUNDED:
        given = tiny.options(**others.get(name, {}))
        side = "most" if outside > bound else "least"
        message = f"--{name} must be at {side} {bound:.0f}, and is {outside}"
        ways = [{name: outside}]
        ways += [{"sweep": {name: (bound, outside)}}] if name in SWEEPABLE else []
        for changes in ways:
            with pytest.raises(UserError) as error:
                check_options(replace(given, **changes))
            assert str(error.value) == message
        check_options(replace(given, **{name: bound}))


def test_what_has_no_effect_is_not_checked():
    resolve(tiny.options(ouroboros_stretch=-1.0, ouroboros_transform=("resample",)), GM)


def test_options_that_are_swept_need_not_be_valid_without_their_sweep():
    sweep = {"optimizer": ("momentum", "nesterov"), "lr": (0.1, 0.2)}
    plan = resolve(tiny.options(sweep=sweep, momentum=0.5), GM)
    assert [clip.optimizer for clip in plan.clips] == ["momentum"] * 2 + ["nesterov"] * 2
    assert all(clip.steps.hyperparameters == {"momentum": 0.5} for clip in plan.clips)


def test_combinations_change_the_last_option_fastest():
    assert list(combinations({})) == [{}]
    found = list(combinations({"lr": (0.1, 0.2), "domain": ("mel", "sound")}))
    assert [tuple(each.values()) for each in found] == [
        *itertools.product((0.1, 0.2), ("mel", "sound"))
    ]
    assert [list(each) for each in found] == [["lr", "domain"]] * 4
    clips = tiny.plan(sweep={"lr": (0.1, 0.2), "domain": ("mel", "sound")}).clips
    assert [clip.changes for clip in clips] == found
    assert [clip.domain for clip in clips] == ["mel", "sound", "mel", "sound"]
    np.testing.assert_allclose([clip.steps.learning_rate for clip in clips], [0.1, 0.1, 0.2, 0.2])


# For each option that is data, a value that is not the default.
DATA = {
    "clip_length": 9000,
    "sine_freq": 500.0,
    "target_class": "class_2",
    "target_class_index": 3,
    "class_objective": "away",
    "gain_range": 3.0,
    "amount": 0.5,
    "detail_factor": 0.5,
    "pyramid_roll": 7,
    "lr": 0.5,
    "mix": 0.5,
    "format": "flac",
    "bit_depth": "24",
    "smoothing_coefficient": 1.5,
    "momentum": 0.3,
    "b1": 0.3,
    "b2": 0.3,
    "eps": 0.1,
    "weight_decay": 0.2,
    "optimizer_state": "carry",
    "smooth_gradient": False,
    "standardise_gradient": False,
    "seed": 8,
}
PROGRAM = {
    "domain": "mel",
    "layers_to_use": ("relu1_1",),
    "pyramid_size": 2,
    "pyramid_ratio": 1.5,
    "replace_detail": False,
    "num_iterations": 3,
    "optimizer": "lion",
    "views": 2,
    "until": 5.0,
    "jitter_time": 3.0,
}


def test_clips_that_differ_in_data_alone_share_a_program():
    of_data = {name for name in FIELDS if FIELDS[name].metadata["role"] == "data"}
    assert of_data == {*DATA, "time", "frequency", "mask"}
    takes = {"momentum": "nesterov", "b1": "adamw", "b2": "adamw", "eps": "adamw"}
    takes["weight_decay"] = "adamw"
    for name, value in DATA.items():
        given = {"layers_to_use": ("output",), "optimizer": takes.get(name, "sgd")}
        default, other = (tiny.plan(**given, **each).clips[0] for each in ({}, {name: value}))
        assert default.static == other.static, name
        assert hash(default.static) == hash(other.static)
        assert default != other, name
        assert jax.tree.structure(default.steps) == jax.tree.structure(other.steps)


def test_clips_that_are_dreamed_in_different_places_share_a_program(tmp_path):
    np.save(tmp_path / "mask.npy", np.ones((128, 50)))
    path = str(tmp_path / "mask.npy")
    places = ({"time": "0:0.5"}, {"frequency": (":300", "900:")}, {"mask": path})
    clips = [tiny.plan(**place).clips[0] for place in places]
    kinds = {clip.static for clip in clips}
    assert len(kinds) == 1 and tiny.plan().clips[0].static not in kinds
    assert len({clip.where for clip in clips}) == 3


def test_clips_that_differ_in_what_is_compiled_do_not_share_a_program():
    for name, value in PROGRAM.items():
        assert tiny.plan().clips[0].static != tiny.plan(**{name: value}).clips[0].static, name
    round_of = {**OUROBOROS, "ouroboros_transform": ("resample",)}
    first = tiny.plan(**round_of).clips[0].static
    for changes in (
        {"create_ouroboros": False},
        {"ouroboros_length": 3},
        {"ouroboros_transform": ("none",)},
        {"ouroboros_sr_offset": 100},
        {"stabilise": False},
        {"crossfade": False},
        {"stop_overcooked": 3.0},
    ):
        assert tiny.plan(**(round_of | changes)).clips[0].static != first, changes


def test_layers_are_those_asked_for_or_follow_from_the_class():
    def layers(**changes):
        return [clip.layers for clip in tiny.plan(**changes).clips]

    assert layers() == [("relu3_4",)]
    others = [read_card(shipped("checkpoints") / name) for name in ("mtt", "msd", "cnn10")]
    named = [tiny.plan(card).clips[0].layers for card in others]
    assert named == [("relu3",), ("relu4",), (others[2].architecture.last_local.name,)]
    assert layers(domain="mel") == [("relu5_4",)]
    assert layers(sweep={"domain": ("sound", "mel")}) == [("relu3_4",), ("relu5_4",)]
    assert layers(target_class="class_1") == [("output",)]
    assert layers(sweep={"target_class": ("class_1", "class_2")}) == [("output",)] * 2
    assert layers(target_class="class_1", layers_to_use=("relu1_1",)) == [("relu1_1",)]
    assert layers(sweep={"layers_to_use": (("relu1_1",), ("relu2_1", "output"))}) == [
        ("relu1_1",),
        ("relu2_1", "output"),
    ]


def test_by_default_a_pyramid_has_no_level_of_fewer_bands_than_the_layer_needs():
    cnn14 = read_card(shipped("checkpoints") / "cnn14")

    def sizes(card=cnn14, **changes):
        return [clip.pyramid_size for clip in tiny.plan(card, **changes).clips]

    layers = (("relu4_2",), ("relu5_2",), ("relu4_2", "relu6_2"), ("output",))
    assert sizes(sweep={"layers_to_use": layers}) == [3, 3, 2, 2]
    assert sizes(sweep={"layers_to_use": layers}, pyramid_ratio=4.0) == [2, 2, 1, 1]
    assert sizes(layers_to_use=("relu1_1",), pyramid_ratio=5.0) == [2]  # A level has 8 at least.
    assert sizes(layers_to_use=("relu6_2",), pyramid_size=3) == [3]
    assert sizes(layers_to_use=("iterate",), create_ouroboros=True) == [2]
    assert sizes(GM, sweep={"layers_to_use": (("relu1_1",), ("output",))}) == [3, 3]


def test_models_that_are_swept_have_their_own_layers_classes_and_rates():
    cards = {name: read_card(shipped("checkpoints") / name) for name in ("gm", "mtt")}

    def plan(**changes):
        sweep = {"model": ("gm", "mtt")}
        return resolve(tiny.options(sweep=sweep, **changes), cards["gm"], swept_cards=cards)

    clips = plan(target_class="guitar").clips
    assert [clip.card.classes[clip.target] for clip in clips] == ["guitar", "guitar"]
    assert [clip.card.front_end.sample_rate for clip in clips] == [22050, 16000]
    assert clips[0].static != clips[1].static
    for changes, message in (
        ({"layers_to_use": ("relu3_4",)}, "model mtt: no layer 'relu3_4' (did you mean relu3?)"),
        ({"target_class": "organ"}, "model mtt: no class 'organ'"),
        ({"sample_rate": 22050}, "model mtt: --sample_rate must be 16000, the rate at which"),
    ):
        with pytest.raises(UserError) as error:
            plan(**changes)
        assert str(error.value).startswith(message)


def test_classes_are_found_by_name_or_index_and_else_drawn():
    def target(**changes):
        return tiny.plan(**changes).clips[0].target

    assert target(target_class="class_2") == 2
    assert target(layers_to_use=("output",), target_class_index=3) == 3
    assert target(layers_to_use=("output",)) is None
    clip = tiny.plan(target_class_index=3).clips[0]
    assert (clip.target, clip.layers) == (3, ("output",))
    assert tiny.plan(target_class_index=3, layers_to_use=("relu2_1",)).clips[0].layers == (
        "relu2_1",
    )


def test_the_objective_is_the_mean_over_the_layers_and_its_class_may_be_lowered():
    clip = tiny.plan(layers_to_use=("relu2_1", "output"), class_objective="away").clips[0]
    data = clip.objective_data(4)
    assert [measure.layers for measure in clip.program().measures] == [("relu2_1",), ("output",)]
    np.testing.assert_array_equal(data.weights, np.float32([0.5, -0.5]))
    assert data.data == ((), np.int32(4))


def test_an_ouroboros_may_take_another_layer_each_round():
    """From the deepest on, and over again; the layers of one stage share a program."""
    clip = tiny.plan(**OUROBOROS, layers_to_use=("iterate",)).clips[0]
    names = tiny.CARD.architecture.layers
    rounds = [clip.layers_of_round(number) for number in range(len(names) + 1)]
    assert rounds == [(name,) for name in (*names[::-1], names[-1])]
    assert clip.asked_layers == ("iterate",)
    programs = [clip.program(number) for number in range(len(names))]
    assert len({*programs}) == len(tiny.CARD.architecture.stages)
    for number, program in enumerate(programs):
        weights = clip.objective_data(0, number).weights
        assert sorted(weights) == [0.0] * (len(weights) - 1) + [1.0]
        assert program.measures[int(np.argmax(weights))].layers == clip.layers_of_round(number)


def test_transforms_come_with_their_amounts_in_order():
    names = ("time_roll", "time_stretch", "time_roll")
    plan = tiny.plan(**OUROBOROS, ouroboros_transform=names, ouroboros_roll=0.5)
    chain = plan.clips[0].ouroboros.round_settings.chain
    assert chain == (("time_roll", 0.5), ("time_stretch", 0.95), ("time_roll", 0.5))
    assert tiny.plan(**OUROBOROS).clips[0].ouroboros.round_settings.chain == ()


def test_spectrograms_are_float32_unless_all_is_float64():
    assert [tiny.plan(precision=each).dtype for each in ("float32", "bfloat16", "float64")] == [
        jnp.float32,
        jnp.float32,
        jnp.float64,
    ]
    assert tiny.plan(precision="float64").clips[0].steps.learning_rate.dtype == np.float64
