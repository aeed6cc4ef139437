"""Videos: frames, sound, codecs and sizes."""

import io

import av
import numpy as np
import pytest
from selenium.webdriver.support.ui import WebDriverWait

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.outputs import video as video_module
from dreamsound_jax.outputs.panels import SpectrogramScale
from dreamsound_jax.outputs.video import describe_dream, dream_video, ouroboros_video
from dreamsound_jax.outputs.video_file import encode_video
from dreamsound_jax.outputs.video_frames import FRAMES_PER_SECOND, draw_frames
from dreamsound_jax.outputs.video_layout import SHAPES, place_panels
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError
from tests.helpers.videos import find_playhead, watch

FRONT_END = FrontEnd()
SCALE = SpectrogramScale(FRONT_END.band_centres, FRONT_END.seconds_per_frame)
RATE = 44100
HEAD = ("Dream of noise", "by relu3_4 of the network gm")


def spectrograms(seconds, count):
    frames = round(seconds / SCALE.seconds_per_frame)
    return np.random.default_rng(0).uniform(-60, 0, (count, len(SCALE.band_centres), frames))


def chirp(seconds, low, high, *, rate=RATE, channels=2):
    time = np.arange(round(seconds * rate)) / rate
    sound = 0.2 * np.sin(2 * np.pi * (low + (high - low) * time / seconds / 2) * time)
    return Recording(np.stack([sound, *[0.5 * sound] * (channels - 1)], 1).astype("f4"), rate)


def dream(seconds=1.6, **changes):
    before_db, after_db = spectrograms(seconds, 2)
    given = {
        "scale": SCALE,
        "input_db": before_db,
        "dream_db": after_db,
        "original": chirp(seconds, 200, 2000),
        "dream": chirp(seconds, 4000, 400),
    }
    return dream_video(*HEAD, **given | changes)


def ouroboros(rounds, *, seconds=0.5, **changes):
    sound = chirp(seconds * (rounds + 1), 200, 4000)
    pieces_db = spectrograms(seconds, rounds + 1)
    return ouroboros_video(*HEAD, scale=SCALE, pieces_db=pieces_db, sound=sound, **changes)


def check_sound(watched, expected):
    """Checks that a sound is what is heard, at the same time and level; AAC changes it little."""
    samples = min(len(watched.sound), len(expected))
    assert abs(len(watched.sound) - len(expected)) < 2 * 1024
    heard, wanted = watched.sound[:samples], expected[:samples]
    assert np.corrcoef(heard.ravel(), wanted.ravel())[0, 1] > 0.99
    assert heard.std() == pytest.approx(wanted.std(), rel=0.02)


@pytest.mark.parametrize(
    ("shape", "size"),
    [("wide", (1920, 1080)), ("square", (1080, 1080)), ("upright", (1080, 1920))],
)
def test_a_video_plays_where_videos_are_posted(shape, size, monkeypatch):
    monkeypatch.setattr(video_module, "_LEAST_SECONDS", 0)
    tags = {"title": "Dream of drums", "comment": "dreamsound --seed=1"}
    content = encode_video(dream(0.31), shape=shape, tags=tags)
    with av.open(io.BytesIO(content)) as container:
        assert container.metadata.items() >= tags.items()
    assert 0 < content.find(b"moov") < content.find(b"mdat")  # It plays while it is loaded.
    watched = watch(content)
    assert watched.facts == {
        "codecs": ("h264", "aac"),
        "profile": "High",
        "format": "yuv420p",
        "colours": 1,
        "size": size,
        "rates": (FRAMES_PER_SECOND, RATE),
    }
    for seconds in watched.seconds:
        assert abs(seconds - 0.62) <= 1 / FRAMES_PER_SECOND
    assert watched.frames.std() > 20


def test_input_and_dream_are_heard_and_the_playhead_follows_what_is_heard():
    shown = dream()
    watched = watch(encode_video(shown, shape="square"))
    pair = [chirp(1.6, 200, 2000).channels, chirp(1.6, 4000, 400).channels]
    check_sound(watched, np.concatenate(pair))
    upper, lower = place_panels(SHAPES["square"], lines=1, shows_all=False)
    half = round(1.6 * FRAMES_PER_SECOND)
    for panel, other, begun in ((upper, lower, 0), (lower, upper, half)):
        for number in range(1, half - 1, 6):
            luma = watched.frames[begun + number]
            assert abs(find_playhead(luma, panel) - number / half * panel.width) <= 3
            assert find_playhead(luma, other) is None
    # The panel that is not heard is darker.
    rows = np.s_[:, upper.top : upper.top + upper.height, upper.left + 20 : -100]
    bright, dark = (watched.frames[each][rows].mean() for each in (np.s_[2:9], np.s_[-9:-2]))
    assert bright > 1.3 * dark


def test_the_passes_of_a_dream_are_seen_and_heard_before_it():
    passes = [(db, chirp(0.5, 1000 * n, 300)) for n, db in enumerate(spectrograms(0.5, 2), 1)]
    shown = dream(0.5, passes=passes)
    words = ["input", "after pass 1 of 3", "after pass 2 of 3", "dream, after pass 3 of 3"]
    assert [part.label for part in shown.parts] == 2 * words
    assert [part.is_input for part in shown.parts[:4]] == [True, False, False, False]
    np.testing.assert_array_equal(shown.parts[2].db, passes[1][0])
    middle = np.concatenate([sound.channels for _, sound in passes])
    half = RATE // 2
    np.testing.assert_array_equal(shown.sound.channels[half : 3 * half], middle)
    assert shown.seconds == 4  # It is played twice, since it is shorter than three seconds.


def test_an_ouroboros_shows_each_round_and_where_it_is_in_the_whole():
    shown = ouroboros(3)
    assert [part.label for part in shown.parts][::2] == ["input", "round 2 of 3"]
    watched = watch(encode_video(shown, shape="square"))
    assert watched.seconds[1] == pytest.approx(2, abs=1 / FRAMES_PER_SECOND)
    check_sound(watched, shown.sound.channels)
    places = place_panels(SHAPES["square"], lines=1, shows_all=True)
    looks = []
    for number in range(0, len(watched.frames), 5):
        part, begun = divmod(number / FRAMES_PER_SECOND, 0.5)
        luma, panel = watched.frames[number], places[min(1, int(part))]
        assert abs(find_playhead(luma, panel) - begun / 0.5 * panel.width) <= 3
        share = number / FRAMES_PER_SECOND / 2
        assert abs(find_playhead(luma, places[2]) - share * places[2].width) <= 3
        looks.append(luma[places[1].top :, 500:][: places[1].height].astype(int))
    # Each round has its own spectrogram, and keeps it; the first can be seen during the input.
    changes = [np.abs(a - b).mean() for a, b in zip(looks, looks[1:])]
    rounds = [number // 12.5 for number in range(0, len(watched.frames), 5)]
    is_new = np.diff(rounds) > 0
    assert min(np.array(changes)[is_new]) > 2 * max(np.array(changes)[~is_new])
    layers = ouroboros(2, layers=["output", "relu5_4"])
    assert layers.parts[2].label == "round 2 of 2: relu5_4"


def test_a_short_pair_is_played_again_and_of_a_long_input_only_the_beginning():
    assert dream(0.5).seconds == pytest.approx(3) and len(dream(0.5).parts) == 6
    assert len(dream(1.6).parts) == 2
    long = dream(31)
    assert long.seconds == pytest.approx(10 + 31)
    assert [part.span for part in long.parts] == pytest.approx([31, 31])
    faded = np.abs(long.sound.channels[: 10 * RATE])
    assert faded[-50:].max() < 0.01 < 0.15 < faded[-RATE:].max()
    np.testing.assert_array_equal(long.sound.channels[10 * RATE :], chirp(31, 4000, 400).channels)


@pytest.mark.parametrize(
    ("rates", "channels", "form"),
    [
        ((22050, 22050), (1, 1), (44100, 1)),
        ((96000, 22050), (2, 1), (44100, 2)),
        ((44100, 96000), (1, 2), (48000, 2)),
        ((8000, 8000), (6, 6), (48000, 1)),
    ],
)
def test_sounds_of_any_rate_and_channels_are_heard(rates, channels, form):
    sounds = [
        chirp(2, *ends, rate=rate, channels=count)
        for ends, rate, count in zip([(200, 900), (900, 200)], rates, channels)
    ]
    shown = dream(2, original=sounds[0], dream=sounds[1])
    assert (shown.sound.sample_rate, shown.sound.channels.shape[1]) == form
    assert shown.seconds == pytest.approx(4, abs=0.001)
    levels = [np.sqrt(np.mean(half**2)) for half in np.split(shown.sound.channels, 2)]
    given = [s.channels if s.channels.shape[1] < 3 else s.channels.mean(1) for s in sounds]
    assert levels == pytest.approx([np.sqrt(np.mean(each**2)) for each in given], rel=0.02)


def test_odd_texts_and_spectrograms_are_drawn(recwarn):
    silent = np.full((128, 2), -100.0)
    heads = ("a $very$ {odd} \\title_1\n" * 20, "$x_1$ " * 80), ("W" * 99, "M" * 99), ("", "")
    sounds = {"original": chirp(0.02, 200, 300), "dream": chirp(0.02, 200, 300)}
    for head, shape in zip(heads, SHAPES.values(), strict=True):
        odd = dream_video(*head, scale=SCALE, input_db=silent, dream_db=silent, **sounds)
        frame = next(draw_frames(odd, shape))
        assert frame.shape == (shape.height * 3 // 2, shape.width)
        # Nothing is cut: the margins are empty.
        luma = frame[: shape.height]
        for edge in (luma[:8], luma[-8:], luma[:, :8], luma[:, -8:]):
            assert np.ptp(edge) < 3
    assert not recwarn.list


def test_the_detail_says_how_it_was_dreamed():
    given = {"raises": "channel 17 of relu3_4", "mix": 0.7}
    assert describe_dream(["relu3_4"], "gm", **given) == (
        "raises channel 17 of relu3_4, by the network gm; the sound is 70% dream and 30% input"
    )
    assert describe_dream(None, "gm") == "by another layer of the network gm in each round"


def test_what_cannot_be_encoded_is_said_in_one_line(monkeypatch):
    import av

    with pytest.raises(UserError, match="no such shape of videos: 'tall'.*wide, square, upright"):
        encode_video(dream(), shape="tall")
    monkeypatch.setattr(av, "codecs_available", {"aac"})
    with pytest.raises(UserError, match="needs PyAV with the encoder libx264"):
        encode_video(dream())


def test_chromium_plays_a_video(browser, tmp_path):
    """It decodes pictures and sound, and knows how long the video is."""
    (tmp_path / "clip.mp4").write_bytes(encode_video(dream(), shape="square"))
    page = tmp_path / "video.html"
    page.write_text("<video src='clip.mp4' muted autoplay></video>")
    browser.get(page.as_uri())
    find = "const video = document.querySelector('video'); "
    decodes = "return video.canPlayType('video/mp4; codecs=avc1.640028')"
    if not browser.execute_script(find + decodes):
        pytest.skip("this Chromium has no decoder for H.264")
    told = "return video.error ? [video.error.message] : video.currentTime > 0.2 && [null, "
    told += "video.videoWidth, video.videoHeight, video.duration, "
    told += "video.webkitAudioDecodedByteCount]"
    error, *facts = WebDriverWait(browser, 30).until(lambda _: browser.execute_script(find + told))
    assert error is None and facts[:2] == [1080, 1080]
    assert facts[2] == pytest.approx(3.2, abs=1 / FRAMES_PER_SECOND) and facts[3] > 0
