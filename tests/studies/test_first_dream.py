import numpy as np
import pytest
from scipy import signal

from studies.first_dream.measures import measure_difference
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
