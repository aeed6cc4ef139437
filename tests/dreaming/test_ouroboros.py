"""The loop on the device, with a tiny network."""

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from dreamsound_jax.audio import files, generated
from dreamsound_jax.audio.files import Recording
from dreamsound_jax.dreaming.batch import dream_batch, render_clips
from dreamsound_jax.dreaming.dream import dream_clips, dream_level_of_clips, respond
from dreamsound_jax.networks import loading, vgg19
from dreamsound_jax.run.batches import place_clips, place_settings
from tests.helpers import tiny
from tests.helpers.rounds import (
    SAMPLES,
    SHORT,
    begin,
    dream_next,
    dream_rounds,
    pieces,
    source_of,
)
from tests.helpers.sounds import RATE, measure_heard_parts, original, recording
from tests.helpers.tiny import FRONT_END, tiny_network

BOTH_DOMAINS = [pytest.param("mel", marks=pytest.mark.slow), "sound"]


def ouroboros_plan(**changes):
    return tiny.plan(create_ouroboros=True, **{**SHORT, **changes})


@pytest.fixture(scope="module")
def plain_rounds():
    """Two rounds of two clips that do not fade: (sources, [`RoundResult`], the last `State`)."""
    sources = pieces(ouroboros_plan(crossfade=False))
    return sources, *dream_rounds(tiny_network(), sources, 2)


@pytest.mark.slow
@pytest.mark.parametrize("domain", BOTH_DOMAINS)
def test_rounds_without_transforms_are_repeated_single_dreams(domain, x64):
    plan = ouroboros_plan(domain=domain, precision="float64", stabilise=False, crossfade=False)
    network, (source, _) = tiny_network(dtype="float64"), pieces(plan)
    rounds, _ = dream_rounds(network, [source], 3)
    keys = source.keys
    clips, mel_db = place_clips([source])
    for each in rounds:
        settings = place_settings([source._replace(keys=keys)])
        parameters, _ = dream_clips(network, clips, settings, program=source.plan.program())
        rendered = render_clips(clips, parameters)
        np.testing.assert_allclose(each.mel_db, rendered.mel_db, atol=1e-5)
        np.testing.assert_allclose(each.sound, rendered.sound, atol=1e-7)
        moved = np.sqrt(np.mean(np.square(rendered.mel_db - mel_db)))
        assert each.moved_db[0] == pytest.approx(moved, rel=1e-6)
        keys = keys._replace(rolls=jax.random.fold_in(keys.rolls, 1))
        keys = keys._replace(phase=jax.random.fold_in(keys.phase, 1))
        mel_db = rendered.mel_db
        if domain == "mel":  # The dreamed spectrogram itself goes on, as in the reference.
            spectrogram = FRONT_END.standardise(mel_db)
            clips = clips.replace(spectrogram=spectrogram, key=keys.phase[None])
        else:  # What was written is what is dreamed on.
            sound = np.asarray(rendered.sound[0, 0])
            written = Recording(sound[:, None], RATE)
            again = source._replace(sound=sound / np.abs(sound).max(), recording=written)
            clips, _ = place_clips([again])


def test_the_first_round_is_the_single_dream(plain_rounds):
    sources, (first, _), _ = plain_rounds
    clips, input_db = place_clips(sources)
    levels, stages = [], []
    single = dream_batch(
        tiny.tiny_model(),
        clips,
        place_settings(sources),
        input_db=input_db,
        program=sources[0].plan.program(),
        after_level=lambda climb: levels.append(climb.objective),
        after_stage=lambda stage, result: stages.append(stage),
    )
    np.testing.assert_array_equal(np.stack(levels, axis=1), single.climb.objective)
    assert stages == ["dream", "resynthesis", "response"]
    np.testing.assert_allclose(first.sound, single.rendered.sound, atol=1e-5)
    np.testing.assert_array_equal(first.climb.objective, single.climb.objective)


@pytest.mark.slow
@pytest.mark.parametrize("domain", BOTH_DOMAINS)
def test_a_transform_is_applied_to_the_sound_between_two_dreams(domain):
    """It is slower by a fifth, and the last input length of it is kept, as by librosa."""
    stretch = {"ouroboros_transform": ("time_stretch",), "ouroboros_stretch": 0.8}
    plan = ouroboros_plan(domain=domain, crossfade=False, **stretch)
    (first,), state = dream_rounds(tiny_network(), pieces(plan), 1)
    slower = librosa.effects.time_stretch(np.float64(first.sound[0, 0]), rate=0.8)[-SAMPLES:]
    expected = FRONT_END.analyse(jnp.asarray(slower, jnp.float32))
    found = FRONT_END.destandardise(state.clip.spectrogram[0])
    assert expected.shape == found.shape
    # The end is for tests/spectral/test_transforms.py: there versions of librosa differ.
    loud = (expected > expected.max() - 60) & (np.arange(found.shape[1]) < found.shape[1] - 12)
    assert np.abs(found - expected)[loud].mean() < 0.05


def test_each_dream_fades_in_over_the_one_before(plain_rounds):
    sources, whole, _ = plain_rounds
    faded, _ = dream_rounds(tiny_network(), pieces(ouroboros_plan()), 2)
    fade = np.linspace(0, 1, SAMPLES)
    before = np.stack([source.recording.channels.T for source in sources])
    for one, two, after in zip((before, whole[0].sound), whole, faded):
        np.testing.assert_allclose(after.sound, (1 - fade) * one + fade * two.sound, atol=1e-5)


def test_iterating_takes_the_layers_from_the_last_and_begins_again():
    (plan,) = ouroboros_plan(layers_to_use=("iterate",)).clips
    layers = [plan.layers_of_round(number) for number in range(47)]
    assert layers[:45] == [(name,) for name in reversed(vgg19.LAYERS)]
    assert layers[45:] == [("output",), ("dropout2",)]


@pytest.mark.slow
def test_iterating_dreams_as_single_layers_do_with_a_program_for_each_stage():
    """All 45 layers take one program for each of six stages and each level, here one."""
    single = {"num_iterations": 1, "pyramid_size": 1, "stabilise": False, "domain": "mel"}
    plan = ouroboros_plan(layers_to_use=("iterate",), **single)
    network, sources, checked = tiny_network(), pieces(plan, 1), {0, 30, 44}
    state, settings = begin(sources)
    compiled = dream_level_of_clips._cache_size()
    for number in range(45):
        if number in checked:
            names = sources[0].plan.layers_of_round(number)
            alone = ouroboros_plan(layers_to_use=names, **single)
            how = place_settings(pieces(alone, 1))._replace(rolls=state.rolls)
            program = alone.clips[0].program()
            expected = dream_clips(network, state.clip, how, program=program)
            compiled += 1
        following, left = dream_next(network, state, settings, sources, number)
        if number in checked:
            np.testing.assert_allclose(
                left.climb.objective, expected[1].objective, rtol=1e-4, atol=1e-7
            )
            expected_db = FRONT_END.destandardise(expected[0])
            assert np.abs(left.mel_db - expected_db).mean() < 0.05
        state = following
    assert dream_level_of_clips._cache_size() - compiled == 6


@pytest.mark.slow
@pytest.mark.parametrize("domain", BOTH_DOMAINS)
def test_nothing_goes_to_or_from_the_host_between_rounds(domain):
    chain = ("time_stretch", "resample", "pitch_shift", "time_roll", "mel_shift")
    plan = ouroboros_plan(domain=domain, ouroboros_transform=chain)
    network, sources = jax.device_put(tiny_network()), pieces(plan)
    dream_rounds(network, sources, 2)  # This compiles, which puts constants on the device.
    state, settings = jax.block_until_ready(begin(sources))
    with jax.transfer_guard("disallow_explicit"):
        for number in range(2):
            state, left = dream_next(network, state, settings, sources, number)
    assert np.isfinite(left.sound).all()
    on_host = state._replace(number=np.zeros(2))
    with pytest.raises(Exception, match="[Dd]isallowed"), jax.transfer_guard("disallow_explicit"):
        dream_next(network, on_host, settings, sources, 2)


@pytest.mark.slow
def test_a_stereo_recording_at_another_rate_is_dreamed_on_at_its_own():
    channels = np.stack([recording("loop_amen")[:SAMPLES], recording("ambi_choir")[:SAMPLES]], 1)
    plan = ouroboros_plan(ouroboros_transform=("resample",))
    sources = [source_of(plan, channels, rate=44100)]
    rounds, state = dream_rounds(tiny_network(), sources, 2)
    assert rounds[1].sound.shape == (1, 2, SAMPLES)
    # The device hears what the network would hear of a file of it, but for the highest frequencies,
    # which soxr fades out.
    heard = state.clip.sound[0]
    dreamed = Recording(np.asarray(state.clip.original[0]).T, 44100)
    again = files.normalise_recording("a.wav", dreamed, sample_rate=RATE)
    below = np.fft.rfftfreq(again.size, 1 / RATE) < 10_000
    spectrum, expected = (np.fft.rfft(each)[below] for each in (heard, again))
    assert np.linalg.norm(spectrum - expected) / np.linalg.norm(expected) < 0.01

    def measure_rms(x):
        return np.sqrt(np.mean(np.square(x)))

    assert measure_rms(dreamed.channels) == pytest.approx(measure_rms(channels), rel=0.01)


def test_a_wide_stereo_recording_keeps_its_quiet_treble():
    """The right channel is the left one, later: the difference is as loud as the sum."""
    left, rate = original("loop_amen")
    left = left[:SAMPLES].mean(axis=1)
    channels = np.stack([left, np.roll(left, 500)], axis=1)
    heard, side, top = measure_heard_parts(channels.T, rate)
    assert side > heard and top < 0.1 * heard
    plan = ouroboros_plan(crossfade=False, pyramid_size=1, lr=0.3)
    rounds, _ = dream_rounds(tiny_network(), [source_of(plan, channels, rate=rate)], 6)
    for each in rounds:
        found, *unheard = measure_heard_parts(np.asarray(each.sound[0]), rate)
        np.testing.assert_allclose(unheard / found, [side / heard, top / heard], rtol=0.02)
    assert np.abs(rounds[-1].sound[0] - channels.T).max() > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("domain", BOTH_DOMAINS)
def test_stabilising_holds_the_index_and_keeps_the_ouroboros_moving(domain):
    noise = generated.noise(jax.random.key(1), samples=SAMPLES)
    strong = {"domain": domain, "lr": 0.05, "layers_to_use": ("relu3_2",), "num_iterations": 5}
    courses = {}
    for stabilise in (True, False):
        plan = ouroboros_plan(stabilise=stabilise, **strong)
        sources = [source_of(plan, noise), *pieces(plan, 1)]
        rounds, _ = dream_rounds(tiny_network(), sources, 12)
        courses[stabilise] = np.stack([each.overcooked for each in rounds])
        if stabilise:
            moved = np.stack([each.moved_db for each in rounds])
    held, free = (each.max(axis=0) / each[0] for each in courses.values())
    assert (held < 1.5).all(), held
    assert (free > 2).all(), free
    assert (moved[-3:] > 2.5).all(), moved[-3:]


@pytest.mark.slow
@pytest.mark.parametrize("domain", ["mel", "sound"])
def test_the_included_network_dreams_on_and_on(domain):
    """Each round moves, levels hold, and the layer responds more than to the recordings."""
    model = loading.load_model("gm")
    how = {"domain": domain, "layers_to_use": ("relu5_4",), "lr": 0.02}
    plan = tiny.plan(model.card, create_ouroboros=True, **how)
    sources = [
        source_of(plan, recording(name)[:SAMPLES], number)
        for number, name in enumerate(("loop_amen", "loop_mehackit1"))
    ]
    rounds, _ = dream_rounds(model.network, sources, 16)
    moved, index = (
        np.stack([getattr(each, name) for each in rounds]) for name in ("moved_db", "overcooked")
    )
    assert (moved[9:] > 2).all() and (moved[9:].mean(axis=0) > 2.5).all(), moved
    assert (index < 1.5 * index[0]).all(), index
    program, settings = sources[0].plan.program(), place_settings(sources)
    inputs = place_clips(sources)[1]
    for row in range(len(sources)):
        of_clip = jax.tree.map(lambda leaf, row=row: leaf[row], settings)
        heard = [inputs[row], rounds[-1].mel_db[row]]
        before, after = (
            respond(model.network, model.card.front_end.standardise(each), of_clip, program=program)
            for each in heard
        )
        assert after > 1.3 * before
