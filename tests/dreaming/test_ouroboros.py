"""The loop on the device, with a tiny network."""

import functools
from dataclasses import replace

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from dreamsound_jax.audio import files, generated
from dreamsound_jax.audio.files import Recording
from dreamsound_jax.dreaming import batch, ouroboros
from dreamsound_jax.dreaming import dream as dreams
from dreamsound_jax.networks import loading, vgg19
from dreamsound_jax.run import sources
from dreamsound_jax.spectral import mel
from tests.helpers import tiny
from tests.helpers.sounds import RATE, recording

SHORT = {"pyramid_size": 2, "num_iterations": 2, "lr": 0.1, "layers_to_use": ["relu2_2"]}
SAMPLES = 16000


def source_of(sound, number=0):
    """A clip to dream of mono samples, as `sources.collect` gives it."""
    key = jax.random.fold_in(jax.random.key(0), number)
    keys = sources.Keys(*jax.random.split(key, 4))
    original = Recording(np.asarray(sound)[:, None], RATE)
    heard = files.normalise_recording("a.wav", original, sample_rate=RATE)
    return sources.Source(number, "a.wav", heard, original, keys, 0)


def pieces(count=2):
    """Clips of one length: a piece of the drums, and one of the choir."""
    names = ("loop_amen", "ambi_choir")[:count]
    return [source_of(recording(name)[:SAMPLES], number) for number, name in enumerate(names)]


def asked(**changes):
    return tiny.options(create_ouroboros=True, **{**SHORT, **changes})


def run(network, clips, given, rounds):
    """[`Round`] of so many rounds, and the last `State`."""
    state, left = ouroboros.begin(tiny.CARD, clips, given), []
    for number in range(rounds):
        state, each = ouroboros.dream_round(network, state, given, number=number)
        left.append(each)
    return left, state


@functools.cache
def network(dtype="float32"):
    return tiny.tiny_network(dtype=jnp.dtype(dtype))


@pytest.mark.parametrize("domain", [pytest.param("mel", marks=pytest.mark.slow), "sound"])
def test_a_chain_without_transforms_is_repeated_single_dreams(domain, x64):
    given = asked(domain=domain, precision="float64", stabilise=False, crossfade=False)
    model, (clip, _) = loading.Model(tiny.CARD, network("float64")), pieces()
    rounds, _ = run(model.network, [clip], given, 3)
    keys = clip.keys
    start, mel_db = batch.gather(model.card, [clip], given)
    for each in rounds:
        again = batch.clips([clip._replace(keys=keys)], given)
        changed, _ = dreams.dream(model.network, start, again, settings=given.settings())
        finished = batch.finish(start, changed)
        np.testing.assert_allclose(each.mel_db, finished.mel_db, atol=1e-5)
        np.testing.assert_allclose(each.sound, finished.sound, atol=1e-7)
        moved = np.sqrt(np.mean(np.square(finished.mel_db - mel_db)))
        assert each.moved_db[0] == pytest.approx(moved, rel=1e-6)
        keys = keys._replace(rolls=jax.random.fold_in(keys.rolls, 1))
        keys = keys._replace(phase=jax.random.fold_in(keys.phase, 1))
        mel_db = finished.mel_db
        if domain == "mel":  # the dreamed spectrogram itself goes on, as in the reference
            spectrogram = tiny.CARD.standardise(mel_db)
            start = start.replace(spectrogram=spectrogram, key=keys.phase[None])
        else:  # what was written is what is dreamed on
            sound = np.asarray(finished.sound[0, 0])
            clip = source_of(sound)._replace(sound=sound / np.abs(sound).max(), keys=keys)
            start, _ = batch.gather(model.card, [clip], given)


def test_the_first_round_is_the_single_dream():
    given, clips = asked(crossfade=False), pieces()
    (first,), _ = run(network(), clips, given, 1)
    model = loading.Model(tiny.CARD, network())
    single = batch.dream_batch(model, clips, given, clock=batch.Stopwatch())
    np.testing.assert_allclose(first.sound, single.finished.sound, atol=1e-5)
    np.testing.assert_array_equal(first.climb.objective, single.climb.objective)


@pytest.mark.parametrize("domain", [pytest.param("mel", marks=pytest.mark.slow), "sound"])
def test_a_transform_happens_to_the_sound_between_two_dreams(domain):
    """Slower by a fifth, the last input length of it kept: held against librosa."""
    given = asked(domain=domain, ouroboros_transform=["time_stretch"], ouroboros_stretch=0.8)
    given = replace(given, crossfade=False)
    (first,), state = run(network(), pieces(1), given, 1)
    slower = librosa.effects.time_stretch(np.float64(first.sound[0, 0]), rate=0.8)[-SAMPLES:]
    expected = mel.analyse(jnp.asarray(slower, jnp.float32))
    seen = tiny.CARD.destandardise(state.start.spectrogram[0])
    assert expected.shape == seen.shape
    # The end is for tests/test_transforms.py: there versions of librosa differ.
    loud = (expected > expected.max() - 60) & (np.arange(seen.shape[1]) < seen.shape[1] - 12)
    assert np.abs(seen - expected)[loud].mean() < 0.05


def test_each_dream_fades_in_over_the_one_before():
    clips = pieces()
    whole, _ = run(network(), clips, asked(crossfade=False), 2)
    faded, _ = run(network(), clips, asked(), 2)
    fade = np.linspace(0, 1, SAMPLES)
    before = np.stack([clip.original.channels.T for clip in clips])
    for one, two, after in zip((before, whole[0].sound), whole, faded):
        np.testing.assert_allclose(after.sound, (1 - fade) * one + fade * two.sound, atol=1e-5)


def test_iterate_takes_the_layers_from_the_last_and_wraps():
    given = asked(layers_to_use=["iterate"])
    layers = [given.layers(number)[0] for number in range(47)]
    assert layers[:45] == list(reversed(vgg19.LAYERS))
    assert layers[45:] == ["output", "dropout2"]


@pytest.mark.slow
def test_iterate_dreams_as_single_layers_do_with_a_program_for_each_stage():
    """All 45 layers, by one program for each of six stages and each level shape: here one."""
    single = {"num_iterations": 1, "pyramid_size": 1, "stabilise": False, "domain": "mel"}
    given = asked(layers_to_use=["iterate"], **single)
    state = ouroboros.begin(tiny.CARD, pieces(1), given)
    compiled, checked = dreams.dream_batch_level._cache_size(), {0, 30, 44}
    for number in range(45):
        if number in checked:
            alone = replace(given, layers_to_use=list(given.layers(number)))
            weights = jnp.asarray(dreams.layer_weights(alone.layers_to_use), jnp.float32)[None]
            clip = state.clip._replace(layer_weights=weights)
            expected = dreams.dream(network(), state.start, clip, settings=alone.settings())
            compiled += 1
        following, left = ouroboros.dream_round(network(), state, given, number=number)
        if number in checked:
            np.testing.assert_allclose(
                left.climb.objective, expected[1].objective, rtol=1e-4, atol=1e-7
            )
            expected_db = tiny.CARD.destandardise(expected[0])
            assert np.abs(left.mel_db - expected_db).mean() < 0.05
        state = following
    assert dreams.dream_batch_level._cache_size() - compiled == 6


@pytest.mark.parametrize("domain", [pytest.param("mel", marks=pytest.mark.slow), "sound"])
def test_nothing_goes_to_or_from_the_host_between_rounds(domain):
    chain = ["time_stretch", "resample", "pitch_shift", "time_roll", "mel_shift"]
    given = asked(domain=domain, ouroboros_transform=chain, pyramid_size=1)
    net = jax.device_put(network())
    run(net, pieces(), given, 2)  # compiles, which puts constants on the device
    state = jax.block_until_ready(ouroboros.begin(tiny.CARD, pieces(), given))
    with jax.transfer_guard("disallow_explicit"):
        for number in range(2):
            state, left = ouroboros.dream_round(net, state, given, number=number)
    assert np.isfinite(left.sound).all()
    with pytest.raises(Exception, match="[Dd]isallowed"), jax.transfer_guard("disallow_explicit"):
        ouroboros.dream_round(net, state._replace(number=np.zeros(2)), given, number=2)


@pytest.mark.slow
def test_a_recording_at_its_own_rate_and_in_stereo_dreams_on_in_it():
    channels = np.stack([recording("loop_amen")[:SAMPLES], recording("ambi_choir")[:SAMPLES]], 1)
    both = Recording(channels, 44100)
    sound = files.normalise_recording("a.wav", both, sample_rate=RATE)
    clip = source_of(channels[:, 0])._replace(original=both, sound=sound)
    given = asked(ouroboros_transform=["resample"])
    rounds, state = run(network(), [clip], given, 2)
    assert rounds[1].sound.shape == (1, 2, SAMPLES)
    # What the device hears of it is what a file of it would be heard as.
    heard = state.start.sound[0]
    original = Recording(np.asarray(state.start.original[0]).T, 44100)
    again = files.normalise_recording("a.wav", original, sample_rate=RATE)
    assert np.linalg.norm(heard - again) / np.linalg.norm(again) < 0.02
    level = lambda x: np.sqrt(np.mean(np.square(x)))  # noqa: E731
    assert level(original.channels) == pytest.approx(level(channels), rel=0.01)


@pytest.mark.parametrize("domain", [pytest.param("mel", marks=pytest.mark.slow), "sound"])
def test_stabilise_holds_the_index_and_lets_the_detail_go_on(domain):
    noise = generated.noise(jax.random.key(1), samples=SAMPLES)
    clips = [source_of(noise), *pieces(1)]
    strong = {"domain": domain, "lr": 0.05, "layers_to_use": ["relu3_2"], "num_iterations": 5}
    courses = {}
    for stabilise in (True, False):
        rounds, _ = run(network(), clips, asked(stabilise=stabilise, **strong), 12)
        courses[stabilise] = np.stack([each.overcooked for each in rounds])
        if stabilise:
            moved = np.stack([each.moved_db for each in rounds])
    held, free = (each.max(axis=0) / each[0] for each in courses.values())
    assert (held < 1.5).all(), held
    assert (free > 2).all(), free
    assert (moved[-3:] > 0.3).all(), moved[-3:]
