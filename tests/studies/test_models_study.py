"""The study of what each network is good for."""

import io

import numpy as np
import pytest
import soundfile
from PIL import Image
from scipy import signal

from studies.first_dream.dreams import Input, Mono
from studies.models import dreams, page, picture
from studies.models.texture import measure_texture
from tests.helpers.sounds import DATA, RATE, white_noise
from tests.helpers.tiny import CARD


def swell(length, *, phase=0.0):
    """Returns a gain (samples,) that rises and falls by 10 dB once in `length` seconds."""
    return 10 ** (0.5 * np.sin(2 * np.pi * (np.arange(2 * RATE) / RATE / length + phase)))


def texture(dream):
    return measure_texture(Mono(white_noise(2 * RATE), RATE), Mono(dream, RATE))


@pytest.mark.slow
def test_long_and_short_high_and_narrow_pieces_are_told_apart():
    noise = white_noise(2 * RATE)
    long, short = texture(noise * swell(0.8)), texture(noise * swell(0.1))
    assert long.seconds > 3 * short.seconds > 0.03
    assert long.treble_db == pytest.approx(0, abs=0.5)
    parts = [
        signal.sosfiltfilt(signal.butter(4, edges, "band", fs=RATE, output="sos"), noise)
        for edges in ((100, 700), (700, 1800), (1800, 4000), (4000, 10000))
    ]
    four = texture(sum(part * swell(0.3, phase=number / 4) for number, part in enumerate(parts)))
    assert 2 * four.bands < texture(noise * swell(0.3)).bands
    assert texture(parts[-1]).treble_db > 1 > -20 > texture(parts[0]).treble_db


def write_dreams(folder):
    """Writes dreams of which each is 6 dB louder in its second half than the one before."""
    given = white_noise(RATE)
    soundfile.write(folder / "hiss.wav", given, RATE, subtype="FLOAT")
    made = []
    for by, lr, before, after in (
        ("relu1_1", 0.04, None, None),
        ("relu1_1", 0.08, None, None),
        ("choir", 0.08, 0.031, 0.98),
        ("choir", 0.16, 0.031, 0.99),
    ):
        gain = np.where(np.arange(RATE) < RATE / 2, 1, 2.0 ** (1 + len(made)))
        path = folder / f"{len(made)}.wav"
        soundfile.write(path, given * gain / 10, RATE, subtype="FLOAT")
        made.append(dreams.Dream("hiss", by, lr, 5.0 + len(made), before, after, path))
    return given, made


@pytest.mark.slow
def test_a_table_has_all_rates_in_a_cell(tmp_path):
    given, made = write_dreams(tmp_path)
    table = page.format_dreams(made, {"hiss": Input(given[None], RATE)})
    layer, towards = (line.split(" | ") for line in table.splitlines()[2:])
    assert layer[:2] == ["| relu1_1", "5.0 / 6.0"] and layer[-1] == " |"
    tv = [float(each) for row in (layer, towards) for each in row[2].split(" / ")]
    assert len(tv) == 4 and tv[0] > 2 and tv == sorted(tv)
    assert towards[0] == "| choir" and towards[-1] == "98 / 99 |"


def test_the_picture_has_a_panel_for_each_dream_and_few_colours(tmp_path):
    _, made = write_dreams(tmp_path)
    inputs = {"hiss": tmp_path / "hiss.wav"}
    drawn = picture.draw_dreams("Dreams of hiss", made, inputs, CARD.front_end)
    assert picture.caption_dream(made[2]) == "choir\n7.0 dB, 3 → 98 %"
    image = Image.open(io.BytesIO(drawn))
    assert image.width == 1600 and len(image.getcolors()) <= picture.COLOURS
    assert len(drawn) < 400_000


@pytest.mark.slow
def test_dreams_are_read_as_the_command_wrote_them(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(dreams, "LIKE_PRESETS", ("--num_iterations=2", "--pyramid_size=1"))
    inputs = dreams.cut_inputs([str(DATA / "loop_amen.flac")], 0.5, tmp_path / "inputs")
    files = list(inputs.values())
    assert soundfile.info(files[0]).duration == pytest.approx(0.5)
    made = dreams.dream_towards_classes(tiny_checkpoint, files, ["class_2"], tmp_path / "run")
    assert [each[:3] for each in made] == [("loop_amen", "class_2", lr) for lr in dreams.RATES]
    towards = made[1]
    assert 0 < towards.before < 1 and 0 < towards.after < 1 and towards.before != towards.after
    assert towards.distance_db > 0
    assert towards.read().sample_rate == 44100
