"""Analysis and inversion of sounds, against librosa and the reference."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError
from tests.helpers import librosa_reference
from tests.helpers.sounds import RATE, recording, tone, white_noise

FRONT_ENDS = {
    "reference": FrontEnd(),
    "even frame": FrontEnd(n_fft=512),
    "16 kHz": FrontEnd(
        sample_rate=16000, n_fft=512, hop=256, n_mels=96, f_min=50.0, f_max=7000.0, top_db=60.0
    ),
    "torchaudio": FrontEnd(
        sample_rate=16000,
        n_fft=1024,
        hop=160,
        n_mels=64,
        mel_scale="htk",
        mel_norm="none",
        pad_mode="reflect",
    ),
}
SAMPLES = 51200
# Recordings are repeated up to one length, so that they share a program.
SOUNDS = {
    "noise": lambda: white_noise(SAMPLES),
    "sine": lambda: 2 * tone(seconds=SAMPLES / RATE, frequency=250.0),
    "drums": lambda: np.resize(recording("loop_amen"), SAMPLES),
    "choir": lambda: np.resize(recording("ambi_choir"), SAMPLES),
    "crow": lambda: np.resize(recording("misc_crow"), SAMPLES),
    "silence": lambda: np.zeros(SAMPLES),
    "no multiple of the hop": lambda: white_noise(51333),
    "shorter than two frames": lambda: white_noise(777),
}


@functools.partial(jax.jit, static_argnames="front_end")
def level_db(sound, *, front_end):
    return front_end.level_db(sound)


@pytest.mark.parametrize("front_end", FRONT_ENDS.values(), ids=FRONT_ENDS)
@pytest.mark.parametrize("name", SOUNDS)
def test_analysis_agrees_with_librosa(name, front_end):
    sound = SOUNDS[name]()
    expected = librosa_reference.analyse(sound, front_end)
    single = level_db(jnp.asarray(sound, jnp.float32), front_end=front_end)
    assert single.dtype == jnp.float32
    assert single.shape == (front_end.n_mels, front_end.frame_count(sound.size)) == expected.shape
    allowed = librosa_reference.rounding_db(sound, front_end)
    assert (np.abs(single - expected) / allowed).max() < 1
    with jax.enable_x64(True):
        double = level_db(jnp.asarray(sound), front_end=front_end)
        np.testing.assert_allclose(double, expected, atol=1e-8, rtol=0)


@pytest.mark.parametrize("front_end", FRONT_ENDS.values(), ids=FRONT_ENDS)
def test_frames_and_samples_are_counted_as_librosa_counts_them(front_end):
    sizes = {"n_fft": front_end.n_fft, "hop_length": front_end.hop}
    for samples in (front_end.n_fft, 1999, 2000, 2001, 51200):
        spectrum = librosa.stft(np.zeros(samples), **sizes)
        frames = spectrum.shape[1]
        assert front_end.frame_count(samples) == frames
        again = librosa.istft(spectrum, hop_length=front_end.hop, n_fft=front_end.n_fft)
        assert front_end.sample_count(frames) == again.size


def test_bands_are_placed_between_the_lowest_and_the_highest_frequency():
    reference, other = FRONT_ENDS["reference"], FRONT_ENDS["16 kHz"]
    assert (reference.highest, other.highest) == (11025, 7000)
    assert reference.seconds_per_frame == pytest.approx(200 / 22050)
    expected = librosa.mel_frequencies(98, fmin=50, fmax=7000)[1:-1]
    np.testing.assert_allclose(other.band_centres, expected)
    expected = librosa.mel_frequencies(66, fmin=0, fmax=8000, htk=True)[1:-1]
    np.testing.assert_allclose(FRONT_ENDS["torchaudio"].band_centres, expected)


def test_headroom_is_the_height_above_the_floor():
    mel_db = np.array([[-20.0, -70.0], [-80.0, -30.0]])
    headroom = FRONT_ENDS["16 kHz"].headroom(mel_db)
    np.testing.assert_allclose(headroom, [[60, 10], [0, 50]])


def test_a_batch_is_its_clips():
    batch = jnp.asarray([white_noise(8000, seed) for seed in range(3)], jnp.float32)
    together = jax.jit(jax.vmap(FrontEnd().level_db))(batch)
    for row, sound in zip(together, batch):
        np.testing.assert_allclose(row, level_db(sound, front_end=FrontEnd()), atol=1e-4)


@pytest.mark.usefixtures("x64")
def test_analysis_is_differentiable():
    sound, direction = jnp.asarray(white_noise(3000)), jnp.asarray(white_noise(3000, seed=1))
    value = jax.jit(lambda step: FrontEnd().level_db(sound + step * direction).mean())
    slope = (value(1e-6) - value(-1e-6)) / 2e-6
    np.testing.assert_allclose(jax.grad(value)(0.0), slope, rtol=1e-5)


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
def test_some_frames_are_those_of_the_whole_at_a_peak_of_1(pad_mode):
    front_end = FrontEnd(pad_mode=pad_mode)
    sound = jnp.asarray(0.3 * white_noise(8000), jnp.float32)
    some, analyse = np.array([7, 0, 40, 7]), jax.jit(front_end.analyse)
    whole = level_db(sound / jnp.abs(sound).max(), front_end=front_end)
    for loudness in (1, 0.01):
        np.testing.assert_allclose(analyse(loudness * sound), whole, atol=1e-3)
    found = jax.jit(lambda sound: front_end.analyse(sound, frames=some))(sound)
    np.testing.assert_allclose(found, whole[:, some], atol=1e-3)
    assert (analyse(jnp.zeros(8000)) == -100).all()


def test_standardising_goes_round():
    front_end, db = FrontEnd(mean=-24.0, std=17.0), np.linspace(-80, 30, 7)
    np.testing.assert_allclose(front_end.destandardise(front_end.standardise(db)), db)
    assert front_end.standardise(-24.0 + 17.0) == 1


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("constants", "compress"),
    [
        ({"compression": "log1p"}, lambda power: np.log10(1 + 1e4 * power)),
        ({"compression": "log"}, lambda power: np.log(power + 1e-6)),
        ({"compression": "log", "log_offset": 0}, np.log),
        ({"compression": "log", "log_offset": 1}, np.log1p),
    ],
)
def test_the_network_is_shown_compressed_power_with_statistics_of_its_own(constants, compress):
    front_end = FrontEnd(mean=-24.0, std=17.0, input_mean=-3.0, input_std=2.0, **constants)
    db = np.linspace(-80, 30, 12)
    shown = (compress(10 ** (db / 10)) + 3) / 2
    found = front_end.compress(front_end.standardise(jnp.asarray(db)))
    np.testing.assert_allclose(found, shown, atol=1e-12)
    np.testing.assert_allclose(front_end.compress_db(db), compress(10 ** (db / 10)))
    plain = dataclasses.replace(front_end, input_mean=0.0, input_std=1.0)
    found = plain.compress(plain.standardise(jnp.asarray(db)))
    np.testing.assert_allclose(found, compress(10 ** (db / 10)), atol=1e-12)


@pytest.mark.parametrize(
    ("constants", "words"),
    [
        ({"mel_scale": "mel"}, "no mel_scale 'mel'; choose from: slaney, htk"),
        ({"mel_norm": None}, "no mel_norm None (did you mean none?); choose from: slaney, none"),
        ({"pad_mode": "edge"}, "no pad_mode 'edge'; choose from: constant, reflect"),
        ({"log_offset": 1e-3}, "log_offset needs compression=log, got compression=db"),
        ({"log_offset": -1.0, "compression": "log"}, "log_offset must be 0 or more, got -1"),
        ({"input_std": 0, "compression": "log"}, "input_std must be above 0, got 0"),
        ({"input_mean": 1.0}, "input_mean and input_std must be left out where the compression is"),
    ],
)
def test_constants_that_make_no_sense_are_refused_in_one_line(constants, words):
    with pytest.raises(UserError) as caught:
        FrontEnd(**constants)
    assert words in str(caught.value) and "\n" not in str(caught.value)
