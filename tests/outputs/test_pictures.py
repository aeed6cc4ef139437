"""Pictures of dreams and ouroboroses show what they say."""

import io
import sys
import threading
import time

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.outputs import gallery
from dreamsound_jax.outputs.dream_picture import (
    DreamPicture,
    _draw_waveform,
    draw_dream,
    envelope,
)
from dreamsound_jax.outputs.ouroboros_picture import OuroborosPicture, draw_ouroboros
from dreamsound_jax.outputs.panels import SpectrogramScale, average_columns, frequency_ticks
from dreamsound_jax.spectral.front_end import FrontEnd

RATE, HOP = 22050, 200
FRONT_END = FrontEnd()
SCALE = SpectrogramScale(FRONT_END.band_centres, FRONT_END.seconds_per_frame)
RNG = np.random.default_rng(0)


def opened(png):
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG"
    return image


def dream(seconds=2.3, levels=3, steps=10, **changed):
    samples = round(RATE * seconds)
    before = np.resize(RNG.uniform(-60, 20, 99991), (128, 1 + samples // HOP))
    change = np.resize(RNG.normal(size=99991), before.shape)
    given = {
        "title": "Dream of noise",
        "scale": SCALE,
        "before_db": before,
        "after_db": before + change,
        "change_db": change,
        "change_label": "Change",
        "before": Recording(np.resize(RNG.uniform(-1, 1, 99991), (samples, 1)), RATE),
        "after": Recording(np.resize(RNG.uniform(-0.1, 0.1, 99991), (2 * samples, 2)), 2 * RATE),
        "objective": RNG.uniform(size=(levels, steps)),
        "objective_label": "mean squared activation of relu5_4",
        "level_shapes": [(128, 256)] * levels,
    }
    return DreamPicture(**given | changed)


def draw(*case, **changed):
    return opened(draw_dream(dream(*case, **changed)))


@pytest.mark.parametrize("case", [(0.3, 1, 1), (2.3, 3, 10), (12, 12, 40)])
def test_any_clip_gives_a_page_with_content(case):
    image = draw(*case)
    assert image.size == (1400, 850)
    assert np.asarray(image.convert("L")).std() > 30


def test_what_is_odd_is_still_drawn(recwarn):
    silent = np.full((128, 256), -100.0)
    still = np.zeros_like(silent)
    nothing = Recording(np.zeros((51200, 2)), RATE)
    draw(before_db=silent, after_db=silent, change_db=still, before=nothing)
    draw(objective=np.full((3, 10), np.nan), after_db=np.zeros((128, 250)), level_shapes=None)
    odd = {"title": "a $very$ {odd} \\title_1 " * 20, "objective_label": "$x_1$ " * 50}
    draw(**odd, change_label="a $very$ {odd} \\name_1")
    assert not recwarn.list


def test_the_peaks_are_those_of_the_files():
    """Of all channels, at their own sample rate, and at the level that they have."""
    sounds = [np.zeros((44100, 2)) for _ in range(2)]
    sounds[0][2000, 1], sounds[1][9000, 0] = -0.5, 0.25
    figure = Figure()
    for sound, peak in zip(sounds, (-6.0, -12.0)):
        above, below = figure.subplots(2)
        _draw_waveform(below, above, Recording(sound, 44100))
        assert below.get_title(loc="right") == f"peak \N{MINUS SIGN}{-peak:.1f} dBFS"
        assert below.dataLim.bounds[2] == pytest.approx(1, rel=0.01)


def test_a_louder_dream_is_red_and_a_quieter_one_blue():
    change = np.zeros((128, 256))
    change[:64], change[64:] = -20, 20
    change[:, :128] *= 0.5
    page = np.asarray(draw(change_db=change).convert("RGB"), int)
    warmth = (page[..., 0] - page[..., 2])[100:440, 1000:1250]  # inside the panel of the change
    assert (warmth[:120] > 50).all() and (warmth[-120:] < -50).all()


def test_ten_minutes_are_drawn_in_seconds():
    picture = dream(seconds=600)
    start = time.thread_time()
    draw_dream(picture)
    assert time.thread_time() - start < 8


def test_pictures_can_be_drawn_by_threads_without_pyplot(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it now fails
    images = {}
    picture, rounds = dream(seconds=0.5), ouroboros(2)

    def work(name):
        images[name] = draw_dream(picture) + draw_ouroboros(rounds)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(images) == 3 and len(set(images.values())) == 1


def ouroboros(rounds, **changed):
    given = {
        "title": "Ouroboros of noise",
        "band_centres": SCALE.band_centres,
        "mel_db": RNG.uniform(-60, 20, (128, 40 * (rounds + 1))),
        "seconds": 0.4 * (rounds + 1),
        "overcooked_db": RNG.uniform(size=rounds),
        "moved_db": RNG.uniform(size=rounds),
        "objective": -RNG.uniform(size=rounds),
    }
    return OuroborosPicture(**given | changed)


def test_an_ouroboros_of_any_length_is_drawn(recwarn):
    still = {name: np.zeros(80) for name in ("overcooked_db", "moved_db", "objective")}
    for picture in (ouroboros(1), ouroboros(80, **still, mel_db=np.full((128, 810), -100.0))):
        image = opened(draw_ouroboros(picture))
        assert image.size == (1400, 850)
        assert np.asarray(image.convert("L")).std() > 30
    assert not recwarn.list


def test_galleries_are_drawn_without_a_warning(recwarn):
    before, change = RNG.uniform(-60, 20, (128, 50)), RNG.normal(size=(128, 50))
    layers = {f"relu{n}_1": (before, before + change, change) for n in range(1, 4)}
    assert opened(gallery.draw_layers("layers", layers, SCALE)).size == (1400, 800)
    sounds = [{"a": before, "b": change}, {"c": before, "$d_1": change}]
    assert opened(gallery.draw_sounds("sounds", sounds, SCALE)).size == (1400, 650)
    curves = [{"up": {"a": ([1, 2], [3, 4])}, "down": {"b": ([1, 2], [0, -4])}}]
    for from_zero in (False, True):
        png = gallery.draw_curves("curves", curves, x_label="step", from_zero=from_zero)
        assert opened(png).size == (1400, 350)
    assert not recwarn.list


@pytest.mark.parametrize(("highest", "last"), [(4000, "2k"), (11025, "8k"), (24000, "16k")])
def test_frequency_ticks_stand_on_their_bands(highest, last):
    centres = FrontEnd(sample_rate=round(2 * highest), n_fft=4096).band_centres
    positions, names = frequency_ticks(centres)
    assert names[:4] == ["125", "250", "500", "1k"] and names[-1] == last
    for position, name in zip(positions, names, strict=True):
        hz = float(name.replace("k", "000"))
        assert abs(position - np.argmin(np.abs(centres - hz))) <= 0.5
        assert centres[int(position)] <= hz <= centres[int(np.ceil(position))]


def test_a_sine_is_loudest_in_the_band_whose_centre_is_its_frequency():
    filters = FrontEnd(n_fft=8192).bands.filters
    hz = np.fft.rfftfreq(8192, 1 / RATE)
    assert np.abs(hz[filters.argmax(axis=1)] - SCALE.band_centres).max() < hz[1]
    assert pytest.approx(1 / SCALE.seconds_per_frame) == RATE / HOP


def test_a_spectrogram_is_drawn_where_its_scale_says():
    """A picture of another front end: three bands, a tenth of a second from frame to frame."""
    scale = SpectrogramScale(np.array([100.0, 200, 400]), 0.1)
    db = np.full((3, 10), -50.0)
    db[0], db[2] = -10, 10
    picture = dream(scale=scale, before_db=db, after_db=db, change_db=np.zeros_like(db))
    page = np.asarray(opened(draw_dream(picture)).convert("L"), int)[80:470, 90:180]
    lowest, middle, highest = page[-60:], page[150:240], page[:60]
    assert highest.min() > lowest.max() and lowest.min() > middle.max()


def test_averaging_and_envelope_keep_what_they_show():
    db = RNG.uniform(size=(128, 5000))
    thin = average_columns(db)
    assert thin.shape == (128, 1000)
    np.testing.assert_allclose(thin[:, 7], db[:, 35:40].mean(axis=1))
    sound = np.zeros(50001)
    sound[[123, 50000]] = [1, -1]
    low, high = envelope(sound)
    assert (low.min(), high.max()) == (-1, 1) and low.size < 1300
