"""Measures each step of a dream on the whole clip at its original scale, and the written sound."""

import functools
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dreamsound_jax.audio import audio, inputs
from dreamsound_jax.dreaming import batch, overcooked
from dreamsound_jax.dreaming.dream import class_probabilities, dream, response
from dreamsound_jax.outputs import outputs
from dreamsound_jax.spectral import measures, mel

LISTENED = "relu5_4"  # The Fréchet distance compares activations of this layer.


class Step(NamedTuple):
    """The state of dreams after each step; arrays have leading axes of clips and of steps.

    Attributes:
      objective: The objective of the whole clip at its original scale.
      moved_db: The root mean square change of the mel spectrogram.
      overcooked_db: The `overcooked.index` of the mel spectrogram.
      p_class: The probability of each class, (..., classes).
    """

    objective: jax.Array
    moved_db: jax.Array
    overcooked_db: jax.Array
    p_class: jax.Array


class End(NamedTuple):
    """The written sounds of finished dreams; arrays have an axis of clips.

    Attributes:
      wavs: The bytes of the WAV files.
      sounds: The sounds in these files, mono at 22,050 Hz, (clips, samples).
      distance_db: The log-spectral distances to the inputs.
      p_class: The probability of each class, (clips, classes).
      overcooked_db: The `overcooked.index` of each sound.
    """

    wavs: list
    sounds: np.ndarray
    distance_db: np.ndarray
    p_class: np.ndarray
    overcooked_db: np.ndarray


class Dreamed(NamedTuple):
    """A dreamed batch on the device.

    Attributes:
      starts: The starts of the dreams in their domain; leaves have an axis of clips.
      changed: What the domain changes, after the last step, (clips, mel bands, frames).
      climb: Arrays (clips, levels, steps).
      at_limit: The share of cells that the dream moved to their limit, (clips,).
      steps: A `Step` of arrays (clips, 1 + steps); the first is the state before the first step.
    """

    starts: object
    changed: jax.Array
    climb: object
    at_limit: jax.Array
    steps: Step


def dream_batch(model, sources, options, *, optimizers, every_step):
    """Dreams on `sources` of one shape by a program that contains the `optimizers`.

    Returns:
      A `Dreamed`, with all steps if `every_step`, or else with the first and the last.
    """
    starts, _ = batch.gather(model.card, sources, options)
    clips, levels = batch.clips(sources, options, names=optimizers), []
    # The program is the same whether `every_step` or not, so that the dreams are equal.
    settings = replace(options.settings(), optimizers=optimizers, keep_path=True)
    changed, climb = dream(
        model.network, starts, clips, settings=settings, after_level=levels.append
    )
    begun = jax.vmap(lambda start: start.start())(starts)[:, None]
    paths = [begun, *([level.path for level in levels] if every_step else [changed[:, None]])]
    look = functools.partial(look_back, model.network, starts, clips, settings=settings)
    looks = [look(path) for path in paths]
    steps = jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *looks)
    return Dreamed(starts, changed, climb, _at_limit(starts, changed), steps)


@functools.partial(jax.jit, static_argnames="settings")
def look_back(network, starts, clips, path, *, settings):
    """Measures the `Step`s of a path (clips, steps, mel bands, frames) through the domain."""

    def of_clip(start, clip, changed):
        detail_factor = clip.detail_factor if settings.replace_detail else 0
        seen = start.whole(changed, detail_factor)
        before_db, after_db = map(start.card.destandardise, (start.spectrogram, seen))
        return Step(
            response(network, seen, clip.layer_weights, clip.target_class, settings=settings),
            jnp.sqrt(jnp.mean(jnp.square(after_db - before_db))),
            overcooked.index(after_db, before_db),
            class_probabilities(network, seen[None])[0],
        )

    # Steps are measured one after the other, because all at once would take too much memory.
    of_step = lambda changed: jax.vmap(of_clip)(starts, clips, changed)  # noqa: E731
    looks = jax.lax.map(of_step, path.swapaxes(0, 1))
    return jax.tree.map(lambda array: array.swapaxes(0, 1), looks)


def finish(model, dreamed, sources, options):
    """Measures the sounds of a dreamed batch after they were encoded as files of 16 bits."""
    finished = batch.finish(dreamed.starts, dreamed.changed)
    wavs = [
        outputs.encode(
            np.asarray(sound).T, sample_rate=source.sample_rate, loudness=options.loudness
        )
        for sound, source in zip(finished.sound, sources)
    ]
    sounds = np.stack(
        [inputs.to_mono(audio.decode(wav), sample_rate=mel.SAMPLE_RATE) for wav in wavs]
    )
    distances = [
        measures.log_spectral_distance(sound, source.sound)
        for sound, source in zip(sounds, sources)
    ]
    return End(
        wavs,
        sounds,
        np.array(distances),
        np.asarray(batch.hear(model, batch.analyse(jnp.asarray(sounds, options.dtype())))),
        np.asarray(_overcooked(dreamed.starts, finished.sound)),
    )


@jax.jit
@jax.vmap
def _at_limit(start, changed):
    limit = 0.999 * start.limit()  # Rounding may leave a cell just below its limit.
    return jnp.mean((jnp.abs(changed) > limit) & (jnp.abs(start.start()) < limit))


@jax.jit
@jax.vmap
def _overcooked(start, sound):
    heard_db, input_db = (
        mel.sound_to_mel_db(start.listen(each)) for each in (sound, start.undreamed())
    )
    return overcooked.index(heard_db, input_db)


def compute_activations(model, sounds):
    """Computes the activations of the layer `LISTENED` on sounds, averaged over frequency.

    Args:
      model: A `models.Model`.
      sounds: Arrays (samples,) at 22,050 Hz.

    Returns:
      An array (pieces of 0.15 s of all sounds, channels).
    """
    pieces = []
    for sound in sounds:
        spectrogram = model.card.standardise(batch.analyse(jnp.asarray(sound)[None]))
        pieces.append(np.asarray(_listen(model.network, spectrogram)[0].mean(axis=0)))
    return np.concatenate(pieces)


@jax.jit
def _listen(network, spectrograms):
    return nnx.merge(*network)(spectrograms, (LISTENED,))[LISTENED]
