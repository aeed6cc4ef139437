"""Files that FFmpeg reads: whole, joined, tagged, cut short, and made to do harm."""

import io
import logging
import sys

import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio import media, recording
from dreamsound_jax.audio.decoding import decode
from dreamsound_jax.audio.files import read_original, read_recording, read_sound
from dreamsound_jax.audio.recording import UndecodableError
from dreamsound_jax.system.errors import UserError
from tests.helpers.media import encode_media, encode_tracks, tag_ape, tag_id3

RATE = 44100
NOISE = 0.002 * np.random.default_rng(0).normal(size=(2 * RATE, 2))
SOUND = NOISE + 0.3 * np.sin(np.cumsum(np.linspace(0.02, 0.2, 2 * RATE)))[:, None] * [1, 0.5]
NO_HEADER = {"write_xing": "0", "id3v2_version": "0"}


def vorbis(sound=SOUND, rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, sound, rate, format="OGG", subtype="VORBIS")
    return file.getvalue()


def mp3(sound=SOUND, rate=RATE, **options):
    return encode_media(sound, rate, "mp3", "libmp3lame", options=options)


def is_like(found, wanted, delay=0):
    """Whether a decoded sound is another one, from so many samples later on."""
    found, wanted = found[max(0, delay) :], wanted[max(0, -delay) :]
    count = min(len(found), len(wanted))
    return np.std(found[:count] - wanted[:count]) < 0.1 * np.std(wanted)


# Container, codec, sample rate, and the samples of delay and of padding that the file does not
# announce. MPEG-4 announces its length to 1/600 s. Matroska's delay is known to FFmpeg from 8.1 on,
# and its encoder of WMA leaves out the first frame.
KINDS = {
    "m4a": ("ipod", "aac", RATE, 0, 75),
    "m4a lossless": ("ipod", "alac", RATE, 0, 0),
    "mp4 with video": ("mp4", "aac", RATE, 0, 75),
    "mov with video": ("mov", "aac", RATE, 0, 75),
    "mkv with video": ("matroska", "aac", RATE, None, 2048),
    "flac in mkv": ("matroska", "flac", RATE, 0, 0),
    "webm": ("webm", "libopus", 48000, 0, 0),
    "opus": ("ogg", "libopus", 48000, 0, 0),
    "flac in ogg": ("ogg", "flac", RATE, 0, 0),
    "aac": ("adts", "aac", RATE, 1024, 1024),
    "wma": ("asf", "wmav2", RATE, -2048, 0),
    "mp3": ("mp3", "libmp3lame", RATE, 0, 0),
    "mp2": ("mp2", "mp2", RATE, 481, 1152),
    "ac3": ("ac3", "ac3", RATE, 256, 1536),
    "mp3 in wav": ("wav", "libmp3lame", RATE, 1105, 2304),
    "avi with video": ("avi", "libmp3lame", RATE, 1105, 2304),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_read_whole_without_delay_and_padding(kind):
    container, codec, rate, delay, padding = KINDS[kind]
    sound = SOUND[:, :2]
    data = encode_media(sound, rate, container, codec, video="video" in kind)
    decoded = decode(data)
    found = decoded.recording
    assert decoded.is_whole and found.sample_rate == rate and found.channels.dtype == np.float32
    assert found.channels.shape[1] == 2 and np.abs(found.channels).max() < 1
    extra = len(found.channels) - len(sound)
    assert min(0, delay or 0) <= extra <= max(0, delay or 0) + padding
    delays = (0, 1024) if delay is None else (delay,)
    assert any(is_like(found.channels, sound, each) for each in delays)


def test_the_length_of_an_mp3_needs_no_header():
    quiet = np.concatenate([0.001 * SOUND, SOUND])
    data = mp3(quiet, **NO_HEADER)
    found = decode(data)
    assert found.is_whole and 0 <= len(found.recording.channels) - len(quiet) < 3500
    assert is_like(found.recording.channels, quiet, delay=1105)


def test_joined_files_are_read_to_their_end():
    headed, plain, other = mp3(), mp3(**NO_HEADER), vorbis(SOUND[:22050, :1], 22050)
    for data in (headed * 2, plain * 3, headed + tag_id3(5000) + plain):
        found = decode(data)
        copies = round(len(found.recording.channels) / len(SOUND))
        assert found.is_whole and copies == (3 if data == plain * 3 else 2)
    twice = decode(vorbis() * 2).recording.channels
    assert len(twice) == 2 * len(SOUND)
    np.testing.assert_array_equal(twice[: len(SOUND)], twice[len(SOUND) :])
    opus = encode_media(SOUND, 48000, "ogg", "libopus")
    assert len(decode(opus * 3).recording.channels) == 3 * len(SOUND)
    # What follows has the sample rate and the channels of the first.
    mixed = decode(vorbis() + other).recording
    assert (mixed.sample_rate, mixed.channels.shape) == (RATE, (len(SOUND) + RATE, 2))
    heard = np.interp(np.arange(RATE) / 2, np.arange(22050), SOUND[:22050, 0])
    assert np.corrcoef(mixed.channels[len(SOUND) :, 1], heard)[0, 1] > 0.98


def test_tags_before_and_behind_are_no_sound():
    whole, plain = decode(mp3()).recording, decode(mp3(**NO_HEADER)).recording
    behind = b"TAG" + b"a" * 125
    for data, wanted in [
        (tag_id3(300_000) + mp3(**NO_HEADER), plain),
        (tag_id3(10) + tag_id3(70_000) + mp3(), whole),
        (mp3() + behind, whole),
        (mp3() + tag_ape() + behind, whole),
        (mp3(**NO_HEADER) + tag_ape(), plain),
        (bytes(5000) + mp3(**NO_HEADER), plain),
    ]:
        found = decode(data)
        assert found.is_whole
        np.testing.assert_array_equal(found.recording.channels, wanted.channels)


@pytest.mark.parametrize("options", [{}, NO_HEADER], ids=["header", "no header"])
@pytest.mark.parametrize("damage", [bytes(3000), np.random.default_rng(2).bytes(300)])
def test_a_hole_in_an_mp3_is_no_tag(damage, options, tmp_path, caplog):
    data = bytearray(mp3(SOUND, **options))
    data[len(data) // 2 : len(data) // 2 + len(damage)] = damage
    (tmp_path / "a.mp3").write_bytes(data)
    found = read_recording(str(tmp_path / "a.mp3")).channels
    lost = len(decode(mp3(SOUND, **options)).recording.channels) - len(found)
    assert 0 <= lost <= 1152 * (len(damage) // 400 + 4)
    (message,) = caplog.messages
    assert "a.mp3' is cut short or damaged: " in message


def test_what_cannot_be_decoded_behind_an_mp3_is_no_damage():
    """Zeros and the text of a tag behind the last frame, whose packets FFmpeg cannot decode."""
    plain = decode(mp3(**NO_HEADER)).recording
    for behind in (bytes(3000), b"TAG" + b"a" * 125 + bytes(3000), b"LYRICSBEGIN" + b"la" * 500):
        found = decode(mp3(**NO_HEADER) + behind)
        assert found.is_whole
        np.testing.assert_array_equal(found.recording.channels, plain.channels)


def test_the_kind_of_a_file_is_known_by_its_content(tmp_path):
    for name in ("a.wav", "b.mp3", "c"):
        (tmp_path / name).write_bytes(encode_media(SOUND, RATE, "ipod", "alac"))
        assert len(read_recording(str(tmp_path / name)).channels) == len(SOUND)


@pytest.mark.parametrize("kept", [0.3, 0.9])
@pytest.mark.parametrize("kind", ["mp4", "mkv", "webm", "mp3", "aac", "opus", "joined ogg", "wma"])
def test_of_a_cut_file_what_is_there_is_read_and_a_line_says_so(kind, kept, tmp_path, caplog):
    made = {
        "mp4": lambda: encode_media(
            *(SOUND, RATE, "mp4", "aac"),
            options={"movflags": "faststart"},
            video=True,
            path=tmp_path / "whole.mp4",
        ),
        "mkv": lambda: encode_media(SOUND, RATE, "matroska", "aac", video=True),
        "webm": lambda: encode_media(SOUND, 48000, "webm", "libopus"),
        "mp3": mp3,
        "aac": lambda: encode_media(SOUND, RATE, "adts", "aac"),
        "opus": lambda: encode_media(np.tile(SOUND, (4, 1)), 48000, "ogg", "libopus"),
        "joined ogg": lambda: vorbis() * 4,
        "wma": lambda: encode_media(SOUND, RATE, "asf", "wmav2"),
    }
    data = made[kind]()
    (tmp_path / "cut").write_bytes(data[: int(kept * len(data))])
    whole, cut = decode(data).recording, read_recording(str(tmp_path / "cut"))
    share = len(cut.channels) / len(whole.channels)
    assert kept - 0.2 < share < kept + 0.1
    np.testing.assert_allclose(
        cut.channels[:-4096], whole.channels[: len(cut.channels) - 4096], atol=1e-4
    )
    (message,) = caplog.messages
    assert "cut' is cut short or damaged: " in message
    assert f"{len(cut.channels) / cut.sample_rate:.2f} s" in message
    announced = f"of {len(whole.channels) / whole.sample_rate:.1f}"
    assert (announced in message) == (kind in ("mp4", "mkv", "webm", "mp3"))


def test_of_a_damaged_file_the_rest_is_read(tmp_path, caplog):
    file = io.BytesIO()
    soundfile.write(file, SOUND, RATE, format="FLAC")
    for name, data in (
        ("a.flac", file.getvalue()),
        ("b.m4a", encode_media(SOUND, RATE, "ipod", "aac")),
    ):
        data = bytearray(data)
        data[len(data) // 2 : len(data) // 2 + 500] = np.random.default_rng(1).bytes(500)
        (tmp_path / name).write_bytes(data)
        caplog.clear()
        found = read_recording(str(tmp_path / name)).channels
        assert 0.8 * len(SOUND) < len(found) <= len(SOUND)
        assert is_like(found[: RATE // 2], SOUND)
        assert f"{name}' is cut short or damaged" in caplog.text


def test_of_a_stream_that_says_no_length_the_cut_is_seen(tmp_path, caplog):
    stream = encode_media(SOUND, 48000, "webm", "libopus", options={"live": "1"})
    path = tmp_path / "a.webm"
    path.write_bytes(stream)
    whole = read_recording(str(path)).channels
    assert len(whole) == len(SOUND) and not caplog.messages
    path.write_bytes(stream[: len(stream) // 2])
    cut = read_recording(str(path)).channels
    np.testing.assert_array_equal(cut, whole[: len(cut)])
    (message,) = caplog.messages
    assert f"is cut short or damaged: the {len(cut) / 48000:.2f} s that can be read" in message


def refusal(path, data):
    path.write_bytes(data)
    with pytest.raises(UserError) as refused:
        read_recording(str(path))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_what_has_nothing_to_read_is_refused_in_one_line(tmp_path):
    movie = encode_media(SOUND, RATE, "ipod", "aac")
    path = tmp_path / "a"
    assert "nothing of it can be read" in refusal(path, movie[: len(movie) // 2])
    assert "nothing of it can be read" in refusal(path, tag_id3(100_000)[:50_000])
    opus = encode_media(SOUND[:RATE], 48000, "ogg", "libopus")
    assert "is cut short or damaged" in refusal(path, opus[:4000])  # within its first page
    silent = io.BytesIO()
    import av

    with av.open(silent, "w", format="matroska") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    assert "has no sound" in refusal(path, silent.getvalue())


PLAYLISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{path}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{path}'\n",
    "ffconcat address": "ffconcat version 1.0\nfile 'file://{path}'\n",
    "dash": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period>"
    "<AdaptationSet mimeType='audio/mp4'><Representation id='1'><BaseURL>{path}</BaseURL>"
    "</Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=audio 5004 RTP/AVP 96\na=rtpmap:96 opus/48000/2\n",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_no_other_file_is_opened(kind, tmp_path, monkeypatch):
    soundfile.write(tmp_path / "secret.wav", SOUND, RATE)
    text = PLAYLISTS[kind].format(path=tmp_path / "secret.wav")
    said = "an XML or HTML text" if kind == "dash" else "is a text, and must be a sound"
    assert said in refusal(tmp_path / "list.mp3", text.encode())
    # And if FFmpeg took such a format after all, it could not open what is named.
    protocols = {"protocol_whitelist": "none", "safe": "0"}
    monkeypatch.setattr(media, "_SAFE", protocols)
    with pytest.raises(UndecodableError):
        media.decode_media(text.encode())


def test_what_grows_without_end_is_refused(tmp_path, monkeypatch):
    """FLAC holds 65,535 samples of silence in some 20 bytes."""
    many = np.zeros((600_000, 2))
    monkeypatch.setattr(recording, "_MANY_SAMPLES", 10**6)
    monkeypatch.setattr(recording, "MOST_SAMPLES", 10**6)
    silence = io.BytesIO()
    soundfile.write(silence, many, RATE, format="FLAC")
    for data in (silence.getvalue(), mp3(many), vorbis(many)):
        assert "is too long: it has more than 500000 samples" in refusal(tmp_path / "a", data)
    monkeypatch.setattr(recording, "MOST_SAMPLES", 10**9)
    assert "is too long" in refusal(tmp_path / "a", silence.getvalue())
    assert len(decode(mp3(many)).recording.channels) == len(many)


def test_bit_depth_and_layout_are_known(tmp_path):
    six = np.tile(SOUND[:RATE], (1, 3))
    for container, codec, bit_depth in [
        ("wav", "pcm_s24le", "24"),
        ("wav", "pcm_f32le", "32f"),
        ("flac", "flac", "16"),
        ("ipod", "aac", "16"),
    ]:
        (tmp_path / "a").write_bytes(encode_media(six, RATE, container, codec))
        found, origin = read_original(str(tmp_path / "a"))
        assert origin == (bit_depth, "5.1") and found.channels.shape[1] == 6
    (tmp_path / "a").write_bytes(encode_media(SOUND, RATE, "ipod", "alac"))
    assert read_original(str(tmp_path / "a"))[1] == ("24", None)


def test_reading_says_nothing_on_standard_error(capfd):
    logging.getLogger("libav").setLevel(logging.DEBUG)
    decode(mp3()[:20_000] + b"x" * 5000)
    assert capfd.readouterr().err == ""


def test_an_aiff_file_that_is_cut_in_its_header_prints_no_traceback(monkeypatch):
    printed, file = [], io.BytesIO()
    monkeypatch.setattr(sys, "unraisablehook", printed.append)
    soundfile.write(file, SOUND, RATE, format="AIFF")
    with pytest.raises(recording.UndecodableError):
        decode(file.getvalue()[:40])
    assert printed == []


@pytest.mark.parametrize(("container", "codec"), [("ipod", "aac"), ("ogg", "libopus")])
def test_eight_channels_are_read_in_their_order(tmp_path, container, codec):
    """PyAV's own way to read them makes the process crash."""
    levels = np.linspace(0.05, 0.3, 8)
    phases = 2 * np.pi * 300 / 48000 * np.outer(np.arange(24000), np.arange(1, 9))
    tones = levels * np.sqrt(2) * np.sin(phases)
    path = tmp_path / "surround"
    path.write_bytes(encode_media(tones, 48000, container, codec))
    channels = read_recording(str(path)).channels
    kept = [0, 1, 2, 4, 5, 6, 7]  # The other is for low frequencies alone.
    assert channels.shape[1] == 8
    assert channels.std(0)[kept] == pytest.approx(levels[kept], rel=0.25)


TRACKS = {  # the levels of the tracks, which one players play, which one is used, and the words
    "the first": ((0.5, 1), 0, 1, "which players play"),
    "the usual": ((1, 0.5), 1, 2, "which players play"),
    "not silent": ((0, 0.2, 0.5), 0, 3, "the loudest, as the usual one is silent"),
    "not empty": ((None, 0.5), 0, 2, "the loudest, as the usual one is silent"),
}


@pytest.mark.parametrize(("container", "codec"), [("matroska", "pcm_s16le"), ("mp4", "aac")])
@pytest.mark.parametrize("kind", TRACKS)
def test_of_several_tracks_one_that_is_not_silent_is_used(tmp_path, caplog, kind, container, codec):
    levels, usual, used, words = TRACKS[kind]
    sounds = [SOUND[:0] if level is None else level * SOUND for level in levels]
    path = tmp_path / "two.video"
    path.write_bytes(encode_tracks(sounds, RATE, container, codec, usual=usual))
    found = read_recording(str(path)).channels
    assert np.std(found) == pytest.approx(np.std(sounds[used - 1]), rel=0.02)
    if None in levels and container == "mp4":  # It has no empty tracks.
        assert not caplog.messages
        return
    (line,) = caplog.messages
    assert f"two.video' has {len(levels)} audio tracks: track {used} is used, {words};" in line


def test_a_file_whose_tracks_are_all_silent_is_silent(tmp_path):
    path = tmp_path / "two.mkv"
    path.write_bytes(encode_tracks([0 * SOUND, 0 * SOUND], RATE, "matroska", "pcm_s16le"))
    with pytest.raises(UserError, match=r"two\.mkv' is silent: its peak"):
        read_sound(str(path), sample_rate=RATE)
