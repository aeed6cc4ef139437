import io
import sys
import threading
import time

import numpy as np
import pytest
from PIL import Image

from dreamsound_jax.outputs import picture as report
from dreamsound_jax.spectral import mel

RATE, HOP = 22050, 200
RNG = np.random.default_rng(0)


def draw(seconds=2.3, levels=3, steps=10, **changed):
    samples = round(RATE * seconds)
    before = RNG.uniform(-60, 20, (128, 1 + samples // HOP))
    given = {
        "title": "00000-noise",
        "before_db": before,
        "after_db": before + RNG.normal(size=before.shape),
        "change_db": RNG.normal(size=before.shape),
        "change_name": "Change",
        "before_sound": RNG.uniform(-1, 1, samples),
        "after_sound": RNG.uniform(-0.1, 0.1, samples - 199),
        "objective": RNG.uniform(size=(levels, steps)),
        "objective_label": "mean squared activation of relu5_4",
        "level_shapes": [(128, 256)] * levels,
    }
    png = report.picture(**(given | changed), sample_rate=RATE, hop=HOP)
    image = Image.open(io.BytesIO(png))
    image.load()
    return image


@pytest.mark.parametrize("case", [(0.3, 1, 1), (2.3, 3, 10), (12, 12, 40)])
def test_any_clip_gives_a_page_with_content(case):
    image = draw(*case)
    assert image.format == "PNG" and image.size == (1400, 850)
    assert np.asarray(image.convert("L")).std() > 30


def test_what_is_odd_is_still_drawn(recwarn):
    silent = np.full((128, 256), -100.0)
    still = np.zeros_like(silent)
    draw(before_db=silent, after_db=silent, change_db=still, before_sound=np.zeros(51200))
    draw(objective=np.full((3, 10), np.nan), after_db=np.zeros((128, 250)), level_shapes=None)
    odd = {"title": "a $very$ {odd} \\title_1 " * 20, "objective_label": "$x_1$ " * 50}
    draw(**odd, change_name="a $very$ {odd} \\name_1")
    assert not recwarn.list


def test_a_louder_dream_is_red_and_a_quieter_one_blue():
    change = np.zeros((128, 256))
    change[:64], change[64:] = -20, 20
    change[:, :128] *= 0.5
    page = np.asarray(draw(change_db=change).convert("RGB"), int)
    warmth = (page[..., 0] - page[..., 2])[100:440, 1000:1250]  # inside the panel of the change
    assert (warmth[:120] > 50).all() and (warmth[-120:] < -50).all()


def test_ten_minutes_are_drawn_in_seconds():
    start = time.perf_counter()
    draw(seconds=600)
    assert time.perf_counter() - start < 8


def test_pictures_can_be_drawn_by_threads_without_pyplot(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it now fails
    images = {}
    given = {name: RNG.uniform(size=(128, 99)) for name in ("before_db", "after_db", "change_db")}
    given |= {name: RNG.uniform(size=9999) for name in ("before_sound", "after_sound")}
    given["objective"] = RNG.uniform(size=(3, 10))

    def work(name):
        images[name] = draw(**given).tobytes()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(images) == 3 and len(set(images.values())) == 1


@pytest.mark.parametrize(("rate", "last"), [(8000, "2k"), (22050, "8k"), (48000, "16k")])
def test_frequency_ticks_stand_on_their_bands(rate, last):
    places, names = report.frequency_ticks(128, sample_rate=rate)
    assert names[:4] == ["125", "250", "500", "1k"] and names[-1] == last
    # A sine at each named frequency is loudest in the mel band that the tick points at.
    for place, name in zip(places, names, strict=True):
        hz = float(name.replace("k", "000"))
        sine = np.sin(2 * np.pi * hz / rate * np.arange(rate), dtype=np.float32)
        db = mel.sound_to_mel_db(sine, sample_rate=rate, n_fft=8192, hop=2048)
        assert abs(int(np.argmax(db[:, 3])) - place) <= 1


def test_averaging_and_envelope_keep_what_they_show():
    db = RNG.uniform(size=(128, 5000))
    thin = report._averaged(db)
    assert thin.shape == (128, 1000)
    np.testing.assert_allclose(thin[:, 7], db[:, 35:40].mean(axis=1))
    sound = np.zeros(50001)
    sound[[123, 50000]] = [1, -1]
    low, high = report._envelope(sound)
    assert (low.min(), high.max()) == (-1, 1) and low.size < 1300
