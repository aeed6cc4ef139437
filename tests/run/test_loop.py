"""`--loop`, from the command line to the samples."""

import numpy as np
import pytest
import soundfile

import dreamsound_jax as ds
from dreamsound_jax.audio.loudness import normalise_loudness
from tests.helpers import tiny
from tests.helpers.clips import facts_of
from tests.helpers.commands import dream, finish, start

RATE = 44100
SHORT = {"pyramid_size": 2, "num_iterations": 2, "lr": 0.3, "layers_to_use": ("relu2_2",)}
SAMPLES = 26463  # No multiple of the hop, nor of anything else.


@pytest.fixture(scope="module")
def model():
    return tiny.tiny_model()


@pytest.fixture(scope="module")
def loop():
    """0.6 s of stereo whose end runs into its beginning: chords that swell, (2, samples)."""
    turns = np.arange(SAMPLES) / SAMPLES
    rng = np.random.default_rng(0)
    waves = [
        rng.uniform(0.1, 1) * np.sin(2 * np.pi * (k * turns + rng.uniform()))
        for k in rng.integers(40, 2500, 60)
    ]
    swelling = (1.2 + np.sin(2 * np.pi * 3 * turns)) * np.sum(waves, axis=0)
    return np.float32(0.02 * np.stack([swelling, np.roll(swelling, 700)]))


def measure_seam(sound):
    """The step from the last sample to the first, and the spectral flux there, each relative to
    the largest inside."""
    steps = np.abs(np.diff(sound, axis=1)).max()
    jump = np.abs(sound[:, 0] - sound[:, -1]).max() / steps
    twice, size, hop = np.concatenate([sound, sound], axis=1)[0], 512, 64
    starts = np.arange(0, twice.size - size, hop)
    frames = np.stack([twice[start : start + size] for start in starts]) * np.hanning(size)
    levels = np.log(1e-3 + np.abs(np.fft.rfft(frames)))
    flux = np.sqrt(np.mean(np.square(np.diff(levels, axis=0)), axis=1))
    at_seam = np.abs(starts[:-1] + (size + hop) / 2 - sound.shape[1]) < size / 2
    return jump, flux[at_seam].max() / flux[~at_seam].max()


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"strength": 60.0, "mix": 0.8, "views": 2}])
def test_the_dream_of_a_loop_is_a_loop_of_the_same_length_without_a_seam(model, loop, changes):
    made = ds.dream(loop, RATE, model, loop=True, **SHORT, **changes)
    assert made.sound.shape == loop.shape
    assert made.change_db.shape == (128, round(SAMPLES / 400))
    assert np.abs(made.change_db).mean() > 1
    assert max(measure_seam(made.sound)) <= 1
    if not changes:
        plain = ds.dream(loop, RATE, model, **SHORT)
        assert max(measure_seam(plain.sound)) > 1.2


def test_a_loop_in_the_domain_mel_has_no_seam(model, loop):
    made = ds.dream(loop, RATE, model, loop=True, domain="mel", **SHORT)
    assert made.sound.shape == (1, round(SAMPLES / 2))
    assert max(measure_seam(made.sound)) <= 1


@pytest.mark.slow
def test_rounds_of_an_ouroboros_are_loops(model, loop):
    made = ds.ouroboros(
        loop,
        RATE,
        model,
        loop=True,
        crossfade=False,
        ouroboros_length=2,
        ouroboros_transform="time_roll",
        **SHORT,
    )
    assert made.sound.shape == (2, 3 * SAMPLES)
    for number in (1, 2):
        piece = made.sound[:, number * SAMPLES : (number + 1) * SAMPLES]
        assert max(measure_seam(piece)) <= 1


def test_outside_of_ranges_that_meet_at_the_seam_every_bit_is_that_of_the_input(model, loop):
    made = ds.dream(loop, RATE, model, loop=True, time=(":0.15", "0.45:"), **SHORT)
    times = np.arange(SAMPLES) / RATE
    outside = (times > 0.15) & (times < 0.45)
    np.testing.assert_array_equal(made.sound[:, outside], loop[:, outside])
    assert np.abs(made.change_db[:, [0, -1]]).mean() > 0.5
    assert max(measure_seam(made.sound)) <= 1


def test_the_limiter_knows_no_ends():
    """A peak at the end of a loop is followed by what is at its beginning."""
    sound = np.random.default_rng(0).normal(size=(RATE, 2)) * 0.05
    sound[-100:] += np.hanning(200)[:100, None]
    limited, loudness = normalise_loudness(sound, sample_rate=RATE, circular=True, target_lufs=-14)
    rolled, _ = normalise_loudness(
        np.roll(sound, 20000, axis=0), sample_rate=RATE, circular=True, target_lufs=-14
    )
    assert loudness.true_peak_dbtp <= -1
    # The loudness is that of other blocks, within the tolerance of its search.
    np.testing.assert_allclose(np.roll(limited, 20000, axis=0), rolled, rtol=0.03, atol=1e-3)
    plain, _ = normalise_loudness(sound, sample_rate=RATE, target_lufs=-14)
    gains = [np.abs(each[:50]).mean() / np.abs(sound[:50]).mean() for each in (limited, plain)]
    assert gains[0] < 0.8 * gains[1]


@pytest.mark.slow
def test_the_command_writes_a_loop_and_warns_of_one_that_jumps(loop, tiny_checkpoint, tmp_path):
    soundfile.write(tmp_path / "loop.wav", loop.T, RATE, subtype="FLOAT")
    cut = np.concatenate([loop[:, :13000], loop[:, 3000:13100]], axis=1) + np.linspace(
        0, 0.9, 23100
    )
    soundfile.write(tmp_path / "jumps.wav", cut.T, RATE, subtype="FLOAT")
    words = ("--layers_to_use=relu2_2", "--pyramid_size=2", "--num_iterations=2", "--noplots")
    words += (f"--checkpoint={tiny_checkpoint}", "--seed=3", "--lr=0.3", "--output_dir=out")
    printed = dream("loop.wav", "jumps.wav", "--loop", *words, cwd=tmp_path)
    assert printed.count("jumps to its beginning") == 1 and "jumps.wav: its end" in printed
    wav = tmp_path / "out/00000-loop.wav"
    sound, _ = soundfile.read(wav)
    assert sound.shape == loop.T.shape and facts_of(wav)["loop"] is True
    assert max(measure_seam(sound.T)) <= 1
    original, _ = soundfile.read(tmp_path / "out/00000-loop.input.wav")
    assert original.shape == sound.shape


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--lengths=buckets",), "--lengths=buckets and --loop must not both be given"),
        (
            ("--create_ouroboros", "--ouroboros_transform=time_roll,resample"),
            "must be none or time_roll with --loop, and is time_roll,resample: resample does not",
        ),
    ],
)
def test_what_keeps_no_loop_is_refused_in_one_line(flags, message, tmp_path):
    code, printed = finish(start("noise", "--loop", *flags, cwd=tmp_path))
    assert code == 2 and message in printed
