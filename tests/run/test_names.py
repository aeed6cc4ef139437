"""Names of clips' files by --name."""

import re

import pytest

from dreamsound_jax.run.jobs import draw_classes, list_jobs
from dreamsound_jax.run.names import (
    OF_CLIP,
    fill_template,
    make_unique,
    read_template,
    write_objective,
)
from dreamsound_jax.run.options import SWEEPABLE
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny


def names_of(paths, **given):
    return [job.name for job in list_jobs(paths, tiny.plan(**given))]


def test_a_template_is_filled_with_what_is_known_of_each_clip():
    sweep = {"lr": (0.1, 0.25), "layers_to_use": (("relu1_1",), ("relu2_1", "relu2_2"))}
    found = names_of(["in/a.b.wav", "noise"], sweep=sweep, name="{input}-{layer}-{lr}-{seed}")
    seed = tiny.plan().seed
    layers = ["relu1_1", "relu2_1+relu2_2"]
    assert found == [
        f"{input}-{layer}-{lr}-{seed}"
        for input in ("a.b", "noise")
        for lr in ("0.1", "0.25")
        for layer in layers
    ]


def test_options_are_named_as_they_were_given_whatever_strength_makes_of_them():
    given = {"strength": 100.0, "lr": 0.1, "name": "{number:02} {strength} {lr} {preset} {domain}"}
    assert names_of(["a.wav"], **given) == ["00 100 0.1 none sound"]


@pytest.mark.parametrize("field", [*OF_CLIP, "layer", "layers", *SWEEPABLE])
def test_every_field_has_words_for_its_default(field):
    (name,) = names_of(["in/a.wav"], name=f"{{{field}}}")
    assert re.fullmatch(r"[\w.]+", name) and name not in ("True", "False", "None", "-1")


@pytest.mark.parametrize(
    ("field", "given", "written"),
    [
        ("loop", {"loop": True}, "loop"),
        ("loop", {}, "noloop"),
        ("crossfade", {}, "crossfade"),
        ("interpolate", {"interpolate": "relu2_2 > class_1"}, "relu2_2-to-class_1"),
        ("layer", {"interpolate": "relu2_2 > relu3_1"}, "relu2_2+relu3_1"),
        (
            "objective",
            {"objective": "2*channel(relu2_1, 3) - 0.1*total_variation()"},
            "2-channel-relu2_1-3-minus-0.1-total_variation",
        ),
        ("objective", {}, "none"),
        ("time", {"time": ("0.5:1.2", "2:")}, "0.5to1.2+2to"),
        ("frequency", {"frequency": (":300",)}, "to300"),
        (
            "ouroboros_transform",
            {"create_ouroboros": True, "ouroboros_transform": ("time_stretch", "mel_shift")},
            "time_stretch+mel_shift",
        ),
        ("pyramid_size", {}, "3"),
        ("bit_depth", {}, "auto"),
        ("b1", {}, "default"),
        ("gain_range", {"gain_range": 12.0}, "12"),
        ("lr", {"lr": 1e-05}, "1e-05"),
        ("target_class_index", {}, "drawn"),
        ("seed:03", {"seed": 7}, "007"),
    ],
)
def test_a_field_is_written_as_words(field, given, written):
    assert names_of(["a.wav"], **{"name": f"{{{field}}}", **given}) == [written]


def test_an_objective_is_written_without_folders_quotes_and_signs():
    text = "guide(relu3_4, '/my sounds/a.b.wav', power=2) + -0.5*(organ > mask)"
    assert write_objective(text) == "guide-relu3_4-a.b-power-2-plus-minus-0.5-organ-to-mask"


def test_a_class_that_is_drawn_is_in_the_name():
    given = {"layers_to_use": ("output",), "num_clips": 4, "name": "{class}"}
    jobs = list_jobs(["noise"], tiny.plan(**given))
    classes = draw_classes(jobs)
    assert len(set(classes.values())) > 1
    assert [job.name.partition("-")[0] for job in jobs] == [classes[n] for n in range(4)]
    assert names_of(["noise"], target_class="class_1", name="{class}{{}}") == ["class_1{}"]
    assert names_of(["noise"], name="to {class}") == ["to none"]


def test_names_are_unique_and_stay_when_inputs_are_added():
    few = names_of(["x/a.wav", "y/A.wav", "a-2.wav"], name="{input}")
    assert few == ["a", "A-2", "a-2-2"]
    assert names_of(["x/a.wav", "y/A.wav", "a-2.wav", "a.wav"], name="{input}") == [*few, "a-3"]
    assert make_unique(["params", "a" * 250, "a" * 200]) == ["params-2", "a" * 250, "a" * 200]


def test_names_are_safe_for_a_file_system():
    def fill(text):
        return fill_template("{input}", {"input": text})

    assert fill("a/b\\c:d\n\x00e*?") == "a_b_c_d__e__"
    assert (fill(".hidden"), fill("-rf"), fill(" "), fill("")) == ("_hidden", "_rf", "_", "_")
    # These would be the files beside the dream of x.
    assert (fill("x.input"), fill("x.Difference")) == ("x-input", "x-Difference")
    assert fill("ü" * 300) == "ü" * 100
    numbered = make_unique(["ü" * 100] * 1000)
    assert len(set(numbered)) == 1000 and max(len(name.encode()) for name in numbered) < 210


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{inptu}", r"no field \{inptu\} \(did you mean \{input\}\?\); choose from: number, input"),
        ("{}", r"no field \{\}"),
        ("{input.__class__}", r"no field \{input.__class__\}"),
        ("{output_dir}", r"no field \{output_dir\}"),
        ("{input", "a brace must be closed"),
        ("input}", "a brace must be closed"),
        ("{seed:999999999}", "only number and seed have a width"),
        ("{lr:3}", "only number and seed have a width"),
        ("a/{input}", "must be a name without a slash"),
        ("", "must be a name without a slash"),
    ],
)
def test_a_template_that_cannot_be_filled_is_named(template, message):
    with pytest.raises(UserError, match=f"^--name.*{message}"):
        read_template(template)
    with pytest.raises(UserError, match=f"^--name.*{message}"):
        tiny.plan(name=template)
