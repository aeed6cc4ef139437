"""Encodes a video as an MP4 file with H.264 and AAC, which phones and browsers play."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from dreamsound_jax.outputs.video import Video
from dreamsound_jax.outputs.video_frames import FRAMES_PER_SECOND, draw_frames
from dreamsound_jax.outputs.video_layout import SHAPES
from dreamsound_jax.system.errors import UserError, nearest_or_fail

# Two threads on any machine: with another number, the file is another.
_THREADS = 2
# From frame to frame hardly anything but the playhead changes. Without a search for motion, and
# without looking ahead, a video takes half the time, for 1.4 times the bytes.
_X264 = {
    "preset": "superfast",
    "crf": "28",
    "x264-params": "bframes=0:me=dia:subme=0:psy=0:weightp=0:mbtree=0:rc-lookahead=0:"
    "sync-lookahead=0",
}
_SOUND_BITS_PER_CHANNEL = 128_000  # In a second.
# ITU-T H.273: what is converted by BT.709, in the limited range, is said to be so.
_BT709 = {"color_primaries": 1, "color_trc": 1, "colorspace": 1, "color_range": 1}


def encode_video(
    video: Video, *, shape: str = "wide", tags: Mapping[str, str] | None = None
) -> bytes:
    """Draws and encodes a video.

    Args:
      video: what it shows and plays.
      shape: "wide", 1920 x 1080 pixels; "square", 1080 x 1080; or "upright", 1080 x 1920.
      tags: what is written into the file about it; by default its title alone.

    Returns:
      An MP4 file, whose index comes first, so that it plays while it is loaded.

    Raises:
      UserError: there is no such shape, or PyAV has no encoder for H.264.
    """
    import av

    nearest_or_fail("such shape of videos:", shape, SHAPES)
    _check_encoder(av)
    # libavformat moves the index to the front in a second pass, which needs a file.
    with _temporary_path() as path:
        options = {"movflags": "+faststart"}
        with av.open(path, "w", format="mp4", options=options) as file:
            file.metadata.update(tags or {"title": video.heading})
            _write(av, file, video, SHAPES[shape])
        return Path(path).read_bytes()


@contextlib.contextmanager
def _temporary_path():
    """Gives the path of a file for a while; of a process that is killed, Linux removes it, too."""
    with tempfile.TemporaryFile() as file:
        path = f"/proc/self/fd/{file.fileno()}"
        if os.path.exists(path):
            yield path
            return
    with tempfile.TemporaryDirectory() as folder:
        yield os.path.join(folder, "video.mp4")


def _check_encoder(av):
    if "libx264" not in av.codecs_available:
        raise UserError(
            "a video needs PyAV with the encoder libx264, which the installed one has not; install "
            "PyAV from its wheel on PyPI"
        )


def _write(av, file, video, shape):
    pictures, sounds = _add_pictures(file, shape), _add_sound(file, video)
    rate = video.sound.sample_rate
    done = 0
    for number, picture in enumerate(draw_frames(video, shape)):
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_SECOND)
        file.mux(pictures.encode(frame))
        # Sound and pictures of one time lie side by side in the file.
        until = round((number + 1) * rate / FRAMES_PER_SECOND)
        _encode_sound(av, file, sounds, video.sound, slice(done, until))
        done = until
    for stream in (pictures, sounds):
        file.mux(stream.encode(None))


def _add_pictures(file, shape):
    stream = file.add_stream("libx264", rate=FRAMES_PER_SECOND, options=dict(_X264))
    stream.width, stream.height, stream.pix_fmt = shape.width, shape.height, "yuv420p"
    for name, value in _BT709.items():
        setattr(stream.codec_context, name, value)
    stream.codec_context.thread_count = _THREADS
    return stream


def _add_sound(file, video):
    channels = video.sound.channels.shape[1]
    layout = {1: "mono", 2: "stereo"}[channels]
    stream = file.add_stream("aac", rate=video.sound.sample_rate, layout=layout)
    stream.bit_rate = channels * _SOUND_BITS_PER_CHANNEL
    return stream


def _encode_sound(av, file, stream, sound, where):
    samples = sound.channels[where]
    if not len(samples):
        return
    planes = np.ascontiguousarray(samples.T, np.float32)
    frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=stream.layout.name)
    frame.sample_rate, frame.pts = sound.sample_rate, where.start
    frame.time_base = Fraction(1, sound.sample_rate)
    file.mux(stream.encode(frame))
