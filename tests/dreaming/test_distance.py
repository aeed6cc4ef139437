"""How far a dream is from its input, and dreams of a given distance."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.dreaming.batch import make_clips
from dreamsound_jax.dreaming.distance import measure_distance, scale_to_distance
from dreamsound_jax.dreaming.growth import render_growth
from dreamsound_jax.spectral.interpolate import resize_nearest
from tests.helpers.domains import first_clip, sound_clips
from tests.helpers.sounds import RATE, white_noise
from tests.helpers.tiny import FRONT_END

SOUND = white_noise(12000)


def test_a_distance_ignores_level_and_what_is_not_heard():
    before = jnp.asarray(np.random.default_rng(0).uniform(-40, 0, (8, 12)))
    assert measure_distance(before, before - 20) == pytest.approx(0, abs=1e-4)
    quiet = jnp.full((1, 12), -100.0)
    with_silence = jnp.concatenate([before, quiet])
    assert measure_distance(with_silence, with_silence.at[-1].set(-80)) == pytest.approx(
        0, abs=1e-4
    )
    # A cell that appears counts from the floor of what is heard.
    appears = with_silence.at[-1, 0].set(before.max())
    rise = np.sqrt(60**2 / (8 * 12 + 1))
    assert measure_distance(with_silence, appears) == pytest.approx(rise, rel=0.05)


def test_a_distance_on_the_host_is_that_on_the_device():
    before, after = np.random.default_rng(0).uniform(-80, 0, (2, 8, 12)).astype(np.float32)
    host, device = (
        measure_distance(before, after),
        measure_distance(*map(jnp.asarray, (before, after))),
    )
    assert isinstance(host, np.floating) and isinstance(device, jax.Array)
    assert host == pytest.approx(float(device), rel=1e-5)


def make_clip(domain):
    if domain == "sound":
        return first_clip(sound_clips([Recording(SOUND[:, None], RATE)]))
    clips, _ = make_clips(
        FRONT_END,
        "mel",
        SOUND[None],
        originals=None,
        sample_rate=RATE,
        gain_ranges=[24.0],
        phase_keys=[jax.random.key(0)],
    )
    return first_clip(clips)


def dream_of(clip):
    """Parameters that are some way from the input, in broad strokes."""
    strokes = np.random.default_rng(1).normal(size=(16, 6))
    shape = clip.spectrogram.shape
    return clip.initial() + 0.5 * jax.image.resize(
        jnp.asarray(strokes, jnp.float32), shape, "cubic"
    )


def distance_of(clip, parameters):
    seen = clip.observe(parameters.shape)(parameters)
    to_db = FRONT_END.destandardise
    return float(measure_distance(to_db(clip.spectrogram), to_db(seen)))


@pytest.mark.parametrize("domain", ["sound", "mel"])
def test_a_dream_is_brought_to_the_distance_that_is_wanted(domain):
    clip = make_clip(domain)
    dream = dream_of(clip)
    whole = distance_of(clip, dream)
    for wanted in (0.2 * whole, 0.7 * whole, 1.2 * whole):
        scaled = scale_to_distance(clip, dream, jnp.float32(wanted))
        assert distance_of(clip, scaled) == pytest.approx(wanted, rel=0.01)
    nothing = scale_to_distance(clip, dream, jnp.float32(0))
    np.testing.assert_array_equal(nothing, clip.initial())
    as_it_is = scale_to_distance(clip, dream, jnp.float32(jnp.nan))
    np.testing.assert_array_equal(as_it_is, dream)


@pytest.mark.parametrize("domain", ["sound", "mel"])
def test_the_passes_of_a_dream_are_rendered_on_the_way_to_the_finished_dream(domain):
    clip = make_clip(domain)
    end = dream_of(clip)
    coarse = resize_nearest(end, (16, 6))
    wanted, amount = jnp.float32(0.7 * distance_of(clip, end)), jnp.float32(0.5)
    batch = jax.tree.map(lambda each: each[None], (clip, [coarse, end, end]))
    each = (jnp.zeros(1), wanted[None], amount[None])
    first, second = jax.tree.map(lambda each: each[0], render_growth(*batch, *each))
    scaled = scale_to_distance(clip, end, wanted)
    finished = clip.render(clip.initial() + amount * (scaled - clip.initial()))
    # A pass that reached what the dream has reached sounds like it; a coarse one differs.
    np.testing.assert_allclose(second.mel_db, finished.mel_db, atol=1e-2)
    assert first.mel_db.shape == finished.mel_db.shape
    assert first.sound.shape == finished.sound.shape
    assert np.abs(first.mel_db - finished.mel_db).max() > 0.1
    to_db = FRONT_END.destandardise(clip.spectrogram)
    assert 0 < measure_distance(to_db, first.mel_db) < 2 * wanted


def test_a_distance_beyond_the_bounds_is_approached_as_far_as_they_allow():
    clip = make_clip("sound")
    dream = dream_of(clip)
    scaled = scale_to_distance(clip, dream, jnp.float32(100))
    assert float(jnp.abs(scaled).max()) <= float(clip.bound()) * (1 + 1e-6)
    assert distance_of(clip, dream) < distance_of(clip, scaled) < 100


def test_a_dream_at_its_bounds_is_not_pushed_beyond_where_it_is_farthest():
    """Farther out, more and more cells have the same gain, and the distance falls again."""
    clip = make_clip("sound")
    dream = jnp.abs(dream_of(clip))
    distances = [distance_of(clip, jnp.clip(t * dream, max=clip.bound())) for t in (2, 8)]
    assert distances[0] > distances[1]
    unreachable = scale_to_distance(clip, dream, jnp.float32(100))
    assert distance_of(clip, unreachable) >= distances[0]
    reachable = scale_to_distance(clip, dream, jnp.float32(0.98 * distances[0]))
    assert distance_of(clip, reachable) == pytest.approx(0.98 * distances[0], rel=0.01)
