"""The short-time Fourier transform and its inverse, against SciPy and librosa."""

import functools

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from dreamsound_jax.spectral.stft import istft, stft
from tests.helpers.sounds import recording, tone, white_noise

SIZES = {"n_fft": 441, "hop": 200}
transform = jax.jit(stft, static_argnames=("n_fft", "hop", "exact"))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("n_fft", "hop"), [(441, 200), (512, 200), (512, 256)])
def test_the_inverse_inverts(n_fft, hop):
    sound = jnp.asarray(white_noise(10001))
    sizes = {"n_fft": n_fft, "hop": hop}
    again = jax.jit(lambda sound: istft(stft(sound, **sizes), **sizes))(sound)
    assert sound.size - again.size < hop
    np.testing.assert_allclose(again, sound[: again.size], atol=1e-10)


@pytest.mark.parametrize("exact", [True, False])
def test_in_float32_a_bin_is_rounded_to_two_units_of_the_loudest_of_its_frame(exact):
    sound = np.float32(recording("misc_crow"))
    expected = librosa.stft(np.float64(sound), n_fft=512, hop_length=200)
    found = np.asarray(transform(jnp.asarray(sound), n_fft=512, hop=200, exact=exact))
    error = np.abs(found - expected) / np.abs(expected).max(axis=0)
    assert error.max() < 2 * np.finfo(np.float32).eps


def test_some_frames_are_those_of_the_whole():
    sound, some = jnp.asarray(white_noise(8000), jnp.float32), np.array([7, 0, 40, 7])
    found = jax.jit(functools.partial(stft, **SIZES, frames=some))(sound)
    np.testing.assert_allclose(found, transform(sound, **SIZES)[:, some], atol=1e-4)


def test_the_fast_transform_is_as_exact_as_the_inverse():
    sound = jnp.asarray(tone(frequency=1000.0), jnp.float32)
    exact, fast = (np.asarray(transform(sound, **SIZES, exact=exact)) for exact in (True, False))
    assert np.abs(fast - exact).max() < 3e-7 * np.abs(exact).max()  # measured: 1.7e-7
    again = jax.jit(functools.partial(istft, **SIZES, samples=sound.size))(exact)
    assert np.abs(again - sound).max() < 3e-7  # measured: 1.8e-7


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("samples", [1, 2, 100, 220, 221, 8000])
@pytest.mark.parametrize(("n_fft", "hop"), [(441, 200), (512, 256), (64, 16)])
def test_a_sound_is_mirrored_at_its_ends_as_numpy_mirrors_it(samples, n_fft, hop):
    """A sound that is shorter than half a frame is mirrored again and again."""
    sound = white_noise(samples)
    padded = np.pad(sound, n_fft // 2, mode="reflect")
    expected = librosa.stft(padded, n_fft=n_fft, hop_length=hop, center=False)
    found = stft(jnp.asarray(sound), n_fft=n_fft, hop=hop, pad_mode="reflect")
    np.testing.assert_allclose(found, expected, atol=1e-10)
