"""Measures each step of a dream on the whole clip at its original scale, and the written sound."""

import functools
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.domains.domain import Domain
from dreamsound_jax.dreaming.ascent import Climb
from dreamsound_jax.dreaming.batch import (
    analyse_clips,
    class_probabilities,
    classify,
    render_clips,
)
from dreamsound_jax.dreaming.dream import dream_clips, respond
from dreamsound_jax.dreaming.optimizers import make_steps
from dreamsound_jax.dreaming.overcooked import overcooked_index
from dreamsound_jax.run.batches import place_clips, place_settings
from dreamsound_jax.spectral import measures
from studies.written import write_dream

LISTENED = "relu5_4"  # The Fréchet distance compares activations of this layer.


class Step(NamedTuple):
    """The state of dreams after each step; arrays have leading axes of clips and of steps.

    Attributes:
      objective: The objective of the whole clip at its original scale.
      moved_db: The root mean square change of the mel spectrogram.
      overcooked_db: The overcooked index of the mel spectrogram.
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
      sounds: The sounds in these files, mono at the rate of the front end, (clips, samples).
      distance_db: The log-spectral distances to the inputs.
      p_class: The probability of each class, (clips, classes).
      overcooked_db: The overcooked index of each sound.
    """

    wavs: list
    sounds: np.ndarray
    distance_db: np.ndarray
    p_class: np.ndarray
    overcooked_db: np.ndarray


class Dreamed(NamedTuple):
    """A dreamed batch on the device.

    Attributes:
      clips: The inputs in their domain; leaves have an axis of clips.
      parameters: The parameters of the domain after the last step, (clips, mel bands, frames).
      climb: Arrays (clips, levels, steps).
      at_limit: The share of cells that the dream moved to their limit, (clips,).
      steps: A `Step` of arrays (clips, 1 + steps); the first is the state before the first step.
    """

    clips: Domain
    parameters: jax.Array
    climb: Climb
    at_limit: jax.Array
    steps: Step


def dream_batch(model, sources, *, optimizers, every_step):
    """Dreams on `sources` of one shape by a program that contains the `optimizers`.

    Returns:
      A `Dreamed`, with all steps if `every_step`, or else with the first and the last.
    """
    sources = [_share_program(source, optimizers) for source in sources]
    clips, _ = place_clips(sources)
    settings, paths = place_settings(sources), []
    # The program is the same whether `every_step` or not, so that the dreams are equal.
    program = replace(sources[0].plan.program(), optimizers=optimizers, keep_path=True)
    parameters, climb = dream_clips(
        model.network,
        clips,
        settings,
        program=program,
        after_level=lambda level: paths.append(level.path),
    )
    initial = jax.vmap(lambda clip: clip.initial())(clips)[:, None]
    look = functools.partial(look_back, model.network, clips, settings, program=program)
    looks = [look(path) for path in [initial, *(paths if every_step else [parameters[:, None]])]]
    steps = jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *looks)
    return Dreamed(clips, parameters, climb, _measure_share_at_limit(clips, parameters), steps)


def _share_program(source, optimizers):
    """Returns the source with steps for a program that contains several optimizers."""
    plan = source.plan
    steps = {name: value for name, value in plan.steps._asdict().items() if name != "which"}
    shared = make_steps(plan.optimizer, **steps, optimizers=optimizers, dtype=plan.dtype)
    return source._replace(job=source.job._replace(plan=replace(plan, steps=shared)))


@functools.partial(jax.jit, static_argnames="program")
def look_back(network, clips, settings, path, *, program):
    """Measures the `Step`s of a path (clips, steps, mel bands, frames) through the domain."""

    def measure_clip(clip, own, parameters):
        detail_factor = own.detail_factor if program.replace_detail else 0
        seen = clip.observe_whole(parameters, detail_factor)
        before_db, after_db = map(clip.front_end.destandardise, (clip.spectrogram, seen))
        return Step(
            respond(network, seen, own, program=program),
            jnp.sqrt(jnp.mean(jnp.square(after_db - before_db))),
            overcooked_index(after_db, before_db),
            classify(network, seen[None])[0],
        )

    # Steps are measured one after the other, because all at once would take too much memory.
    measure_step = lambda parameters: jax.vmap(measure_clip)(clips, settings, parameters)  # noqa: E731
    looks = jax.lax.map(measure_step, path.swapaxes(0, 1))
    return jax.tree.map(lambda array: array.swapaxes(0, 1), looks)


def finish(model, dreamed, sources):
    """Measures the sounds of a dreamed batch after they were encoded as files of 16 bits."""
    rendered, plan = render_clips(dreamed.clips, dreamed.parameters), sources[0].plan
    written = zip(np.asarray(rendered.sound), sources)
    wavs, sounds = zip(*(write_dream(sound, source) for sound, source in written))
    sounds = np.stack(sounds)
    distances = [
        measures.log_spectral_distance(sound, source.sound)
        for sound, source in zip(sounds, sources)
    ]
    mel_db = analyse_clips(sounds.astype(plan.dtype), front_end=plan.card.front_end)
    return End(
        list(wavs),
        sounds,
        np.array(distances),
        np.asarray(class_probabilities(model, mel_db)),
        np.asarray(_measure_overcooked(dreamed.clips, rendered.sound)),
    )


@jax.jit
@jax.vmap
def _measure_share_at_limit(clip, parameters):
    limit = 0.999 * clip.bound()  # Rounding may leave a cell just below its limit.
    return jnp.mean((jnp.abs(parameters) > limit) & (jnp.abs(clip.initial()) < limit))


@jax.jit
@jax.vmap
def _measure_overcooked(clip, sound):
    heard_db, input_db = (
        clip.front_end.level_db(clip.as_heard(each)) for each in (sound, clip.input_sound())
    )
    return overcooked_index(heard_db, input_db)


def compute_activations(model, sounds):
    """Computes the activations of the layer `LISTENED` on sounds, averaged over frequency.

    Args:
      model: A `loading.Model`.
      sounds: Arrays (samples,) at the sample rate of its front end.

    Returns:
      An array (pieces of 0.15 s of all sounds, channels).
    """
    front_end, pieces = model.card.front_end, []
    for sound in sounds:
        (mel_db,) = analyse_clips(jnp.asarray(sound)[None], front_end=front_end)
        activation = _compute_activation(model.network, front_end.standardise(mel_db))
        pieces.append(np.asarray(activation.mean(axis=0)))
    return np.concatenate(pieces)


@jax.jit
def _compute_activation(network, spectrogram):
    return network.activations(spectrogram, (LISTENED,))[LISTENED]
