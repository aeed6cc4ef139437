"""A preview through the real command, and the commands that the page of a run copies."""

import json
import re
import shlex
import subprocess

import numpy as np
import pytest
import soundfile

from tests.helpers.clips import records_of
from tests.helpers.commands import QUICK, dream, finish, start

RATE = 22050


def page_of(folder):
    """What the script of the page reads."""
    text = (folder / "index.html").read_text()
    return json.loads(re.search('id="clips">(.*?)</script>', text)[1])


def commands_of(folder):
    """{name of a clip: its command}."""
    return {clip["name"]: clip["command"] for clip, *_ in page_of(folder)["rows"]}


@pytest.mark.slow
def test_a_copied_command_makes_the_same_clip_alone_bit_for_bit(tiny_checkpoint, tmp_path):
    odd = "it's = \u201cloud\u201d, $HOME\n.wav"
    with (tmp_path / odd).open("wb") as file:
        sound = 0.1 * np.random.default_rng(0).normal(size=6000)
        soundfile.write(file, sound, RATE, format="WAV")
    flags = [flag for flag in QUICK if "layers" not in flag]
    run = (f"./{odd}", "noise", "--clip_length=6000", f"--checkpoint={tiny_checkpoint}")
    sweeps = ("--sweep=layers_to_use=relu2_2,relu1_1+relu2_1", "--sweep=preset=hits,grain")
    more = ("--num_clips=8", "--lr=0.3", "--batch_size=2", "--seed=5", "--output_dir=run")
    dream(*run, *sweeps, *flags, *more, cwd=tmp_path)
    commands = commands_of(tmp_path / "run")
    assert len(commands) == 8
    names = sorted(commands)
    # With swept values, a name that a shell would split, and noise of a later draw.
    for number in (2, 7):
        words = read_by_a_shell(commands[names[number]], tmp_path)
        assert words[0] == "dreamsound" and "--seed=5" in words
        assert ("--first_draw=1" in words) == (number >= 4)
        out = tmp_path / f"alone{number}"
        dream(*words[1:], f"--output_dir={out}", cwd=tmp_path)
        (alone,) = out.glob("*.npz")
        whole = (tmp_path / "run" / f"{names[number]}.npz").read_bytes()
        assert alone.read_bytes() == whole
        for suffix in (".wav", ".input.wav"):  # Their tags hold the commands, which differ.
            made, _ = soundfile.read(out / f"{alone.stem}{suffix}")
            before, _ = soundfile.read(tmp_path / "run" / f"{names[number]}{suffix}")
            np.testing.assert_array_equal(made, before)


def read_by_a_shell(command, folder):
    """The words of a command line, as bash takes it."""
    show = f'show() {{ printf "%s\\0" "$@"; }}; show {command}'
    printed = subprocess.run(["bash", "-c", show], cwd=folder, capture_output=True, check=True)
    return printed.stdout.decode().split("\0")[:-1]


@pytest.mark.slow
def test_a_preview_dreams_on_a_part_with_each_preset_that_is_possible(tiny_checkpoint, tmp_path):
    """The loudest five seconds of a long input, all of a short one; three rounds."""
    silence = np.zeros(2 * RATE)
    loud = 0.1 * np.sin(0.2 * np.arange(5 * RATE) ** 1.1)
    folder = tmp_path / "in"
    folder.mkdir()
    soundfile.write(folder / "long.wav", np.concatenate([silence, loud, silence]), RATE)
    soundfile.write(folder / "short.wav", loud[:9000], RATE)
    quick = ("--pyramid_size=1", "--num_iterations=1", "--layers_to_use=relu1_1", "--noplots")
    presets = "--sweep=preset=hits,slow_waves,towards_organ"
    given = ("in", presets, *quick, f"--checkpoint={tiny_checkpoint}", "--seed=1")
    printed = dream(*given, "--preview", "--output_dir=out", cwd=tmp_path)
    out = tmp_path / "out"
    assert "out/index.html shows the clips as they are done" in printed
    records = sorted(records_of(out), key=lambda record: record["number"])
    assert [(each["name"][6:], each["preset"], each.get("excerpt")) for each in records] == [
        *(("long", "hits", "2.00:7.00"), ("long", "slow_waves", "2.00:7.00")),
        *(("short", "hits", None), ("short", "slow_waves", None)),
    ]
    seconds = [each["seconds"] for each in records]
    assert seconds[0] == 5 and abs(seconds[2] - 9000 / RATE) < 0.001
    assert records[1]["rounds"] == records[3]["rounds"] == 3
    assert "left out: towards_organ: no class 'organ'" in printed

    page = page_of(out)
    assert page["isPreview"] and page["missing"] == 0
    command = commands_of(out)["00003-short"]
    words = shlex.split(command)
    assert words[:3] == ["dreamsound", "in/short.wav", "--preset=slow_waves"]
    assert {*quick, "--seed=1", "--first_draw=1"} <= {*words}
    assert not [word for word in words if "preview" in word or "ouroboros_length" in word]
    html = (out / "index.html").read_text()
    assert "of each input the loudest 5 seconds" in html and "no class &#x27;organ&#x27;" in html

    code, printed = finish(start(*given, "--preview", "--output_dir=out", cwd=tmp_path))
    assert code == 0 and "all clips were done before (4)" in printed
