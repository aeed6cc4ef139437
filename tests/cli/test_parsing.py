"""Flags as people type them, and suggestions for those that do not exist."""

import re

import pytest
from absl.testing import flagsaver

import dreamsound_jax.cli.flags as own_flags
from dreamsound_jax.cli import parsing
from dreamsound_jax.cli.main import _repeating_command
from dreamsound_jax.cli.words import join_words
from dreamsound_jax.run.checks import check_each_value
from dreamsound_jax.run.options import FIELDS, Options
from dreamsound_jax.spectral.transforms import TRANSFORMS
from dreamsound_jax.system.errors import UserError
from tests.helpers.commands import parse


@pytest.mark.parametrize(
    ("typed", "joined"),
    [
        ("--layers_to_use relu1_1 output --lr 0.1", "--layers_to_use=relu1_1,output --lr=0.1"),
        ("--layers_to_use=relu1_1,output --lr=0.1", "--layers_to_use=relu1_1,output --lr=0.1"),
        ("--layers_to_use relu1_1,output", "--layers_to_use=relu1_1,output"),
        ("--crossfade False --seed 3", "--crossfade=False --seed=3"),
        ("--crossfade --seed 3", "--crossfade --seed=3"),
        ("--nocrossfade stray", "--nocrossfade stray"),
        ("--target_class_index -1", "--target_class_index=-1"),
        ("--lr 0.1 stray", "--lr=0.1 stray"),
        ("--unknown word", "--unknown word"),
        ("--flagfile clip_1 --seed 1", "--flagfile=clip_1 --seed=1"),
        ("--layers_to_use relu1_1 output a.wav b", "--layers_to_use=relu1_1,output a.wav b"),
        ("--layers_to_use relu1_1 noise", "--layers_to_use=relu1_1 noise"),
    ],
)
def test_words_after_a_flag_are_its_value(typed, joined):
    assert join_words(typed.split()) == joined.split()


def test_a_file_name_with_a_comma_stays_one_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.wav").write_bytes(b"")
    assert join_words(["--input", "a,b.wav"]) == ['--input="a,b.wav"']
    assert join_words(["--input", "a,b.wav", "c.wav"]) == ['--input="a,b.wav",c.wav']
    assert parse("--input", "a,b.wav", "c.wav").input == ("a,b.wav", "c.wav")


def test_inputs_that_are_named_twice_are_joined(tmp_path):
    assert parse("--input=a.wav", "--seed=3", "-i=b.wav,c.wav", "d.wav").input == (
        *("a.wav", "b.wav", "c.wav", "d.wav"),
    )
    (tmp_path / "mine.flags").write_text("-i=x.wav\n--inputs=y.wav\n")
    file = f"--flagfile={tmp_path}/mine.flags"
    assert parse(file).input == ("x.wav", "y.wav")
    assert parse(file, "--input=a.wav", "--input=b.wav").input == ("a.wav", "b.wav")
    assert parse("--input=a.wav", file, "--input=b.wav").input == ("a.wav", "b.wav")


def test_the_last_value_wins_over_those_of_flag_files_and_presets():
    options = parse("--flagfile=clip_1", "--lr=0.01")
    assert (options.layers_to_use, options.lr) == (("relu3_4",), 0.01)
    assert parse("--lr=0.5", "--flagfile=clip_1").lr == 0.04
    assert parse("--flagfile=clip_2", "--flagfile=clip_1").lr == 0.04
    assert parse("--strength=40", "--preset=hits").strength == 40


@pytest.mark.parametrize(
    ("typed", "same", "message"),
    [
        (
            "--lr=0.5 --seed=1 --learning-rate 0.01",
            "--seed=1 --lr=0.01",
            "--lr is given twice, as 0.5 and as 0.01: the last one counts",
        ),
        (
            "--preset=hits --preset=storm",
            "--preset=storm",
            "--preset is given twice, as hits and as storm: the last one counts",
        ),
        ("-o a --output=b", "-o b", "--output is given twice, as a and as b: the last one counts"),
        (
            "--layer=relu1_1 --layers_to_use relu2_1 relu2_2",
            "--layers_to_use=relu2_1,relu2_2",
            "--layers_to_use is given twice, as relu1_1 and as relu2_1,relu2_2: the last one "
            "counts; to have all, give --layers_to_use=relu1_1,relu2_1,relu2_2",
        ),
        (
            "--video=wide --flagfile=clip_1 --video=square",
            "--flagfile=clip_1 --video=square",
            "--video is given twice, as wide and as square: the last one counts",
        ),
    ],
)
def test_a_flag_with_two_values_has_the_last_and_is_named(typed, same, message, capsys):
    options = parse(*typed.split())
    assert capsys.readouterr().err == f"{message}\n"
    assert options == parse(*same.split())


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("--sweep=lr=0.1,0.20,0.1", "--sweep=lr= has the value 0.1 twice, which would make the sa"),
        (
            "--sweep=layer=relu1_1,relu2_1+relu2_2,relu2_1+relu2_2",
            "--sweep=layers_to_use= has the value relu2_1+relu2_2 twice",
        ),
    ],
)
def test_a_value_that_is_swept_twice_is_refused(typed, message):
    with pytest.raises(UserError) as error:
        check_each_value(parse(*typed.split()))
    assert str(error.value).startswith(message)


def test_the_same_value_twice_and_a_switch_that_is_turned_off_again_are_as_meant(capsys):
    options = parse("--lr=0.10", "--lr=.1", "--domain=MEL", "--domain=mel", "--plots", "--noplots")
    assert (options.lr, options.domain, options.plots) == (0.1, "mel", False)
    assert parse("--sweep=lr=1,2", "--sweep=seed=1,2").sweep == {"lr": (1.0, 2.0), "seed": (1, 2)}
    assert parse("--seed=1", "--", "--seed=2").seed == 1
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("lr=0.1", "'lr=0.1' belongs to no flag; did you mean --lr=0.1? (--help"),
        (
            "a.wav =0.1",
            "'=0.1' belongs to no flag (--help lists the flags; there must be no spaces",
        ),
        ("hits", "'hits' belongs to no flag; did you mean --preset=hits?"),
        ("--learnin_rate=1", "there is no flag --learnin_rate; did you mean --lr=1? (--help lists"),
        ("--lr=fast", "--lr must be a number, and is 'fast'"),
        ("--domain=spectrum", "no --domain 'spectrum'; choose from: sound, mel"),
        (
            "--num_iterations=0",
            "flag --num_iterations=0: 0 is not an integer in the range [1, 1000000]",
        ),
        ("--num_clips=0", "flag --num_clips=0: 0 is not an integer in the range [1, 1000000]"),
        ("--gain_range=-1", "flag --gain_range=-1: -1.0 is not a non-negative number"),
        ("--target_class_index=-2", "flag --target_class_index=-2: -2 is not integer >= -1"),
        ("--seed=-1", "flag --seed=-1: -1 is not an integer in the range [0, 2147483647]"),
        (
            "--ouroboros_length=0",
            "flag --ouroboros_length=0: 0 is not an integer in the range [1, 1000000]",
        ),
        ("--flagfile=clip_9", "no flag file 'clip_9'; the presets are: clip_1, clip_2, clip_3,"),
        ("--sweep=lr=0.1,fast", "--lr must be a number, and is 'fast'"),
        (
            "--sweep=num_iterations=5,0",
            "--num_iterations=0: 0 is not an integer in the range [1, 1000000]",
        ),
        ("--sweep=domain=mel,spectrum", "no --domain 'spectrum'; choose from: sound, mel"),
        ("--sweep=learning_pace=1", "no such flag for --sweep: 'learning_pace'"),
        ("--sweep=plots=True,False", "no such flag for --sweep: 'plots'"),
        ("--sweep=lr=1,2 --sweep=learning_rate=3", "--sweep=lr= is given twice: give all of its"),
    ],
)
def test_a_wrong_word_is_named_in_one_line(typed, message):
    with pytest.raises(UserError) as error:
        parse(*typed.split())
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_words_that_belong_to_no_flag_are_inputs():
    assert parse("a.wav", "--lr", "0.1", "b=c.wav").input == ("a.wav", "b=c.wav")
    assert parse("--input=a.wav", "--lr=0.1", "b.wav").input == ("a.wav", "b.wav")
    assert parse("noise", "--nocrossfade", "--seed=3").input == ("noise",)


def test_sweeps_have_the_types_of_their_flags():
    sweeps = ("--sweep=lr=0.1,1", "--sweep=seed=1,2", "--sweep=smooth_gradient=False,true")
    layers = "--sweep=layers_to_use=relu1_1,relu2_1+relu2_2"
    options = parse(*sweeps, layers, "--sweep=target_class=class_1")
    assert options.sweep == {
        "lr": (0.1, 1.0),
        "seed": (1, 2),
        "smooth_gradient": (False, True),
        "layers_to_use": (("relu1_1",), ("relu2_1", "relu2_2")),
        "target_class": ("class_1",),
    }
    assert parse().sweep == Options().sweep == {}


def test_help_shows_every_flag_with_its_default_and_every_word_of_its_help():
    text = parsing.help_text(own_flags.__name__, "How it is used.")
    assert text.startswith("How it is used.\n")
    in_one_line = " ".join(text.split())
    for name, field in FIELDS.items():
        assert f" --{name} " in in_one_line or f" --[no]{name} " in in_one_line, name
        assert field.metadata["help"] in in_one_line, name
    for words in (
        "--gain_range (default 24.0) In the domain sound: ",
        "--input (default drums) Sounds",
        "--[no]plots (default true) Draw",
        "--create_ouroboros Feed",
        "--target_class_index (default -1)",
        "--stop_overcooked (default 0.0)",
        "--sweep A flag",
        "--seed Random seed",
        "--layers_to_use Layers whose response",
        "--flagfile Read flags from a file",
    ):
        assert words in in_one_line, words
    assert max(map(len, text.splitlines())) <= 100
    assert not re.search(r"<\w+\|", text)
    assert all(name in text for name in TRANSFORMS)


@pytest.mark.parametrize(
    ("typed", "video", "inputs"),
    [
        ("--video", "wide", ("drums",)),
        ("--video my.wav", "wide", ("my.wav",)),
        ("my.wav --video --seed 3", "wide", ("my.wav",)),
        ("--video square my.wav", "square", ("my.wav",)),
        ("--video=upright", "upright", ("drums",)),
        ("--video --novideo", None, ("drums",)),
    ],
)
def test_a_flag_with_choices_may_stand_alone(typed, video, inputs):
    options = parse(*typed.split())
    assert (options.video, options.input) == (video, inputs)


def test_a_shape_of_videos_is_checked_and_repeated():
    with pytest.raises(UserError, match="^no --video 'tall'; choose from: wide, square, upright$"):
        parse("--video=tall")
    with flagsaver.flagsaver():
        parsing.parse(["dreamsound", "--video"], module=own_flags.__name__, usage="")
        assert _repeating_command() == "dreamsound --video=wide"
    assert "  --video\n" in parsing.help_text(own_flags.__name__, "")
