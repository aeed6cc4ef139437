"""Masks in time and frequency."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.gain import apply_gain, bin_weights, find_reached, frame_size
from dreamsound_jax.spectral.where import FADE_SECONDS, weigh_bands, weigh_frames

GM = FrontEnd()
MUSICNN = FrontEnd(sample_rate=16000, n_fft=512, hop=256, n_mels=96)
PANNS = FrontEnd(
    sample_rate=32000, n_fft=1024, hop=320, n_mels=64, f_min=50, f_max=14000, pad_mode="reflect"
)
RATES = (8000, 22050, 44100, 48000)
SECONDS = 1.5


def frames_of(front_end):
    return front_end.frame_count(round(SECONDS * front_end.sample_rate))


def find_changed(weights, front_end, rate):
    """Which samples a loud gain with these weights (mel bands, frames) changes, and their times."""
    samples = round(SECONDS * rate)
    sound = jnp.asarray(np.random.default_rng(0).normal(size=samples), jnp.float32)
    with_gain, plain = (
        apply_gain(sound, jnp.asarray(gain), sample_rate=rate, front_end=front_end)
        for gain in (20 * np.float32(weights), np.zeros_like(weights, np.float32))
    )
    return np.asarray(with_gain != plain), np.arange(samples) / rate


@pytest.mark.parametrize("front_end", [GM, MUSICNN, PANNS], ids=["gm", "musicnn", "panns"])
@pytest.mark.parametrize("rate", RATES)
def test_a_range_of_time_reaches_no_sample_outside_and_nearly_all_inside(front_end, rate):
    ranges = [(0.2, 0.51), (0.9, 1.3)]
    frames = frames_of(front_end)
    weights = weigh_frames(ranges, front_end=front_end, frames=frames, sample_rate=rate)
    changed, times = find_changed(np.tile(weights, (front_end.n_mels, 1)), front_end, rate)
    inside = np.any([(times >= begin) & (times < end) for begin, end in ranges], axis=0)
    assert not changed[~inside].any()
    assert changed[inside].mean() > 0.8


@pytest.mark.parametrize("rate", RATES)
def test_what_a_gain_under_a_mask_reaches_is_found_exactly(rate):
    """Nothing else is changed, and hardly anything is called reached that is not."""
    mask = np.zeros((GM.n_mels, frames_of(GM)), np.float32)
    mask[40:60, 30], mask[20, 100:103] = 0.5, 1e-3
    changed, _ = find_changed(mask, GM, rate)
    find = jax.jit(lambda mask: find_reached(mask, samples=len(changed), **where))
    where = {"sample_rate": rate, "front_end": GM}
    reached = np.asarray(find(mask))
    assert not changed[~reached].any()
    assert changed[reached].mean() > 0.9 and 0.03 < reached.mean() < 0.12


@pytest.mark.parametrize("front_end", [GM, MUSICNN, PANNS], ids=["gm", "musicnn", "panns"])
@pytest.mark.parametrize("rate", RATES)
def test_a_range_of_frequency_reaches_no_bin_outside_and_nearly_all_inside(front_end, rate):
    low, high = 210.0, 2100.0
    weights = weigh_bands([(low, high)], front_end=front_end, sample_rate=rate)
    bins_hz = np.fft.rfftfreq(frame_size(front_end, rate), 1 / rate)
    gain = bin_weights(front_end, rate) @ weights
    inside = (bins_hz >= low) & (bins_hz <= high)
    assert not gain[~inside].any()
    assert (gain[(bins_hz > low * 1.5) & (bins_hz < high / 1.5)] > 0.9).all()


def test_weights_rise_and_fall_along_half_a_cosine_inside_of_a_range():
    weights = weigh_frames([(0.5, 1.0)], front_end=GM, frames=150, sample_rate=44100)
    rising = np.flatnonzero((weights > 0) & (weights < 1))
    steepest = np.pi / 2 * GM.seconds_per_frame / FADE_SECONDS
    assert np.abs(np.diff(weights)).max() <= steepest * 1.001
    assert 8 <= len(rising) <= 12
    peak = np.argmax(weights)
    assert (np.diff(weights[: peak + 1]) >= 0).all() and (np.diff(weights[peak:]) <= 0).all()


def test_open_ends_have_no_edge_and_a_short_range_is_full_in_its_middle():
    def weigh(*ranges):
        return weigh_frames(ranges, front_end=GM, frames=150, sample_rate=44100)

    assert (weigh((0, 0.5))[:45] == 1).all() and not weigh((0, 0.5))[54:].any()
    assert (weigh((0.5, np.inf))[64:] == 1).all() and not weigh((0.5, np.inf))[:56].any()
    assert weigh((0.5, 0.58)).max() == 1
    np.testing.assert_array_equal(
        weigh((0, 0.3), (0.6, 1)), np.maximum(weigh((0, 0.3)), weigh((0.6, 1)))
    )
    top = {"front_end": GM, "sample_rate": 44100}
    assert weigh_bands([(4000, 22050)], **top)[-1] == 1
    # Above what the network hears, the gain is that of its highest band.
    assert weigh_bands([(4000, 15000)], **top)[-1] == 0
    assert weigh_bands([(0, 2000)], **top)[:20].tolist() == [1] * 20
