"""Decodes sound and video files with FFmpeg's libraries, by PyAV."""

import io
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from dreamsound_jax.audio import matroska
from dreamsound_jax.audio.level import SILENT_PEAK
from dreamsound_jax.audio.recording import (
    Decoded,
    Origin,
    Recording,
    UndecodableError,
    check_size,
    join_recordings,
)
from dreamsound_jax.audio.tags import end_of_tags
from dreamsound_jax.audio.unreadable import describe_unreadable

# FFmpeg also knows formats that name other files, addresses or devices to read. None of these is
# here, and what is read beyond the given bytes is refused as well.
_FORMATS = (
    *("aac", "ac3", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "dsf", "dts", "eac3", "flac"),
    *("flv", "loas", "matroska", "mov", "mp3", "mpc", "mpc8", "mpeg", "mpegts", "ogg", "tak"),
    *("tta", "w64", "wav", "wv"),
)
_SAFE = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "none"}
# These say how long each of their streams is. Others say it roughly or not at all.
_EXACT = ("mov", "flac", "ogg", "wav", "w64", "aiff", "caf", "ape", "wv", "tta", "tak", "dsf")
# So much may be missing of an announced length: some count the delay and the padding of an encoder.
_TOLERANCE_SECONDS = 0.1
_TICK_SECONDS = 1 / 600  # Files of MPEG-4 may round the length of a stream to so much.
_MOST_PADDING = 4096  # of AAC, whose frames have up to 2048 samples
_LONGEST_MP3_FRAME = 2881  # in bytes
# FFmpeg's names of the kinds of samples, and NumPy's.
_MOST_PLANES = 8  # of which PyAV can be trusted with one less
_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}


def decode_media(data: bytes) -> Decoded:
    """Decodes the audio track of a file that players play: of a video, its sound.

    Where that one is silent or cannot be read, the loudest of the others is decoded instead.

    The encoder's delay and padding are left out where the file says how long they are. Files of MP3
    that were joined are read to their end; if their sample rates or channels differ, they become
    those of the first.

    Raises:
      UndecodableError: nothing can be read.
    """
    import av

    try:
        with _open(data) as container:
            best, tracks = container.streams.best("audio"), len(container.streams.audio)
            usual = container.streams.audio.index(best) if best else None
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise UndecodableError(describe_unreadable(data)) from error
    if usual is None:
        raise UndecodableError("has no sound")
    return _choose_track(data, usual, tracks) if tracks > 1 else _decode_track(data, usual)


def _choose_track(data, usual, tracks):
    """Decodes the usual track or, if it is silent or cannot be read, the loudest."""
    chosen, failure = None, None
    for track in (usual, *(each for each in range(tracks) if each != usual)):
        try:
            found = _decode_track(data, track)
        except UndecodableError as error:
            failure = failure or error
            continue
        found = found._replace(track=track + 1, tracks=tracks, is_loudest=track != usual)
        if chosen is None or _measure_peak(found) > _measure_peak(chosen):
            chosen = found
        if track == usual and _measure_peak(found) >= SILENT_PEAK:
            break
    if chosen is None:
        raise failure
    return chosen


def _measure_peak(decoded):
    return np.abs(decoded.recording.channels).max(initial=0)


def _decode_track(data, track):
    import av

    try:
        with _open(data) as container:
            return _decode_stream(container, container.streams.audio[track], data)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise UndecodableError(describe_unreadable(data)) from error


def find_layout(data: bytes) -> str | None:
    """Returns FFmpeg's name of the layout of a file's channels; None if the file does not say it.

    Example:
      >>> find_layout(b"no sound") is None
      True
    """
    import av

    try:
        with _open(data) as container:
            return _name_layout(container.streams.best("audio").codec_context.layout)
    except (av.error.FFmpegError, ValueError, AttributeError):
        return None


def _open(data):
    import av

    # PyAV 18 refuses a file for a tag that is no UTF-8, unless it is told; PyAV 19 need not be.
    old = int(av.__version__.split(".")[0]) < 19
    tags = {"metadata_errors": "replace"} if old else {}
    return av.open(io.BytesIO(data), container_options=_SAFE, io_open=_refuse, **tags)


def _refuse(url: str, flags: int, options: dict) -> None:
    raise PermissionError("a sound file must not read other files")


def _decode_stream(container, stream, data):
    reader, pieces, samples = _FrameReader(container, stream, data), [], 0
    for frame in reader.read():
        channels = frame.layout.nb_channels
        samples += frame.samples * channels
        check_size(samples // channels, channels, file_bytes=len(data))
        pieces.append(Recording(_to_float(frame), frame.sample_rate))
    if not pieces:
        raise UndecodableError("has no samples that can be read")
    kind, recording = container.format.name.split(",")[0], join_recordings(pieces)
    announced = _announced_seconds(kind, container, stream, reader, data)
    if kind == "mov" and announced:
        recording = _remove_padding(recording, announced)
    decoded = Decoded(recording, _find_origin(stream, reader.first), announced)
    # The announced length of a Matroska file is that of its longest stream.
    reached = reader.reached if kind == "matroska" else decoded.seconds
    if announced is None:
        is_short = kind == "matroska" and matroska.ends_early(data)
    else:
        is_short = reached < announced - _TOLERANCE_SECONDS
    return decoded._replace(is_whole=not is_short and not reader.failed)


class _FrameReader:
    """Reads the frames of one stream of a file, up to its end or to where it can be read.

    Attributes:
      first: the first frame.
      place: where the first packet lies in the file.
      reached: where the last packet of any stream ends, in seconds.
      failed: whether a packet could not be decoded.
    """

    def __init__(self, container: Any, stream: Any, data: bytes):
        self._container, self._stream, self._data = container, stream, data
        self._end_of_tags, self._may_be_damaged = 0, False
        self.first, self.place, self.reached, self.failed = None, 0, 0.0, False

    def read(self) -> Iterator[Any]:
        """Yields the frames."""
        import av

        try:
            for packet in self._container.demux():
                self._note(packet)
                if packet.stream_index == self._stream.index:
                    yield from self._decode(packet)
        except av.error.FFmpegError:
            self.failed = True

    def _note(self, packet):
        if packet.pts is not None and packet.time_base:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            self.reached = max(self.reached, end)

    def _decode(self, packet):
        import av

        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            self._note_failure(packet)
            return
        for frame in frames:
            if self.first is None:
                self.first, self.place = frame, packet.pos or 0
            self.failed = self.failed or (self._may_be_damaged and packet.size > 0)
            yield frame

    def _note_failure(self, packet):
        """Tells damage from what may lie before, between and behind the frames of an MP3."""
        place = packet.pos or 0
        self._end_of_tags = max(self._end_of_tags, end_of_tags(self._data, place))
        if self._container.format.name != "mp3":
            self.failed = True
        elif place >= self._end_of_tags:
            self.failed = self.failed or bytes(packet)[:1] == b"\xff"
            # Other bytes are damage if a frame stands on either side of them.
            self._may_be_damaged = self._may_be_damaged or self.first is not None


def _announced_seconds(kind, container, stream, reader, data):
    """Returns how long a file says that it is; None if it does not, or only roughly."""
    if kind == "mp3":
        return _announced_by_mp3(data, reader.place, reader.first.sample_rate)
    if kind == "matroska":
        return container.duration and container.duration / 1e6
    if kind in _EXACT and stream.duration:
        return float(stream.duration * stream.time_base)
    return None


def _announced_by_mp3(data, place, sample_rate):
    """Returns the seconds that a Xing header, before the first frame, announces; None without."""
    header = data[max(0, place - _LONGEST_MP3_FRAME) : place]
    at = max(header.rfind(b"Xing"), header.rfind(b"Info"))
    if at < 0 or not header[at + 7 : at + 8] or not header[at + 7] & 1:
        return None
    frames = int.from_bytes(header[at + 8 : at + 12], "big")
    # LAME adds the samples of its delay and its padding, with 12 bits each.
    gap = int.from_bytes(header[at + 141 : at + 144], "big")
    samples = frames * (1152 if sample_rate >= 32000 else 576) - (gap >> 12) - (gap & 0xFFF)
    return samples / sample_rate


def _remove_padding(recording, announced):
    """Leaves out the padding at the end of a sound that a file of MPEG-4 announces without it."""
    samples = math.ceil((announced + _TICK_SECONDS) * recording.sample_rate)
    if 0 < len(recording.channels) - samples < _MOST_PADDING:
        return recording._replace(channels=recording.channels[:samples])
    return recording


def _find_origin(stream, frame):
    bit_depth, kind = "16", frame.format.name.rstrip("p")
    if kind in ("s32", "s64"):
        bit_depth = "24"
    elif kind in ("flt", "dbl") and stream.codec_context.codec.name.startswith(("pcm_f", "wavp")):
        bit_depth = "32f"
    return Origin(bit_depth, _name_layout(frame.layout))


def _name_layout(layout):
    """Returns the name of a layout, such as "5.1" or "FL+FC+LFE"; None if it has none."""
    if layout.nb_channels <= 2:
        return None
    # FFmpeg describes a layout that it has no word for as "3 channels (FL+FC+LFE)".
    described = re.fullmatch(r"\d+ channels(?: \((.*)\))?", layout.name)
    return described[1] if described else layout.name


def _interleave(frame):
    """Returns a frame with all its channels in one plane.

    PyAV takes what lies behind the planes of eight channels for planes, too: version 18 makes the
    process crash, and 19 refuses them.
    """
    import av

    resampler = av.AudioResampler(format=frame.format.packed, layout=frame.layout)
    (interleaved,) = resampler.resample(frame)
    return interleaved


def _to_float(frame):
    """Returns the samples of a frame: float32 (samples, channels)."""
    channels, kind = frame.layout.nb_channels, frame.format.name.rstrip("p")
    if frame.format.is_planar and channels >= _MOST_PLANES:
        frame = _interleave(frame)
    count = frame.samples * channels // len(frame.planes)
    array = np.stack([np.frombuffer(plane, _DTYPES[kind], count) for plane in frame.planes])
    samples = array.T if frame.format.is_planar else array.reshape(frame.samples, -1)
    if kind == "u8":
        return (samples.astype(np.float32) - 128) / 128
    if samples.dtype.kind == "i":
        return (samples / 2.0 ** (8 * samples.itemsize - 1)).astype(np.float32)
    return samples.astype(np.float32)
