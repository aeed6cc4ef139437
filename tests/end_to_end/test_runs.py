"""Runs through the real command: alone, beside others, killed, and on several devices."""

import json
import os
import random
import re
import resource
import shlex
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from dreamsound_jax.networks.card import read_card
from dreamsound_jax.system.shipped import shipped
from tests.helpers.clips import OF_RUN, check_clip, facts_of, files_of, records_of, samples_of
from tests.helpers.commands import QUICK, dream, finish, start
from tests.helpers.videos import watch

DATA = Path(__file__).parents[1] / "data"
QUICK = (*QUICK, "--clip_length=6000", "--seed=3")
KILLS = int(os.environ.get("DREAMSOUND_KILLS", "1"))
NAME = "00000-noise"


@pytest.mark.usefixtures("compiled_in_full")
def test_the_bare_command_dreams_on_drums_and_its_params_repeat_it(tmp_path):
    printed = dream(cwd=tmp_path)
    folder = tmp_path / "outputs" / "1"
    sound = folder / "00000-drums.wav"
    check_clip(sound, frames=756, form=(44100, 302400, 2))
    assert "by the network gm on" in printed
    assert "open outputs/1/index.html" in printed
    assert "--strength=" in printed.splitlines()[-1]
    facts = facts_of(sound)
    assert facts["layers_to_use"] == ["relu3_4"]
    # It is heard as a dream, and the drums are recognised.
    assert 8 < facts["distance_db"] < 13

    words = shlex.split(json.loads((folder / "params.json").read_text())["command"])
    assert words[0] == "dreamsound"
    dream(*words[1:], "--noplots", cwd=tmp_path)
    assert files_of(folder) == files_of(tmp_path / "outputs" / "2")


@pytest.mark.slow
def test_what_noise_is_shown_as_is_what_is_heard(tmp_path):
    printed = dream("noise", cwd=tmp_path)
    folder = tmp_path / "outputs" / "1"
    names = {path.name for path in folder.iterdir()}
    suffixes = (".json", ".npz", ".png", ".small.png", ".wav")
    suffixes += (".input.wav", ".difference.wav")
    assert names == {*(f"{NAME}{suffix}" for suffix in suffixes), *OF_RUN}
    check_clip(folder / f"{NAME}.wav", frames=256, form=(22050, 51200, 1))
    assert f"{NAME}.wav" in printed
    card = read_card(shipped("checkpoints") / "gm")
    # What the network saw last is what can be heard, but for level and 16 bit.
    dreamed = np.load(folder / f"{NAME}.npz")["mel_db"][1]
    sound, _ = soundfile.read(folder / f"{NAME}.wav", dtype="float32")
    assert np.abs(card.front_end.analyse(sound) - dreamed).mean() < 0.02
    facts = facts_of(folder / f"{NAME}.wav")
    assert facts["objective"]["last"] > facts["objective"]["first"]
    assert set(facts["class_probabilities"]["written_sound"]) == set(card.classes)


@pytest.mark.slow
def test_an_objective_with_a_range_makes_clips_that_repeat_alone(tiny_checkpoint, tmp_path):
    """In one program; each clip comes out as in a run by its own objective."""
    guide = DATA / "misc_crow.flac"
    text = "channel(relu2_1, {}) + 0.1*guide(relu1_1, {}) - 0.1*total_variation()"
    quick = (flag for flag in QUICK if not flag.startswith("--layers_to_use"))
    flags = ("noise", f"--checkpoint={tiny_checkpoint}", *quick)
    asked = text.format("2:4", guide)
    dream(*flags, f"--objective={asked}", "--output_dir=range", cwd=tmp_path)
    sounds = [tmp_path / "range" / f"0000{number}-noise.wav" for number in range(2)]
    facts = [facts_of(sound) for sound in sounds]
    assert [each["raises"].partition(" + ")[0] for each in facts] == [
        f"channel {number} of relu2_1" for number in (2, 3)
    ]
    found = {record["objective"] for record in records_of(tmp_path / "range")}
    assert found == {text.format(number, guide) for number in (2, 3)}
    assert samples_of(sounds[0]) != samples_of(sounds[1])
    dream(*flags, f"--objective={text.format(3, guide)}", "--output_dir=one", cwd=tmp_path)
    assert samples_of(tmp_path / "one" / "00000-noise.wav") == samples_of(sounds[1])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--objective=chanel(relu3_4, 1)"], "did you mean channel?"),
        (["--objective=channel(relu3_4, 999)"], "must be a whole number from 0 to 63, and is 999"),
        (["--objective=guide(relu3_4, nowhere.wav)"], "the guide cannot be read"),
        (["--objective=layer(relu3_4)", "--target_class=organ"], "must not both be given"),
        (["--sweep=objective=layer(relu3_4),layer(relu"], "expected , or ) here"),
        (["--until=-1"], "until"),
        (["--views=0"], "views"),
    ],
)
def test_an_objective_that_is_not_possible_is_one_line_and_writes_nothing(tmp_path, flags, words):
    code, printed = finish(start("noise", *flags, "--output_dir=out", cwd=tmp_path))
    assert code == 2 and words in printed and "Traceback" not in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_in_full")
def test_a_class_by_name_moves_a_real_sound_towards_it(tmp_path):
    choir = DATA / "ambi_choir.flac"
    flags = ("--target_class=organ", "--num_iterations=20", "--seed=1", "--output_dir=out")
    dream(f"--input={choir}", *flags, cwd=tmp_path)
    facts = facts_of(tmp_path / "out" / "00000-ambi_choir.wav")
    assert facts["layers_to_use"] == ["output"]
    before, after = (facts["class_probabilities"][when]["organ"] for when in ("before", "after"))
    assert after > max(0.5, before)


@pytest.mark.slow
def test_each_clip_has_a_video_of_what_was_written(tiny_checkpoint, tmp_path):
    flags = (str(DATA / "vinyl_scratch.flac"), "noise", f"--checkpoint={tiny_checkpoint}")
    given = ("--video", "square", "--batch_size=2", "--output_dir=out")
    dream(*flags, *QUICK, *given, cwd=tmp_path)
    records = sorted(records_of(tmp_path / "out"), key=lambda record: record["number"])
    assert [record["name"] for record in records] == ["00000-vinyl_scratch", "00001-noise"]
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count('"video":".mp4"') == 2
    for record in records:
        video = tmp_path / "out" / f"{record['name']}.mp4"
        assert record["files"][".mp4"] == video.stat().st_size
        watched = watch(video.read_bytes())
        assert watched.facts["size"] == (1080, 1080)
        sounds = [soundfile.read(video.with_suffix(each))[0] for each in (".input.wav", ".wav")]
        pair = np.concatenate(sounds)
        rate = facts_of(video.with_suffix(".wav"))["sample_rate"]
        heard = soxr.resample(watched.sound, watched.rate, rate)[: len(pair)]
        assert np.corrcoef(heard.ravel(), pair.ravel())[0, 1] > 0.9
    assert "all clips were done before" in dream(*flags, *QUICK, *given, cwd=tmp_path)
    code, printed = finish(start(*flags, *QUICK, given[2], given[3], cwd=tmp_path))
    assert code == 2 and "already holds a run with --video square, not no --video" in printed


@pytest.mark.slow
def test_two_runs_at_once_take_two_folders(tiny_checkpoint, tmp_path):
    flags = ("noise", f"--checkpoint={tiny_checkpoint}", *QUICK)
    for process in [start(*flags, cwd=tmp_path) for _ in range(2)]:
        assert finish(process)[0] == 0
    assert {path.name for path in (tmp_path / "outputs").iterdir()} == {"1", "2"}


def kill_when(process, reached):
    """Kills a process, as kill -9 does, as soon as `reached()`, which it must not outrun."""
    moments = random.Random(0)
    while process.poll() is None and not reached():
        time.sleep(moments.random() * 0.02)
    assert process.poll() is None, process.communicate()
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_a_run_that_is_killed_ends_whole(tiny_checkpoint, tmp_path):
    """At random moments; in the end all files are those of a run that was not killed."""
    count = 20 + 20 * KILLS
    flags = ("noise", f"--checkpoint={tiny_checkpoint}", f"--num_clips={count}", *QUICK)
    flags += ("--batch_size=4",)
    out, moments = tmp_path / "out", random.Random(KILLS)

    def finished():
        return len(list(out.glob("*.json")))

    for kill in range(KILLS):
        # What is left for each kill; a few more are done before it strikes.
        wanted = finished() + moments.randrange(max(1, (count - 15 - finished()) // (KILLS - kill)))
        process = start(*flags, "--output_dir=out", cwd=tmp_path)
        kill_when(process, lambda wanted=wanted: finished() > wanted)
    done = len({each["number"] for each in records_of(out)})
    assert 0 < done < count
    printed = dream(*flags, "--output_dir=out", cwd=tmp_path)
    assert printed.count(": the network hears") == count - done
    dream(*flags, "--output_dir=whole", cwd=tmp_path)
    resumed, whole = files_of(out), files_of(tmp_path / "whole")
    assert len(whole) == 4 * count
    assert resumed.keys() == whole.keys()
    assert [name for name in whole if whole[name] != resumed[name]] == []
    assert not list(out.glob(".*"))
    assert sorted(each["number"] for each in records_of(out)) == list(range(count))


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_in_full")
def test_a_killed_ouroboros_resumes_and_ends_as_if_it_had_not_been(tiny_checkpoint, tmp_path):
    """Without --seed, which the run wrote down."""
    ouroboros = ("--create_ouroboros", "--ouroboros_length=80", "--batch_size=2", *QUICK[:-1])
    where = (f"--checkpoint={tiny_checkpoint}", "--input=noise,noise,noise", "--save_every=0")
    flags, unfinished = (*ouroboros, *where), tmp_path / "out" / "unfinished"
    saved = set()
    for _ in range(2):
        before = saved.copy()
        process = start(*flags, "--output_dir=out", cwd=tmp_path)
        kill_when(process, lambda before=before: len({*unfinished.glob("*-0*.npz")} - before) >= 10)
        saved = {*unfinished.glob("*-0*.npz")}
        assert 10 <= len(saved) < 80
    # One that is asked to end keeps the rounds that it has not saved yet, too.
    process = start(*flags[:-1], "--save_every=1000", "--output_dir=out", cwd=tmp_path)
    resumed = next(line for line in process.stderr if "resuming after round" in line)
    time.sleep(0.5)
    process.terminate()
    code, printed = finish(process)
    kept = re.search(
        r"stopped; 0 of 3 clips are done, and (\d+) rounds of the next 2 clips are kept; "
        r"to go on: dreamsound .* --output_dir=\S*out\n",
        printed,
    )
    assert (code, kept is not None) == (143, True), printed
    assert int(resumed.split()[-1]) <= int(kept[1]) < 80
    code, printed = finish(start(*flags, "--output_dir=out", cwd=tmp_path))
    assert (code, "resuming after round" in printed) == (0, True), printed
    assert not unfinished.exists()
    seed = json.loads((tmp_path / "out" / "params.json").read_text())["seed"]
    dream(*flags, f"--seed={seed}", "--output_dir=whole", cwd=tmp_path)
    assert len(files_of(tmp_path / "whole")) == 6
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")
    code, printed = finish(start(*flags, "--output_dir=out", cwd=tmp_path))
    assert (code, "all clips were done before (3)" in printed) == (0, True)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a process of Windows has no limit of files")
def test_a_full_disk_ends_a_run_in_one_line_and_what_is_made_stays(tiny_checkpoint, tmp_path):
    """The process must not write files of more than 300 kB, as those of the second clip are."""
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 60000)
    for name, samples in (("a", 6000), ("b", 60000)):
        soundfile.write(tmp_path / f"{name}.wav", noise[:samples], 22050)
    flags = ("a.wav", "b.wav", f"--checkpoint={tiny_checkpoint}", *QUICK, "--output_dir=out")
    dream(*flags[:-1], "--output_dir=whole", cwd=tmp_path)
    limit = resource.RLIMIT_FSIZE
    before = resource.getrlimit(limit)
    resource.setrlimit(limit, (300_000, before[1]))
    try:
        process = start(*flags, cwd=tmp_path)
    finally:
        resource.setrlimit(limit, before)
    code, printed = finish(process)
    *_, last = printed.splitlines()
    assert code == 2 and re.fullmatch(
        r"dreamsound: cannot write 'out/00001-b\.\w+': File too large", last
    )
    assert [record["name"] for record in records_of(tmp_path / "out")] == ["00000-a"]
    assert not list((tmp_path / "out").glob(".*"))
    printed = dream(*flags, cwd=tmp_path)
    assert printed.count(": the network hears") == 1
    assert files_of(tmp_path / "out") == files_of(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("then", ["nothing", "a file", "a folder that cannot be written to"])
def test_a_folder_that_is_taken_away_ends_a_run_in_one_line(tiny_checkpoint, tmp_path, then):
    flags = ("noise", f"--checkpoint={tiny_checkpoint}", "--num_clips=400", *QUICK)
    flags += ("--output_dir=out",)
    if "written" in then and os.geteuid() == 0:
        pytest.skip("root writes to any folder")
    process, out = start(*flags, cwd=tmp_path), tmp_path / "out"
    while process.poll() is None and not (out / "00002-noise.json").exists():
        time.sleep(0.01)
    out.rename(tmp_path / "kept")
    if then == "a file":
        out.touch()
    elif then != "nothing":
        out.mkdir(mode=0o555)
    code, printed = finish(process)
    complaints = [line for line in printed.splitlines() if line.startswith("dreamsound: ")]
    assert code == 2 and len(complaints) == 1
    assert re.match(r"dreamsound: cannot (write|make|look into) 'out\b.*: \w+", complaints[0])
    done = [record["name"] for record in records_of(tmp_path / "kept")]
    assert done and all((tmp_path / "kept" / f"{name}.wav").exists() for name in done)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_pipes_and_devices_are_refused_and_the_other_sounds_dreamed(tiny_checkpoint, tmp_path):
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in/a.wav")
    soundfile.write(tmp_path / "in/b.wav", np.random.default_rng(0).uniform(-0.3, 0.3, 6000), 22050)
    flags = ("in", "/dev/zero", f"--checkpoint={tiny_checkpoint}", *QUICK, "--output_dir=out")
    process = start(*flags, cwd=tmp_path)
    stdout, stderr = process.communicate(timeout=200)
    assert (process.returncode, stdout) == (2, "out/00001-b.wav\n"), stderr
    for name, kind in (("in/a.wav", "a pipe"), ("/dev/zero", "a device")):
        line = f"'{name}' must be a file, and is {kind}: save what it holds to a file first\n"
        assert stderr.count(line) == 1
    code, printed = finish(start("in/b.wav", "--mask=in/a.wav", *flags[2:-1], cwd=tmp_path))
    assert code == 2 and printed.count("\n") == 1 and "must be a .npy file" in printed


def start_on_devices(devices, *flags, cwd) -> subprocess.Popen:
    virtual = f"--xla_force_host_platform_device_count={devices}"
    return start(*flags, cwd=cwd, XLA_FLAGS=virtual, JAX_PLATFORMS="cpu")


@pytest.mark.slow
@pytest.mark.usefixtures("compiled_in_full")
def test_devices_and_processes_share_out_clips_that_stay_the_same(tiny_checkpoint, tmp_path):
    """With as many clips a device, bit for bit."""
    flags = ("noise", f"--checkpoint={tiny_checkpoint}", "--num_clips=8", *QUICK)
    together = ("--num_processes=2", "--batch_size=2")
    both = [
        start_on_devices(
            2, *flags, *together, f"--process_id={number}", "--output_dir=both", cwd=tmp_path
        )
        for number in range(2)
    ]
    for process in both:
        assert finish(process)[0] == 0
    for devices in (1, 8):
        alone = (f"--batch_size={devices}", f"--output_dir={devices}")
        code, printed = finish(start_on_devices(devices, *flags, *alone, cwd=tmp_path))
        assert code == 0, printed
    one = files_of(tmp_path / "1")
    assert len(one) == 4 * 8
    assert files_of(tmp_path / "8") == one
    assert files_of(tmp_path / "both") == one
    manifests = sorted((tmp_path / "both").glob("manifest-*.jsonl"))
    assert [path.name for path in manifests] == ["manifest-000.jsonl", "manifest-001.jsonl"]
    assert [len(path.read_text().splitlines()) for path in manifests] == [4, 4]
    assert "00007-noise" in (tmp_path / "both/index.html").read_text()
