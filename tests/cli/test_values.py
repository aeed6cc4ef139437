"""Values of flags as people type them."""

import pytest
from absl.testing import flagsaver

import dreamsound_jax as ds
import dreamsound_jax.cli.flags as own_flags
from dreamsound_jax.audio.formats import BIT_DEPTHS, FORMATS
from dreamsound_jax.cli import parsing
from dreamsound_jax.cli.main import _repeating_command
from dreamsound_jax.outputs.video_layout import SHAPES
from dreamsound_jax.run.options import FIELDS, Options
from dreamsound_jax.run.presets import make_options
from dreamsound_jax.run.spelling import SYNONYMS, find_value
from dreamsound_jax.system.errors import UserError, simplify
from tests.helpers.commands import parse


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("--format=MP3 --bits 24bit", "--format=mp3 --bit_depth=24"),
        ("--format .FLAC --bit_depth=24-bit", "--format=flac --bit_depth=24"),
        ("--bit_depth=32", "--bit_depth=32f"),
        ("--bit_depth=16-Bit --format=Ogg-Vorbis", "--bit_depth=16 --format=ogg"),
        ("--video portrait a.wav", "--video=upright a.wav"),
        ("--video=9:16", "--video=upright"),
        ("--video 1:1", "--video=square"),
        ("--video=Landscape", "--video=wide"),
        ("--video=no", "--novideo"),
        ("--domain=Sound --precision=FP32", "--domain=sound --precision=float32"),
        ("--precision=bf16 --lengths=Buckets", "--precision=bfloat16 --lengths=buckets"),
        ("--model=GM --optimizer=Adam", "--model=gm --optimizer=adam"),
        ("--model=gm-robust --optimizer L-BFGS", "--model=gm_robust --optimizer=lbfgs"),
        ("--preset=Towards-Bells", "--preset=towards_bells"),
        (
            "--ouroboros --ouroboros_transform Time-Stretch,mel_shift",
            "--create_ouroboros --ouroboros_transform=time_stretch,mel_shift",
        ),
        ("--loudness=Match", "--loudness=match"),
        ("--loudness=-14LUFS", "--loudness=-14"),
        ("--plots=no --write_input=Off --crossfade YES", "--noplots --nowrite_input --crossfade"),
        (
            "--sweep=format=.MP3,wav --sweep=domain=MEL,Sound",
            "--sweep=format=mp3,wav --sweep=domain=mel,sound",
        ),
        (
            "--sweep=model=GM,Gm_Robust --sweep=preset=Hits,SWELLS",
            "--sweep=model=gm,gm_robust --sweep=preset=hits,swells",
        ),
        (
            "--sweep=optimizer=Adam,SGD --sweep=bit_depth=24bit,32",
            "--sweep=optimizer=adam,sgd --sweep=bit_depth=24,32f",
        ),
    ],
)
def test_a_value_may_be_written_in_other_usual_ways(typed, meant):
    assert parse(*typed.split()) == parse(*meant.split())


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("--format=m4a", "no --format 'm4a'; choose from: wav, flac, ogg, mp3"),
        ("--format=mp4", "no --format 'mp4' (did you mean mp3?); choose from: wav, flac"),
        ("--bit_depth=8", "no --bit_depth '8'; choose from: 16, 24, 32f"),
        ("--bit_depth=48000", "no --bit_depth '48000'; choose from: 16, 24, 32f"),
        ("--video=4:3", "no --video '4:3'; choose from: wide, square, upright"),
        ("--video=squre", "no --video 'squre' (did you mean square?); choose from: wide"),
        ("--precision=float16", "no --precision 'float16' (did you mean "),
        ("--lengths=", "no --lengths ''; choose from: exact, buckets"),
        ("--plots=perhaps", "--plots must be true or false, and is 'perhaps'"),
        ("--sweep=format=mp3,m4a", "no --format 'm4a'; choose from: wav, flac, ogg, mp3"),
        ("--sweep=crossfade=yes,maybe", "--crossfade must be true or false, and is 'maybe'"),
    ],
)
def test_a_value_that_is_none_is_named_with_its_flag_and_the_choices(typed, message):
    with pytest.raises(UserError) as error:
        parse(*typed.split())
    assert str(error.value).startswith(message)


def test_a_word_after_a_flag_that_may_stand_alone_is_an_input_unless_it_is_a_value():
    assert parse("--video", "my.wav").input == ("my.wav",)
    assert parse("--noplots", "on").input == ("on",)


def test_the_command_that_is_written_down_has_the_usual_names():
    with flagsaver.flagsaver():
        words = ["dreamsound", "--format=.MP3", "--video=portrait", "--plots=no"]
        parsing.parse(words, module=own_flags.__name__, usage="")
        assert set(_repeating_command().split()) == {
            *("dreamsound", "--format=mp3", "--video=upright", "--noplots")
        }


def test_every_synonym_stands_for_one_choice_and_hides_none():
    assert tuple(FIELDS["video"].metadata["choices"]) == tuple(SHAPES)
    assert set(FIELDS["format"].metadata["choices"]) == set(FORMATS)
    assert FIELDS["bit_depth"].metadata["choices"] == BIT_DEPTHS
    for name, known in SYNONYMS.items():
        choices = FIELDS[name].metadata["choices"]
        words = [word for each in known.values() for word in each.split(", ")]
        assert set(known) <= set(choices) and len(set(words)) == len(words)
        assert all(simplify(word) == word and word not in choices for word in words), name
        assert [find_value(name, each, choices) for each in choices] == [*choices]


def test_from_python_too():
    assert make_options({"optimizer": "Adam", "domain": "MEL"}) == Options(
        optimizer="adam", domain="mel"
    )
    assert ds.load_model("GM").card.name == "gm"
