"""End to end: the real command, in a process of its own, on real sounds."""

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio.loudness import measure_loudness
from dreamsound_jax.networks import loading
from dreamsound_jax.spectral import mel
from dreamsound_jax.system.shipped import shipped
from tests.helpers.sounds import original, tone
from tests.helpers.tiny import write_checkpoint

DATA = Path(__file__).parents[1] / "data"
# Little to compile, where the dream itself is not what is tested.
OF_RUN = {"index.html", "manifest-000.jsonl", "params.json"}
QUICK = ("--layers_to_use=relu2_2", "--pyramid_size=1", "--num_iterations=3", "--noplots")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("tiny"))


def start(*flags, cwd):
    command = [sys.executable, "-m", "dreamsound_jax", *map(str, flags)]
    return subprocess.Popen(command, cwd=cwd, text=True, stderr=-1, stdout=-1)


def finish(process):
    stdout, stderr = process.communicate(timeout=300)
    assert "Traceback" not in stderr, stderr
    return process.returncode, stdout + stderr


def dream(*flags, cwd):
    code, said = finish(start(*flags, cwd=cwd))
    assert code == 0, said
    return said


def facts_of(path):
    return json.loads(path.with_suffix(".json").read_text())


def check_clip(wav, *, frames, form):
    """What every clip promises: whole files, a safe sound, and no NaN anywhere.

    `form` is the sound's (sample rate, samples, channels).
    """
    sound, rate = soundfile.read(wav, always_2d=True)
    assert (rate, *sound.shape) == form
    assert np.sqrt(np.mean(sound**2)) > 1e-3
    loudness = measure_loudness(sound, sample_rate=rate)
    assert loudness.true_peak_dbtp < -1
    assert loudness.lufs == pytest.approx(-23, abs=0.3)
    facts = facts_of(wav)
    assert (facts["sample_rate"], facts["channels"]) == (rate, sound.shape[1])
    assert facts["seconds"] == pytest.approx(len(sound) / rate)
    assert facts["loudness_lufs"] == pytest.approx(loudness.lufs, abs=0.01)
    arrays = np.load(wav.with_suffix(".npz"))
    mel_db = arrays["mel_db"]
    assert mel_db.shape == (2, 128, frames)
    assert np.isfinite(mel_db).all()
    assert np.abs(mel_db[1] - mel_db[0]).mean() > 0.1
    assert ("gain_db" in arrays) == (facts["domain"] == "sound")
    if "gain_db" in arrays:
        assert arrays["gain_db"].shape == mel_db.shape[1:]
        assert 1 < np.abs(arrays["gain_db"]).max() <= 24
    assert wav.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_the_bare_command_makes_noise_dream_and_its_params_repeat_it(tmp_path):
    said = dream(cwd=tmp_path)
    folder = tmp_path / "outputs" / "1"
    suffixes = (".json", ".npz", ".png", ".wav")
    expected = {*(f"00000-noise{suffix}" for suffix in suffixes), *OF_RUN}
    assert {path.name for path in folder.iterdir()} == expected
    check_clip(folder / "00000-noise.wav", frames=256, form=(22050, 51200, 1))
    assert "00000-noise.wav" in said
    # What the network saw last is what can be heard, but for level and 16 bit.
    dreamed = np.load(folder / "00000-noise.npz")["mel_db"][1]
    sound, _ = soundfile.read(folder / "00000-noise.wav", dtype="float32")
    assert np.abs(mel.analyse(jnp.asarray(sound)) - dreamed).mean() < 0.02
    facts = facts_of(folder / "00000-noise.wav")
    assert facts["objective"]["last"] > facts["objective"]["first"]
    assert set(facts["class_probabilities"]["written_sound"]) == set(loading.load().card.classes)

    words = shlex.split(json.loads((folder / "params.json").read_text())["command"])
    assert words[0] == "dreamsound"
    dream(*words[1:], cwd=tmp_path)
    first, again = ((tmp_path / "outputs" / n / "00000-noise.wav").read_bytes() for n in "12")
    assert first == again


@pytest.mark.slow
def test_a_class_by_name_moves_a_real_sound_towards_it(tmp_path):
    choir = DATA / "ambi_choir.flac"
    flags = ("--target_class=organ", "--num_iterations=20", "--seed=1", "--output_dir=out")
    dream(f"--input={choir}", *flags, cwd=tmp_path)
    facts = facts_of(tmp_path / "out" / "00000-ambi_choir.wav")
    assert facts["layers_to_use"] == ["output"]
    before, after = (facts["class_probabilities"][when]["organ"] for when in ("before", "after"))
    assert after > max(0.5, before)


def test_the_references_own_command_line_runs(tiny, tmp_path):
    line = '--input="sine" --layers_to_use "relu1_1" "relu5_2" "output" --target_class_index=4'
    dream(*shlex.split(line), "--domain=mel", f"--checkpoint={tiny}", cwd=tmp_path)
    facts = facts_of(tmp_path / "outputs" / "1" / "00000-sine.wav")
    assert facts["layers_to_use"] == ["relu1_1", "relu5_2", "output"]
    assert facts["target_class"] == "class_4"
    wav = tmp_path / "outputs" / "1" / "00000-sine.wav"
    check_clip(wav, frames=256, form=(22050, 51001, 1))


@pytest.mark.parametrize(
    ("domain", "form"),
    [
        ("sound", (44100, 12076, 2)),
        pytest.param("mel", (22050, 6001, 1), marks=pytest.mark.slow),
    ],
)
def test_a_short_stereo_recording_dreams_by_the_deepest_layer(tiny, tmp_path, domain, form):
    """0.27 s is less than the layer needs. The domain sound keeps sample rate and channels."""
    scratch, rate = original("vinyl_scratch")
    two = np.concatenate([scratch, 0.5 * scratch[::-1]], axis=1)
    soundfile.write(tmp_path / "two.flac", two, rate)
    flags = ("--layers_to_use=output", "--pyramid_size=1", "--num_iterations=2", "--lr=0.3")
    where = (f"--domain={domain}", f"--checkpoint={tiny}", "--output_dir=out", "--seed=1")
    dream("--input=two.flac", *flags, *where, cwd=tmp_path)
    wav = tmp_path / "out" / "00000-two.wav"
    check_clip(wav, frames=31, form=form)
    if domain == "sound":  # and each channel is its own still
        dreamed, _ = soundfile.read(wav)
        likeness = np.corrcoef(np.concatenate([dreamed, two], axis=1), rowvar=False)
        assert min(likeness[0, 2], likeness[1, 3]) > 0.6
        assert np.abs([likeness[0, 3], likeness[1, 2]]).max() < 0.2


def test_bad_inputs_are_named_and_the_others_done(tiny, tmp_path):
    sounds = {"ok": tone(seconds=2), "silent": np.zeros(40000), "short": tone(seconds=0.05)}
    sounds["nan"] = np.where(np.arange(44100) == 7, np.nan, tone(seconds=2))
    for name, sound in sounds.items():
        soundfile.write(tmp_path / f"{name}.wav", sound, 22050, subtype="FLOAT")
    whole = (tmp_path / "ok.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.wav").write_bytes(b"")
    bad = ["silent", "short", "nan", "cut", "empty", "gone_astray"]
    names = [f"{name}.wav" for name in (*bad, "ok")]
    flags = ("--input", *names, f"--checkpoint={tiny}", "--output_dir=out", *QUICK)
    code, said = finish(start(*flags, cwd=tmp_path))
    assert code == 2
    for name in bad:
        assert sum(f"{name}.wav" in line for line in said.splitlines()) == 1, said
    wavs = [path.name for path in (tmp_path / "out").glob("*.wav")]
    assert len(wavs) == 1
    assert wavs[0].endswith("-ok.wav")
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("--layers_to_use=relu3_5", "did you mean relu3_4?"),
        ("--model=fma-smal", "did you mean fma-small?"),
        ("--model=fma-small", "no weights"),
        ("--target_class=orgam", "did you mean organ?"),
        ("--target_class_index=16 --layers_to_use=output", "15 sound_effects"),
        ("--target_class=organ --target_class_index=3", "one of them"),
        ("--layers_to_use=", "empty"),
        ("--input=", "empty"),
        ("--optimizer=addam", "did you mean adam?"),
        ("--momentum=0.5", "the optimizer sgd has none"),
        ("--pyramid_size=6", "8 of both"),
        ("--layers_to_use=mp5 --pyramid_size=4", "layer mp5 needs at least 32"),
        ("--lr=nan", "finite"),
        ("--gain_range=-1", "gain_range"),
        ("--gain_range=inf", "finite"),
        ("--domain=spectrum", "domain"),
        ("--num_iterations=0", "num_iterations"),
        ("--learning_rate=1", "learning_rate"),
        ("--sample_rate=44100", "22050"),
        ("--sine_freq=20000 --input=sine", "11025"),
        ("--checkpoint=.", "card.json"),
        ("--flagfile=clip_9", "clip_1"),
        ("--output_dir=file/out", "file/out"),
        ("--output_dir=done", "already holds a run"),
        ("--output_dir=file", "File exists"),
        ("--checkpoint=file", "Not a directory"),
        ("--create_ouroboros --ouroboros_length=0", "ouroboros_length"),
        (
            "--create_ouroboros --ouroboros_transform=resample --ouroboros_sr_offset=-22050",
            "--ouroboros_sr_offset=-22050: accepted",
        ),
        (
            "--create_ouroboros --ouroboros_transform=time_stretch,time_stretch "
            "--ouroboros_stretch=10 --clip_length=12000",
            "leaves 120 samples",
        ),
        ("--create_ouroboros --ouroboros_length=99999", "up to 41941 rounds"),
        ("--sweep=lr=0.1,fast", "--lr=fast"),
        ("--sweep=learning_rate=1", "no flag to --sweep 'learning_rate'"),
        ("--sweep=target_class=organ,orgam", "did you mean organ?"),
        ("--sweep=num_iterations=5,0", "num_iterations=0"),
        ("--num_clips=0", "num_clips"),
        ("--create_ouroboros --lengths=buckets", "accepted is exact"),
        ("--num_processes=2 --process_id=0", "--coordinator_address=HOST:PORT"),
        ("some.wav", "--input"),
    ],
)
def test_bad_flags_end_with_one_line_before_the_work_starts(flag, hint, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "params.json").write_text("{}")
    code, said = finish(start(*flag.split(), cwd=tmp_path))
    assert code == 2
    assert hint in said
    assert len(said.strip().splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
def test_a_clip_does_not_depend_on_its_neighbours(tiny, tmp_path):
    flags = (f"--checkpoint={tiny}", "--seed=5", "--batch_size=2", *QUICK)
    dream(*flags, "--input=noise", "--output_dir=alone", cwd=tmp_path)
    dream(*flags, "--input=noise,sine,noise", "--output_dir=beside", cwd=tmp_path)
    alone, beside = (tmp_path / name / "00000-noise.wav" for name in ("alone", "beside"))
    assert alone.read_bytes() == beside.read_bytes()
    other = tmp_path / "beside" / "00002-noise.wav"
    assert other.read_bytes() != beside.read_bytes()
    # Given again, the command does the batches that are not done, and those alone.
    done = other.stat().st_mtime_ns
    (tmp_path / "beside" / "00001-sine.json").unlink()
    dream(*flags, "--input=noise,sine,noise", "--output_dir=beside", cwd=tmp_path)
    assert (tmp_path / "beside" / "00001-sine.json").exists()
    assert beside.read_bytes() == alone.read_bytes()
    assert other.stat().st_mtime_ns == done


@pytest.mark.slow
def test_two_runs_at_once_take_two_folders(tiny, tmp_path):
    flags = (f"--checkpoint={tiny}", *QUICK)
    for process in [start(*flags, cwd=tmp_path) for _ in range(2)]:
        assert finish(process)[0] == 0
    assert {path.name for path in (tmp_path / "outputs").iterdir()} == {"1", "2"}


def test_a_network_that_does_not_respond_stops_the_clip_and_writes_nothing(tmp_path):
    deaf = write_checkpoint(tmp_path / "deaf", bias=-1e3)
    flags = (f"--checkpoint={deaf}", *QUICK, "--layers_to_use=relu2_1", "--output_dir=out")
    code, said = finish(start(*flags, cwd=tmp_path))
    assert code == 2
    assert "gradient of relu2_1 is zero" in said
    assert {path.name for path in (tmp_path / "out").iterdir()} == OF_RUN


@pytest.mark.slow
def test_a_clip_that_overflows_is_named_and_nothing_of_it_written(tiny, tmp_path):
    flags = (f"--checkpoint={tiny}", "--domain=mel", "--detail_factor=1e30", "--output_dir=out")
    code, said = finish(start(*flags, *QUICK, "--pyramid_size=2", cwd=tmp_path))
    assert code == 2
    assert "gradient of relu2_2 overflows" in said
    assert {path.name for path in (tmp_path / "out").iterdir()} == OF_RUN


@pytest.mark.slow
@pytest.mark.parametrize(
    "flag",
    [
        "--precision=float64 --optimizer=adam --b1=0.5 --optimizer_state=carry",
        "--precision=bfloat16 --optimizer=lion",
        "--loudness=none --optimizer=lbfgs",
    ],
)
def test_other_precisions_loudness_and_optimizers(tiny, tmp_path, flag):
    flags = (f"--checkpoint={tiny}", *flag.split(), "--output_dir=out", "--seed=2")
    dream(f"--input={DATA / 'misc_crow.flac'}", *flags, *QUICK, cwd=tmp_path)
    sound, _ = soundfile.read(tmp_path / "out" / "00000-misc_crow.wav")
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() > 1e-3
    subtype = soundfile.info(tmp_path / "out" / "00000-misc_crow.wav").subtype
    assert subtype == ("FLOAT" if "none" in flag else "PCM_16")


def test_a_shipped_flag_file_is_found_by_name_and_the_last_flag_wins(tiny, tmp_path):
    flags = ("--flagfile=clip_1", f"--checkpoint={tiny}", "--lr=0.01", "--output_dir=out")
    dream(*flags, "--pyramid_size=1", "--num_iterations=1", cwd=tmp_path)
    used = json.loads((tmp_path / "out" / "params.json").read_text())["flags"]
    assert (used["layers_to_use"], used["lr"]) == (["relu3_4"], 0.01)


OUROBOROS = ("--create_ouroboros", "--seed=3", *QUICK)


def test_an_ouroboros_leaves_its_whole_journey(tiny, tmp_path):
    """Of a stereo recording at its own rate: each round of it, and what was done."""
    scratch, rate = original("vinyl_scratch")
    two = np.concatenate([scratch, 0.5 * scratch[::-1]], axis=1)
    soundfile.write(tmp_path / "two.flac", two, rate)
    flags = ("--ouroboros_length=4", "--ouroboros_transform", "time_stretch", "pitch_shift")
    where = (f"--checkpoint={tiny}", "--output_dir=out", "--input=two.flac", "--plots")
    said = dream(*OUROBOROS, *flags, *where, cwd=tmp_path)
    assert "4 rounds; overcooked index" in said
    wav = tmp_path / "out" / "00000-two.wav"
    sound, written_rate = soundfile.read(wav)
    assert (written_rate, sound.shape) == (rate, (5 * len(two), 2))
    # It begins with the input, but for loudness; then that fades away.
    for channel in range(2):
        first, last = (part[:, channel] for part in (sound[: len(two)], sound[-len(two) :]))
        assert np.corrcoef(first, two[:, channel])[0, 1] > 0.999
        assert np.corrcoef(last, two[:, channel])[0, 1] < 0.5
    loudness = measure_loudness(sound, sample_rate=rate)
    assert loudness.lufs == pytest.approx(-23, abs=0.3) or loudness.true_peak_dbtp > -1.2
    assert loudness.true_peak_dbtp < -1
    facts = facts_of(wav)
    assert facts["ouroboros"]["transforms"] == [["time_stretch", 0.95], ["pitch_shift", 1.0]]
    assert [each["layers"] for each in facts["rounds"]] == [["relu2_2"]] * 4
    assert all(each["overcooked_db"] > 0 and each["moved_db"] > 0 for each in facts["rounds"])
    assert np.load(wav.with_suffix(".npz"))["mel_db"].shape == (5, 128, 31)
    left = {path.name for path in (tmp_path / "out").iterdir()}
    files = {f"00000-two{suffix}" for suffix in (".wav", ".npz", ".png", ".json")}
    assert left == {*files, *OF_RUN}


@pytest.mark.slow
def test_a_killed_ouroboros_goes_on_and_ends_as_if_it_had_not_been(tiny, tmp_path):
    """kill -9, twice; without --seed, which the run wrote down."""
    ouroboros = ("--create_ouroboros", *QUICK, "--ouroboros_length=40", "--batch_size=2")
    flags = (
        *ouroboros,
        "--clip_length=12000",
        f"--checkpoint={tiny}",
        "--input=noise,noise,noise",
        "--save_every=0",
    )
    unfinished = tmp_path / "out" / "unfinished"
    seen = set()
    for _ in range(2):
        process = start(*flags, "--output_dir=out", cwd=tmp_path)
        while process.poll() is None and len({*unfinished.glob("*-0*.npz")} - seen) < 10:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        seen = {*unfinished.glob("*-0*.npz")}
        assert 10 <= len(seen) < 40
    code, said = finish(start(*flags, "--output_dir=out", cwd=tmp_path))
    assert (code, "going on after round" in said) == (0, True), said
    assert not unfinished.exists()
    seed = json.loads((tmp_path / "out" / "params.json").read_text())["seed"]
    dream(*flags, f"--seed={seed}", "--output_dir=whole", cwd=tmp_path)
    for name in (f"0000{number}-noise{kind}" for number in range(3) for kind in (".wav", ".npz")):
        resumed, whole = ((tmp_path / folder / name).read_bytes() for folder in ("out", "whole"))
        assert resumed == whole, name
    code, said = finish(start(*flags, "--output_dir=out", cwd=tmp_path))
    assert (code, "all 3 clips were done before" in said) == (0, True)
    code, said = finish(start(*flags, "--output_dir=out", "--lr=0.3", cwd=tmp_path))
    assert (code, "with --lr 0.02, not 0.3" in said) == (2, True)


@pytest.mark.slow
def test_an_ouroboros_can_end_before_it_overcooks(tiny, tmp_path):
    flags = (*OUROBOROS, "--nostabilise", "--lr=0.2", f"--checkpoint={tiny}", "--nocrossfade")
    dream(*flags, "--ouroboros_length=6", "--output_dir=out", cwd=tmp_path)
    index = [r["overcooked_db"] for r in facts_of(tmp_path / "out" / "00000-noise.wav")["rounds"]]
    assert len(index) == 6
    limit = (index[0] + max(index)) / 2
    expected = next(number for number, each in enumerate(index) if each > limit)
    stop = f"--stop_overcooked={limit}"
    said = dream(*flags, "--ouroboros_length=6", stop, "--output_dir=stopped", cwd=tmp_path)
    assert f"round {expected + 1} is overcooked" in said
    wav = tmp_path / "stopped" / "00000-noise.wav"
    assert len(facts_of(wav)["rounds"]) == expected
    assert soundfile.info(wav).frames == 51200 * (expected + 1)


def test_help_is_quick_and_names_every_flag(tmp_path):
    started = time.perf_counter()
    code, said = finish(start("--help", cwd=tmp_path))
    assert time.perf_counter() - started < 3
    assert code == 0
    for flag in ("layers_to_use", "ouroboros_sr_offset", "target_class", "loudness", "flagfile"):
        assert f"--{flag}" in said or f"--[no]{flag}" in said


def test_sound_written_is_sound_heard(tiny, tmp_path):
    """The .npz is the picture that was dreamed, the .wav what became of it."""
    flags = ("--domain=mel", "--seed=4", f"--checkpoint={tiny}", "--output_dir=out", *QUICK)
    dream(*flags, cwd=tmp_path)
    dreamed = np.load(tmp_path / "out" / "00000-noise.npz")["mel_db"][1]
    sound, _ = soundfile.read(tmp_path / "out" / "00000-noise.wav", dtype="float32")
    heard = np.asarray(mel.sound_to_mel_db(sound))
    assert np.corrcoef(dreamed.ravel(), heard.ravel())[0, 1] > 0.9


def test_list_models_shows_each_with_classes_place_and_layers(tmp_path):
    code, said = finish(start("--list_models", cwd=tmp_path))
    assert code == 0
    for words in (
        "16 classes:\n    piano, chromatic_percussion",
        f"checkpoint: {shipped('checkpoints') / 'gm'}",
        "convert_weights.py --model=fma-small --download",
        "layers of each, shallow to deep:\n    conv1_1, relu1_1",
    ):
        assert words in said
    assert not list(tmp_path.iterdir())
