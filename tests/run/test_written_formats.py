"""Runs that write other formats than WAV: their files, tags, page, resuming and limits."""

import re
import shlex

import av
import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio.decoding import decode
from dreamsound_jax.audio.files import read_original
from dreamsound_jax.audio.formats import FORMATS
from dreamsound_jax.audio.loudness import measure_loudness
from dreamsound_jax.run import sources
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny
from tests.helpers.clips import OF_RUN, facts_of, records_of
from tests.helpers.commands import dream, finish, start
from tests.helpers.media import encode_media
from tests.helpers.sounds import original
from tests.run.test_input_beside import run  # noqa: F401


@pytest.fixture
def video(tmp_path):
    """A video, whose sound is a short recording in stereo."""
    scratch = original("vinyl_scratch")
    channels = np.concatenate([scratch.channels, 0.5 * scratch.channels[::-1]], axis=1)[:9000]
    (tmp_path / "clip.mp4").write_bytes(
        encode_media(channels, scratch.sample_rate, "mp4", "aac", video=True)
    )
    return "clip.mp4"


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_a_run_writes_all_sounds_of_a_clip_in_its_format(run, video, format):  # noqa: F811
    out = run(input=(video, "noise"), format=format, loudness="-14")
    written = {path.name for path in out.iterdir()} - OF_RUN
    suffixes = (f".{format}", f".input.{format}", f".difference.{format}", ".npz", ".json")
    names = ("00000-clip", "00001-noise")
    assert written == {name + suffix for name in names for suffix in suffixes}
    for record in records_of(out):
        assert set(record["files"]) == set(suffixes)
        data = (out / f"{record['name']}.{format}").read_bytes()
        found, facts = decode(data).recording, facts_of(out / f"{record['name']}.{format}")
        level = measure_loudness(found.channels, sample_rate=found.sample_rate)
        assert facts["loudness_lufs"] == pytest.approx(level.lufs, abs=1e-3)
        assert facts["true_peak_dbtp"] == pytest.approx(level.true_peak_dbtp, abs=1e-3)
        assert facts["true_peak_dbtp"] <= -1
        assert facts["channels"] == found.channels.shape[1]
        lengths = {
            len(read_original(str(out / (record["name"] + suffix)))[0].channels)
            for suffix in suffixes[:3]
        }
        assert len(lengths) == 1
    page = (out / "index.html").read_text()
    assert f'"sounds":{{"input":".input.{format}","dream":".{format}"' in page
    again = {path: path.stat().st_mtime_ns for path in out.glob("0*")}
    (out / f"00001-noise.{format}").unlink()
    run(input=(video, "noise"), format=format, loudness="-14")
    made = {path for path in again if path.stat().st_mtime_ns != again[path]}
    assert made == {path for path in again if "noise" in path.name}


def test_what_a_run_wrote_beside_its_dreams_is_no_input(run, tmp_path):  # noqa: F811
    out = run(format="flac", write_input=True)
    again = run("again", input=(str(out),), format="ogg")
    assert [record["name"] for record in records_of(again)] == ["00000-00000-noise"]


def test_bits_follow_the_input_unless_they_are_asked_for(run, tmp_path):  # noqa: F811
    sound = 0.1 * np.random.default_rng(0).normal(size=(6144, 1))
    for subtype in ("PCM_16", "PCM_24", "FLOAT"):
        soundfile.write(tmp_path / f"{subtype}.wav", sound, 22050, subtype=subtype)
    names = ("PCM_16.wav", "PCM_24.wav", "FLOAT.wav")
    for wanted, given in [
        (("PCM_16", "PCM_24", "FLOAT"), {}),
        (("PCM_24", "PCM_24", "PCM_24"), {"bit_depth": "24"}),
        (("PCM_16", "PCM_24", "PCM_24"), {"format": "flac"}),
        (("FLOAT", "PCM_24", "FLOAT"), {"loudness": "none"}),
    ]:
        out = run("-".join(map(str, given.values())) or "plain", input=names, **given)
        suffix = given.get("format", "wav")
        for kind in ("", ".input"):
            paths = sorted(out.glob(f"0*[A-Z0-9]{kind}.{suffix}"))
            assert tuple(soundfile.info(path).subtype for path in paths) == wanted


def test_arrays_are_left_out_where_they_are_not_wanted(run):  # noqa: F811
    out = run(arrays=False)
    assert {path.suffix for path in out.glob("0*")} == {".wav", ".json"}
    (record,) = records_of(out)
    assert ".npz" not in record["files"]


def test_what_a_format_cannot_hold_is_said_before_the_dream(tmp_path):
    soundfile.write(tmp_path / "six.wav", np.zeros((6144, 6)) + 0.1, 96000)
    for format, words in [
        ("mp3", "six.wav: mp3 cannot hold 6 channels; choose --format=wav or flac"),
        ("ogg", "six.wav: ogg cannot hold 6 channels"),
    ]:
        plan = tiny.plan(format=format).clips[0]
        with pytest.raises(UserError, match=re.escape(words)):
            sources.read_source(sources.Job(0, str(tmp_path / "six.wav"), 0, plan))


def test_an_ouroboros_ends_where_its_format_does(tmp_path):
    tone = 0.1 * np.sin(np.arange(44100))
    soundfile.write(tmp_path / "long.wav", np.stack([tone, tone], axis=1), 44100)
    given = {"create_ouroboros": True, "ouroboros_length": 20_000, "pyramid_size": 1}
    path = str(tmp_path / "long.wav")
    for format, bit_depth, most in [("wav", None, 24345), ("wav", "24", 16229), ("flac", None, 0)]:
        length = (most or 10**6 - 2) + 2
        plan = tiny.plan(
            **given | {"ouroboros_length": length, "format": format}, bit_depth=bit_depth
        )
        job = sources.Job(0, path, 0, plan.clips[0])
        if most:
            with pytest.raises(UserError, match=f"must be at most {most}.*--format=flac or ogg"):
                sources.read_source(job)
        else:
            sources.read_source(job)


@pytest.mark.slow
def test_the_command_reads_a_video_and_tags_what_it_writes(video, tiny_checkpoint, tmp_path):
    given = (video, "--layers_to_use=relu2_2", "--pyramid_size=1", "--num_iterations=1")
    given += ("--noplots", f"--checkpoint={tiny_checkpoint}", "--seed=5")
    printed = dream(*given, "--format=mp3", "--output_dir=out", cwd=tmp_path)
    assert "out/00000-clip.mp3\n" in printed
    with av.open(str(tmp_path / "out/00000-clip.mp3")) as file:
        tags = dict(file.metadata)
    assert tags["title"].startswith("Dream of clip.mp4 by relu2_2 of ")
    # The command of the clip alone makes the same sound, tags included.
    words = shlex.split(tags["comment"])
    assert words[:2] == ["dreamsound", "clip.mp4"] and words[-1] == "--seed=5"
    dream(*words[1:], "--output_dir=alone", cwd=tmp_path)
    alone, made = (tmp_path / folder / "00000-clip.mp3" for folder in ("alone", "out"))
    assert alone.read_bytes() == made.read_bytes()
    dream(*given, "--output=one.flac", "--bit_depth=24", cwd=tmp_path)
    assert soundfile.info(tmp_path / "one.flac").subtype == "PCM_24"
    for wrong, words in [
        (("--format=aiff",), "--format"),
        (("--format=flac", "--bit_depth=32f"), "--bit_depth=32f is not for --format=flac"),
    ]:
        code, said = finish(start(*given, *wrong, "--output_dir=out", cwd=tmp_path))
        assert code == 2 and words in said
