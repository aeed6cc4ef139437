"""The command that makes one clip of a run alone."""

import dataclasses
import os
import shlex
import subprocess

import pytest

from dreamsound_jax.run.checks import combinations
from dreamsound_jax.run.clip_command import make_clip_command, quote
from dreamsound_jax.run.jobs import list_jobs
from dreamsound_jax.run.presets import apply_changes
from dreamsound_jax.run.resolve import resolve
from tests.helpers import tiny
from tests.helpers.commands import parse

NAMES = [
    *("loops/amen break.wav", "it's.wav", '$HOME `ls` \\ "x".wav', "two\nlines\u2028.wav"),
    *("ü 声 <b>.wav", os.fsdecode(b"caf\xe9'.wav"), "a,b.wav"),
]


def commands(*flags, paths=("noise",)):
    """The commands of the clips of a run with these flags."""
    options = parse(*flags)
    plan = resolve(dataclasses.replace(options, seed=options.seed or 7), tiny.CARD)
    jobs = list_jobs([*paths], plan)
    return [make_clip_command(job, run_command=shlex.join(["dreamsound", *flags])) for job in jobs]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_one_word_of_a_shell_and_one_line(name):
    line = quote(name)
    assert not {*"\n\u2028"} & {*line} and line.encode()
    printed = subprocess.run(["bash", "-c", f"printf %s {line}"], capture_output=True, check=True)
    assert printed.stdout == os.fsencode(name)


def test_a_command_takes_the_values_of_its_clip_in_place_of_those_of_the_run():
    flags = ("--sweep=layers_to_use=relu1_1,relu2_1+relu2_2", "--sweep=lr=0.1,0.2", "--lr=0.3")
    made = commands(*flags, "--num_clips=6", "--noplots", "--first_draw=2", "--seed=5")
    how = "--layers_to_use=relu2_1,relu2_2 --lr=0.2"
    assert made[3] == f"dreamsound noise {how} --noplots --first_draw=2 --seed=5"
    assert made[4].endswith("--layers_to_use=relu1_1 --lr=0.1 --noplots --first_draw=3 --seed=5")
    swept = commands("--sweep=seed=3,4", "--sweep=create_ouroboros=false,true")
    assert [each.removeprefix("dreamsound noise ") for each in swept[2:]] == [
        *("--nocreate_ouroboros --seed=4", "--create_ouroboros --seed=4")
    ]


def test_an_input_is_not_taken_for_a_flag():
    paths = ("-b.wav", "lr=3.wav", "~a.wav", "/tmp/lr=3.wav", "gs://b/x=1.wav", "in/a.wav")
    words = [shlex.split(each)[1] for each in commands(paths=paths)]
    assert words == ["./-b.wav", "./lr=3.wav", "./~a.wav", *paths[3:]]
    for word in words:
        assert parse(word).input == (word,)


def test_a_command_means_the_same_options():
    flags = ("--sweep=preset=grain,slow_waves", "--num_iterations=3", "--mix=.5")
    run = parse(*flags)
    points = [apply_changes(run, changes) for changes in combinations(run.sweep)]
    for command, point in zip(commands(*flags), points, strict=True):
        again = parse(*shlex.split(command)[1:])
        asked = dataclasses.replace(point, sweep={}, input=("noise",), seed=7)
        assert again == asked


def test_a_clip_that_depends_on_others_has_no_command():
    objective = "--objective=layer(relu1_1) + diversity(relu1_1)"
    assert commands(objective) == [None]
