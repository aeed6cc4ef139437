"""Runs of many clips, through the real command: grids, kills, devices, processes."""

import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.cli.test_cli import dream, facts_of, finish
from tests.helpers.sounds import RATE, tone
from tests.helpers.tiny import write_checkpoint

# Little to compile and to do: what is tested is which clips there are in the end.
QUICK = ("--layers_to_use=relu2_2", "--pyramid_size=1", "--num_iterations=2", "--noplots")
QUICK += ("--clip_length=6000", "--seed=3")
KILLS = int(os.environ.get("DREAMSOUND_KILLS", "3"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("tiny"))


def start(*flags, cwd, devices=1):
    command = [sys.executable, "-m", "dreamsound_jax", *map(str, flags)]
    virtual = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    environment = {**os.environ, **virtual, "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(command, cwd=cwd, env=environment, text=True, stderr=-1, stdout=-1)


def records(folder):
    """The lines of all manifests, as they stand."""
    paths = sorted(folder.glob("manifest-*.jsonl"))
    lines = [line for path in paths for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines if line.endswith("}")]


def sounds(folder):
    """{file name: bytes} of what was dreamed."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".wav", ".npz")}


def test_a_sweep_is_a_grid_of_clips_that_drew_the_same(tiny, tmp_path):
    sweep = ("--sweep=lr=0.05,0.2", "--sweep=layers_to_use=relu1_1,relu1_2+relu2_2")
    flags = (f"--checkpoint={tiny}", "--batch_size=2", "--output_dir=out", *QUICK)
    said = dream(*flags, *sweep, "--input=noise,sine", cwd=tmp_path)
    assert "8 clips in" in said and "device was busy for" in said
    found = {each["number"]: each for each in records(tmp_path / "out")}
    assert [found[n]["layers"] for n in range(4)] == 2 * ["relu1_1", "relu1_2+relu2_2"]
    assert [found[n]["lr"] for n in range(4)] == [0.05, 0.05, 0.2, 0.2]
    assert [found[n]["input"] for n in range(8)] == ["noise"] * 4 + ["sine"] * 4
    before = [np.load(tmp_path / f"out/{n:05d}-noise.npz")["mel_db"] for n in range(4)]
    assert all((each[0] == before[0][0]).all() for each in before)
    assert np.abs(before[3][1] - before[1][1]).mean() > 0.1
    facts = facts_of(tmp_path / "out/00003-noise.wav")
    assert facts["layers_to_use"] == ["relu1_2", "relu2_2"]
    # Each is what it is alone, with those flags, though lr was data of one program.
    alone = ("--layers_to_use=relu1_2,relu2_2", "--lr=0.2", "--output_dir=alone")
    dream(*flags, *alone, cwd=tmp_path)
    wavs = [tmp_path / "out/00003-noise.wav", tmp_path / "alone/00000-noise.wav"]
    assert wavs[0].read_bytes() == wavs[1].read_bytes()


@pytest.mark.slow
def test_lengths_go_into_few_buckets_and_come_back(tiny, tmp_path):
    lengths = [9000, 9100, 9200, 15000]
    for length in lengths:
        sound = tone(44100, seconds=length / RATE)
        soundfile.write(tmp_path / f"{length}.wav", sound, 44100)
    (tmp_path / "bad.wav").write_bytes((tmp_path / "9000.wav").read_bytes()[:9000])
    flags = (f"--checkpoint={tiny}", "--lengths=buckets", "--batch_size=2", "--output_dir=out")
    code, said = finish(start("--input=.", *flags, *QUICK, cwd=tmp_path))
    assert code == 2
    assert "clips that failed, for the reasons above: 1 (00004-bad)" in said
    for number, length in zip((1, 2, 3, 0), lengths):
        wav = tmp_path / f"out/{number:05d}-{length}.wav"
        assert abs(soundfile.info(wav).frames - 2 * length) <= 1
        frames = np.load(wav.with_suffix(".npz"))["mel_db"].shape[2]
        assert abs(frames - (1 + length // 200)) <= 1
    failed = [each for each in records(tmp_path / "out") if "error" in each]
    assert [each["input"] for each in failed] == ["./bad.wav"]


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_whole(tiny, tmp_path):
    """kill -9 at random moments; in the end all files are those of a run that was not killed."""
    count = 200
    flags = (f"--checkpoint={tiny}", f"--num_clips={count}", "--batch_size=4", *QUICK)
    moments = random.Random(0)
    for kill in range(KILLS):
        process = start(*flags, "--output_dir=out", cwd=tmp_path)
        there = len(list((tmp_path / "out").glob("*.json")))
        # What is left for each kill; a few more are done before it strikes.
        wanted = there + moments.randrange(max(1, (count - 20 - there) // (KILLS - kill)))
        while process.poll() is None and len(list((tmp_path / "out").glob("*.json"))) <= wanted:
            time.sleep(moments.random() * 0.02)
        assert process.poll() is None, (kill, process.communicate())
        process.kill()
        process.communicate()
    done = len({each["number"] for each in records(tmp_path / "out")})
    assert 0 < done < count
    assert dream(*flags, "--output_dir=out", cwd=tmp_path).count(".wav: ") == count - done
    dream(*flags, "--output_dir=whole", cwd=tmp_path)
    resumed, whole = sounds(tmp_path / "out"), sounds(tmp_path / "whole")
    assert len(whole) == 2 * count
    assert resumed.keys() == whole.keys()
    assert [name for name in whole if whole[name] != resumed[name]] == []
    assert not list((tmp_path / "out").glob(".*"))
    numbers = [each["number"] for each in records(tmp_path / "out")]
    assert sorted(numbers) == list(range(count))
    code, said = finish(start(*flags, "--output_dir=out", "--lr=0.3", cwd=tmp_path))
    assert (code, "with --lr 0.02, not 0.3" in said) == (2, True)


@pytest.mark.slow
def test_devices_and_processes_share_out_clips_that_stay_the_same(tiny, tmp_path):
    """With as many clips a device, bit for bit."""
    flags = (f"--checkpoint={tiny}", "--num_clips=8", *QUICK)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    together = (f"--coordinator_address=localhost:{port}", "--num_processes=2")
    both = [
        start(*flags, *together, f"--process_id={n}", "--batch_size=2", "--output_dir=both",
              cwd=tmp_path, devices=2)
        for n in range(2)
    ]  # fmt: skip
    for process in both:
        assert finish(process)[0] == 0
    for devices in (1, 8):
        out = f"--output_dir={devices}"
        code, said = finish(
            start(*flags, f"--batch_size={devices}", out, cwd=tmp_path, devices=devices)
        )
        assert code == 0, said
    one = sounds(tmp_path / "1")
    assert len(one) == 16
    assert sounds(tmp_path / "8") == one
    assert sounds(tmp_path / "both") == one
    manifests = sorted(Path(tmp_path / "both").glob("manifest-*.jsonl"))
    assert [path.name for path in manifests] == ["manifest-000.jsonl", "manifest-001.jsonl"]
    assert [len(path.read_text().splitlines()) for path in manifests] == [4, 4]
    assert "00007-noise" in (tmp_path / "both/index.html").read_text()
