"""Which channels count for the loudness, and which the network hears."""

import io

import av
import numpy as np
import pytest

from dreamsound_jax.audio import files
from dreamsound_jax.audio.cancelling import find_heard_channel
from dreamsound_jax.audio.encoding import encode_sound
from dreamsound_jax.audio.files import Recording, read_original
from dreamsound_jax.audio.formats import Encoding
from dreamsound_jax.audio.loudness import measure_loudness
from dreamsound_jax.audio.rendering import find_target_lufs, render_sound
from dreamsound_jax.system.errors import UserError
from tests.helpers.sounds import RATE, original, tone

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 2 * RATE)).astype(np.float32)


def measure_by_ffmpeg(content):
    """Returns the integrated loudness of a file as FFmpeg's meter gives it."""
    graph, lufs = av.filter.Graph(), None
    with av.open(io.BytesIO(content)) as container:
        stream = container.streams.audio[0]
        source = graph.add_abuffer(template=stream)
        meter = graph.add("ebur128", "metadata=1")
        sink = graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        graph.configure()
        for frame in [*container.decode(stream), None]:
            graph.push(frame)
            try:
                while True:
                    lufs = graph.pull().metadata["lavfi.r128.I"]
            except (av.error.BlockingIOError, av.error.EOFError):
                pass
    return float(lufs)


@pytest.mark.parametrize(
    "layout",
    ["stereo", "2.1", "quad", "4.0", "5.0", "5.1", "5.1(side)", "6.1", "7.1", "7.1(wide)", "7.1.4"],
)
def test_loudness_weighs_channels_as_ffmpeg_does(layout):
    """Of six channels, the first five counted once, low-frequency effects among them."""
    count = av.AudioLayout(layout).nb_channels
    levels = np.geomspace(0.02, 0.3, count)
    sound = np.random.default_rng(1).uniform(-1, 1, (3 * 48000, count)) * levels
    rendered = render_sound(sound, sample_rate=48000, encoding=Encoding(layout=layout))
    assert rendered.loudness.lufs == pytest.approx(-23, abs=0.1)
    assert measure_by_ffmpeg(rendered.content) == pytest.approx(-23, abs=0.15)


def test_low_frequency_effects_count_for_no_loudness(tmp_path):
    """A recording in 5.1 whose loudest channel is that of the effects, as a file says it."""
    sound = np.stack([NOISE[0] * 0.1] * 6, axis=1)
    plain = measure_loudness(sound, sample_rate=RATE, layout="5.1")
    sound[:, 3] *= 10
    loud = measure_loudness(sound, sample_rate=RATE, layout="5.1")
    assert loud.lufs == plain.lufs and loud.true_peak_dbtp > plain.true_peak_dbtp + 19
    one = measure_loudness(sound[:, 0], sample_rate=RATE).lufs
    assert plain.lufs - one == pytest.approx(10 * np.log10(3 + 2 * 1.41), abs=1e-6)
    # Its third channel is at the centre, and in other layouts that of the effects.
    three = np.stack([NOISE[0], NOISE[1], 0.01 * NOISE[2]], axis=1)
    recording = Recording(three[:, [0, 2, 1]], RATE)
    center, low = (find_target_lufs("match", recording, layout=name) for name in ("3.0", "2.1"))
    assert center - low == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("layout", ["2.1", "FL+FC+LFE", "quad", "5.1", "5.1(side)", "7.1"])
def test_the_layout_of_channels_is_kept(tmp_path, layout):
    sound = 0.1 * np.random.default_rng(0).normal(size=(999, av.AudioLayout(layout).nb_channels))
    content = encode_sound(sound, sample_rate=RATE, encoding=Encoding(layout=layout))
    (tmp_path / "a.wav").write_bytes(content)
    assert read_original(str(tmp_path / "a.wav"))[1].layout == layout


def heard(*channels):
    """Returns what the network hears of channels at its own rate, and the line that was logged."""
    recording = Recording(np.stack(channels, axis=1).astype(np.float32), RATE)
    return files.normalise_recording("a.wav", recording, sample_rate=RATE)


def scaled(sound):
    return sound / np.abs(sound).max()


def test_channels_that_cancel_are_heard(caplog):
    a, b, c, _ = NOISE
    late = a * np.where(np.arange(a.size) < a.size // 2, 1, -1)
    recorded = {
        "inverted": (a, -a),
        "inverted, with other noise in each": (a + 0.05 * b, -a + 0.05 * c),
        "inverted and a little quieter": (a, -0.9 * a),
        "inverted from the middle on": (a, late),
        "a wide side": (0.1 * b + a, 0.1 * b - a),
        "two of four inverted": (a, -a, 0 * a, 0 * a),
    }
    for name, channels in recorded.items():
        caplog.clear()
        np.testing.assert_allclose(heard(*channels), scaled(channels[0]), atol=1e-6, err_msg=name)
        (line,) = caplog.messages
        assert "'a.wav'" in line and f"hears channel 1 of {len(channels)}" in line
    caplog.clear()
    np.testing.assert_allclose(heard(0.9 * a, -a), scaled(-a), atol=1e-6)
    assert "channel 2 of 2" in caplog.text


def chord(depth):
    """Returns a tone with overtones, early and late by turns."""
    seconds = np.arange(2 * RATE) / RATE
    seconds = seconds + depth * np.sin(2 * np.pi * 0.7 * seconds)
    return sum(np.sin(2 * np.pi * 110 * each * seconds) / each for each in range(1, 12))


def test_the_mean_of_other_channels_is_heard_as_ever(caplog):
    a, b, c, d = NOISE
    low = 0.02 * tone(seconds=2, frequency=30)
    recorded = {
        "alike": (a, a),
        "unrelated": (a, b),
        "one": (a, 0 * a),
        "inverted, and half as loud": (a, -0.5 * a),
        "a side as loud as the middle": (a + b, a - b),
        "middle and side": (a, 0.5 * b),
        "a side of twice the level": (a + 2 * b, a - 2 * b),
        "four": (a, b, c, d),
        "a chorus": (chord(0), chord(0.004)),
        "late by 0.5 ms": (a, np.roll(a, 11)),
        "highs in one, lows in the other": (tone(seconds=2), tone(seconds=2, frequency=5000)),
        "a sub that is inverted": (a + low, a - low),
        "a quiet band that is inverted": make_pad(0.01),
    }
    for name, channels in recorded.items():
        mean = np.stack(channels, axis=1).astype(np.float32).mean(axis=1, dtype=np.float64)
        expected = scaled(mean.astype(np.float32))
        np.testing.assert_array_equal(heard(*channels), expected, err_msg=name)
    for name in ("ambi_choir", "guit_em9", "loop_amen", "loop_mehackit1"):
        channels, rate = original(name)
        mean = channels.mean(axis=1, keepdims=True)
        for sides in (channels, 2 * channels - mean):  # as it is, and the side 6 dB louder
            assert find_heard_channel(sides, sample_rate=rate) is None
    assert not caplog.messages


def make_pad(level):
    """Returns lows that are alike in both channels, and highs that are inverted in one."""
    lows, highs = 0.5 * tone(seconds=2, frequency=100), level * tone(seconds=2, frequency=3000)
    return lows + highs, lows - highs


def test_a_band_or_a_passage_that_cancels_is_heard(caplog):
    a, b, c, d = NOISE
    passage = np.where(abs(np.arange(a.size) - 20_000) < 0.04 * a.size, -1, 1)
    recorded = {
        "a band": make_pad(0.5),
        "a quiet band": make_pad(0.03),
        "a passage of 8 %": (a, a * passage),
        "a passage, and more in one channel": (a + 0.2 * b, a * passage),
        "of four channels, two inverted in a passage": (a, a * passage, 0.1 * c, 0.1 * d),
    }
    for name, channels in recorded.items():
        caplog.clear()
        np.testing.assert_allclose(heard(*channels), scaled(channels[0]), atol=1e-6, err_msg=name)
        assert f"hears channel 1 of {len(channels)}" in caplog.text, name
    caplog.clear()
    # Here each channel by itself would lose more: what only the other one has.
    high = np.sin(2 * np.pi * 6000 * np.arange(a.size) / RATE)
    low = np.sin(2 * np.pi * 700 * np.arange(a.size) / RATE)
    channels = np.float32([*make_pad(0.3)]) + np.float32([high, low])
    expected = scaled(channels.T.mean(axis=1, dtype=np.float64).astype(np.float32))
    np.testing.assert_array_equal(heard(*channels), expected)
    (line,) = caplog.messages
    assert "cancel each other in their mean, which the network hears: 100 % of" in line


def test_what_lies_above_the_network_is_said(caplog):
    def hear(sound, rate, **band):
        caplog.clear()
        recording = Recording(sound.astype(np.float32)[:, None], rate)
        return files.normalise_recording("t.wav", recording, sample_rate=RATE, **band)

    high = tone(44100, frequency=15000)
    hear(high, 44100)
    (line,) = caplog.messages
    assert "'t.wav' lies outside of 0 to 11025 Hz, which the network hears" in line
    hear(tone(frequency=6000), RATE, band=(0, 5000))
    assert "0 to 5000 Hz" in caplog.text
    hear(tone(frequency=30), RATE, band=(60, 11025))
    assert "60 to 11025 Hz" in caplog.text
    hear(high + tone(44100, frequency=440) / 10, 44100)
    hear(np.random.default_rng(0).uniform(-1, 1, 192000), 192000)
    assert not caplog.messages
    faded = 1e-3 * high * np.hanning(high.size)
    with pytest.raises(UserError, match=r"'t\.wav' has no sound that the network hears"):
        hear(faded, 44100)
