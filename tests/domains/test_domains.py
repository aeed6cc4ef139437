import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.audio import files
from dreamsound_jax.audio.files import Recording
from dreamsound_jax.domains import domains
from dreamsound_jax.dreaming import dream, pyramid
from dreamsound_jax.dreaming.batch import analyse, finish
from dreamsound_jax.dreaming.dream import Settings
from dreamsound_jax.networks import loading
from dreamsound_jax.run.sources import Keys, Source
from dreamsound_jax.spectral import interpolate, measures, mel, stft
from tests.helpers import tiny
from tests.helpers.sounds import RATE, original
from tests.helpers.tiny import CARD, tiny_network

SETTINGS = Settings(layers=("relu2_2",), pyramid_size=2, num_iterations=8)


def gather(recordings, *, card=CARD, gain_range=24.0, dtype=jnp.float32):
    """A batch of recordings, to be dreamed on in the domain sound."""
    keys = Keys(*jax.random.split(jax.random.key(0), 4))
    sources = [
        Source(
            number,
            "a.wav",
            files.normalise_recording("a.wav", each, sample_rate=RATE),
            each,
            keys,
            0,
        )
        for number, each in enumerate(recordings)
    ]
    sounds = jnp.asarray(np.stack([source.sound for source in sources]), dtype)
    spectrograms = card.standardise(analyse(sounds))
    return domains.Sound.gather(card, sources, sounds, spectrograms, gain_range=gain_range)


def stereo(start, seconds=0.6):
    """A piece of the drums at 44,100 Hz, the right channel weaker."""
    channels, rate = original("loop_amen")
    piece = channels[round(start * rate) : round((start + seconds) * rate)]
    return Recording(piece * np.float32([1, 0.3]), rate)


BATCH = (stereo(0.0), stereo(0.9))


@pytest.fixture(scope="module")
def network():
    return tiny_network()


def dreamed(network, starts, **settings):
    """`Finished` and `Climb` of a dream by `SETTINGS`."""
    clips = tiny.clips(len(starts.spectrogram), settings=SETTINGS, **settings)
    changed, climb = dream.dream(network, starts, clips, settings=SETTINGS)
    return finish(starts, changed), climb


def rms(sounds):
    return np.sqrt(np.mean(np.square(sounds), axis=(-2, -1)))


def test_a_dream_climbs_and_its_gain_is_in_its_place(network):
    """Rolling is undone on the gain, too: anywhere else, it would excite the network less."""
    starts = gather(BATCH)
    clips = tiny.clips(2, settings=SETTINGS, learning_rate=0.2)
    clips = clips._replace(rolls=jnp.array([[5, 15], [4, 9]]))
    changed, climb = dream.dream(network, starts, clips, settings=SETTINGS)
    assert (climb.objective[:, :, -1] > climb.objective[:, :, 0]).all()
    weights = dream.layer_weights(SETTINGS.layers)
    see = lambda seen: dream.response(network, seen, weights, 0, settings=SETTINGS)  # noqa: E731
    see = jax.jit(jax.vmap(see))

    def heard(frames):
        finished = finish(starts, jnp.roll(changed, frames, axis=2))
        return see(CARD.standardise(finished.mel_db))

    in_place = heard(0)
    for frames in (-15, -9, 9, 15):
        assert (in_place > heard(frames)).all()


def test_the_sound_keeps_its_form_level_and_gain_range_without_a_new_program(network):
    sounds, programs = np.stack([each.channels.T for each in BATCH]), []
    for gain_range in (24.0, 6.0):
        finished, climb = dreamed(network, gather(BATCH, gain_range=gain_range), learning_rate=3.0)
        assert (climb.fault == 0).all()
        assert finished.sound.shape == sounds.shape
        np.testing.assert_allclose(rms(finished.sound), rms(sounds), rtol=1e-4)
        assert finished.change_db.shape == (2, mel.N_MELS, stft.frame_count(RATE * 6 // 10))
        lowest, highest = finished.change_db.min(), finished.change_db.max()
        assert (lowest, highest) == pytest.approx((-gain_range, gain_range))
        assert np.abs(finished.sound - sounds).max() > 0.1
        programs.append(dream.dream_batch_level._cache_size())
    finished, _ = dreamed(network, gather(BATCH, gain_range=0.0), learning_rate=3.0)
    np.testing.assert_allclose(finished.sound, sounds, atol=1e-5)
    dreamed(network, gather(BATCH))
    assert programs == 2 * [dream.dream_batch_level._cache_size()]


def test_a_clip_is_the_same_alone_and_whatever_is_beside_it(network):
    together, _ = dreamed(network, gather(BATCH))
    beside, _ = dreamed(network, gather([BATCH[0], stereo(0.5)]))
    np.testing.assert_array_equal(together.sound[0], beside.sound[0])
    assert np.abs(together.sound[1] - beside.sound[1]).max() > 0.1
    alone, _ = dreamed(network, gather(BATCH[:1]))
    np.testing.assert_allclose(alone.sound[0], together.sound[0], atol=1e-3)


@pytest.mark.usefixtures("x64")
def test_what_the_network_saw_last_is_the_sound_that_is_written():
    """At its own rate and in mono, to the last digits; the level that it is given back is none."""
    crow = files.to_mono(original("misc_crow"), sample_rate=RATE)
    quiet = 2**-6 * crow / np.abs(crow).max()  # by a power of two, so that nothing is rounded
    starts = gather([Recording(quiet[:, None], RATE)], dtype=jnp.float64)
    changed = np.random.default_rng(0).normal(scale=1.5, size=starts.spectrogram.shape)
    finished = finish(starts, jnp.asarray(changed))
    np.testing.assert_allclose(finished.mel_db, analyse(finished.sound[:, 0]), atol=1e-8)
    assert np.abs(finished.mel_db - CARD.destandardise(starts.spectrogram)).mean() > 3


def test_before_the_first_step_the_network_sees_the_input():
    starts = gather(BATCH[:1])
    start = jax.tree.map(lambda leaf: leaf[0], starts)
    shape = (64, 33)
    seen = jax.jit(lambda start: start.eye(shape)(jnp.zeros(shape)))(start)
    expected = np.asarray(interpolate.resize(start.spectrogram, shape))
    audible = expected > start.spectrogram.min()  # the floor may be that of the level alone
    assert audible.mean() > 0.9
    np.testing.assert_allclose(seen[audible], expected[audible], atol=1e-3)
    assert (seen <= expected + 1e-3).all()


@pytest.mark.usefixtures("x64")
def test_balance_changes_no_value_and_leaves_no_gradient_of_the_power():
    start = jax.tree.map(lambda leaf: leaf[0], gather(BATCH[:1], dtype=jnp.float64))
    seen = start.spectrogram
    np.testing.assert_allclose(start.balance(seen), seen, atol=1e-12)
    power = lambda x: jnp.sum(10 ** (CARD.destandardise(x) / 10))  # noqa: E731
    unbalanced = jax.grad(power)(seen)
    balanced = jax.grad(lambda x: power(start.balance(x)))(seen)
    assert np.abs(balanced).max() < 1e-10 * np.abs(unbalanced).max()
    # Louder all over is no way up, whatever is wanted.
    wanted = jnp.asarray(np.random.default_rng(0).normal(size=seen.shape))
    gradient = jax.grad(lambda x: jnp.sum(wanted * start.balance(x)))(seen)
    assert abs(gradient.sum()) < 1e-10 * np.abs(gradient).sum()
    assert np.corrcoef(gradient.ravel(), wanted.ravel())[0, 1] > 0.5


def test_the_gain_grows_smoothly_to_its_next_level():
    start = jax.tree.map(lambda leaf: leaf[0], gather(BATCH[:1]))
    slope = jnp.arange(8.0)[:, None] + jnp.arange(16.0)
    entered = start.enter(slope, [(8, 16), (16, 32)], 1, 1.0)
    assert entered.shape == (16, 32)
    np.testing.assert_allclose(np.diff(entered[1:-1, 1:-1], axis=0), 0.5, atol=1e-5)
    np.testing.assert_allclose(np.diff(entered[1:-1, 1:-1], axis=1), 0.5, atol=1e-5)
    np.testing.assert_array_equal(start.enter(slope, [(8, 16)], 0, 1.0), slope)


def test_the_reference_gives_back_the_detail_that_a_level_lost():
    shapes = [(32, 32), (64, 64)]
    spectrogram = jnp.asarray(np.random.default_rng(1).normal(size=shapes[1]), jnp.float32)
    start = domains.Mel(spectrogram, jnp.zeros(1), jax.random.key(0), CARD)
    lost = pyramid.lost_detail(spectrogram, *shapes[::-1])
    none = jnp.zeros(shapes[0])
    np.testing.assert_allclose(start.enter(none, shapes, 1, 0.5), 0.5 * lost, atol=1e-6)
    assert not start.enter(none, shapes, 1, 0).any()
    entered = start.enter(spectrogram, shapes, 0, 1.0)
    np.testing.assert_array_equal(entered, interpolate.resize(spectrogram, shapes[0]))


def test_the_reference_repaints_the_spectrogram_and_says_what_it_changed():
    (source,) = (gather(BATCH[:1]).spectrogram,)
    start = domains.Mel(source, jnp.zeros((1, 1)), jax.random.split(jax.random.key(0), 1), CARD)
    finished = finish(start, source.at[0, 40].add(0.5))
    change = np.asarray(finished.change_db[0])
    np.testing.assert_allclose(change[40], 0.5 * CARD.std, atol=1e-4)
    np.testing.assert_allclose(np.delete(change, 40, axis=0), 0, atol=1e-4)
    assert finished.sound.shape == (1, 1, (source.shape[2] - 1) * mel.HOP + 1)


def long_dream(model, recording, *, gain_range=24.0):
    """60 steps in two levels: (its mono sound, objective (levels, steps))."""
    settings = Settings(layers=("relu3_4",), pyramid_size=2, num_iterations=30)
    clips = tiny.clips(1, settings=settings, learning_rate=0.1)
    starts = gather([recording], card=model.card, gain_range=gain_range)
    changed, climb = dream.dream(model.network, starts, clips, settings=settings)
    sound = np.asarray(finish(starts, changed).sound[0])
    mono = files.to_mono(Recording(sound.T, recording.sample_rate), sample_rate=RATE)
    return mono, climb.objective[0]


@pytest.mark.slow
def test_a_long_dream_does_not_drain(monkeypatch):
    """It did, into a few loud places, before the gradient was balanced and the gain bounded."""
    model, drums = loading.load("gm"), original("loop_amen")
    silent = measures.silent_share(files.to_mono(drums, sample_rate=RATE))
    sound, objective = long_dream(model, drums)
    assert measures.silent_share(sound) <= silent + 0.01
    assert objective[-1, -1] > 2 * objective[-1, 0]

    monkeypatch.setattr(domains.Sound, "balance", lambda self, seen: seen)
    dream.dream_batch_level.clear_cache()
    try:
        unbalanced, objective_then = long_dream(model, drums)
        unbounded, objective_last = long_dream(model, drums, gain_range=1000.0)
    finally:
        dream.dream_batch_level.clear_cache()
    assert measures.silent_share(unbalanced) > silent + 0.08
    assert objective_then[-1, -1] < 0.8 * objective[-1, -1]
    assert measures.silent_share(unbounded) > silent + 0.4
    assert objective_last[-1, -1] < objective_last[0, 0]


def test_settle_has_the_last_word_on_the_picture_and_on_what_is_heard_of_it():
    sound = jnp.asarray(BATCH[0].channels[: RATE // 2, 0])
    start = domains.Mel(CARD.standardise(mel.analyse(sound)), sound, jax.random.key(0), CARD)
    quieter = lambda db: db.at[30:50].add(-6)  # noqa: E731
    plain = start.finish(start.spectrogram)
    painted = start.finish(start.spectrogram, domains.Settle(quieter, lambda db: db))
    np.testing.assert_array_equal(painted.mel_db, quieter(plain.mel_db))
    played = start.finish(start.spectrogram, domains.Settle(lambda db: db, quieter))
    np.testing.assert_array_equal(played.mel_db, plain.mel_db)
    heard_db, then_db = (mel.sound_to_mel_db(each.sound[0]) for each in (plain, played))
    moved = np.median(then_db - heard_db, axis=1)
    np.testing.assert_allclose(moved[33:47], -6, atol=1)
    np.testing.assert_allclose(np.r_[moved[:25], moved[55:]], 0, atol=0.5)
