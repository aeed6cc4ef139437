import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soxr
from scipy.ndimage import gaussian_filter

from dreamsound_jax.audio import files
from dreamsound_jax.dreaming.batch import analyse
from dreamsound_jax.spectral import gain, mel, stft
from tests.helpers.sounds import RATE, original, recording, tone, white_noise

pytestmark = pytest.mark.usefixtures("x64")

apply = jax.jit(gain.apply, static_argnames="sample_rate")
CENTRES = mel.mel_frequencies(mel.N_MELS + 2, highest=RATE / 2)[1:-1]  # of bands, in Hz
play = jax.jit(lambda sound, gain_db: gain.player(sound)(gain_db))


def frames_of(samples, rate=RATE):
    return stft.frame_count(round(samples * RATE / rate))


def smooth_gain(frames, *, most_db=12, cells=2):
    """A random gain without edges."""
    noise = np.random.default_rng(0).normal(size=(mel.N_MELS, frames))
    blurred = gaussian_filter(noise, cells, mode="nearest")
    return jnp.asarray(most_db * blurred / np.abs(blurred).max())


def decibels(ratio):
    return 20 * np.log10(ratio)


def played_by_all(sound, gain_db, rate):
    """The sound with a gain, by `apply` and, at the network's rate, by `player`."""
    yield apply(sound, gain_db, sample_rate=rate)
    if rate == RATE:
        yield play(sound, gain_db)


@pytest.mark.parametrize(
    ("rate", "samples"),
    [
        (RATE, 51200),
        (RATE, 777),
        (44100, 10001),
        (48000, 9999),
        (8000, 4000),
        (8000, 100),
        (50, 60),
    ],
)
def test_an_even_gain_is_a_factor_and_none_gives_the_sound_back(rate, samples):
    sound = jnp.asarray(white_noise(samples))
    for db in (0.0, -7.5):
        even = jnp.full((mel.N_MELS, frames_of(samples, rate)), db)
        for played in played_by_all(sound, even, rate):
            np.testing.assert_allclose(played, 10 ** (db / 20) * sound, atol=1e-10)


def level_db(sound, rate, frequency, seconds):
    """Of a sine in a stretch of a sound: its amplitude, by a Hann window that spans it."""
    start, stop = (round(second * rate) for second in seconds)
    window = np.hanning(stop - start)
    wave = np.exp(-2j * np.pi * frequency * np.arange(start, stop) / rate)
    return decibels(2 * np.abs(np.sum(window * sound[start:stop] * wave)) / window.sum())


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_a_gain_reaches_its_band_and_its_time_alone(rate):
    low, high = (tone(rate, seconds=2, frequency=hz) for hz in (500, 4000))
    sound = jnp.asarray(low + high)
    gain_db = np.zeros((mel.N_MELS, frames_of(2 * RATE)))
    later = np.arange(gain_db.shape[1]) * mel.HOP / RATE > 1
    gain_db[np.ix_((CENTRES > 3500) & (CENTRES < 4500), later)] = -20
    places = [(500, (0.02, 1.98), 0), (4000, (0.02, 0.98), 0), (4000, (1.02, 1.98), -20)]
    for played in played_by_all(sound, jnp.asarray(gain_db), rate):
        for frequency, seconds, db in places:
            was, now = (level_db(x, rate, frequency, seconds) for x in (sound, played))
            assert now - was == pytest.approx(db, abs=0.01)


def test_frames_of_another_length_drift_nowhere():
    """At 8,000 Hz they are 73 samples apart, where 72.6 were as far as the network's."""
    sound = white_noise(20 * 8000)
    gain_db = np.zeros((mel.N_MELS, frames_of(sound.size, 8000)))
    gain_db[:, np.arange(gain_db.shape[1]) * mel.HOP / RATE > 18] = -40
    played = apply(jnp.asarray(sound), jnp.asarray(gain_db), sample_rate=8000)
    ratio = np.abs(played) / np.maximum(np.abs(sound), 1e-3)
    assert np.median(ratio[int(17.95 * 8000) : int(17.98 * 8000)]) == pytest.approx(1, abs=0.01)
    assert np.median(ratio[int(18.03 * 8000) : int(18.06 * 8000)]) < 0.05


@pytest.fixture(scope="module")
def drums():
    """(mono at 44,100 Hz, with a gain; mono as the network hears it; the gain in dB)."""
    with jax.enable_x64(True):
        recorded = original("loop_amen")
        heard = jnp.asarray(files.to_mono(recorded, sample_rate=RATE), float)
        gain_db = smooth_gain(stft.frame_count(heard.size))
        channels = jnp.asarray(recorded.channels.T, float)
        played = [apply(channel, gain_db, sample_rate=44100) for channel in channels]
        return channels.mean(0), np.mean(played, axis=0), heard, gain_db


def test_the_sound_at_its_own_rate_is_what_the_network_heard(drums):
    _, played, heard, gain_db = drums
    written = jnp.asarray(soxr.resample(played, 44100, RATE))
    before, expected, found = np.asarray(analyse(jnp.stack([heard, play(heard, gain_db), written])))
    audible = expected > expected.max() - 60
    error = np.abs(found - expected)[audible]
    assert np.abs(expected - before)[audible].mean() > 1.5
    assert error.mean() < 0.02
    assert error.max() < 0.5


def power_above(sound, hz):
    return np.square(np.abs(np.fft.rfft(sound)))[np.fft.rfftfreq(sound.size, 1 / 44100) > hz].sum()


def test_what_is_above_the_networks_hearing_follows_the_highest_band(drums):
    mono, *_, gain_db = drums
    top_db = np.full(gain_db.shape, -12.0)
    top_db[-3:] = 9
    played = apply(mono, jnp.asarray(top_db), sample_rate=44100)
    before, after = (power_above(sound, 11300) for sound in (mono, played))
    assert before > 1e-3 * power_above(mono, 0)
    assert 10 * np.log10(after / before) == pytest.approx(9, abs=0.01)


def test_the_phase_stays():
    """Within 0.1 rad where it is loud: a gain that changes in time or pitch smears it a little."""
    sound = jnp.asarray(recording("loop_amen"))
    gain_db = smooth_gain(stft.frame_count(sound.size), cells=4)
    before, after = (np.asarray(stft.stft(each)) for each in (sound, play(sound, gain_db)))
    turned = np.abs(np.angle(after * before.conj()))[np.abs(before) > 0.01 * np.abs(before).max()]
    assert turned.size > 1e4
    assert np.percentile(turned, 99) < 0.1
    assert np.median(turned) < 0.01


def test_a_gain_keeps_its_range_and_raises_no_silence():
    rng = np.random.default_rng(0)
    mel_db = np.maximum(rng.uniform(-120, -5, (mel.N_MELS, 50)), -85)
    mel_db[3, 4] = -5
    wanted = rng.normal(scale=40, size=mel_db.shape)
    bounded = np.asarray(gain.bounded(wanted, mel_db, gain_range=24.0))
    assert (bounded.min(), bounded.max()) == (-24, 24)
    floor, loud = mel_db == -85, mel_db > -85 + 24
    assert floor.sum() > 1000 and (bounded[floor] <= 0).all() and (bounded[floor] < 0).any()
    np.testing.assert_array_equal(bounded[loud], np.clip(wanted, -24, 24)[loud])
    assert (bounded <= mel_db + 85).all()
    assert not gain.bounded(wanted, mel_db, gain_range=0.0).any()


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_digital_silence_stays(rate):
    half = rate // 2
    sound = jnp.asarray(np.r_[white_noise(half), np.zeros(half)])
    gain_db = 24 + smooth_gain(frames_of(RATE), cells=0.5)
    for played in played_by_all(sound, gain_db, rate):
        assert np.abs(played[:half]).max() > 10
        assert not played[half + round(mel.N_FFT * rate / RATE) :].any()


def test_a_gain_does_not_click_at_the_end():
    """The last of 51,200 samples lies at the edge of the last frame."""
    sound = jnp.asarray(white_noise(51200))
    rough_db = np.random.default_rng(0).uniform(-24, 24, (mel.N_MELS, 256))
    played = np.abs(play(sound, jnp.asarray(rough_db)))
    assert played[-50:].max() < played[:-50].max()


@pytest.mark.parametrize("rate", [8000, RATE, 44100, 48000])
def test_every_bin_shares_the_gains_of_the_bands_around_it(rate):
    weights = gain.bin_weights(rate)
    hz = np.fft.rfftfreq(round(mel.N_FFT * rate / RATE), 1 / rate)
    assert weights.shape == (hz.size, mel.N_MELS)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(1), 1)
    middle = (hz > 1000) & (hz < 10000)
    np.testing.assert_allclose((weights @ CENTRES)[middle], hz[middle], rtol=1e-3)


def test_as_loud_as_before_over_all_channels():
    original, sound = np.stack([tone(), 0.1 * tone()]), np.stack([3 * tone(), tone(frequency=9)])
    scaled = np.asarray(gain.as_loud_as(jnp.asarray(original), jnp.asarray(sound)))
    assert np.mean(scaled**2) == pytest.approx(np.mean(original**2))
    np.testing.assert_allclose(scaled / scaled.max(), sound / sound.max(), atol=1e-12)
    assert not gain.as_loud_as(original, jnp.zeros((2, 5))).any()


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_what_the_network_does_not_hear_stays_as_loud_beside_the_rest(rate):
    """The difference of the channels, and what is above 11,025 Hz; the rest is not touched."""
    rng, samples = np.random.default_rng(0), 60001
    original, sound = rng.normal(size=(2, 2, samples)) * np.array([[[1.0]], [[0.1]]])
    sound[1] *= 7
    hold = jax.jit(jax.vmap(functools.partial(gain.with_unheard_as_in, sample_rate=rate)))
    pair = [jnp.asarray(each, jnp.float32)[None] for each in (original, sound)]
    held = hold(*pair)
    for _ in range(50):  # a sum that XLA:CPU runs in parallel must not lose parts of it
        np.testing.assert_array_equal(hold(*pair), held)
    heard = np.fft.rfftfreq(samples, 1 / rate) <= RATE / 2

    def parts(channels):
        """(power of what is heard, power of the rest), by hand."""
        spectra = np.fft.rfft(channels)
        mono = np.where(heard, spectra.mean(axis=0), 0)
        return [np.sum(np.abs(part) ** 2) for part in (np.stack([mono] * 2), spectra - mono)]

    was, unheard_was = parts(original)
    power, unheard = parts(np.asarray(held[0]))
    assert unheard / power == pytest.approx(unheard_was / was, rel=0.01)
    assert power == pytest.approx(parts(sound)[0], rel=1e-3)


def test_a_mono_sound_is_heard_whole():
    sound = jnp.asarray(white_noise(5000))[None]
    held = gain.with_unheard_as_in(sound[:, ::-1], sound, sample_rate=RATE)
    np.testing.assert_allclose(held, sound, atol=1e-5)
