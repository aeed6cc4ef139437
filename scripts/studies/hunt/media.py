"""Sounds in the containers and codecs that FFmpeg alone reads, made by PyAV."""

import io

import numpy as np

CONTAINERS = {
    "m4a": ("ipod", "aac"),
    "mp4": ("mp4", "aac"),
    "opus": ("ogg", "libopus"),
    "webm": ("webm", "libopus"),
    "mkv": ("matroska", "aac"),
    "wma": ("asf", "wmav2"),
}
"""{kind of file: FFmpeg's names of the container and the codec}."""

_RATE = 48000
_DEFAULT_SIZE = 1024


def encode_media(sound: np.ndarray, container: str, codec: str) -> bytes:
    """Encodes a sound (samples, 2) at 48 kHz as a file; returns its bytes."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=_RATE, layout="stereo")
        kind = stream.codec_context.codec.audio_formats[0].name
        stream.format, stream.bit_rate = kind, 96_000
        out.start_encoding()
        size = stream.codec_context.frame_size or _DEFAULT_SIZE
        for start in range(0, len(sound), size):
            out.mux(stream.encode(_frame(av, sound[start : start + size], kind, start)))
        out.mux(stream.encode(None))
    return file.getvalue()


def _frame(av, samples, kind, start):
    """Returns a frame in which channels lie in rows, or one after the other in each sample."""
    is_planar = kind.endswith("p")
    arranged = samples.T if is_planar else samples.reshape(1, -1)
    if kind.startswith("s16"):
        arranged = (32767 * arranged).astype(np.int16)
    dtype = np.int16 if kind.startswith("s16") else np.float32
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(arranged, dtype), format=kind, layout="stereo"
    )
    frame.sample_rate, frame.pts = _RATE, start
    return frame
