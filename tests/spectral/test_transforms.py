import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest
import soxr

from dreamsound_jax.spectral import transforms
from dreamsound_jax.system.errors import UserError
from tests.helpers.sounds import RATE, pitch, recording, tone

REAL = ("ambi_choir", "loop_amen", "misc_crow")


def relative(ours, theirs):
    assert ours.shape == theirs.shape
    return np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("rate", [0.95, 0.5, 1.7])
def test_time_stretch_is_librosas(name, rate):
    """In float32, against librosa in float64: its own float32 is up to 1e-2 away from that.

    Behind the last frame of the input, librosa 1.0 holds what 0.11, and ours, let fade.
    """
    sound = recording(name)
    ours = transforms.time_stretch(jnp.asarray(sound, jnp.float32), rate, sample_rate=RATE)
    theirs = librosa.effects.time_stretch(sound, rate=rate)
    assert ours.shape == theirs.shape
    last = int(sound.size // transforms.HOP / rate) * transforms.HOP - transforms.N_FFT // 2
    inside = slice(0, None if int(librosa.__version__.split(".")[0]) < 1 else last)
    assert relative(ours[inside], theirs[inside]) < 1e-3


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("offset", [500, -500, 501, 11025, -9000])
def test_resample_is_soxrs_in_the_pass_band(name, offset):
    sound = recording(name)
    ours = transforms.resample(jnp.asarray(sound, jnp.float32), offset, sample_rate=RATE)
    theirs = soxr.resample(sound, RATE, RATE + offset, quality="VHQ")
    assert ours.shape == theirs.shape
    passes = np.fft.rfftfreq(ours.size, 1 / (RATE + offset)) < 0.45 * min(RATE, RATE + offset)
    window = np.hanning(ours.size)
    signal, error = (np.abs(np.fft.rfft(x * window))[passes] for x in (theirs, ours - theirs))
    assert 20 * np.log10(np.linalg.norm(signal) / np.linalg.norm(error)) > 60


def test_resample_takes_a_sound_of_any_rate_as_far():
    """500 Hz of 22,050: a tone at 44,100 Hz falls by the same interval."""
    for rate in (RATE, 44100):
        fallen = transforms.resample(jnp.asarray(tone(rate)), 500, sample_rate=rate)
        assert pitch(np.asarray(fallen), rate) == pytest.approx(440 * 22050 / 22550, abs=1)


@pytest.mark.parametrize("name", REAL)
def test_pitch_shift_is_librosas(name):
    sound = recording(name)
    ours = transforms.pitch_shift(jnp.asarray(sound, jnp.float32), 3.0, sample_rate=RATE)
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
    shifted = np.asarray(transforms.mel_shift(jnp.asarray(sound), bands, sample_rate=RATE))
    assert pitch(shifted) == pytest.approx(hz, abs=RATE / transforms.N_FFT / 2)
    inner = slice(2000, -2000)
    # One clean tone still: its level has not begun to beat.
    assert shifted[inner].std() == pytest.approx(
        sound[inner].std(), rel=0.3 if bands > 30 else 0.02
    )


def test_mel_shift_lets_go_what_leaves_the_scale():
    gone = transforms.mel_shift(jnp.asarray(tone(frequency=10000.0)), 10, sample_rate=RATE)
    assert np.abs(gone[2000:-2000]).max() < 1e-3


def test_of_a_longer_sound_the_end_is_kept_and_a_shorter_one_repeated():
    ramp = jnp.arange(30000.0)
    half = (("resample", RATE),)
    longer = transforms.apply(ramp, half, sample_rate=RATE, samples=(30000, 30000))
    assert longer[-100] == pytest.approx(30000 - 50, abs=60)
    assert longer[0] == pytest.approx(15000, abs=60)
    once = transforms.resample(ramp, -RATE // 2, sample_rate=RATE)
    shorter = transforms.apply(
        ramp, (("resample", -RATE // 2),), sample_rate=RATE, samples=(30000, 30000)
    )
    assert shorter.tolist() == jnp.tile(once, 3)[-30000:].tolist()


def test_transforms_are_applied_one_after_the_other_and_vmap():
    sounds = jnp.asarray(np.stack([tone(), tone(frequency=600.0)]), jnp.float32)
    chain = (("time_stretch", 0.8), ("pitch_shift", 12.0), ("time_roll", 0.2))
    apply = lambda sound: transforms.apply(  # noqa: E731
        sound, chain, sample_rate=RATE, samples=(sound.size, sound.size)
    )
    both = jax.jit(jax.vmap(apply))(sounds)
    by_hand = transforms.time_stretch(sounds[1], 0.8, sample_rate=RATE)
    by_hand = transforms.pitch_shift(by_hand, 12.0, sample_rate=RATE)
    by_hand = transforms.time_roll(by_hand, 0.2, sample_rate=RATE)[-sounds.shape[1] :]
    np.testing.assert_allclose(both[1], by_hand, atol=1e-4)
    assert pitch(np.asarray(both[0])) == pytest.approx(880, abs=3)


def test_amounts_and_clips_that_leave_no_sound_are_refused():
    for name, amount, hint in (
        ("time_stretch", 0.0, "--ouroboros_stretch=0: accepted are 0.1 to 10"),
        ("time_stretch", -1.0, "0.1 to 10"),
        ("resample", -22050, "--ouroboros_sr_offset=-22050: accepted are -19845"),
        ("pitch_shift", 99.0, "-36 to 36"),
    ):
        with pytest.raises(UserError, match=hint):
            transforms.check(((name, amount),))
    with pytest.raises(UserError, match="leaves 400 samples of this clip's 4000"):
        transforms.check_length((("time_stretch", 10.0),), 4000, sample_rate=RATE)
    transforms.check_length((("time_stretch", 9.0),), 4000, sample_rate=RATE)
