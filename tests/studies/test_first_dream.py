"""The tables of docs/first_dream.md are measured and written as they say."""

import numpy as np
import pytest
from scipy import signal

from dreamsound_jax.run import presets
from dreamsound_jax.run.presets import Preset
from studies.first_dream import presets as studied_presets
from studies.first_dream.dreams import Input, Mono, compare
from studies.first_dream.measures import measure_difference
from studies.report import replace_part
from tests.helpers import tiny
from tests.helpers.sounds import original

# librosa compiles what it measures onsets with.
pytestmark = pytest.mark.slow


@pytest.fixture
def drums():
    sound, rate = original("loop_amen")
    return sound.mean(axis=1)[: 2 * rate], rate


def test_a_sound_does_not_differ_from_itself_at_another_level(drums):
    sound, rate = drums
    assert measure_difference(sound, 0.1 * sound, sample_rate=rate) == pytest.approx(
        (0, 0, 1), abs=1e-3
    )


def test_an_equaliser_changes_the_colour_and_hardly_the_course(drums):
    sound, rate = drums
    darker = signal.lfilter(*signal.butter(1, 600, fs=rate), sound)
    difference = measure_difference(sound, darker, sample_rate=rate)
    assert difference.lsd > 6 and difference.tv < 0.6 * difference.lsd
    assert difference.onset_r > 0.8


def test_other_events_change_the_course_and_the_onsets(drums):
    sound, rate = drums
    moved = measure_difference(sound, np.roll(sound, rate // 3), sample_rate=rate)
    assert moved.tv > 0.8 * moved.lsd > 4
    assert moved.onset_r < 0.6


def test_a_dream_at_another_sample_rate_is_compared_at_the_lower_one(drums):
    sound, rate = drums
    half = signal.resample_poly(sound, 1, 2)
    difference = compare(Mono(sound, rate), Mono(half, rate // 2))
    assert difference.lsd < 1 and difference.onset_r > 0.95


def test_presets_that_differ_are_said_to_differ(monkeypatch):
    wide, narrow = (
        Preset(name, "Any sentence.", {"layers_to_use": ("relu2_2",), "strength": strength})
        for name, strength in (("far", 80.0), ("near", 20.0))
    )
    same = Preset("same", "Any sentence.", wide.values)
    for module in (studied_presets, presets):
        monkeypatch.setattr(module, "list_presets", lambda: (wide, narrow, same))
    sound, rate = original("loop_amen")
    table = studied_presets.measure(tiny.tiny_model(), [Input(sound[: rate // 2].T, rate)])
    far, near, _ = (row.split(" | ") for row in table.splitlines()[2:])
    assert far[4:] == ["same", "0.0 |"] and near[4] in ("far", "same")
    assert float(far[1]) > 2 * float(near[1]) > 1


def test_a_part_of_a_page_is_replaced_and_the_rest_stays(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\nBefore.\n", encoding="utf-8")
    for text in ("first", "second"):
        replace_part(page, "one", text)
        replace_part(page, "two", f"{text} of two")
        page.write_text(page.read_text().replace("end of one -->\n", "end of one -->\n\nBetween."))
    found = page.read_text()
    assert found.startswith("# Title\n\nBefore.\n\n<!-- one")
    assert "second" in found and "first" not in found
    assert found.index("second\n") < found.index("Between.") < found.index("second of two")
