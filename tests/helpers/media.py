"""Makes sound and video files of every container and codec that are read, with PyAV."""

import fractions
import io

import av
import numpy as np


def encode_media(sound, rate, container, codec, *, options=None, video=False, path=None):
    """Encodes (samples, channels) as a file; returns its bytes.

    Args:
      sound: (samples, channels), float.
      rate: in Hz.
      container, codec: FFmpeg's names.
      options: of the container.
      video: whether there are pictures, too, as long as the sound.
      path: where the container needs a file to go back in, which is left there.
    """
    file = path or io.BytesIO()
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[sound.shape[1]]
    with av.open(
        str(file) if path else file, "w", format=container, container_options=options
    ) as out:
        pictures = _add_pictures(out) if video else None
        stream = out.add_stream(codec, rate=rate, layout=layout)
        kind = stream.codec_context.codec.audio_formats[0].name
        stream.format, stream.bit_rate = kind, 128_000
        if pictures:
            _encode_pictures(out, pictures, len(sound) / rate)
        for frame in _frames(sound, rate, kind, layout, stream.codec_context):
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path.read_bytes() if path else file.getvalue()


def encode_tracks(sounds, rate, container, codec, *, usual=0):
    """Encodes several stereo sounds as the audio tracks of one file; returns its bytes.

    Args:
      sounds: (samples, 2) each; one without samples makes an empty track.
      rate, container, codec: as in `encode_media`.
      usual: the track that players play.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        streams = [out.add_stream(codec, rate=rate, layout="stereo") for _ in sounds]
        kind = streams[0].codec_context.codec.audio_formats[0].name
        for stream in streams:
            stream.format = kind
        streams[usual].disposition = av.stream.Disposition.default.value
        for stream, sound in zip(streams, sounds):
            if len(sound):
                for frame in _frames(sound, rate, kind, "stereo", stream.codec_context):
                    out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    return file.getvalue()


def _frames(sound, rate, kind, layout, context):
    given = av.AudioFrame.from_ndarray(
        sound.astype(np.float32).reshape(1, -1), format="flt", layout=layout
    )
    given.sample_rate, given.pts = rate, 0
    given.time_base = fractions.Fraction(1, rate)
    size = context.frame_size or 4096
    cut = av.AudioResampler(format=kind, layout=layout, rate=rate, frame_size=size)
    return [*cut.resample(given), *cut.resample(None)]


def _add_pictures(out):
    stream = out.add_stream("mpeg4", rate=25)
    stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
    return stream


def _encode_pictures(out, stream, seconds):
    for number in range(round(25 * seconds)):
        picture = np.full((64, 64, 3), number % 256, np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = number, fractions.Fraction(1, 25)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def tag_id3(size):
    """Returns an ID3v2 tag whose picture has so many bytes."""
    picture = b"\0image/jpeg\0\3\0" + np.random.default_rng(0).bytes(size)
    frame = b"APIC" + len(picture).to_bytes(4, "big") + b"\0\0" + picture
    length = bytes(len(frame) >> shift & 127 for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + length + frame


def tag_ape():
    """Returns an APEv2 tag with a title, as it stands behind an MP3."""
    item = (5).to_bytes(4, "little") + bytes(4) + b"Title\0" + b"hello"
    size, kinds = (len(item) + 32).to_bytes(4, "little"), (0xA0000000, 0x80000000)
    head, foot = (
        b"APETAGEX"
        + (2000).to_bytes(4, "little")
        + size
        + (1).to_bytes(4, "little")
        + kind.to_bytes(4, "little")
        + bytes(8)
        for kind in kinds
    )
    return head + item + foot
