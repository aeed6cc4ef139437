"""What is written in each format: its level, its samples, its tags and its channels."""

import io
import logging
import struct

import av
import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio.decoding import decode
from dreamsound_jax.audio.encoding import encode_sound
from dreamsound_jax.audio.formats import FORMATS, Encoding, check_encoding, check_fits
from dreamsound_jax.audio.loudness import measure_loudness
from dreamsound_jax.audio.recording import Recording
from dreamsound_jax.audio.rendering import render_difference, render_input, render_sound
from dreamsound_jax.system.errors import UserError
from tests.helpers.sounds import original

RATE = 44100
RANDOM = np.random.default_rng(0)
TAGS = {"title": "Dream of café.wav", "comment": "dreamsound 'a b.wav' --lr=0.1 --seed=7"}


def noise(seconds=1.0, *, channels=2, level=0.1):
    return level * RANDOM.normal(size=(round(seconds * RATE), channels))


def drums():
    """Returns drums, which limiting leaves at the ceiling: lossy formats pass it."""
    return original("loop_amen").channels


def read_tags(data):
    with av.open(io.BytesIO(data)) as container:
        found = {**container.metadata, **container.streams[0].metadata}
    return {name.lower(): text for name, text in found.items()}


@pytest.mark.parametrize("format", FORMATS)
def test_each_format_is_read_back_at_its_place_with_its_tags(format):
    given = original("loop_amen")
    encoding = Encoding(format, tags=TAGS)
    data = encode_sound(given.channels, sample_rate=RATE, encoding=encoding)
    again = decode(data)
    assert again.is_whole and again.recording.sample_rate == RATE
    assert again.recording.channels.shape == given.channels.shape
    error = np.std(again.recording.channels - given.channels) / np.std(given.channels)
    assert error < (0.1 if FORMATS[format].is_lossy else 1e-3)
    assert read_tags(data).items() >= TAGS.items()
    assert soundfile.info(io.BytesIO(data)).format in (format.upper(), "WAVEX")


@pytest.mark.parametrize(("bit_depth", "samples"), [("16", 2000), ("24", 2001)])
def test_a_wav_of_a_loop_tells_samplers_to_repeat_it(bit_depth, samples):
    sound = noise(channels=1)[:samples]
    encoding = Encoding("wav", bit_depth=bit_depth, tags=TAGS)
    data = encode_sound(sound, sample_rate=RATE, encoding=encoding, is_loop=True)
    chunks = dict(read_chunks(data))
    assert struct.unpack("<9I", chunks[b"smpl"][:36])[7] == 1
    assert struct.unpack("<6I", chunks[b"smpl"][36:])[1:4] == (0, 0, samples - 1)
    assert read_tags(data).items() >= TAGS.items()
    plain = encode_sound(sound, sample_rate=RATE, encoding=encoding)
    for read in (lambda each: soundfile.read(io.BytesIO(each))[0], lambda each: decode(each)[0][0]):
        np.testing.assert_array_equal(read(data), read(plain))


def read_chunks(wav):
    """Yields (name, content) of each chunk of a RIFF file, which they must fill."""
    assert len(wav) == 8 + int.from_bytes(wav[4:8], "little")
    place = 12
    while place < len(wav):
        size = int.from_bytes(wav[place + 4 : place + 8], "little")
        yield wav[place : place + 4], wav[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


@pytest.mark.parametrize("make", [noise, drums])
@pytest.mark.parametrize("format", FORMATS)
def test_the_level_is_that_of_what_is_read_back(format, make):
    rendered = render_sound(make(), sample_rate=RATE, target_lufs=-9.0, encoding=Encoding(format))
    again = decode(rendered.content).recording
    np.testing.assert_array_equal(again.channels, rendered.recording.channels)
    measured = measure_loudness(again.channels, sample_rate=RATE)
    assert rendered.loudness == pytest.approx(measured, abs=1e-6)
    assert measured.true_peak_dbtp <= -1
    assert measured.lufs == pytest.approx(-9, abs=0.6)


def test_lossy_formats_are_lowered_because_they_overshoot():
    """Without that, a limited sound ends over the ceiling: the test above tests something."""
    for format in ("ogg", "mp3"):
        wav = render_sound(drums(), sample_rate=RATE, target_lufs=-9.0)
        once = encode_sound(wav.before_encoding, sample_rate=RATE, encoding=Encoding(format))
        channels = decode(once).recording.channels
        assert measure_loudness(channels, sample_rate=RATE).true_peak_dbtp > -1


@pytest.mark.parametrize(
    ("format", "asked", "keeps_level", "subtype"),
    [
        ("wav", None, False, "PCM_16"),
        ("wav", None, True, "FLOAT"),
        ("wav", "24", True, "PCM_24"),
        ("wav", "32f", False, "FLOAT"),
        ("flac", None, False, "PCM_16"),
        ("flac", None, True, "PCM_24"),
        ("flac", "32f", False, "PCM_24"),
        ("ogg", "24", False, "VORBIS"),
    ],
)
def test_bits_are_as_asked_for(format, asked, keeps_level, subtype):
    target_lufs, encoding = None if keeps_level else -23.0, Encoding(format, asked)
    sound = noise()
    rendered = render_sound(sound, sample_rate=RATE, target_lufs=target_lufs, encoding=encoding)
    assert soundfile.info(io.BytesIO(rendered.content)).subtype == subtype
    if subtype == "PCM_24" and keeps_level:
        np.testing.assert_allclose(rendered.recording.channels, sound, atol=2**-23)


def test_what_a_format_does_not_have_is_refused_by_name():
    for format, bit_depth, words in [
        ("flac", "32f", "--bit_depth=32f is not for --format=flac, which has 16 and 24; .*wav"),
        ("mp3", "24", "--bit_depth=24 is not for --format=mp3, which is lossy.*wav and flac"),
        ("ogg", "16", "lossy"),
    ]:
        with pytest.raises(UserError, match=words):
            check_encoding(format, bit_depth)
    for format, channels, rate, words in [
        ("mp3", 6, RATE, "mp3 cannot hold 6 channels; choose --format=wav or flac"),
        ("mp3", 2, 96000, "a sample rate of 96000 Hz; choose --format=wav or flac or ogg"),
        ("ogg", 2, 384000, "choose --format=wav or flac"),
        ("flac", 12, RATE, "choose --format=wav"),
    ]:
        with pytest.raises(UserError, match=words):
            check_fits(format, channels=channels, sample_rate=rate)


@pytest.mark.parametrize("format", ["wav", "flac"])
@pytest.mark.parametrize("layout", ["5.1", "5.1(side)", "quad", "7.1"])
def test_the_layout_of_channels_is_kept(format, layout):
    sound = noise(0.2, channels=av.AudioLayout(layout).nb_channels)
    for bit_depth in ("16", "24"):
        encoding = Encoding(format, bit_depth, layout)
        assert decode(encode_sound(sound, sample_rate=RATE, encoding=encoding)).origin == (
            bit_depth,
            layout,
        )


@pytest.mark.parametrize("format", FORMATS)
def test_a_difference_is_what_the_dream_changed(format):
    """Of a lossy format, without what encoding two files has lost."""
    encoding, given = Encoding(format), noise(level=0.05)
    changed = given + np.sin(np.arange(RATE) / 20)[:, None] * [0.01, 0]
    dream = render_sound(changed, sample_rate=RATE, target_lufs=-20, encoding=encoding)
    beside = render_input(Recording(given, RATE), dream=dream, target_lufs=-20, encoding=encoding)
    data = render_difference(dream, beside, encoding=encoding)
    found, wanted = decode(data).recording.channels, dream.recording.channels
    wanted = wanted - beside.recording.channels
    if FORMATS[format].is_lossy:
        wanted = dream.before_encoding - beside.before_encoding
        assert np.std(found - wanted) < 0.2 * np.std(wanted)
    else:
        np.testing.assert_array_equal(found, wanted)
        assert soundfile.info(io.BytesIO(data)).subtype == "PCM_16"


def test_over_full_scale_floats_are_kept_and_all_else_is_lowered(caplog):
    loud = noise(level=0.5)
    peak = np.abs(loud).max()
    for format, bit_depth in [("wav", None), ("wav", "16"), ("flac", None), ("mp3", None)]:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            rendered = render_sound(
                loud,
                sample_rate=RATE,
                target_lufs=None,
                encoding=Encoding(format, bit_depth, tags=TAGS),
            )
        keeps = (format, bit_depth) == ("wav", None)
        scale = 1 if keeps else 1 / peak
        if format != "mp3":
            np.testing.assert_allclose(rendered.recording.channels, scale * loud, atol=2**-15)
        said = [f"{TAGS['title']}: lowered by {20 * np.log10(peak):.1f} dB" in caplog.text]
        assert said == [not keeps]


@pytest.mark.slow
def test_a_long_sound_is_written_in_each_format():
    """libsndfile's encoder of Vorbis ends the process where it is given many samples at once."""
    sound = np.float32(noise(900, level=0.5))
    for format in ("ogg", "flac"):
        data = encode_sound(sound, sample_rate=RATE, encoding=Encoding(format))
        assert decode(data).recording.channels.shape == sound.shape
