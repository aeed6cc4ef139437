import av
import numpy as np
import soundfile

from dreamsound_jax.app import worker
from dreamsound_jax.app.jobs import Job
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


def test_of_a_video_the_sound_is_dreamed_on(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (22050, 2))
    path = tmp_path / "film.webm"
    encode_media(noise, 48000, "webm", "libopus", path=path)
    for made in make(path, tmp_path).values():
        info = soundfile.info(made)
        assert (info.channels, info.samplerate, info.subtype) == (2, 48000, "PCM_16")
