"""`--interpolate`, from the command line to what is written."""

import numpy as np
import pytest

import dreamsound_jax as ds
from dreamsound_jax import objectives
from dreamsound_jax.objectives.grammar import parse_interpolation
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny
from tests.helpers.clips import facts_of
from tests.helpers.commands import QUICK, dream, finish, start
from tests.helpers.sounds import original

RATE = 44100
SHORT = {"pyramid_size": 1, "num_iterations": 3, "lr": 0.2}
LOW, HIGH = "channel(conv1_1, 0)", "logit(class_1)"


@pytest.fixture(scope="module")
def model():
    return tiny.tiny_model()


@pytest.fixture(scope="module")
def drums():
    return original("loop_amen").channels[: round(0.9 * RATE), 0]


def test_a_text_has_stops_between_its_arrows():
    found = parse_interpolation("layer(a) > 2*(logit(b) - guide(c, 'x > y.wav')) > margin(3)")
    expected = (
        objectives.layer("a"),
        2 * (objectives.logit("b") - objectives.guide("c", "x > y.wav")),
        objectives.margin(3),
    )
    assert [len(stop.terms) for stop in found.stops] == [1, 2, 1]
    assert found.stops[0] == expected[0] and found.stops[2] == expected[2]
    assert found.stops[1].terms[1][1].sound.name == "x > y.wav"


def test_names_of_layers_and_classes_may_stand_alone_and_beside_terms(model, drums):
    def change(text):
        return ds.dream(drums, RATE, model, interpolate=text, **SHORT).change_db

    short = change("relu2_2 > Class_1 - 0.1*total_variation()")
    long = change("layer(relu2_2) > probability(class_1) - 0.1*total_variation()")
    np.testing.assert_array_equal(short, long)


@pytest.mark.slow
def test_a_clip_begins_by_one_objective_and_ends_by_another(model, drums):
    how = {"smooth_gradient": False, **SHORT}
    mixed = ds.dream(drums, RATE, model, interpolate=[LOW, objectives.logit("class_1")], **how)
    alone = [ds.dream(drums, RATE, model, objective=each, **how) for each in (LOW, HIGH)]
    quarter = mixed.change_db.shape[1] // 4

    def alike(other, part):
        return np.corrcoef(mixed.change_db[:, part].ravel(), other.change_db[:, part].ravel())[0, 1]

    first, last = slice(0, quarter), slice(-quarter, None)
    assert alike(alone[0], first) > alike(alone[1], first) + 0.1
    assert alike(alone[1], last) > alike(alone[0], last) + 0.1


@pytest.mark.slow
def test_rounds_go_from_the_first_objective_to_the_last(model, drums):
    how = {"ouroboros_length": 3, **SHORT}
    made = ds.ouroboros(drums, RATE, model, interpolate=f"{LOW} > {HIGH}", **how)
    first = ds.ouroboros(drums, RATE, model, objective=LOW, **how)
    np.testing.assert_allclose(made.spectrograms_db[1], first.spectrograms_db[1], atol=0.1)
    assert np.abs(made.spectrograms_db[3] - first.spectrograms_db[3]).mean() > 0.5
    # The objective that is shown is that of the round: the mean of both by their shares.
    last = ds.dream(drums, RATE, model, objective=HIGH, **SHORT)
    assert made.climb[0, 0, 0] == pytest.approx(first.climb[0, 0, 0], rel=1e-3)
    assert np.sign(made.climb[2, 0, 0]) == np.sign(last.climb[0, 0])


@pytest.mark.slow
def test_the_command_says_what_it_fades_between(tiny_checkpoint, tmp_path):
    asked = "--interpolate=layer(relu2_2) > probability(class_2) > layer(relu1_1)"
    flags = ["noise", *(flag for flag in QUICK if not flag.startswith("--layers"))]
    flags += [f"--checkpoint={tiny_checkpoint}", "--clip_length=16000", "--seed=1"]
    dream(
        *flags, asked, "--create_ouroboros", "--ouroboros_length=3", "--output_dir=a", cwd=tmp_path
    )
    facts = facts_of(tmp_path / "a/00000-noise.wav")
    assert facts["raises"].count(" > ") == 2 and "log probability of class_2" in facts["raises"]
    assert len(facts["rounds"]) == 3


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--interpolate=layer(relu3_4)"], "must have two objectives or more"),
        (["--interpolate=layer(relu3_4) > "], "--interpolate: expected a term here"),
        (["--interpolate=layer(relu3_4) > layr(a)"], "did you mean layer?"),
        (
            ["--interpolate=relu2_2 > orgen"],
            "the network gm has no layer or class 'orgen'; did you mean organ or ",
        ),
        (["--interpolate=layer(a) > layer(b)", "--objective=layer(a)"], "must not both be given"),
        (["--interpolate=layer(a) > layer(b)", "--target_class=organ"], "must not both be given"),
        (
            ["--interpolate=logit(0) > logit(1)", "--create_ouroboros", "--ouroboros_length=1"],
            "--ouroboros_length must be at least 2, one round for each objective",
        ),
    ],
)
def test_what_is_not_possible_is_said_in_one_line(flags, message, tmp_path):
    code, printed = finish(start("noise", *flags, cwd=tmp_path))
    assert code == 2 and message in printed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"interpolate": [3, 4]}, "interpolate must be a list of objectives"),
        ({"interpolate": [LOW]}, "must have two objectives or more"),
        ({"interpolate": [LOW, "total_variation()"]}, "must have a term that depends on"),
        ({"interpolate": [LOW, HIGH], "objective": LOW}, "must not both be given"),
        ({"interpolate": [LOW, "layer(relu9_9)"]}, "layer"),
    ],
)
def test_from_python_too(model, drums, given, message):
    with pytest.raises(UserError, match=message):
        ds.dream(drums, RATE, model, **given, **SHORT)
