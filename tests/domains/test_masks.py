"""Dreams under a mask: what is outside stays as it is, whatever takes the steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.dreaming import optimizers
from dreamsound_jax.dreaming.batch import render_clips, scale_clips
from dreamsound_jax.dreaming.dream import dream_clips, dream_level_of_clips
from dreamsound_jax.dreaming.gradients import standardise
from dreamsound_jax.spectral.gain import find_reached
from dreamsound_jax.spectral.interpolate import resize_largest
from tests.helpers import tiny
from tests.helpers.climbs import noise
from tests.helpers.domains import first_clip, mel_clips, sound_clips, spectrograms
from tests.helpers.sounds import original
from tests.helpers.tiny import FRONT_END, tiny_network

RATE = 44100
PROGRAM = tiny.program("relu2_2", pyramid_size=2, num_iterations=4)


def stereo(start):
    """0.6 s of the drums, the right channel weaker."""
    piece = original("loop_amen").channels[round(start * RATE) :][: round(0.6 * RATE)]
    return Recording(piece * np.float32([1, 0.3]), RATE)


def make_masks(count, shape):
    """A different rectangle for each clip, with half of the dream at its rim."""
    masks = np.zeros((count, *shape), np.float32)
    for row, mask in enumerate(masks):
        mask[20 + 9 * row : 60, 9 + 5 * row : 40] = 0.5
        mask[24 + 9 * row : 56, 12 + 5 * row : 37] = 1
    return jnp.asarray(masks)


def with_masks(clips):
    return clips.replace(mask=make_masks(len(clips.spectrogram), clips.spectrogram.shape[1:]))


def dream(clips, program=PROGRAM, **changes):
    how = tiny.settings(
        len(clips.spectrogram), ("relu2_2",), program=program, learning_rate=0.3, **changes
    )
    parameters, climb = dream_clips(tiny_network(), clips, how, program=program)
    assert (climb.fault == 0).all()
    return parameters, render_clips(clips, parameters)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "lbfgs"])
def test_outside_of_a_mask_the_sound_is_that_of_the_input_bit_for_bit(optimizer):
    batch = [stereo(0.0), stereo(0.9)]
    clips = with_masks(sound_clips(batch))
    program = tiny.program("relu2_2", pyramid_size=2, num_iterations=4, optimizers=(optimizer,))
    parameters, rendered = dream(clips, program)
    sizes = jnp.full(2, 3.0), jnp.ones(2)
    for result in (rendered, render_clips(clips, scale_clips(clips, parameters, *sizes))):
        assert not result.change_db[clips.mask == 0].any()
        assert np.abs(result.change_db[clips.mask == 1]).mean() > 1
        for mask, sound, each in zip(clips.mask, np.asarray(result.sound), batch):
            samples = len(each.channels)
            reached = np.asarray(
                find_reached(mask, samples=samples, sample_rate=RATE, front_end=FRONT_END)
            )
            np.testing.assert_array_equal(sound[:, ~reached], each.channels.T[:, ~reached])
            change = sound[:, reached] - each.channels.T[:, reached]
            assert np.abs(change).max() > 0.005


def test_a_dream_has_the_level_of_the_input_where_it_happens():
    """Without a gain of the whole, which would be heard outside."""
    recording, mask = stereo(0.0), np.zeros((1, 128, 67), np.float32)
    mask[:, :, 20:50] = 1
    clips = sound_clips([recording])
    _, rendered = dream(clips.replace(mask=jnp.asarray(mask)))
    inside = slice(round(0.2 * RATE), round(0.44 * RATE))
    levels = [np.std(each[:, inside]) for each in (recording.channels.T, rendered.sound[0])]
    assert abs(20 * np.log10(levels[1] / levels[0])) < 1.5
    louder = render_clips(clips.replace(mask=jnp.asarray(mask)), jnp.full(mask.shape, 0.5))
    audible = np.asarray(rendered.mel_db) > rendered.mel_db.max() - 60
    np.testing.assert_allclose(louder.change_db[audible], 0, atol=0.1)


def test_outside_of_a_mask_the_spectrogram_is_that_of_the_input():
    """Beyond the clamp, too, and where detail is not restored."""
    clips = with_masks(mel_clips(4 * spectrograms(2, (128, 64))))
    parameters, rendered = dream(clips)
    scaled = render_clips(clips, scale_clips(clips, parameters, jnp.full(2, 8.0), jnp.ones(2)))
    for result in (rendered, scaled):
        assert not result.change_db[clips.mask == 0].any()
        assert np.abs(result.change_db[clips.mask == 1]).mean() > 0.5
        expected = FRONT_END.destandardise(clips.spectrogram)
        outside = np.asarray(clips.mask == 0)
        np.testing.assert_array_equal(result.mel_db[outside], expected[outside])
    observed = first_clip(clips).observe((64, 32))(jnp.zeros((64, 32)))
    small = clips.spectrogram[0, ::2, ::2]
    np.testing.assert_array_equal(observed, small * (1 - clips.mask[0, ::2, ::2]))


def test_clips_with_other_masks_share_a_program_and_come_out_as_alone():
    clips = with_masks(sound_clips([stereo(0.0), stereo(0.9)]))
    _, together = dream(clips)
    count = dream_level_of_clips._cache_size()
    _, swapped = dream(clips.replace(mask=clips.mask[::-1]))
    assert dream_level_of_clips._cache_size() == count
    assert np.abs(swapped.sound - together.sound).max() > 0.005
    alone = jax.tree.map(lambda leaf: leaf[1:], clips)
    how = tiny.settings(2, ("relu2_2",), program=PROGRAM, learning_rate=0.3)
    how = jax.tree.map(lambda leaf: leaf[1:], how)
    parameters, _ = dream_clips(tiny_network(), alone, how, program=PROGRAM)
    sound = render_clips(alone, parameters).sound
    np.testing.assert_allclose(sound[0], together.sound[1], atol=1e-3)


def test_the_gradient_outside_counts_nowhere():
    inside = np.zeros((32, 40), bool)
    inside[5:20, 10:30] = True
    gradient = jnp.asarray(noise(2, (32, 40)), jnp.float32)
    louder = jnp.where(inside, gradient, 1000 * gradient + 7)
    how = tiny.steps(learning_rate=1.0)
    transform = optimizers.make_transform(
        ["sgd"], how, total=3, roll=jnp.int32(4), inside=jnp.asarray(inside)
    )
    updates, _ = transform.update(gradient, transform.init(gradient), gradient)
    others, _ = transform.update(louder, transform.init(gradient), gradient)
    np.testing.assert_array_equal(updates, others)
    assert not updates[~inside].any()
    assert np.mean(updates[inside]) == pytest.approx(0, abs=1e-5)
    assert np.std(updates[inside], ddof=1) == pytest.approx(1, rel=1e-5)
    everywhere, _ = standardise(inside=jnp.ones((32, 40), bool)).update(gradient, ())
    np.testing.assert_allclose(everywhere, standardise().update(gradient, ())[0], atol=1e-6)


def test_the_power_inside_is_held_constant_and_nothing_flows_from_outside():
    clip = first_clip(sound_clips([stereo(0.0)]))
    inside = np.zeros(clip.spectrogram.shape, bool)
    inside[30:60, 10:20] = True
    wanted = jnp.asarray(noise(3, inside.shape), jnp.float32)
    gradient = np.asarray(
        jax.grad(lambda x: jnp.sum(wanted * clip.constrain_gradient(x, jnp.asarray(inside))))(
            clip.spectrogram
        )
    )
    np.testing.assert_array_equal(gradient[~inside], np.asarray(wanted)[~inside])
    # Louder all over is no way up.
    assert abs(gradient[inside].sum()) < 1e-3 * np.abs(gradient[inside]).sum()


def test_a_coarse_cell_is_inside_if_any_of_its_own_cells_is():
    mask = np.zeros((12, 15), np.float32)
    mask[5, 7] = 0.5
    small = np.asarray(resize_largest(jnp.asarray(mask), (5, 4)))
    rows, columns = (np.arange(out) * side // out for side, out in ((12, 5), (15, 4)))
    expected = np.maximum.reduceat(np.maximum.reduceat(mask, rows, axis=0), columns, axis=1)
    np.testing.assert_array_equal(small, expected)
    assert np.count_nonzero(small) == 1
