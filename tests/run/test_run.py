"""Whole runs in this process: from what is asked for to the files, on a tiny network."""

import dataclasses
import json
import logging
import math
import os

import numpy as np
import pytest
import soundfile
import soxr

from dreamsound_jax.audio.loudness import measure_loudness
from dreamsound_jax.outputs import video_file
from dreamsound_jax.run import dream_files, models, ouroboros_files
from dreamsound_jax.run.run import run as run_options
from tests.helpers import tiny
from tests.helpers.clips import (
    OF_RUN,
    check_clip,
    facts_of,
    files_of,
    records_of,
    samples_of,
)
from tests.helpers.commands import parse
from tests.helpers.sounds import RATE, original, tone
from tests.helpers.tiny import FRONT_END, write_checkpoint
from tests.helpers.videos import watch

# As many as a clip is padded to that is a little shorter.
SAMPLES = 6144
# There is little to compile, and most runs share their programs: batches are of one size.
QUICK = {
    "layers_to_use": ("relu2_2",),
    "pyramid_size": 1,
    "num_iterations": 2,
    "plots": False,
    "clip_length": SAMPLES,
    "batch_size": 2,
    "seed": 3,
}


@pytest.fixture
def run(tiny_checkpoint, tmp_path, monkeypatch, caplog):
    """Runs in the folder `tmp_path`; returns how many clips failed."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO, logger="dreamsound_jax")

    def call(output_dir="out", **changes):
        given = {"checkpoint": str(tiny_checkpoint), "output_dir": output_dir, **QUICK, **changes}
        return run_options(tiny.options(**given), command="dreamsound")

    return call


def two_channels():
    """A short recording, and itself backwards and half as loud: (sound, sample rate)."""
    scratch, rate = original("vinyl_scratch")
    return np.concatenate([scratch, 0.5 * scratch[::-1]], axis=1), rate


def mel_db_of(wav):
    return np.load(wav.with_suffix(".npz"))["mel_db"]


def test_the_command_line_of_the_reference_runs(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--input=sine", "--layers_to_use", "relu1_1", "relu5_2", "output")
    more = ("--target_class_index=4", "--domain=mel", "--lr=0.2", f"--clip_length={SAMPLES}")
    more += ("--pyramid_size=2", "--num_iterations=2")
    options = parse(*words, *more, f"--checkpoint={tiny_checkpoint}")
    assert run_options(options, command="dreamsound") == 0
    wav = tmp_path / "outputs" / "1" / "00000-sine.wav"
    facts = facts_of(wav)
    assert facts["layers_to_use"] == ["relu1_1", "relu5_2", "output"]
    assert facts["target_class"] == "class_4"
    assert [len(level) for level in facts["objective_by_level"]] == [2, 2]
    check_clip(wav, frames=31, form=(22050, 6001, 1))
    params = json.loads((wav.parent / "params.json").read_text())
    asked = dataclasses.asdict(dataclasses.replace(options, seed=params["seed"]))
    assert params["flags"] == json.loads(json.dumps(asked))
    assert params["target_classes"] == {"00000-sine": "class_4"}


@pytest.mark.parametrize(
    ("domain", "form"),
    [
        ("sound", (44100, 12076, 2)),
        pytest.param("mel", (22050, 6001, 1), marks=pytest.mark.slow),
    ],
)
def test_a_short_stereo_recording_dreams_by_the_deepest_layer(run, tmp_path, domain, form):
    """0.27 s is less than the layer needs. The domain sound keeps sample rate and channels."""
    two, rate = two_channels()
    soundfile.write("two.flac", two, rate)
    assert not run(
        input=("two.flac",), layers_to_use=("output",), lr=0.3, domain=domain, plots=True, seed=1
    )
    wav = tmp_path / "out" / "00000-two.wav"
    check_clip(wav, frames=31, form=form)
    if domain == "sound":  # Each channel is still itself.
        dreamed, _ = soundfile.read(wav)
        likeness = np.corrcoef(np.concatenate([dreamed, two], axis=1), rowvar=False)
        assert min(likeness[0, 2], likeness[1, 3]) > 0.6
        assert np.abs([likeness[0, 3], likeness[1, 2]]).max() < 0.2


def test_bad_inputs_are_named_and_the_others_done(run, tmp_path, caplog):
    ok = tone(seconds=SAMPLES / RATE)
    sounds = {"ok": ok, "silent": np.zeros(9000), "short": tone(seconds=0.05)}
    sounds["nan"] = np.where(np.arange(SAMPLES) == 7, np.nan, ok)
    for name, sound in sounds.items():
        soundfile.write(f"{name}.wav", sound, 22050, subtype="FLOAT")
    whole = (tmp_path / "ok.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[:40])
    (tmp_path / "empty.wav").write_bytes(b"")
    bad = ["silent", "short", "nan", "cut", "empty", "gone_astray"]
    assert run(input=tuple(f"{name}.wav" for name in (*bad, "ok"))) == len(bad)
    for name in bad:
        named = [r for r in caplog.records if f"{name}.wav" in r.message]
        assert [r.levelname for r in named] == ["ERROR"], name
    (clip,) = (tmp_path / "out").glob("0*.json")
    assert clip.name.endswith("-ok.json")
    assert not list((tmp_path / "out").glob(".*"))
    assert sum("error" in each for each in records_of(tmp_path / "out")) == len(bad) - 1


@pytest.mark.parametrize("create_ouroboros", [False, True])
def test_sounds_that_are_very_loud_or_oddly_named_are_dreamed_and_come_out_right(
    create_ouroboros, run, tmp_path, caplog
):
    """Also the others, whatever is wrong with an address beside them."""
    sound = tone(seconds=SAMPLES / RATE).astype(np.float32)
    names = ("loud.wav", os.fsdecode(b"caf\xe9.wav"), f"{'L' * 250}.wav", "wait\x85.wav")
    for name, scale in zip(names, (2.0**66, 1, 1, 1)):
        soundfile.write("x.wav", sound * np.float32(scale), 22050, subtype="FLOAT")
        os.rename("x.wav", name)
    given = {"input": (*names, "https://example.com/a.wav"), "create_ouroboros": create_ouroboros}
    given |= {"ouroboros_length": 1, "domain": "sound", "plots": True, "lr": 0.02}
    assert run(**given) == 1
    assert "'https://example.com/a.wav' must be a local path, or begin with gs://" in caplog.text
    done = sorted(record["name"] for record in records_of(tmp_path / "out"))
    assert done == ["00000-loud", "00001-caf\ufffd", f"00002-{'L' * 200}", "00003-wait_"]
    first, *others = (soundfile.read(tmp_path / "out" / f"{name}.wav")[0] for name in done)
    assert np.abs(first).max() > 0.1
    for other in others:  # They differ by their random draws.
        np.testing.assert_allclose(other, first, atol=0.01)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "00001-caf" in page
    # The same command finds them all.
    caplog.clear()
    assert run(**given) == 1
    assert "all clips were done before (4)" in caplog.text


def test_a_network_that_does_not_respond_stops_the_clip_and_writes_nothing(run, tmp_path, caplog):
    deaf = write_checkpoint(tmp_path / "deaf", bias=-1e3)
    assert run(checkpoint=str(deaf)) == 1
    assert "the gradient of relu2_2 is zero" in caplog.text
    assert {path.name for path in (tmp_path / "out").iterdir()} == OF_RUN


def test_a_clip_that_overflows_is_named_and_nothing_of_it_written(run, tmp_path, caplog):
    assert run(lr=3e38) == 1
    assert "the gradient of relu2_2 overflows" in caplog.text
    assert {path.name for path in (tmp_path / "out").iterdir()} == OF_RUN


def test_what_the_network_saw_last_is_what_can_be_heard(run, tmp_path):
    """In the domain mel, as far as a spectrogram can be inverted."""
    for domain in ("sound", "mel"):
        run(domain, domain=domain)
    wavs = [tmp_path / domain / "00000-noise.wav" for domain in ("sound", "mel")]
    heard = [np.asarray(FRONT_END.analyse(soundfile.read(wav, dtype="float32")[0])) for wav in wavs]
    assert np.abs(heard[0] - mel_db_of(wavs[0])[1]).mean() < 0.02
    assert np.corrcoef(heard[1].ravel(), mel_db_of(wavs[1])[1].ravel())[0, 1] > 0.9


def test_a_sweep_is_a_grid_of_clips_that_drew_the_same(run, tmp_path, caplog):
    layers = (("relu1_1",), ("relu1_2", "relu2_2"))
    sweep = {"lr": (0.05, 0.2), "layers_to_use": layers}
    assert not run(sweep=sweep, input=("noise", "sine"))
    assert "8 clips in" in caplog.text and "the device was busy for" in caplog.text
    found = {each["number"]: each for each in records_of(tmp_path / "out")}
    assert [found[n]["layers"] for n in range(4)] == 2 * ["relu1_1", "relu1_2+relu2_2"]
    assert [found[n]["lr"] for n in range(4)] == [0.05, 0.05, 0.2, 0.2]
    assert [found[n]["input"] for n in range(8)] == ["noise"] * 4 + ["sine"] * 4
    dreams = [mel_db_of(tmp_path / f"out/{n:05d}-noise.wav") for n in range(4)]
    assert all((each[0] == dreams[0][0]).all() for each in dreams)
    assert np.abs(dreams[3][1] - dreams[1][1]).mean() > 0.1
    assert facts_of(tmp_path / "out/00003-noise.wav")["layers_to_use"] == ["relu1_2", "relu2_2"]
    # Each is what it is alone, with those options, though lr was data of one program.
    assert not run("alone", layers_to_use=layers[1], lr=0.2)
    wavs = [tmp_path / "out/00003-noise.wav", tmp_path / "alone/00000-noise.wav"]
    assert samples_of(wavs[0]) == samples_of(wavs[1])


def test_models_are_swept_and_each_clip_is_what_it_is_by_its_model_alone(
    run, tiny_checkpoint, tmp_path, monkeypatch, caplog
):
    folders = {"gm": tiny_checkpoint, "mtt": write_checkpoint(tmp_path / "other", bias=0.1)}
    card = json.loads((folders["mtt"] / "card.json").read_text())
    card |= {"name": "other", "classes": list("abcdef"), "front_end": {"sample_rate": 16000}}
    (folders["mtt"] / "card.json").write_text(json.dumps(card))
    load = models.load_model
    monkeypatch.setattr(models, "load_model", lambda name, **_: load(checkpoint=folders[name]))
    given = {"checkpoint": None, "input": ("two.flac",), "layers_to_use": ("output",)}
    sound, rate = two_channels()
    soundfile.write("two.flac", sound, rate)
    assert not run(sweep={"model": ("gm", "mtt")}, **given)
    assert "dreaming by the networks tiny, other on" in caplog.text
    facts = [facts_of(tmp_path / "out" / f"0000{number}-two.wav") for number in range(2)]
    assert [each["model"] for each in facts] == ["tiny", "other"]
    assert [*facts[1]["class_probabilities"]["written_sound"]] == card["classes"]
    drawn = json.loads((tmp_path / "out" / "params.json").read_text())["target_classes"]
    assert [*drawn.values()] == [each["target_class"] for each in facts]
    assert drawn["00001-two"] in card["classes"]
    assert not run("alone", model="mtt", **given)
    wavs = [tmp_path / "out/00001-two.wav", tmp_path / "alone/00000-two.wav"]
    assert samples_of(wavs[0]) == samples_of(wavs[1])


def test_a_clip_does_not_depend_on_its_neighbours_and_is_not_dreamed_again(run, tmp_path):
    run("alone")
    given = {"input": ("noise", "sine", "noise")}
    run("beside", **given)
    alone, beside = files_of(tmp_path / "alone"), files_of(tmp_path / "beside")
    assert {name: beside[name] for name in alone} == alone and len(alone) == 4
    assert beside["00002-noise.wav"] != beside["00000-noise.wav"]
    # Given again, the run does the clips that are not done, and those alone.
    other = tmp_path / "beside" / "00002-noise.wav"
    done = other.stat().st_mtime_ns
    (tmp_path / "beside" / "00001-sine.json").unlink()
    (tmp_path / "beside" / "00001-sine.wav").unlink()
    assert not run("beside", **given)
    assert (tmp_path / "beside" / "00001-sine.json").exists()
    assert files_of(tmp_path / "beside") == beside
    assert other.stat().st_mtime_ns == done


def test_padded_clips_come_out_as_long_as_they_were(run, tmp_path, caplog):
    lengths = [5700, 6000]
    (tmp_path / "in").mkdir()
    for length in lengths:
        soundfile.write(f"in/{length}.wav", tone(seconds=length / RATE), 22050)
    (tmp_path / "in/bad.wav").write_bytes((tmp_path / "in/6000.wav").read_bytes()[:40])
    assert run(input=("in",), lengths="buckets") == 1
    assert "clips that failed, for the reasons above: 1 (00002-bad)" in caplog.text
    for number, length in enumerate(lengths):
        wav = tmp_path / f"out/{number:05d}-{length}.wav"
        assert abs(soundfile.info(wav).frames - length) <= 1
        assert abs(mel_db_of(wav).shape[2] - (1 + length // 200)) <= 1
    (failed,) = (each for each in records_of(tmp_path / "out") if "error" in each)
    assert failed["input"] == "in/bad.wav"


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "bfloat16", "optimizer": "lion", "loudness": "none"},
        pytest.param({"optimizer": "lbfgs"}, marks=pytest.mark.slow),
        pytest.param(
            {"precision": "float64", "optimizer": "adam", "b1": 0.5, "optimizer_state": "carry"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_other_precisions_loudness_and_optimizers(run, tmp_path, changes, in_precision):
    with in_precision(changes.get("precision")):
        assert not run(**changes)
    wav = tmp_path / "out" / "00000-noise.wav"
    sound, _ = soundfile.read(wav)
    assert np.isfinite(sound).all() and np.abs(sound).max() > 1e-3
    assert mel_db_of(wav).dtype == ("float64" if "float64" in changes.values() else "float32")
    subtype = soundfile.info(wav).subtype
    assert subtype == ("FLOAT" if "none" in changes.values() else "PCM_16")


def test_a_clip_has_the_loudness_that_is_asked_for(run, tmp_path):
    """ "match": that of the input. "none": its own, with more than 16 bit."""
    two, rate = two_channels()
    soundfile.write("two.flac", 0.6 * two, rate)
    matched = measure_loudness(0.6 * two, sample_rate=rate).lufs
    assert -22 < matched < -10
    assert not run(input=("two.flac",), sweep={"loudness": ("safe", "match", "-16.5", "none")})
    wanted = {0: -23, 1: matched, 2: -16.5}
    for number in range(4):
        wav = tmp_path / "out" / f"{number:05d}-two.wav"
        sound, _ = soundfile.read(wav)
        loudness = measure_loudness(sound, sample_rate=rate)
        assert facts_of(wav)["loudness_lufs"] == pytest.approx(loudness.lufs, abs=0.01)
        assert soundfile.info(wav).subtype == ("PCM_16" if number in wanted else "FLOAT")
        if number in wanted:
            assert loudness.lufs == pytest.approx(wanted[number], abs=0.2)
            assert loudness.true_peak_dbtp <= -1


def test_an_ouroboros_leaves_all_its_rounds(run, tmp_path, caplog):
    """Of a stereo recording at its own rate: each round of it, and what was done."""
    two, rate = two_channels()
    soundfile.write("two.flac", two, rate)
    chain = ("time_stretch", "pitch_shift")
    ouroboros = {"create_ouroboros": True, "ouroboros_length": 3, "ouroboros_transform": chain}
    assert not run(input=("two.flac",), plots=True, lr=0.2, **ouroboros)
    assert "3 rounds (by relu2_2; overcooked index " in caplog.text
    wav = tmp_path / "out" / "00000-two.wav"
    sound, written_rate = soundfile.read(wav)
    assert (written_rate, sound.shape) == (rate, (4 * len(two), 2))
    # It begins with the input, but for loudness; then that fades away.
    for channel in range(2):
        first, last = (part[:, channel] for part in (sound[: len(two)], sound[-len(two) :]))
        assert np.corrcoef(first, two[:, channel])[0, 1] > 0.999
        assert np.corrcoef(last, two[:, channel])[0, 1] < 0.5
    loudness = measure_loudness(sound, sample_rate=rate)
    assert loudness.lufs == pytest.approx(-23, abs=0.2)
    assert loudness.true_peak_dbtp < -1
    facts = facts_of(wav)
    assert facts["ouroboros"]["transforms"] == [["time_stretch", 0.95], ["pitch_shift", 1.0]]
    assert [each["layers"] for each in facts["rounds"]] == [["relu2_2"]] * 3
    assert all(each["overcooked_db"] > 0 and each["moved_db"] > 0 for each in facts["rounds"])
    assert mel_db_of(wav).shape == (4, 128, 31)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        *(f"00000-two{suffix}" for suffix in (".wav", ".npz", ".png", ".small.png", ".json")),
        *OF_RUN,
    }


@pytest.mark.parametrize(
    ("changes", "module", "name"),
    [
        ({}, dream_files, "draw_dream"),
        ({"create_ouroboros": True, "ouroboros_length": 1}, ouroboros_files, "draw_ouroboros"),
    ],
)
def test_a_picture_that_cannot_be_drawn_costs_no_sound(
    run, tmp_path, monkeypatch, caplog, changes, module, name
):
    def fail(picture):
        raise ValueError("Key backend: no such backend")

    with monkeypatch.context() as broken:
        broken.setattr(module, name, fail)
        assert not run(plots=True, **changes)
    (record,) = records_of(tmp_path / "out")
    assert record["picture_failed"] == "ValueError: Key backend: no such backend"
    wav = tmp_path / "out" / "00000-noise.wav"
    assert soundfile.info(wav).frames >= SAMPLES - 512
    assert facts_of(wav)["picture_failed"] == record["picture_failed"]
    assert "00000-noise.png could not be made: ValueError: Key backend" in caplog.text
    assert not wav.with_suffix(".png").exists()
    # The same command makes it when it can.
    assert not run(plots=True, **changes)
    *_, record = records_of(tmp_path / "out")
    assert wav.with_suffix(".png").exists() and record["picture"] and ".png" in record["files"]
    assert "picture_failed" not in record


def test_a_broken_encoder_costs_no_sound(run, tmp_path, monkeypatch, caplog):
    def fail(*given):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(video_file, "_add_pictures", fail)
    assert not run(num_clips=2, video="square")
    records = records_of(tmp_path / "out")
    assert [record["video_failed"] for record in records] == ["OSError: Invalid argument"] * 2
    for record in records:
        wav = tmp_path / "out" / f"{record['name']}.wav"
        check_clip(wav, frames=31, form=(22050, SAMPLES, 1), plots=False)
        assert facts_of(wav)["video_failed"] == record["video_failed"]
        assert not wav.with_suffix(".mp4").exists()
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert (
        sorted(line.partition(".mp4 ")[2] for line in warned)
        == ["could not be made: OSError: Invalid argument"] * 2
    )


@pytest.mark.slow
def test_the_video_of_a_dream_grows_from_pass_to_pass(run, tmp_path):
    assert not run(video="square", video_growth=True, pyramid_size=2, strength=50.0, mix=0.9)
    wav = tmp_path / "out" / "00000-noise.wav"
    watched = watch(wav.with_suffix(".mp4").read_bytes())
    sound, rate = soundfile.read(wav)
    times = math.ceil(3 / (3 * len(sound) / rate))
    assert watched.seconds[1] == pytest.approx(3 * times * len(sound) / rate, abs=0.05)
    heard = soxr.resample(watched.sound[:, 0], watched.rate, rate)
    before, after_one, after_two = (heard[n * len(sound) :][: len(sound)] for n in range(3))
    # It is noise, of which AAC keeps the least.
    assert np.corrcoef(after_two, sound)[0, 1] > 0.9
    for other in (before, after_two):
        assert 0.5 < np.corrcoef(after_one, other)[0, 1] < 0.9


@pytest.mark.slow
def test_the_video_of_an_ouroboros_has_its_rounds_and_its_sound(run, tmp_path):
    changes = {"create_ouroboros": True, "ouroboros_length": 3, "layers_to_use": ("iterate",)}
    assert not run(video="square", batch_size=1, **changes)
    wav = tmp_path / "out" / "00000-noise.wav"
    watched = watch(wav.with_suffix(".mp4").read_bytes())
    sound, rate = soundfile.read(wav)
    assert watched.seconds == pytest.approx((len(sound) / rate,) * 2, abs=0.04)
    heard = soxr.resample(watched.sound[:, 0], watched.rate, rate)
    samples = min(len(heard), len(sound))
    # It is noise, of which AAC keeps the least.
    assert np.corrcoef(heard[:samples], sound[:samples])[0, 1] > 0.9
    # Within half a decibel: the encoder of PyAV 19 keeps 5% less of it, that of 18 some less.
    assert heard[:samples].std() == pytest.approx(sound[:samples].std(), rel=0.06)
