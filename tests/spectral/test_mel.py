import functools
import statistics
import time

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from dreamsound_jax.spectral import inversion, mel, stft
from tests.helpers.sounds import RATE, recording, tone, white_noise

SOUNDS = {
    "noise": white_noise,
    "sine": lambda: 2 * tone(seconds=51200 / RATE, frequency=250.0),
    "drums": lambda: recording("loop_amen"),
    "choir": lambda: recording("ambi_choir"),
    "crow": lambda: recording("misc_crow"),
    "silence": lambda: np.zeros(51200),
    "no multiple of the hop": lambda: white_noise(51333),
    "shorter than two frames": lambda: white_noise(777),
}


def librosa_mel_db(sound, n_fft=441):
    # In float64 throughout: librosa's filter bank is float32 unless told otherwise.
    sound = np.asarray(sound, np.float64)
    options = {"sr": RATE, "n_fft": n_fft, "hop_length": 200, "n_mels": 128}
    power = librosa.feature.melspectrogram(y=sound, **options, dtype=np.float64)
    return librosa.power_to_db(power)


@pytest.mark.parametrize("n_fft", [441, 512])
@pytest.mark.parametrize("name", SOUNDS)
def test_analysis_agrees_with_librosa(name, n_fft):
    sound = SOUNDS[name]()
    expected = librosa_mel_db(sound, n_fft)
    single = mel.sound_to_mel_db(jnp.asarray(sound, jnp.float32), n_fft=n_fft)
    assert single.dtype == jnp.float32
    assert single.shape == (128, stft.frame_count(sound.size, n_fft=n_fft))
    np.testing.assert_allclose(single, expected, atol=1e-3, rtol=0)
    with jax.enable_x64(True):
        double = mel.sound_to_mel_db(jnp.asarray(sound), n_fft=n_fft)
        np.testing.assert_allclose(double, expected, atol=1e-8, rtol=0)


def test_a_batch_is_its_clips():
    batch = jnp.asarray([white_noise(8000, seed) for seed in range(3)], jnp.float32)
    together = jax.vmap(mel.sound_to_mel_db)(batch)
    for row, sound in zip(together, batch):
        np.testing.assert_allclose(row, mel.sound_to_mel_db(sound), atol=1e-4)


@pytest.mark.usefixtures("x64")
def test_analysis_is_differentiable():
    sound, direction = jnp.asarray(white_noise(3000)), jnp.asarray(white_noise(3000, seed=1))
    value = lambda step: mel.sound_to_mel_db(sound + step * direction).mean()  # noqa: E731
    slope = (value(1e-6) - value(-1e-6)) / 2e-6
    np.testing.assert_allclose(jax.grad(value)(0.0), slope, rtol=1e-5)


def test_some_frames_are_those_of_the_whole():
    sound, some = jnp.asarray(white_noise(8000), jnp.float32), np.array([7, 0, 40, 7])
    np.testing.assert_allclose(stft.stft(sound, frames=some), stft.stft(sound)[:, some], atol=1e-4)
    found, whole = mel.analyse(sound, frames=some), mel.analyse(sound)[:, some]
    np.testing.assert_allclose(found, whole, atol=1e-3)
    np.testing.assert_allclose(mel.analyse(0.01 * sound), mel.analyse(sound), atol=1e-3)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("n_fft", [441, 512])
def test_istft_inverts_stft(n_fft):
    sound = jnp.asarray(white_noise(10001))
    again = stft.istft(stft.stft(sound, n_fft=n_fft), n_fft=n_fft)
    assert sound.size - again.size < 200
    np.testing.assert_allclose(again, sound[: again.size], atol=1e-10)


def test_what_is_to_be_heard_is_as_exact_as_the_inverse():
    sound = tone(seconds=1, frequency=1000.0)
    analyse = functools.partial(stft.stft, jnp.asarray(sound, jnp.float32))
    exact, fast = np.asarray(analyse()), np.asarray(analyse(to_be_heard=True))
    assert np.abs(fast - exact).max() < 3e-7 * np.abs(exact).max()  # measured: 1.7e-7
    again = stft.istft(jnp.asarray(exact), samples=sound.size)
    assert np.abs(again - sound).max() < 3e-7  # measured: 1.8e-7


def test_256_frames_give_51001_samples_and_depend_on_the_key():
    mel_db = jnp.asarray(librosa_mel_db(white_noise()), jnp.float32)
    first, again, other = (inversion.mel_db_to_sound(jax.random.key(k), mel_db) for k in (0, 0, 1))
    assert first.shape == (51001,)
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def librosa_sound(mel_db):
    power = librosa.db_to_power(mel_db)
    return librosa.feature.inverse.mel_to_audio(power, sr=RATE, n_fft=441, hop_length=200)


def errors_of(sound, target):
    """Mean absolute and RMS error in dB of a sound, by librosa's own analysis."""
    error = np.abs(librosa_mel_db(sound) - target)
    return error.mean(), np.sqrt(np.square(error).mean())


def test_inversion_is_no_worse_than_librosas(capsys):
    """Both start from a random phase, so three sounds of each are averaged."""
    ours, rows = jax.jit(inversion.mel_db_to_sound), {}
    for name in ("noise", "sine", "drums", "choir", "crow"):
        target = librosa_mel_db(SOUNDS[name]()).astype(np.float32)
        mine = [errors_of(ours(jax.random.key(k), target), target) for k in range(3)]
        theirs = [errors_of(librosa_sound(target), target) for _ in range(3)]
        rows[name] = (*np.mean(mine, 0), *np.mean(theirs, 0))
    with capsys.disabled():
        print("\nmel re-analysis error in dB:  ours mean, RMS   librosa mean, RMS")
        for name, errors in rows.items():
            print(f"{name:<28}" + "".join(f"{error:10.2f}" for error in errors))
    assert all(rms <= their_rms for _, rms, _, their_rms in rows.values())


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="librosa runs on CPU")
def test_inversion_takes_at_most_a_third_of_librosas_time():
    target = librosa_mel_db(recording("loop_amen")).astype(np.float32)
    ours = jax.jit(inversion.mel_db_to_sound)

    def seconds(invert):
        started = time.perf_counter()
        jax.block_until_ready(invert())
        return time.perf_counter() - started

    pair = (lambda: ours(jax.random.key(0), target), lambda: librosa_sound(target))
    [seconds(invert) for invert in pair]  # both compile at first
    ratio = statistics.median(seconds(pair[0]) / seconds(pair[1]) for _ in range(5))
    assert ratio < 1 / 3


def test_peak_normalise_leaves_silence():
    np.testing.assert_allclose(mel.peak_normalise(jnp.array([0.5, -2.0])), [0.25, -1])
    assert not mel.peak_normalise(jnp.zeros(5)).any()
