"""Loops: analysis, its inverse, gains and resizing wrap around."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.spectral import gain, loop
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.interpolate import resize_linear
from dreamsound_jax.spectral.loop_front_end import make_circular
from dreamsound_jax.spectral.stft import hann
from dreamsound_jax.spectral.where import weigh_frames
from tests.helpers.sounds import white_noise

FRONT_END = make_circular(FrontEnd(mean=-24.0, std=17.0))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("samples", "frames", "n_fft"), [(4000, 20, 441), (3987, 20, 441), (871, 4, 442), (300, 1, 441)]
)
def test_frames_lie_around_the_whole_loop_and_are_put_together_again(samples, frames, n_fft):
    sound = jnp.asarray(white_noise(samples))

    @jax.jit
    def there_and_back(sound):
        spectrum = loop.stft(sound, n_fft=n_fft, count=frames)
        return spectrum, loop.istft(spectrum, n_fft=n_fft, samples=samples)

    spectrum, again = there_and_back(sound)
    np.testing.assert_allclose(again, sound, atol=1e-10)
    for number in range(frames):
        centre = number * samples // frames
        piece = np.take(
            sound, np.arange(centre - n_fft // 2, centre - n_fft // 2 + n_fft), mode="wrap"
        )
        expected = np.fft.rfft(piece * hann(n_fft, float))
        np.testing.assert_allclose(spectrum[:, number], expected, atol=1e-10)


@pytest.mark.usefixtures("x64")
def test_a_rolled_loop_has_the_same_spectrogram_rolled_and_takes_a_gain_in_the_same_way():
    rng = np.random.default_rng(0)
    sound, gain_db = jnp.asarray(white_noise(4000)), jnp.asarray(rng.normal(size=(128, 20)) * 6)

    @jax.jit
    def analyse_and_play(sound, gain_db):
        twice = jnp.repeat(sound, 2)
        own = gain.apply_gain(twice, gain_db, sample_rate=44100, front_end=FRONT_END)
        return FRONT_END.analyse(sound), gain.gain_player(sound, FRONT_END)(gain_db), own

    plain = analyse_and_play(sound, gain_db)
    rolled = analyse_and_play(jnp.roll(sound, 600), jnp.roll(gain_db, 3, axis=1))
    for found, before, step in zip(rolled, plain, (3, 600, 1200)):
        np.testing.assert_allclose(found, jnp.roll(before, step, axis=-1), atol=1e-10)


def test_without_a_gain_a_loop_of_any_length_and_rate_is_given_back():
    sound = jnp.asarray(white_noise(10007), jnp.float32)
    count = FRONT_END.frame_count(round(10007 * 22050 / 48000))
    play = jax.jit(lambda x, g: gain.apply_gain(x, g, sample_rate=48000, front_end=FRONT_END))
    found = play(sound, jnp.zeros((128, count)))
    np.testing.assert_allclose(found, sound, atol=1e-5)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("samples", [2205, 999])
def test_a_loop_changes_its_length_and_stays_one(samples):
    before, after = (np.sin(2 * np.pi * (7 * np.arange(n) / n + 0.1)) for n in (4410, samples))
    np.testing.assert_allclose(loop.change_length(jnp.asarray(before), samples), after, atol=1e-10)


def test_a_new_sound_has_no_seam():
    """The inverse of a spectrogram: its end runs into its beginning as smoothly as all else."""
    samples = 4999
    tone = jnp.asarray(np.sin(2 * np.pi * 100 * np.arange(samples) / samples), jnp.float32)
    mel_db = FRONT_END.analyse(tone)
    sound = jax.jit(lambda key, db: FRONT_END.invert(key, db, samples=samples))
    found = np.asarray(sound(jax.random.key(0), mel_db))
    assert found.shape == (samples,)
    assert abs(found[0] - found[-1]) <= np.abs(np.diff(found)).max()
    around = np.roll(FRONT_END.analyse(jnp.asarray(found)) - mel_db, 5, axis=1)[20:24]
    assert np.abs(around[:, :10]).mean() < np.abs(around[:, 10:]).mean() + 1


def test_a_resized_image_wraps_in_time_alone():
    image = jnp.asarray(np.random.default_rng(0).normal(size=(4, 6)), jnp.float32)
    large = resize_linear(image, (8, 12), circular=True)
    rolled = resize_linear(jnp.roll(image, 1, axis=1), (8, 12), circular=True)
    np.testing.assert_allclose(rolled, jnp.roll(large, 2, axis=1), atol=1e-6)
    np.testing.assert_allclose(large[:, 2:-2], resize_linear(image, (8, 12))[:, 2:-2], atol=1e-6)
    np.testing.assert_allclose(large[0, 0], 0.75 * image[0, 0] + 0.25 * image[0, -1], atol=1e-6)


def test_ranges_of_a_loop_have_an_edge_at_the_seam_unless_they_meet_there():
    def weigh(*ranges):
        how = {"front_end": FRONT_END, "frames": 200, "sample_rate": 22050}
        return weigh_frames(ranges, seconds=200 * 200 / 22050, **how)

    inf = np.inf
    alone, both = weigh((0, 0.5)), weigh((0, 0.5), (1.3, inf))
    assert alone[0] == 0 and alone[25] == 1 and not alone[60:].any()
    assert (both[:40] == 1).all() and (both[-40:] == 1).all() and not both[60:140].any()
    assert (weigh((0, inf)) == 1).all() and (weigh((0, 1.0), (0.9, inf)) == 1).all()
