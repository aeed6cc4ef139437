"""A gain on the sound by mel bands."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soxr
from scipy.ndimage import gaussian_filter

from dreamsound_jax.audio import files
from dreamsound_jax.spectral import gain
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.stft import stft
from tests.helpers.sounds import (
    RATE,
    measure_heard_parts,
    original,
    recording,
    tone,
    white_noise,
)

pytestmark = pytest.mark.usefixtures("x64")

FRONT_END = FrontEnd()
OTHER = FrontEnd(sample_rate=16000, n_fft=512, hop=256, n_mels=96, f_min=50.0, f_max=7000.0)
BANDS, HOP = FRONT_END.n_mels, FRONT_END.hop
CENTRES = FRONT_END.band_centres


@functools.partial(jax.jit, static_argnames=("sample_rate", "front_end"))
def apply(sound, gain_db, *, sample_rate, front_end=FRONT_END):
    return gain.apply_gain(sound, gain_db, sample_rate=sample_rate, front_end=front_end)


@functools.partial(jax.jit, static_argnames="front_end")
def play(sound, gain_db, *, front_end=FRONT_END):
    return gain.gain_player(sound, front_end)(gain_db)


def frames_of(samples, rate=RATE):
    return FRONT_END.frame_count(round(samples * RATE / rate))


def smooth_gain(frames, *, most_db=12, cells=2):
    """A random gain without edges."""
    noise = np.random.default_rng(0).normal(size=(BANDS, frames))
    blurred = gaussian_filter(noise, cells, mode="nearest")
    return jnp.asarray(most_db * blurred / np.abs(blurred).max())


def decibels(ratio):
    return 20 * np.log10(ratio)


def played_by_all(sound, gain_db, rate, front_end=FRONT_END):
    """The sound with a gain, by `apply_gain` and, at the network's rate, by `gain_player`."""
    yield apply(sound, gain_db, sample_rate=rate, front_end=front_end)
    if rate == front_end.sample_rate:
        yield play(sound, gain_db, front_end=front_end)


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
        even = jnp.full((BANDS, frames_of(samples, rate)), db)
        for played in played_by_all(sound, even, rate):
            np.testing.assert_allclose(played, 10 ** (db / 20) * sound, atol=1e-10)


def level_db(sound, rate, frequency, seconds):
    """Of a sine in a stretch of a sound: its amplitude, by a Hann window that spans it."""
    start, stop = (round(second * rate) for second in seconds)
    window = np.hanning(stop - start)
    wave = np.exp(-2j * np.pi * frequency * np.arange(start, stop) / rate)
    return decibels(2 * np.abs(np.sum(window * sound[start:stop] * wave)) / window.sum())


@pytest.mark.parametrize(
    ("front_end", "rate"),
    [(FRONT_END, RATE), (FRONT_END, 44100), (OTHER, 16000), (OTHER, 44100)],
    ids=["reference", "reference at 44.1 kHz", "other", "other at 44.1 kHz"],
)
def test_a_gain_reaches_its_band_and_its_time_alone(front_end, rate):
    low, high = (tone(rate, seconds=2, frequency=hz) for hz in (500, 4000))
    sound, centres = jnp.asarray(low + high), front_end.band_centres
    gain_db = np.zeros((centres.size, front_end.frame_count(2 * front_end.sample_rate)))
    later = np.arange(gain_db.shape[1]) * front_end.seconds_per_frame > 1
    gain_db[np.ix_((centres > 3500) & (centres < 4500), later)] = -20
    frame = front_end.n_fft / front_end.sample_rate
    places = [(500, (0.02, 1.98), 0), (4000, (0.02, 1 - frame), 0), (4000, (1 + frame, 1.98), -20)]
    for played in played_by_all(sound, jnp.asarray(gain_db), rate, front_end):
        for frequency, seconds, db in places:
            was, now = (level_db(x, rate, frequency, seconds) for x in (sound, played))
            assert now - was == pytest.approx(db, abs=0.01)


def test_frames_of_another_length_do_not_drift():
    """At 8,000 Hz frames are 73 samples apart; the network's are 72.6 of these apart."""
    sound = white_noise(20 * 8000)
    gain_db = np.zeros((BANDS, frames_of(sound.size, 8000)))
    gain_db[:, np.arange(gain_db.shape[1]) * HOP / RATE > 18] = -40
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
        gain_db = smooth_gain(frames_of(heard.size))
        channels = jnp.asarray(recorded.channels.T, float)
        played = [apply(channel, gain_db, sample_rate=44100) for channel in channels]
        return channels.mean(0), np.mean(played, axis=0), heard, gain_db


def test_the_sound_at_its_own_rate_is_what_the_network_heard(drums):
    _, played, heard, gain_db = drums
    written = jnp.asarray(soxr.resample(played, 44100, RATE))
    analyse = jax.jit(jax.vmap(FRONT_END.analyse))
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
    gain_db = smooth_gain(frames_of(sound.size), cells=4)
    transform = jax.jit(functools.partial(stft, n_fft=FRONT_END.n_fft, hop=HOP))
    before, after = (np.asarray(transform(each)) for each in (sound, play(sound, gain_db)))
    turned = np.abs(np.angle(after * before.conj()))[np.abs(before) > 0.01 * np.abs(before).max()]
    assert turned.size > 1e4
    assert np.percentile(turned, 99) < 0.1
    assert np.median(turned) < 0.01


def test_a_gain_is_limited_to_its_range_and_raises_no_silence():

    def limit(gain_db, mel_db, *, gain_range):
        return gain.limit_gain(gain_db, FrontEnd().headroom(mel_db), gain_range=gain_range)

    rng = np.random.default_rng(0)
    mel_db = np.maximum(rng.uniform(-120, -5, (BANDS, 50)), -85)
    mel_db[3, 4] = -5
    wanted = rng.normal(scale=40, size=mel_db.shape)
    limited = np.asarray(limit(wanted, mel_db, gain_range=24.0))
    assert (limited.min(), limited.max()) == (-24, 24)
    floor, loud = mel_db == -85, mel_db > -85 + 24
    assert floor.sum() > 1000 and (limited[floor] <= 0).all() and (limited[floor] < 0).any()
    np.testing.assert_array_equal(limited[loud], np.clip(wanted, -24, 24)[loud])
    assert (limited <= mel_db + 85).all()
    assert not limit(wanted, mel_db, gain_range=0.0).any()


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_digital_silence_stays(rate):
    half = rate // 2
    sound = jnp.asarray(np.r_[white_noise(half), np.zeros(half)])
    gain_db = 24 + smooth_gain(frames_of(RATE), cells=0.5)
    for played in played_by_all(sound, gain_db, rate):
        assert np.abs(played[:half]).max() > 10
        assert not played[half + round(FRONT_END.n_fft * rate / RATE) :].any()


def test_a_gain_does_not_click_at_the_end():
    """The last of 51,200 samples lies at the edge of the last frame."""
    sound = jnp.asarray(white_noise(51200))
    rough_db = np.random.default_rng(0).uniform(-24, 24, (BANDS, 256))
    played = np.abs(play(sound, jnp.asarray(rough_db)))
    assert played[-50:].max() < played[:-50].max()


@pytest.mark.parametrize("rate", [8000, RATE, 44100, 48000])
def test_every_bin_shares_the_gains_of_the_bands_around_it(rate):
    weights = gain.bin_weights(FRONT_END, rate)
    hz = np.fft.rfftfreq(round(FRONT_END.n_fft * rate / RATE), 1 / rate)
    assert weights.shape == (hz.size, BANDS)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(1), 1)
    middle = (hz > 1000) & (hz < 10000)
    np.testing.assert_allclose((weights @ CENTRES)[middle], hz[middle], rtol=1e-3)


def test_bins_that_no_band_contains_follow_their_nearest_neighbour():
    weights, hz = gain.bin_weights(OTHER, 44100), np.fft.rfftfreq(1411, 1 / 44100)
    assert weights.shape == (hz.size, 96)
    np.testing.assert_allclose(weights.sum(1), 1)
    assert (weights[hz < 40] == weights[0]).all() and weights[0].argmax() == 0
    assert (weights[hz > 7000] == weights[-1]).all() and weights[-1].argmax() == 95


def test_loudness_is_matched_over_all_channels():
    original, sound = np.stack([tone(), 0.1 * tone()]), np.stack([3 * tone(), tone(frequency=9)])
    scaled = np.asarray(gain.match_rms(jnp.asarray(original), jnp.asarray(sound)))
    assert np.mean(scaled**2) == pytest.approx(np.mean(original**2))
    np.testing.assert_allclose(scaled / scaled.max(), sound / sound.max(), atol=1e-12)
    assert not gain.match_rms(original, jnp.zeros((2, 5))).any()


restore = functools.partial(gain.restore_unheard_level, highest=FRONT_END.highest)


@pytest.mark.parametrize("rate", [8000, RATE, 44100])
def test_the_levels_of_what_the_network_does_not_hear_are_restored(rate):
    """The top band is far quieter than the difference of the channels; the rest is not touched."""
    rng, samples = np.random.default_rng(0), 60001
    original, sound = rng.normal(size=(2, 2, samples)) * np.array([[[1.0]], [[0.1]]])
    sound[1] *= 7
    spectra = np.fft.rfft(original)
    spectra[:, np.fft.rfftfreq(samples, 1 / rate) > RATE / 2] *= 1e-3
    original = np.fft.irfft(spectra, samples)
    hold = jax.jit(jax.vmap(functools.partial(restore, sample_rate=rate)))
    pair = [jnp.asarray(each, jnp.float32)[None] for each in (original, sound)]
    held = hold(*pair)
    for _ in range(50):  # a sum that XLA:CPU runs in parallel must not lose parts of it
        np.testing.assert_array_equal(hold(*pair), held)
    heard, *unheard = measure_heard_parts(np.asarray(held[0]), rate)
    wanted_heard, *wanted = measure_heard_parts(original, rate)
    assert heard == pytest.approx(measure_heard_parts(sound, rate)[0], rel=1e-3)
    np.testing.assert_allclose(np.divide(unheard, heard), wanted / wanted_heard, rtol=0.01)


def test_a_mono_sound_is_heard_whole_whatever_its_channels():
    sound = jnp.asarray(white_noise(5000))[None]
    for channels in (sound, jnp.concatenate([sound, sound])):
        held = restore(channels[:, ::-1], channels, sample_rate=RATE)
        np.testing.assert_allclose(held, channels, atol=1e-5)


def test_parts_that_are_silent_stay_so_and_are_not_nan():
    left, silence = jnp.asarray(white_noise(5000, seed=1)), jnp.zeros(5000)
    stereo, opposite, none = (
        jnp.stack(each) for each in ([left, silence], [left, -left], [silence, silence])
    )
    pairs = (stereo, none), (none, stereo), (opposite, stereo), (none, none)
    for before, sound in pairs:
        held = restore(before, sound, sample_rate=44100)
        assert np.isfinite(held).all() and held.any() == sound.any()
    # What was mono, or had no top band, gets none.
    mono = jnp.stack([jnp.asarray(tone(5000, frequency=100.0))] * 2)
    held = restore(mono, stereo, sample_rate=44100)
    heard, side, top = measure_heard_parts(np.asarray(held), 44100)
    assert heard > 1 and side < 1e-6 * heard and top < 1e-3 * heard
