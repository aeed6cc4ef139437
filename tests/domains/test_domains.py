"""The two domains: what a dream changes, and what it keeps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.audio import files
from dreamsound_jax.audio.files import Recording
from dreamsound_jax.domains.domain import LevelMatch
from dreamsound_jax.domains.mel import MelDomain
from dreamsound_jax.domains.sound import SoundDomain
from dreamsound_jax.dreaming.batch import make_clips, render_clips
from dreamsound_jax.dreaming.dream import dream_clips, dream_level_of_clips, respond
from dreamsound_jax.networks import loading
from dreamsound_jax.spectral import measures
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.interpolate import resize_nearest
from tests.helpers import librosa_reference, tiny
from tests.helpers.domains import first_clip, sound_clips
from tests.helpers.sounds import RATE, original, recording
from tests.helpers.tiny import FRONT_END, tiny_network

PROGRAM = tiny.program("relu2_2", pyramid_size=2, num_iterations=8)


def stereo(start, seconds=0.6):
    """A piece of the drums at 44,100 Hz, the right channel weaker."""
    channels, rate = original("loop_amen")
    piece = channels[round(start * rate) : round((start + seconds) * rate)]
    return Recording(piece * np.float32([1, 0.3]), rate)


BATCH = (stereo(0.0), stereo(0.9))


def settings(count, **changes):
    return tiny.settings(count, ("relu2_2",), program=PROGRAM, **changes)


def dream(clips, **changes):
    """The `Rendered` dreams and the `Climb` of clips."""
    how = settings(len(clips.spectrogram), **changes)
    parameters, climb = dream_clips(tiny_network(), clips, how, program=PROGRAM)
    return render_clips(clips, parameters), climb


def measure_rms(sounds):
    return np.sqrt(np.mean(np.square(sounds), axis=(-2, -1)))


def test_a_dream_climbs_and_its_gain_is_in_its_place():
    """Rolling is undone on the gain, too: anywhere else, it would excite the network less."""
    clips, network = sound_clips(BATCH), tiny_network()
    how = settings(2, learning_rate=0.2)._replace(rolls=jnp.array([[5, 15], [4, 9]]))
    parameters, climb = dream_clips(network, clips, how, program=PROGRAM)
    assert (climb.objective[:, :, -1] > climb.objective[:, :, 0]).all()

    @jax.jit
    @jax.vmap
    def measure(mel_db, how):
        return respond(network, FRONT_END.standardise(mel_db), how, program=PROGRAM)

    def hear(frames):
        rendered = render_clips(clips, jnp.roll(parameters, frames, axis=2))
        return measure(rendered.mel_db, how)

    in_place = hear(0)
    for frames in (-15, -9, 9, 15):
        assert (in_place > hear(frames)).all()


def test_the_sound_keeps_its_form_level_and_gain_range_without_a_new_program():
    sounds, programs = np.stack([each.channels.T for each in BATCH]), []
    for gain_range in (24.0, 6.0):
        clips = sound_clips(BATCH, gain_range=gain_range)
        rendered, climb = dream(clips, learning_rate=3.0)
        assert (climb.fault == 0).all()
        assert rendered.sound.shape == sounds.shape
        np.testing.assert_allclose(measure_rms(rendered.sound), measure_rms(sounds), rtol=1e-4)
        frames = FRONT_END.frame_count(RATE * 6 // 10)
        assert rendered.change_db.shape == (2, FRONT_END.n_mels, frames)
        lowest, highest = rendered.change_db.min(), rendered.change_db.max()
        assert (lowest, highest) == pytest.approx((-gain_range, gain_range))
        assert np.abs(rendered.sound - sounds).max() > 0.1
        programs.append(dream_level_of_clips._cache_size())
    rendered, _ = dream(sound_clips(BATCH, gain_range=0.0), learning_rate=3.0)
    np.testing.assert_allclose(rendered.sound, sounds, atol=1e-5)
    assert programs == 2 * [dream_level_of_clips._cache_size()]


def test_a_clip_is_the_same_alone_and_whatever_is_beside_it():
    together, _ = dream(sound_clips(BATCH))
    beside, _ = dream(sound_clips([BATCH[0], stereo(0.5)]))
    np.testing.assert_array_equal(together.sound[0], beside.sound[0])
    assert np.abs(together.sound[1] - beside.sound[1]).max() > 0.1
    alone, _ = dream(sound_clips(BATCH[:1]))
    np.testing.assert_allclose(alone.sound[0], together.sound[0], atol=1e-3)


@pytest.mark.usefixtures("x64")
def test_what_the_network_is_shown_last_is_the_sound_that_is_written():
    """At its own rate and in mono, to the last digits; its level is not restored, but kept."""
    crow = files.to_mono(original("misc_crow"), sample_rate=RATE)
    # A power of two rounds nothing.
    quiet = 2**-6 * crow / np.abs(crow).max()
    clips = sound_clips([Recording(quiet[:, None], RATE)], dtype=np.float64)
    gain = np.random.default_rng(0).normal(scale=1.5, size=clips.spectrogram.shape)
    rendered = render_clips(clips, jnp.asarray(gain))
    heard_db = jax.jit(FRONT_END.analyse)(rendered.sound[0, 0])
    np.testing.assert_allclose(rendered.mel_db[0], heard_db, atol=1e-8)
    assert np.abs(rendered.mel_db - FRONT_END.destandardise(clips.spectrogram)).mean() > 3


def test_before_the_first_step_the_network_is_shown_the_input():
    clip, shape = first_clip(sound_clips(BATCH[:1])), (64, 33)
    observed = jax.jit(lambda clip: clip.observe(shape)(jnp.zeros(shape)))(clip)
    expected = np.asarray(resize_nearest(clip.spectrogram, shape))
    # The floor may be that of the frames of the level alone.
    audible = expected > clip.spectrogram.min()
    assert audible.mean() > 0.9
    np.testing.assert_allclose(observed[audible], expected[audible], atol=1e-3)
    assert (observed <= expected + 1e-3).all()


@pytest.mark.usefixtures("x64")
def test_constraining_the_gradient_changes_no_value_and_leaves_no_gradient_of_the_power():
    clip = first_clip(sound_clips(BATCH[:1], dtype=np.float64))
    observed = clip.spectrogram
    np.testing.assert_allclose(clip.constrain_gradient(observed), observed, atol=1e-12)

    def power(x):
        return jnp.sum(10 ** (FRONT_END.destandardise(x) / 10))

    free = jax.grad(power)(observed)
    constrained = jax.grad(lambda x: power(clip.constrain_gradient(x)))(observed)
    assert np.abs(constrained).max() < 1e-10 * np.abs(free).max()
    # Louder all over is no way up, whatever is wanted.
    wanted = jnp.asarray(np.random.default_rng(0).normal(size=observed.shape))
    gradient = jax.grad(lambda x: jnp.sum(wanted * clip.constrain_gradient(x)))(observed)
    assert abs(gradient.sum()) < 1e-10 * np.abs(gradient).sum()
    assert np.corrcoef(gradient.ravel(), wanted.ravel())[0, 1] > 0.5


def test_the_gain_grows_smoothly_to_its_next_level():
    clip = first_clip(sound_clips(BATCH[:1]))
    slope = jnp.arange(8.0)[:, None] + jnp.arange(16.0)
    larger = clip.to_level(slope, [(8, 16), (16, 32)], 1, 1.0)
    assert larger.shape == (16, 32)
    np.testing.assert_allclose(np.diff(larger[1:-1, 1:-1], axis=0), 0.5, atol=1e-5)
    np.testing.assert_allclose(np.diff(larger[1:-1, 1:-1], axis=1), 0.5, atol=1e-5)
    np.testing.assert_array_equal(clip.to_level(slope, [(8, 16)], 0, 1.0), slope)


def test_the_spectrogram_gets_back_the_detail_that_a_smaller_level_lost():
    small, large = shapes = [(32, 32), (64, 64)]
    spectrogram = jnp.asarray(np.random.default_rng(1).normal(size=large), jnp.float32)
    clip = MelDomain(spectrogram, jnp.zeros(1), jax.random.key(0), FRONT_END)
    lost = spectrogram - resize_nearest(resize_nearest(spectrogram, small), large)
    assert np.abs(lost).max() > 0.1
    nothing = jnp.zeros(small)
    np.testing.assert_allclose(clip.to_level(nothing, shapes, 1, 0.5), 0.5 * lost, atol=1e-6)
    np.testing.assert_allclose(clip.observe_whole(nothing, 0.5), 0.5 * lost, atol=1e-6)
    assert not clip.to_level(nothing, shapes, 1, 0).any()
    first = clip.to_level(spectrogram, shapes, 0, 1.0)
    np.testing.assert_array_equal(first, resize_nearest(spectrogram, small))


def test_rendering_a_spectrogram_states_what_changed_in_it():
    spectrogram = sound_clips(BATCH[:1]).spectrogram
    keys = jax.random.split(jax.random.key(0), 1)
    clips = MelDomain(spectrogram, jnp.zeros((1, 1)), keys, FRONT_END)
    rendered = render_clips(clips, spectrogram.at[0, 40].add(0.5))
    change = np.asarray(rendered.change_db[0])
    np.testing.assert_allclose(change[40], 0.5 * FRONT_END.std, atol=1e-4)
    np.testing.assert_allclose(np.delete(change, 40, axis=0), 0, atol=1e-4)
    samples = (spectrogram.shape[2] - 1) * FRONT_END.hop + 1
    assert rendered.sound.shape == (1, 1, samples)


def test_matched_levels_are_those_of_the_picture_and_of_the_sound():
    sound = jnp.asarray(BATCH[0].channels[: RATE // 2, 0])
    spectrogram = FRONT_END.standardise(FRONT_END.analyse(sound))
    clip = MelDomain(spectrogram, sound, jax.random.key(0), FRONT_END)

    def keep(db):
        return db

    def lower(db):
        return db.at[30:50].add(-6)

    @jax.jit
    def render_all(clip):
        plain = clip.render(clip.spectrogram)
        painted_db, played_db = lower(plain.mel_db), lower(FRONT_END.level_db(plain.sound[0]))
        matches = [LevelMatch(lambda db: painted_db, keep), LevelMatch(keep, lambda db: played_db)]
        return [plain, *(clip.render(clip.spectrogram, match) for match in matches)]

    plain, painted, played = render_all(clip)
    np.testing.assert_array_equal(painted.mel_db, lower(plain.mel_db))
    np.testing.assert_array_equal(played.mel_db, plain.mel_db)
    before_db, after_db = (FRONT_END.level_db(each.sound[0]) for each in (plain, played))
    moved = np.median(after_db - before_db, axis=1)
    np.testing.assert_allclose(moved[33:47], -6, atol=1)
    np.testing.assert_allclose(np.r_[moved[:25], moved[55:]], 0, atol=0.5)


def dream_long(model, recording, *, gain_range=24.0):
    """Dreams 60 steps in two levels: (the mono sound, the objective (levels, steps))."""
    layers = ("relu3_4",)
    program = tiny.program(*layers, card=model.card, pyramid_size=2, num_iterations=30)
    how = tiny.settings(1, layers, program=program, card=model.card, learning_rate=0.1)
    front_end = model.card.front_end
    clips = sound_clips([recording], front_end=front_end, gain_range=gain_range)
    parameters, climb = dream_clips(model.network, clips, how, program=program)
    sound = np.asarray(render_clips(clips, parameters).sound[0])
    mono = files.to_mono(Recording(sound.T, recording.sample_rate), sample_rate=RATE)
    return mono, climb.objective[0]


@pytest.mark.slow
def test_a_long_dream_does_not_drain(monkeypatch):
    """Without a constrained gradient and a bounded gain, it drains into a few loud places."""
    model, drums = loading.load_model("gm"), original("loop_amen")
    silent = measures.silent_share(files.to_mono(drums, sample_rate=RATE))
    sound, objective = dream_long(model, drums)
    assert measures.silent_share(sound) <= silent + 0.01
    assert objective[-1, -1] > 2 * objective[-1, 0]

    monkeypatch.setattr(SoundDomain, "constrain_gradient", lambda self, observed, inside: observed)
    dream_level_of_clips.clear_cache()
    try:
        free, free_objective = dream_long(model, drums)
        unbounded, unbounded_objective = dream_long(model, drums, gain_range=1000.0)
    finally:
        dream_level_of_clips.clear_cache()
    assert measures.silent_share(free) > silent + 0.08
    assert free_objective[-1, -1] < 0.8 * objective[-1, -1]
    assert measures.silent_share(unbounded) > silent + 0.4
    assert unbounded_objective[-1, -1] < unbounded_objective[0, 0]


@pytest.mark.parametrize("domain", ["sound", "mel"])
def test_the_network_hears_sounds_mirrored_at_their_ends_where_its_card_says_so(domain):
    """Each analysis of a domain is librosa's: of the input, of a step, of a round's result."""
    front_end = FrontEnd(n_mels=64, n_fft=512, pad_mode="reflect", mean=-24.0, std=17.0)
    sound = np.float32(recording("loop_amen")[2000:10000])
    sound /= np.abs(sound).max()
    clips, mel_db = make_clips(
        front_end,
        domain,
        sound[None],
        originals=sound[None, None],
        sample_rate=RATE,
        gain_ranges=[24.0],
        phase_keys=[jax.random.key(0)],
    )
    expected = librosa_reference.analyse(sound, front_end)
    np.testing.assert_allclose(mel_db[0], expected, atol=0.01)
    clip = first_clip(clips)
    observe = jax.jit(lambda clip, x: clip.observe(expected.shape)(x))
    heard = front_end.destandardise(observe(clip, clip.initial()))
    np.testing.assert_allclose(heard, expected, atol=0.01)
    rendered = jax.jit(lambda clip, x: clip.render(x))(clip, clip.initial())
    if domain == "sound":
        small = jax.jit(lambda clip, x: clip.observe((32, 20))(x))(clip, clip.initial())
        wanted = resize_nearest(jnp.asarray(expected), (32, 20))
        np.testing.assert_allclose(front_end.destandardise(small), wanted, atol=0.01)
        np.testing.assert_allclose(rendered.mel_db, expected, atol=0.01)
    following = clip.next_round(rendered, (("time_roll", 0.1),))
    rolled = np.roll(rendered.sound[0], round(0.1 * RATE))
    rolled = librosa_reference.analyse(rolled / np.abs(rolled).max(), front_end)
    frames = rolled.shape[1]
    heard = front_end.destandardise(following.spectrogram)[:, :frames]
    np.testing.assert_allclose(heard, rolled, atol=0.01)
