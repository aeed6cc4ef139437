"""Decodes the content of a sound file, by the library that reads its format best."""

import contextlib
import io
import re

import numpy as np
import soundfile

from dreamsound_jax.audio import chunks, flac, ogg
from dreamsound_jax.audio.media import decode_media, find_layout
from dreamsound_jax.audio.recording import (
    Decoded,
    Origin,
    Recording,
    UndecodableError,
    check_size,
    join_recordings,
)
from dreamsound_jax.audio.tags import end_of_tags
from dreamsound_jax.audio.unknown_sizes import fill_in_sizes

# How files of MP3 and AAC begin. libsndfile prints warnings of some on standard error.
_LOSSY = (b"ID3", b"\xff")
# How files begin that have no place for tags before the sound, though some programs put them there.
_UNTAGGED = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b"caff", b".snd")
_CHUNK_SAMPLES = 2**20  # A file is decoded in chunks of so many samples, of all channels together.
# soxr and the meter of loudness fail at rates of a few hertz, which are those of damaged headers.
_LOWEST_RATE = 1000

# Of files with a chunk size that is too large, libsndfile logs the size and what it should be.
_LOGGED_SIZES = re.compile(r"\b(?:data|SSND|Data Size|riff|Riff size) *: (\d+) \(should be (\d+)\)")
# Programs that write to a pipe do not know the sizes of chunks, and put the largest there is.
_UNKNOWN_SIZE = 0x7FFF0000
_UNKNOWN_FRAMES = 2**62  # The number of frames of a FLAC stream of unknown length is larger.
_MALFORMED = 3  # libsndfile's SF_ERR_MALFORMED_FILE
_FORGIVEN_SHARE = 0.01  # So much may be missing of what is announced: sizes may count padding.


class _Content(io.BytesIO):
    """The content of a file, in which damaged headers may ask for a place before its beginning."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a place; stays where it is if there is no such place."""
        try:
            return super().seek(offset, whence)
        except ValueError:  # Soundfile would print it with a traceback, and go on.
            return self.tell()


def decode(data: bytes) -> Decoded:
    """Decodes a sound or video file.

    libsndfile reads what is stored without loss, such as WAV, AIFF and FLAC, as far as it can:
    it gives each sample as it is. FFmpeg reads everything else: of an MP3, libsndfile believes a
    length that may be guessed. Files of Ogg, FLAC, WAV or AIFF that were joined are taken apart
    first, as both libraries read only the first as it is. FLAC and AU are read to their end,
    whatever their headers count.

    Raises:
      UndecodableError: nothing can be read.
    """
    decoded = _decode_any(data)
    if decoded.recording.sample_rate < _LOWEST_RATE:
        raise UndecodableError(
            f"has a sample rate of {decoded.recording.sample_rate} Hz, and must have at least "
            f"{_LOWEST_RATE}"
        )
    return decoded


def decode_sound(data: bytes) -> Recording:
    """Decodes a sound file that this program encoded itself."""
    return _decode_any(data).recording


def _decode_any(data):
    end = end_of_tags(data)
    if end and data.startswith(_UNTAGGED, end):
        data = data[end:]
    if data.startswith(b"OggS"):
        return _decode_ogg(data)
    split = flac.split_joined if data.startswith(b"fLaC") else chunks.split_joined
    return _decode_joined(split(data), _decode_one)


def _decode_one(data):
    decoded = _decode_whole(data)
    read, unread = chunks.count_sound_bytes(data)
    return decoded._replace(unread_seconds=decoded.seconds * unread / read if read else 0.0)


def _decode_whole(data):
    try:
        return _decode_lossless(data) or decode_media(data)
    except soundfile.LibsndfileError as error:
        decoded = decode_media(data)
        if error.code == _MALFORMED or not error.prefix:  # It failed while it was read.
            decoded = decoded._replace(is_whole=False)
        return decoded


def _decode_ogg(data):
    decoded = _decode_joined(
        ogg.split_chained(data), lambda link: _decode_vorbis(link) or decode_media(link)
    )
    return decoded._replace(is_whole=decoded.is_whole and ogg.has_last_page(data))


def _decode_joined(links, decode_link):
    """Decodes one file, or several that were joined; damaged ones are left out."""
    if len(links) == 1:
        return decode_link(links[0])
    decoded, failure, file_bytes = [], None, sum(map(len, links))
    for link in links:
        try:
            decoded.append(decode_link(link))
        except UndecodableError as error:
            failure = error
        count = sum(each.recording.channels.size for each in decoded)
        check_size(count, 1, file_bytes=file_bytes)
    if failure and not decoded:
        raise failure
    recording = join_recordings([each.recording for each in decoded])
    announced = sum(each.announced_seconds or each.seconds for each in decoded)
    is_whole = not failure and all(each.is_whole for each in decoded)
    unread = sum(each.unread_seconds for each in decoded)
    return Decoded(recording, decoded[0].origin, announced, is_whole, unread)


def _decode_vorbis(data):
    """Decodes Ogg Vorbis with libsndfile; returns None if FFmpeg is to read it.

    Of a short sound, whose samples are all in one page, FFmpeg gives some too few or too many.
    """
    try:
        with soundfile.SoundFile(_Content(data)) as file:
            if file.subtype != "VORBIS" or file.channels > 2:  # It leaves their order as it is.
                return None
            samples, announced = _read_all_samples(file, len(data)), file.frames
            if not len(samples) or len(samples) < announced < _UNKNOWN_FRAMES:
                return None  # FFmpeg reads on after damage.
            return Decoded(Recording(samples, file.samplerate), Origin())
    except soundfile.LibsndfileError:
        return None


def _decode_lossless(data):
    """Decodes a file with libsndfile; returns None if FFmpeg is to read it."""
    if data.startswith(_LOSSY):
        return None
    if data.startswith(b"fLaC"):
        return _decode_flac(data)
    return _decode_stored(fill_in_sizes(data))


def _decode_flac(data):
    """Decodes FLAC to its end, whatever its header counts; raises LibsndfileError if it cannot."""
    announced = flac.count_announced(data)
    try:
        decoded = _decode_stored(flac.forget_count(data))
    except soundfile.LibsndfileError:  # Something else lies behind the sound, or it is cut short.
        decoded = _decode_stored(data)
        with contextlib.suppress(UndecodableError):
            by_ffmpeg = decode_media(data)
            decoded = max(decoded, by_ffmpeg, key=lambda each: each.seconds if each else 0.0)
    return decoded and _announce(decoded, announced)


def _decode_stored(data):
    """Decodes what libsndfile reads without loss; returns None of anything else."""
    with soundfile.SoundFile(_Content(data)) as file:
        if file.format in ("OGG", "MP3") or file.subtype.startswith("MPEG"):
            return None
        samples = _read_all_samples(file, len(data))
        announced = _count_announced(file, len(samples))
        bit_depth, sample_rate = _find_bit_depth(file.subtype), file.samplerate
    if not len(samples):
        return None
    layout = find_layout(data) if samples.shape[1] > 2 else None
    decoded = Decoded(Recording(samples, sample_rate), Origin(bit_depth, layout))
    return _announce(decoded, announced)


def _announce(decoded, announced):
    """Notes how many samples a file announces, and whether it is whole."""
    samples, sample_rate = len(decoded.recording.channels), decoded.recording.sample_rate
    return decoded._replace(
        announced_seconds=max(samples, announced) / sample_rate,
        is_whole=samples >= (1 - _FORGIVEN_SHARE) * announced,
    )


def _read_all_samples(file, file_bytes):
    """Reads a file from its beginning to its end, float32 (samples, channels).

    Soundfile seeks after each read if it takes the file for seekable. libsndfile then fails at the
    end of a FLAC stream of unknown length, and at what lies behind any, such as a tag.
    """
    file.seekable = lambda: False
    chunks, count, is_over = [], 0, False
    while not is_over:
        frames = min(max(1, _CHUNK_SAMPLES // file.channels), file.frames - count)
        chunks.append(file.read(frames, dtype="float32", always_2d=True))
        count += len(chunks[-1])
        is_over = len(chunks[-1]) < frames or count >= file.frames
        check_size(count, file.channels, file_bytes=file_bytes)
    return np.concatenate(chunks)


def _count_announced(file, samples):
    """Returns how many samples a file announces; libsndfile reads fewer without an error."""
    announced = [samples, file.frames if file.frames < _UNKNOWN_FRAMES else 0]
    for sizes in _LOGGED_SIZES.findall(file.extra_info):
        claimed, actual = map(int, sizes)
        if 0 < actual < claimed < _UNKNOWN_SIZE:
            announced.append(samples * claimed // actual)
    return max(announced)


def _find_bit_depth(subtype):
    if subtype in ("FLOAT", "DOUBLE"):
        return "32f"
    return "24" if subtype.endswith(("_20", "_24", "_32")) else "16"
