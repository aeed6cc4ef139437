"""What the process of the app that dreams answers to a job."""

import av
import numpy as np
import soundfile

from dreamsound_jax.api.results import Dream
from dreamsound_jax.app import worker
from dreamsound_jax.app.jobs import Done, Job
from dreamsound_jax.audio.encoding import encode_sound
from dreamsound_jax.audio.formats import Encoding
from tests.helpers.media import encode_media

QUICK = {"layers_to_use": ("relu1_1",), "pyramid_size": 1, "num_iterations": 1}


def make(path, folder):
    """Dreams on a file as the app does, and returns what it writes: {"before" or "after": path}."""
    done = worker.dream(Job(str(path), str(folder), QUICK), {}, lambda message: None)
    return {"before": done.before, "after": done.after}


def layout_of(path):
    with av.open(path) as file:
        return file.streams.audio[0].layout.name


def test_bit_depth_and_layout_are_those_of_the_input(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (22050, 6))
    encoding = Encoding("flac", "24", "5.1(side)")
    path = tmp_path / "choir.flac"
    path.write_bytes(encode_sound(noise, sample_rate=44100, encoding=encoding))
    for made in make(path, tmp_path).values():
        assert soundfile.info(made).subtype == "PCM_24" and layout_of(made) == "5.1(side)"


def test_a_picture_or_a_video_that_cannot_be_made_costs_no_sound(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ValueError("no such\nbackend")

    monkeypatch.setattr(Dream, "picture", fail)
    monkeypatch.setattr(Dream, "save_video", fail)
    path = tmp_path / "a.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 11025), 22050)
    job = Job(str(path), str(tmp_path), QUICK, makes_video=True)
    done = worker._answer(job, {}, lambda message: None)
    assert isinstance(done, Done) and done.picture is None and done.video is None
    assert soundfile.info(done.after).frames == soundfile.info(done.before).frames == 11025
    _, of_picture, of_video = done.words.split("; ")
    assert of_picture == "the picture could not be made: ValueError: no such backend"
    assert of_video == "the video could not be made: ValueError: no such backend"


def test_of_a_video_the_sound_is_dreamed_on(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (22050, 2))
    path = tmp_path / "film.webm"
    encode_media(noise, 48000, "webm", "libopus", path=path)
    for made in make(path, tmp_path).values():
        info = soundfile.info(made)
        assert (info.channels, info.samplerate, info.subtype) == (2, 48000, "PCM_16")
