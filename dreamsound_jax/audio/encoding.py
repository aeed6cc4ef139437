"""Encodes sounds as files of every format that is written, with their tags."""

import io
import struct
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio.formats import Encoding
from dreamsound_jax.audio.loudness import check_finite

_PIECE = 2**14  # A sound is encoded in pieces of so many samples.
# Longer pieces make libsndfile's encoder of Vorbis overflow its stack.
_VORBIS_PIECE = 4096
_VORBIS_LEVEL = 0.2  # From 0, the best, to 1: about 280 kb/s for a stereo recording of drums.


class _Codec(NamedTuple):
    """An encoder of FFmpeg: its name, what it takes samples as, and its options."""

    name: str
    samples: str
    options: Mapping[str, str] = {}


# By format and bit depth. The quality of an MP3 is that of LAME's -V0, the best variable bit rate.
_CODECS = {
    ("wav", "16"): _Codec("pcm_s16le", "s16"),
    ("wav", "24"): _Codec("pcm_s24le", "s32"),
    ("wav", "32f"): _Codec("pcm_f32le", "flt"),
    ("flac", "16"): _Codec("flac", "s16"),
    ("flac", "24"): _Codec("flac", "s32"),
    ("mp3", None): _Codec("libmp3lame", "fltp", {"flags": "+qscale", "global_quality": "0"}),
}


def encode_sound(
    sound: np.ndarray,
    *,
    sample_rate: int,
    encoding: Encoding,
    bit_depth: str | None = None,
    is_loop: bool = False,
) -> bytes:
    """Encodes a sound as a file.

    Args:
      sound: (samples,) or (samples, channels). Integers clip it to [-1, 1].
      sample_rate: in Hz.
      encoding: how it is written.
      bit_depth: "16", "24" or "32f"; by default what `encoding` chooses.
      is_loop: whether samplers are to repeat it; only a WAV file can say so.

    Raises:
      ValueError: a sample is NaN or infinite.
    """
    check_finite(sound)
    sound = np.asarray(sound)
    channels = sound if sound.ndim == 2 else sound[:, None]
    if encoding.format == "ogg":
        return _encode_vorbis(channels, sample_rate, encoding.tags)
    codec = _CODECS[encoding.format, bit_depth or encoding.choose_bit_depth()]
    content = _encode_by_ffmpeg(channels, sample_rate, encoding, codec)
    if is_loop and encoding.format == "wav":
        return _mark_loop(content, len(channels), sample_rate)
    return content


def quantise(sound: np.ndarray, bit_depth: str) -> np.ndarray:
    """Rounds samples to a bit depth, and clips them: int16, int32 with 24 bits, or float32.

    Example:
      >>> quantise(np.array([0.5, -2.0]), "16").tolist()
      [16384, -32768]
    """
    if bit_depth == "32f":
        return np.asarray(sound, np.float32)
    full = 2.0 ** (int(bit_depth) - 1)
    steps = np.round(np.asarray(sound, np.float64) * full).clip(-full, full - 1)
    # FFmpeg takes the 24 bits at the top of 32.
    return steps.astype(np.int16) if bit_depth == "16" else steps.astype(np.int32) << 8


def _encode_by_ffmpeg(channels, sample_rate, encoding, codec):
    """Encodes a sound with PyAV, which keeps the layout of channels."""
    import av

    layout, file = _name_layout(channels.shape[1], encoding.layout), io.BytesIO()
    with av.open(file, "w", format=encoding.format) as container:
        container.metadata.update(encoding.tags)
        options = dict(codec.options)
        stream = container.add_stream(codec.name, rate=sample_rate, layout=layout, options=options)
        stream.format = codec.samples
        container.start_encoding()
        size = stream.codec_context.frame_size or _PIECE
        for start in range(0, len(channels), size):
            samples = _arrange(channels[start : start + size], codec.samples)
            frame = av.AudioFrame.from_ndarray(samples, format=codec.samples, layout=layout)
            frame.sample_rate, frame.pts = sample_rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _mark_loop(wav, samples, sample_rate):
    """Adds the chunk by which a WAV file tells samplers to repeat it from end to beginning."""
    period_ns, middle_c, loops = round(1e9 / sample_rate), 60, 1
    header = struct.pack("<9I", 0, 0, period_ns, middle_c, 0, 0, 0, loops, 0)
    # Its number, forwards, the first and the last sample, no fraction, without end.
    loop = struct.pack("<6I", 0, 0, 0, samples - 1, 0, 0)
    chunk = b"smpl" + struct.pack("<I", len(header + loop)) + header + loop
    size = len(wav) + len(chunk) - 8
    return wav[:4] + struct.pack("<I", min(size, 0xFFFFFFFF)) + wav[8:] + chunk


def _arrange(channels, kind):
    """Returns samples as FFmpeg takes them: one row for all channels, or one for each."""
    if kind == "fltp":
        return np.ascontiguousarray(channels.T, np.float32)
    bit_depth = {"s16": "16", "s32": "24", "flt": "32f"}[kind]
    return quantise(channels, bit_depth).reshape(1, -1)


def _name_layout(channels, layout):
    if channels <= 2:
        return ("mono", "stereo")[channels - 1]
    return layout or f"{channels} channels"


def _encode_vorbis(channels, sample_rate, tags):
    """Encodes Ogg Vorbis with libsndfile: PyAV has no good encoder of Vorbis."""
    import soundfile

    file = io.BytesIO()
    kind = {"format": "OGG", "subtype": "VORBIS", "compression_level": _VORBIS_LEVEL}
    with soundfile.SoundFile(file, "w", sample_rate, channels.shape[1], **kind) as writer:
        for name, text in tags.items():
            setattr(writer, name, text)
        for start in range(0, len(channels), _VORBIS_PIECE):
            writer.write(channels[start : start + _VORBIS_PIECE])
    return file.getvalue()
