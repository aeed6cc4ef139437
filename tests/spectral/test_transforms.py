"""The transforms between the rounds of an ouroboros."""

import functools

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest
import soxr

from dreamsound_jax.spectral import transforms
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError
from tests.helpers.sounds import RATE, pitch, recording, tone

FRONT_END = FrontEnd()
WHERE = {"sample_rate": RATE, "front_end": FRONT_END}
# Recordings of one length share programs.
REAL = {
    name: np.resize(recording(name), 30000) for name in ("ambi_choir", "loop_amen", "misc_crow")
}


@functools.partial(jax.jit, static_argnums=(0, 2), static_argnames=("sample_rate", "front_end"))
def transform(function, sound, amount, *, sample_rate=RATE, front_end=FRONT_END):
    return function(sound, amount, sample_rate=sample_rate, front_end=front_end)


def apply(sound, chain, samples):
    return transforms.apply_transforms(sound, chain, **WHERE, samples=samples)


def relative(ours, theirs):
    assert ours.shape == theirs.shape
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("rate", [0.95, 0.5, 1.7])
def test_time_stretch_is_librosas(name, rate):
    """Ours is float32 and librosa's float64: librosa's float32 is up to 1e-2 away from that.

    After the last frame of the input, librosa 1.0 holds what librosa 0.11 and ours let fade.
    """
    sound = REAL[name]
    ours = transform(transforms.time_stretch, jnp.asarray(sound, jnp.float32), rate)
    theirs = librosa.effects.time_stretch(sound, rate=rate)
    assert ours.shape == theirs.shape
    last = int(sound.size // transforms.HOP / rate) * transforms.HOP - transforms.N_FFT // 2
    inside = slice(0, None if int(librosa.__version__.split(".")[0]) < 1 else last)
    assert relative(ours[inside], theirs[inside]) < 1e-3


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("offset", [500, -500, 501, 11025, -9000])
def test_resample_is_soxrs_in_the_pass_band(name, offset):
    sound = REAL[name]
    ours = transform(transforms.resample, jnp.asarray(sound, jnp.float32), offset)
    theirs = soxr.resample(sound, RATE, RATE + offset, quality="VHQ")
    assert ours.shape == theirs.shape
    passes = np.fft.rfftfreq(ours.size, 1 / (RATE + offset)) < 0.45 * min(RATE, RATE + offset)
    window = np.hanning(ours.size)
    signal, error = (np.abs(np.fft.rfft(x * window))[passes] for x in (theirs, ours - theirs))
    assert 20 * np.log10(np.linalg.norm(signal) / np.linalg.norm(error)) > 60


def test_resample_changes_a_sound_of_any_rate_by_the_same_ratio():
    """500 Hz of 22,050: a tone at 44,100 Hz falls by the same interval."""
    for rate in (RATE, 44100):
        fallen = transform(transforms.resample, jnp.asarray(tone(rate)), 500, sample_rate=rate)
        assert pitch(np.asarray(fallen), rate) == pytest.approx(440 * 22050 / 22550, abs=1)


@pytest.mark.parametrize("name", REAL)
def test_pitch_shift_is_librosas(name):
    sound = REAL[name]
    ours = transform(transforms.pitch_shift, jnp.asarray(sound, jnp.float32), 3.0)
    theirs = librosa.effects.pitch_shift(sound, sr=RATE, n_steps=3, res_type="soxr_vhq")
    # They differ next to the highest frequency, where each resampler has its own way to end.
    low = np.fft.rfftfreq(sound.size, 1 / RATE) < 0.45 * RATE
    window = np.hanning(sound.size) * (np.arange(sound.size) < sound.size - 2 * transforms.N_FFT)
    assert relative(*(np.fft.rfft(x * window)[low] for x in (ours, theirs))) < 5e-3


def test_time_roll_wraps_round():
    rolled = transforms.time_roll(jnp.arange(100.0), -0.01, sample_rate=1000)
    assert rolled[:3].tolist() == [10, 11, 12]
    assert rolled[-1] == 9


@pytest.mark.parametrize(("bands", "hz"), [(4, 543), (-4, 337), (20, 956), (40, 1627), (0, 440)])
def test_mel_shift_moves_a_tone_along_the_mel_scale(bands, hz):
    """A band below 1 kHz is 25.85 Hz; above, 2.7 % more than the one before."""
    sound = np.float32(tone())
    shifted = np.asarray(transform(transforms.mel_shift, jnp.asarray(sound), bands))
    assert pitch(shifted) == pytest.approx(hz, abs=RATE / transforms.N_FFT / 2)
    inner = slice(2000, -2000)
    # It is still one clean tone: its level does not beat.
    assert shifted[inner].std() == pytest.approx(
        sound[inner].std(), rel=0.3 if bands > 30 else 0.02
    )


def test_mel_shift_counts_the_bands_of_its_front_end():
    """Of 40 bands up to 4 kHz, one below 1 kHz is 52.3 Hz."""
    coarse = FrontEnd(n_mels=40, f_max=4000.0)
    shifted = transform(transforms.mel_shift, jnp.asarray(tone()), 4, front_end=coarse)
    centres = coarse.band_centres
    assert pitch(np.asarray(shifted)) == pytest.approx(440 + 4 * (centres[1] - centres[0]), abs=6)


def test_mel_shift_drops_what_leaves_the_scale():
    high = jnp.asarray(tone(frequency=10000.0), jnp.float32)
    gone = transform(transforms.mel_shift, high, 10)
    assert np.abs(gone[2000:-2000]).max() < 1e-3


def test_the_end_of_a_longer_sound_is_kept_and_a_shorter_one_repeated():
    ramp = jnp.arange(30000.0)
    half = (("resample", RATE),)
    longer = apply(ramp, half, (30000, 30000))
    assert longer[-100] == pytest.approx(30000 - 50, abs=60)
    assert longer[0] == pytest.approx(15000, abs=60)
    once = transforms.resample(ramp, -RATE // 2)
    shorter = apply(ramp, (("resample", -RATE // 2),), (30000, 30000))
    assert shorter.tolist() == jnp.tile(once, 3)[-30000:].tolist()


@pytest.mark.slow
def test_transforms_are_applied_in_order_and_can_be_vmapped():
    sounds = jnp.asarray(np.stack([tone(), tone(frequency=600.0)]), jnp.float32)
    chain = (("time_stretch", 0.8), ("pitch_shift", 12.0), ("time_roll", 0.2))
    samples = sounds.shape[1], sounds.shape[1]
    both = jax.jit(jax.vmap(lambda sound: apply(sound, chain, samples)))(sounds)
    by_hand = transform(transforms.time_stretch, sounds[1], 0.8)
    by_hand = transform(transforms.pitch_shift, by_hand, 12.0)
    by_hand = transform(transforms.time_roll, by_hand, 0.2)[-sounds.shape[1] :]
    np.testing.assert_allclose(both[1], by_hand, atol=1e-4)
    assert pitch(np.asarray(both[0])) == pytest.approx(880, abs=3)


def test_amounts_and_clips_that_leave_no_sound_are_refused():
    for name, amount, hint in (
        ("time_stretch", 0.0, "--ouroboros_stretch must be from 0.1 to 10, and is 0"),
        ("time_stretch", -1.0, "from 0.1 to 10"),
        ("resample", -22050, "--ouroboros_sr_offset must be from -19845 to 198450, and is -22050"),
        ("pitch_shift", 99.0, "from -36 to 36"),
    ):
        with pytest.raises(UserError, match=hint):
            transforms.check_amounts(((name, amount),))
    with pytest.raises(UserError, match="leaves 400 samples of this clip's 4000"):
        transforms.check_length((("time_stretch", 10.0),), 4000, **WHERE)
    transforms.check_length((("time_stretch", 9.0),), 4000, **WHERE)
