"""Dreams of loops: no place in them is special, in either domain."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.domains.mel import MelDomain
from dreamsound_jax.dreaming.batch import render_clips
from dreamsound_jax.dreaming.dream import dream_clips
from dreamsound_jax.spectral.loop_front_end import make_circular
from tests.helpers import tiny
from tests.helpers.domains import sound_clips
from tests.helpers.sounds import RATE, recording
from tests.helpers.tiny import FRONT_END, tiny_network

LOOPING = make_circular(FRONT_END)
# The strides of the layer, and of the two levels, divide the loop and how far it is rolled.
FRAMES, ROLLED = 64, 8
PROGRAM = tiny.program("relu2_2", pyramid_size=2, num_iterations=3, circular=True)


def clips_of(sound, front_end):
    return sound_clips([Recording(sound[:, None], RATE)], front_end=front_end, dtype=np.float64)


def dream(clips, program):
    how = tiny.settings(1, ("relu2_2",), program=program, learning_rate=0.3)
    how = jax.tree.map(
        lambda leaf: (
            jnp.asarray(leaf, jnp.result_type(leaf, 0.0))
            if jnp.issubdtype(leaf.dtype, jnp.floating)
            else leaf
        ),
        how,
    )
    return dream_clips(tiny_network(dtype="float64"), clips, how, program=program)[0]


@pytest.mark.slow
@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("domain", ["sound", "mel"])
def test_the_dream_of_a_rolled_loop_is_the_rolled_dream(domain):
    sound = recording("loop_amen")[2000 : 2000 + FRAMES * FRONT_END.hop]
    found = []
    for each in (sound, np.roll(sound, ROLLED * FRONT_END.hop)):
        clips = clips_of(each, LOOPING)
        if domain == "mel":
            keys = jax.random.split(jax.random.key(0), 1)
            clips = MelDomain(clips.spectrogram, clips.sound, keys, LOOPING)
        assert clips.spectrogram.shape == (1, 128, FRAMES)
        parameters = dream(clips, PROGRAM)
        rendered = render_clips(clips, parameters)
        assert rendered.sound.shape == (1, 1, sound.size)
        found.append((parameters, rendered.mel_db, rendered.sound))
    plain, rolled = found
    steps = (ROLLED, ROLLED, ROLLED * FRONT_END.hop)
    # Griffin-Lim begins with random phases, so that the sound of `mel` is another one.
    for before, after, step in list(zip(plain, rolled, steps))[: 3 if domain == "sound" else 2]:
        np.testing.assert_allclose(after, jnp.roll(before, step, axis=-1), atol=1e-6)
    assert np.abs(plain[1] - LOOPING.analyse(jnp.asarray(sound))).mean() > 1


@pytest.mark.usefixtures("x64")
def test_without_loops_the_ends_are_special():
    sound = recording("loop_amen")[2000 : 2000 + FRAMES * FRONT_END.hop]
    program = dataclasses.replace(PROGRAM, circular=False)
    plain, rolled = (
        dream(clips_of(each, FRONT_END), program)
        for each in (sound, np.roll(sound, ROLLED * FRONT_END.hop))
    )
    plain = jnp.roll(plain[..., :FRAMES], ROLLED, axis=-1)
    assert np.abs(plain - rolled[..., :FRAMES]).max() > 0.1
