"""Inputs are found by name, in folders and by patterns, and read."""

import io
import os

import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio import decoding, files, find
from dreamsound_jax.system.errors import UserError
from tests.helpers.media import tag_ape, tag_id3
from tests.helpers.sounds import RATE, pitch, tone


def encoded(sound, rate=RATE, **kind):
    file = io.BytesIO()
    soundfile.write(file, sound, rate, **({"format": "WAV"} | kind))
    return file.getvalue()


@pytest.fixture
def stored(tmp_path):
    def store(name, data):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return str(path)

    return store


def complaint(path):
    with pytest.raises(UserError) as caught:
        files.read_sound(path, sample_rate=RATE)
    message = str(caught.value)
    assert "\n" not in message and os.path.basename(path) in message
    return message


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_read_keeps_pitch_and_length_at_any_rate(stored, rate):
    sound = files.read_sound(stored("a.wav", encoded(tone(rate), rate)), sample_rate=RATE)
    assert sound.dtype == np.float32 and abs(sound.size - RATE) <= 1
    assert abs(pitch(sound) - 440) <= 1.5
    assert np.abs(sound).max() == 1


@pytest.mark.parametrize(
    "kind",
    [
        {"format": "FLAC"},
        {"format": "OGG", "subtype": "VORBIS"},
        {"format": "MP3"},
        {"format": "AIFF"},
        {"format": "AU"},
        {"format": "CAF"},
        {"format": "WAV", "subtype": "PCM_24"},
        {"format": "WAV", "subtype": "FLOAT"},
    ],
    ids=lambda kind: "-".join(kind.values()),
)
def test_read_knows_formats_by_content(stored, kind):
    sound = files.read_sound(stored("no_suffix", encoded(tone(), **kind)), sample_rate=RATE)
    assert abs(sound.size - RATE) < 2500 and abs(pitch(sound) - 440) <= 2


def test_read_averages_channels(stored):
    left, right = tone(), tone(frequency=1000)
    path = stored("stereo.wav", encoded(np.stack([left, right], 1), subtype="FLOAT"))
    mono = (left + right) / np.abs(left + right).max()
    np.testing.assert_allclose(files.read_sound(path, sample_rate=RATE), mono, atol=1e-5)


def test_a_recording_keeps_its_channels_and_sample_rate(stored):
    stereo = np.float32(np.stack([tone(44100), 3 * tone(44100, frequency=1000)], 1))
    path = stored("stereo.wav", encoded(stereo, 44100, subtype="FLOAT"))
    recording = files.read_recording(path)
    assert recording.sample_rate == 44100 and recording.channels.dtype == np.float32
    np.testing.assert_array_equal(recording.channels, stereo)
    mono = files.to_mono(recording, sample_rate=RATE)
    expected = (tone() + 3 * tone(frequency=1000)) / 2
    np.testing.assert_allclose(mono[200:-200], expected[200:-200], atol=1e-3)
    heard = files.normalise_recording(path, recording, sample_rate=RATE)
    np.testing.assert_array_equal(heard, files.read_sound(path, sample_rate=RATE))
    mono = files.read_recording(stored("mono.wav", encoded(tone())))
    assert mono.channels.shape == (RATE, 1)


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_read_joins_chunks_seamlessly(stored, monkeypatch, kind):
    path = stored("a", encoded(np.stack([tone(), -0.5 * tone()], 1), format=kind))
    whole = files.read_recording(path).channels
    monkeypatch.setattr(decoding, "_CHUNK_SAMPLES", 5000)
    np.testing.assert_array_equal(files.read_recording(path).channels, whole)


def test_read_takes_streams_of_unknown_length(stored):
    wav, flac = bytearray(encoded(tone())), bytearray(encoded(tone(), format="FLAC"))
    wav[4:8] = wav[40:44] = b"\xff" * 4  # as ffmpeg writes to a pipe
    flac[21] &= 0xF0  # total samples: 0, unknown
    flac[22:26] = bytes(4)
    for name, data in (("a.wav", wav), ("a.flac", flac)):
        assert files.read_sound(stored(name, bytes(data)), sample_rate=RATE).size == RATE


UNKNOWN_SIZES = {  # where a size stands in a file, and what stands there if it is unknown
    "AU": (b".snd", 8, bytes(4)),
    "RF64": (b"ds64", 8, bytes(24)),
    "CAF": (b"data", 4, b"\xff" * 8),
    "AIFF": (b"SSND", 4, bytes(4)),
}


@pytest.mark.parametrize("kind", UNKNOWN_SIZES)
def test_a_size_that_is_unknown_is_that_of_the_rest(stored, caplog, kind):
    stereo = np.stack([tone(), -0.5 * tone()], 1)
    data = bytearray(encoded(stereo, format=kind))
    whole = files.read_recording(stored("whole", bytes(data))).channels
    name, behind, unknown = UNKNOWN_SIZES[kind]
    at = data.index(name) + behind
    data[at : at + len(unknown)] = unknown
    found = files.read_recording(stored("unknown", bytes(data)))
    np.testing.assert_array_equal(found.channels, whole)
    assert found.sample_rate == RATE and whole.shape == (RATE, 2) and not caplog.messages


SMALL_SIZES = {  # where the size of the sound stands in a file, and one that is too small
    "FLAC": (b"fLaC", 18, (10_000).to_bytes(4, "big")),
    "AU": (b".snd", 4, (20_000).to_bytes(4, "big")),
    "AIFF": (b"SSND", 0, (20_008).to_bytes(4, "big")),
    "CAF": (b"data", 0, (20_004).to_bytes(8, "big")),
    "RF64": (b"ds64", 12, (20_000).to_bytes(8, "little")),
    "WAV": (b"data", 0, (20_000).to_bytes(4, "little")),
}


@pytest.mark.parametrize("kind", SMALL_SIZES)
def test_what_lies_behind_a_size_that_is_too_small_is_used_or_a_line_says_so(stored, caplog, kind):
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * RATE)
    data = bytearray(encoded(sound, format=kind))
    whole = files.read_recording(stored("whole", bytes(data))).channels
    name, behind, small = SMALL_SIZES[kind]
    at = data.index(name) + 4 + behind
    data[at : at + len(small)] = small
    found = files.read_recording(stored("small", bytes(data))).channels
    np.testing.assert_array_equal(found, whole[: len(found)])
    if kind in ("FLAC", "AU"):
        assert len(found) == 2 * RATE and not caplog.messages
        tagged = files.read_recording(stored("tagged", bytes(data) + b"TAG" + b"a" * 125)).channels
        assert len(tagged) - 2 * RATE in (0, 64)  # AU has no place for tags behind the sound.
    else:
        (line,) = caplog.messages
        assert len(found) == 10_000
        assert "small' holds more sound than its header says: 0.45 s of 2.00 s are used" in line


def test_chunks_behind_the_sound_are_no_sound_and_a_second_one_is_named(stored, caplog):
    wav = encoded(tone(seconds=0.1)[:2001], subtype="PCM_U8")
    notes = b"LIST" + (5001).to_bytes(4, "little") + b"\xff" * 5001 + b"\0"
    for name, behind in {
        "padded": b"\0" + notes,
        "not padded": notes,
        "tags": b"\0" + tag_id3(5000) + tag_ape(),
        "zeros": bytes(5000),
    }.items():
        assert len(files.read_recording(stored(name, wav[: 44 + 2001] + behind)).channels) == 2001
        assert not caplog.messages, name
    wav = encoded(tone())
    second = b"data" + (RATE).to_bytes(4, "little") + wav[44 : 44 + RATE]
    found = files.read_recording(stored("two", wav + second)).channels
    (line,) = caplog.messages
    assert f"{len(found) / RATE:.2f} s of 1.50 s are used" in line


@pytest.mark.parametrize("kind", ["WAV", "AIFF"])
def test_joined_files_of_chunks_are_read_to_their_end(stored, caplog, kind):
    first, second = encoded(tone(), format=kind), encoded(-0.5 * tone(44100), 44100, format=kind)
    found = files.read_recording(stored("two", first + second)).channels
    assert len(found) == 2 * RATE and not caplog.messages
    np.testing.assert_allclose(found[RATE + 200 : -200], -0.5 * found[200 : RATE - 200], atol=1e-3)


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "FLAC", "CAF"])
def test_tags_around_a_file_of_no_loss_are_no_sound(stored, caplog, kind):
    data = encoded(tone(), format=kind, subtype="PCM_24")
    whole = files.read_original(stored("whole", data))
    behind = b"TAG" + b"a" * 125 if kind == "FLAC" else b""
    for tags in (tag_id3(40), tag_id3(70_000) + tag_ape()):
        found, origin = files.read_original(stored("tagged", tags + data + behind))
        np.testing.assert_array_equal(found.channels, whole[0].channels)
        assert origin == whole[1] and origin.bit_depth == "24"
    assert not caplog.messages


def test_joined_flac_files_are_read_to_their_end(stored, caplog):
    first, second = (
        encoded(tone(), format="FLAC"),
        encoded(-0.5 * tone(44100), 44100, format="FLAC"),
    )
    found = files.read_recording(stored("two", first + tag_id3(500) + second)).channels
    assert len(found) == 2 * RATE and not caplog.messages
    np.testing.assert_allclose(found[RATE + 200 : -200], -0.5 * found[200 : RATE - 200], atol=1e-3)
    cut = files.read_recording(stored("cut", first + second[: len(second) // 2])).channels
    assert RATE < len(cut) < 1.8 * RATE
    (message,) = caplog.messages
    assert f"{len(cut) / RATE:.2f} s of 2.00 s can be read" in message


FOREIGN = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n": "Git LFS pointer",
    b"<!DOCTYPE html><html></html>": "is an HTML page, and holds no sound; download the file",
    b'{"error": "not found"}': "is a JSON text, and holds no sound; download the file itself",
    b"PK\3\4" + b"x" * 99: "is a ZIP archive; unpack it first",
    b"%PDF-1.4": "is a PDF document, and holds no sound",
    b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk": "is a MIDI file, which holds notes and no sound",
    b"\x89PNG\r\n\x1a\n" + b"x" * 99: "is a picture, and holds no sound",
    bytes(50_000): "holds nothing but zeros",
    b".SoX"
    + bytes([28, 0, 0, 0])
    + b"\xfe" * 99: "if FFmpeg can read it, convert it first: ffmpeg -i",
}


@pytest.mark.parametrize("content", FOREIGN, ids=FOREIGN.values())
def test_of_what_is_no_sound_is_said_what_it_is(stored, content):
    assert FOREIGN[content] in complaint(stored("a.wav", content))


@pytest.mark.parametrize("kept", [0.6, 0.9])
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "AIFF", "AU", "CAF", "W64", "RF64", "MP3"])
def test_of_a_truncated_file_what_is_there_is_read_and_a_line_says_so(stored, caplog, kind, kept):
    data = encoded(np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE), format=kind)
    whole = files.read_recording(stored("whole", data)).channels
    assert len(whole) == 3 * RATE and not caplog.messages
    samples = files.read_recording(stored("cut", data[: int(len(data) * kept)])).channels
    assert (kept - 0.25) * 3 * RATE < len(samples) < (kept + 0.05) * 3 * RATE
    np.testing.assert_allclose(samples[:-2000], whole[: len(samples) - 2000], atol=1e-4)
    (message,) = caplog.messages
    read = f"{len(samples) / RATE:.2f} s"
    assert "cut' is cut short or damaged: " in message and read in message
    assert (f"{read} of 3.00 s can be read" in message) == (kind not in ("OGG", "CAF"))


def test_a_wav_file_of_unfinished_header_is_read(stored, caplog):
    sizes = {"unknown": bytes(4), "44 bytes too many": (2 * RATE + 44).to_bytes(4, "little")}
    for name, size in sizes.items():
        wav = bytearray(encoded(tone()))
        wav[40:44] = size
        assert len(files.read_recording(stored(name, bytes(wav))).channels) == RATE
    assert not caplog.messages


def test_what_a_file_keeps_is_known(stored):
    for subtype, depth in [("PCM_U8", "16"), ("PCM_16", "16"), ("PCM_24", "24"), ("FLOAT", "32f")]:
        path = stored("a.wav", encoded(tone(), subtype=subtype))
        assert files.read_original(path)[1].bit_depth == depth


def test_a_header_that_asks_for_much_memory_takes_little(stored):
    """A WAV file of 1,024 channels and one of 7 Hz, which soxr would make 100 times as long."""
    wide = encoded(np.zeros((1, 1024)))[:44]
    assert "no samples" in complaint(stored("wide.wav", wide))
    slow = encoded(tone(), rate=7)
    assert "a sample rate of 7 Hz, and must have at least 1000" in complaint(stored("7", slow))
    too_wide = bytearray(encoded(tone()))
    too_wide[22:24] = b"\xff\xff"
    said = complaint(stored("65535", bytes(too_wide)))  # PyAV 18 or 19
    assert "has no sound" in said or "nothing of it can be read" in said


def test_read_refuses_what_is_no_sound(stored, tmp_path):
    assert "known format: wav, flac" in complaint(stored("a.txt", b"not a sound\n" * 99))
    assert "known format" in complaint(stored("a.wav", np.random.default_rng(0).bytes(5000)))
    assert "damaged" in complaint(stored("a.m4a", b"\0\0\0 ftypM4A " + bytes(500)))
    assert "0 bytes" in complaint(stored("b.wav", b""))
    assert "no samples" in complaint(stored("c.wav", encoded(np.zeros(0))))
    assert "folder" in complaint(str(tmp_path))
    assert "Not a directory" in complaint(os.path.join(stored("d.wav", b"x"), "e.wav"))


def test_read_refuses_silence_and_nan(stored):
    assert "silent" in complaint(stored("a.wav", encoded(np.zeros(RATE))))
    assert "silent" in complaint(stored("b.wav", encoded(tone() * 1e-6, subtype="FLOAT")))
    opposed = np.stack([tone(), -tone()], 1) * 1e-6
    assert "silent" in complaint(stored("c.wav", encoded(opposed, subtype="FLOAT")))
    for bad in (np.nan, np.inf):
        sound = tone()
        sound[100] = bad
        assert "NaN or infinite" in complaint(stored("d.wav", encoded(sound, subtype="FLOAT")))


def test_read_refuses_a_missing_file_and_names_the_nearest(stored):
    path = stored("drums.wav", b"x")
    assert repr(path) in complaint(path.replace("drums", "drum"))
    assert "no folder" in complaint(os.path.join(os.path.dirname(path), "nowhere", "a.wav"))


def test_a_dead_link_and_a_loop_of_links_are_told_apart_from_what_is_missing(tmp_path):
    links = {"dead.wav": "gone.wav", "loop.wav": "loop.wav", "folder": "nowhere"}
    for name, target in links.items():
        (tmp_path / name).symlink_to(target)
    gone, nowhere = (os.path.realpath(tmp_path / name) for name in ("gone.wav", "nowhere"))
    messages = {
        "dead.wav": f"'{tmp_path}/dead.wav' is a link to {gone!r}, which does not exist",
        "loop.wav": f"'{tmp_path}/loop.wav' is a link in a loop of links, and leads to no file",
        "folder/a.wav": f"'{tmp_path}/folder' is a link to {nowhere!r}, which does not exist",
    }
    for name, message in messages.items():
        path = str(tmp_path / name)
        assert find.find_inputs([path]) == ([], [(path, message)])
        with pytest.raises(UserError) as caught:  # as in a folder, whose files are listed by name
            files.read_recording(path)
        assert str(caught.value) == message


def test_a_file_with_a_comma_in_its_name_is_found_in_a_list(stored, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a,b.wav", "kick, 120 bpm.wav", "b.wav", "c.wav", "c.wav,b.wav"):
        stored(name, b"x")
    split = ["c.wav", "a", "b.wav", "kick", "120 bpm.wav", "b.wav", "noise"]
    found = ["c.wav", "a,b.wav", "kick, 120 bpm.wav", "b.wav", "noise"]
    assert find.find_inputs(split) == (found, [])
    assert find.find_inputs(["c.wav", "b.wav"]) == (["c.wav", "b.wav"], [])
    assert find.find_inputs(["d", "b.wav"])[0] == ["b.wav"]


def test_a_pattern_with_brackets_of_a_name_says_how_to_write_them(stored, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored("loops [1]/a.wav", b"x")
    ((_, message),) = find.find_inputs(["loops [1]/*.wav"])[1]
    assert message.endswith(
        "'loops [1]/*.wav': [1] is a pattern, too: write [[]1] for these characters"
    )
    assert find.find_inputs(["loops [[]1]/*.wav"]) == (["loops [1]/a.wav"], [])
    ((_, message),) = find.find_inputs(["loops [2]/*.wav"])[1]
    assert message.endswith("matches 'loops [2]/*.wav'")


def test_find_inputs_expands_names(stored, tmp_path, monkeypatch):
    for name in ("b.wav", "a.FLAC", "notes.txt", ".hidden.wav", "deep/c.ogg", "deep/er/d.mp3"):
        stored(name, b"x")
    stored("noise", b"x")
    root = str(tmp_path)
    inside = lambda *names: [os.path.join(root, name) for name in names]  # noqa: E731
    expected = {
        "noise": ["noise"],
        "sine": ["sine"],
        root: inside("a.FLAC", "b.wav"),
        f"{root}/*": inside("a.FLAC", "b.wav"),
        f"{root}/?.wav": inside("b.wav"),
        f"{root}/**/*": inside("a.FLAC", "b.wav", "deep/c.ogg", "deep/er/d.mp3"),
        f"{root}/notes.txt": inside("notes.txt"),
    }
    for name, paths in expected.items():
        assert find.find_inputs([name]) == (paths, [])
    twice = inside("b.wav", "b.wav")
    assert find.find_inputs(twice) == (twice, [])
    monkeypatch.chdir(root)
    monkeypatch.setenv("HOME", root)
    assert find.find_inputs(["./noise", "~/b.wav"])[0] == ["./noise", *inside("b.wav")]


def test_what_lies_beside_a_dream_is_no_input_unless_it_is_named(stored, tmp_path):
    names = ("a.wav", "a.input.wav", "a.difference.wav", "a.mp4", "lonely.input.wav")
    a, beside, _, _, lonely = (stored(name, b"x") for name in names)
    for place in (str(tmp_path), str(tmp_path / "*.wav")):
        assert find.find_inputs([place]) == ([a, lonely], [])
    assert find.find_inputs([beside]) == ([beside], [])
    names = ("b.flac", "b.input.flac", "b.difference.flac", "c.mp3", "c.input.mp3", "d.input.wav")
    b, *_, c, _, d = (stored(f"more/{name}", b"x") for name in names)
    assert find.find_inputs([str(tmp_path / "more")]) == ([b, c, d], [])


def test_files_that_are_passed_over_are_named_unless_a_run_wrote_them(stored, tmp_path, caplog):
    names = ("gig.wav", "gig.mp4", "own.wav", "own.input.wav", "own.json", "own.mp4", "own.png")
    for name in (*names, "a.m2ts", "b.oma", "c.ra", "notes.txt", ".hidden", "sub/d.wav"):
        stored(f"in/{name}", b"x")
    folder = str(tmp_path / "in")
    taken = [f"{folder}/gig.wav", f"{folder}/own.wav"]
    named = "'a.m2ts', 'b.oma', 'c.ra', not named like a sound; to dream on"
    for place in (folder, f"{folder}/*"):
        caplog.clear()
        assert find.find_inputs([place]) == (taken, [])
        (line,) = caplog.messages
        assert repr(folder) in line and named in line
        assert "over: 'gig.mp4', named like what a run writes beside a dream; and 'a.m2ts'" in line
    stored("in/manifest-000.jsonl", b"x")
    caplog.clear()
    assert find.find_inputs([f"{folder}/*.[wm][ap]?"]) == (taken, [])
    assert caplog.messages == []
    find.find_inputs([folder])
    assert "these files are passed over: 'a.m2ts'" in caplog.text
    for number in range(7):
        stored(f"many/{number}.xyz", b"x")
    stored("many/a.wav", b"x")
    find.find_inputs([str(tmp_path / "many")])
    assert "'3.xyz', '4.xyz' and 2 more, not named" in caplog.messages[-1]


def test_sounds_and_videos_of_a_folder_are_found_by_their_suffixes(stored, tmp_path):
    names = ("a.M4A", "b.mov", "c.webm", "d.wma", "e.mkv", "f.mp2", "g.wave", "h.opus", "i.avi")
    paths = [stored(f"in/{name}", b"x") for name in (*names, "x.txt", "y.m3u8", "z.png")]
    assert find.find_inputs([str(tmp_path / "in")]) == (paths[: len(names)], [])


def test_find_inputs_takes_a_file_with_pattern_characters_literally(stored):
    path = stored("take[1].wav", b"x")
    assert find.find_inputs([path]) == ([path], [])


def test_find_inputs_collects_every_failure(stored, tmp_path):
    good = stored("drums.wav", b"x")
    (tmp_path / "empty").mkdir()
    bad = {
        "nosie": "did you mean 'noise'?",
        str(tmp_path / "drum.wav"): f"did you mean {good!r}?",
        str(tmp_path / "nowhere" / "x.wav"): "and no folder",
        str(tmp_path / "empty"): ") in the folder",
        str(tmp_path / "*.flac"): ") matches",
        "": "must be a sound file, a folder, a pattern, or one of noise, sine, drums",
    }
    found, failures = find.find_inputs([*bad, good])
    assert found == [good] and [name for name, _ in failures] == list(bad)
    for name, message in failures:
        assert bad[name] in message and "\n" not in message
