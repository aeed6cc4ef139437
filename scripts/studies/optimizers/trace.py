"""What a dream does at each step, on the whole clip and at its own scale; and in the end."""

import functools
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dreamsound_jax.audio import files
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.dreaming import ascent, batch, overcooked
from dreamsound_jax.dreaming.dream import class_probabilities, dream, response
from dreamsound_jax.spectral import measures, mel

LISTENED = "relu5_4"  # whose activations are compared with those on real sounds
BLOWN_UP = "blown up"  # when half of all cells are as far as they may go
ENDED = {
    ascent.ZERO_GRADIENT: "zero gradient",
    ascent.NON_FINITE_GRADIENT: "non-finite gradient",
}


class Step(NamedTuple):
    """A dream after a step; arrays with leading axes, of clips and of steps.

    Attributes:
      objective: of the whole clip, as the network sees it at its own scale.
      moved_db: root mean square change of its mel spectrogram.
      overcooked_db: the `overcooked.index` of that.
      p_class: the probability of each class, (..., classes).
    """

    objective: jax.Array
    moved_db: jax.Array
    overcooked_db: jax.Array
    p_class: jax.Array


class End(NamedTuple):
    """The sounds of finished dreams, as they would be written; arrays with an axis of clips.

    Attributes:
      wavs: the bytes of their files.
      sounds: (clips, samples), what is heard of the files at 22,050 Hz.
      distance_db: log-spectral distance to the inputs.
      p_class: the probability of each class, (clips, classes).
      overcooked_db: the `overcooked.index`.
    """

    wavs: list
    sounds: np.ndarray
    distance_db: np.ndarray
    p_class: np.ndarray
    overcooked_db: np.ndarray


class Dreamed(NamedTuple):
    """A dreamed batch on the device.

    Attributes:
      starts: what was dreamed on, in its domain; leaves with an axis of clips.
      changed: in the end, (clips, mel bands, frames).
      climb: arrays (clips, levels, steps).
      at_limit: the share of cells that the dream took as far as it may, (clips,).
      steps: a `Step` of arrays (clips, 1 + steps), the first before the first step.
    """

    starts: object
    changed: jax.Array
    climb: object
    at_limit: jax.Array
    steps: Step


def dream_batch(model, sources, options, *, optimizers, every_step):
    """Dreams on `sources`, of one shape, by a program of the `optimizers`.

    Returns a `Dreamed`, with all steps or else with the first and the last.
    """
    starts, _ = batch.gather(model.card, sources, options)
    clips, levels = batch.clips(sources, options, names=optimizers), []
    # The same program, whether the steps in between are of interest or not.
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
    """The `Step`s of what was changed step by step, (clips, steps, mel bands, frames)."""

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

    # One step after the other, for the memory that they take.
    of_step = lambda changed: jax.vmap(of_clip)(starts, clips, changed)  # noqa: E731
    looks = jax.lax.map(of_step, path.swapaxes(0, 1))
    return jax.tree.map(lambda array: array.swapaxes(0, 1), looks)


def finish(model, dreamed, sources, options):
    """The `End` of a dreamed batch, heard as it would be written, 16 bit and all."""
    finished = batch.finish(dreamed.starts, dreamed.changed)
    normalise = options.loudness != "none"
    rendered = [
        render_sound(np.asarray(sound).T, sample_rate=source.sample_rate, normalise=normalise)
        for sound, source in zip(finished.sound, sources)
    ]
    sounds = np.stack(
        [files.to_mono(each.recording, sample_rate=mel.SAMPLE_RATE) for each in rendered]
    )
    distances = [
        measures.log_spectral_distance(sound, source.sound)
        for sound, source in zip(sounds, sources)
    ]
    return End(
        [each.wav for each in rendered],
        sounds,
        np.array(distances),
        np.asarray(batch.hear(model, batch.analyse(jnp.asarray(sounds, options.dtype())))),
        np.asarray(_overcooked(dreamed.starts, finished.sound)),
    )


@jax.jit
@jax.vmap
def _at_limit(start, changed):
    limit = 0.999 * start.limit()  # give or take the rounding
    return jnp.mean((jnp.abs(changed) > limit) & (jnp.abs(start.start()) < limit))


@jax.jit
@jax.vmap
def _overcooked(start, sound):
    heard_db, input_db = (
        mel.sound_to_mel_db(start.listen(each)) for each in (sound, start.undreamed())
    )
    return overcooked.index(heard_db, input_db)


def rows_of(dreamed, end, place, *, target, every_step):
    """What `rows.COLUMNS` says of the steps of one clip of a batch, or of the last alone.

    Args:
      dreamed: a `Dreamed`; of every step, if all are wanted.
      end: its `End`.
      place: of the clip in the batch.
      target: index of the class whose probability is told; or None.
      every_step: whether all are wanted.
    """
    steps = jax.tree.map(lambda array: np.asarray(array[place]), dreamed.steps)
    spent = _spent(np.asarray(dreamed.climb.spent[place]))
    numbers = range(len(spent)) if every_step else [len(spent) - 1]
    iterations = dreamed.climb.spent.shape[-1]
    rows = [
        {
            "step": number,
            "level": max(0, number - 1) // iterations,
            "evaluations": int(spent[number]),
            **_row_of(steps, number if every_step else -1, target),
            **dict.fromkeys(("distance_db", "p_written", "overcooked_written_db", "ended")),
        }
        for number in numbers
    ]
    faults = np.asarray(dreamed.climb.fault[place])
    rows[-1] |= {
        "ended": _why_ended(faults, float(dreamed.at_limit[place])),
        "distance_db": float(end.distance_db[place]),
        "p_written": None if target is None else float(end.p_class[place, target]),
        "overcooked_written_db": float(end.overcooked_db[place]),
    }
    return rows


def _row_of(steps, index, target):
    return {
        "objective": float(steps.objective[index]),
        "gain": float(steps.objective[index] - steps.objective[0]),
        "moved_db": float(steps.moved_db[index]),
        "overcooked_db": float(steps.overcooked_db[index]),
        "p_class": None if target is None else float(steps.p_class[index, target]),
    }


def _spent(spent):
    """Gradient evaluations (1 + steps,) from the beginning on, of those (levels, steps)."""
    before = np.concatenate([[0], np.cumsum(spent[:-1, -1])])
    return np.concatenate([[0], (spent + before[:, None]).ravel()])


def _why_ended(faults, at_limit):
    """Why a dream failed; empty if it did not."""
    stopped = faults[faults != ascent.HEALTHY]
    if stopped.size:
        return ENDED[int(stopped[0])]
    return BLOWN_UP if at_limit > 0.5 else ""


def activations(model, sounds):
    """Of the layer `LISTENED`, averaged over frequency: (pieces of 0.15 s of all, channels).

    `sounds` are (samples,) at 22,050 Hz.
    """
    pieces = []
    for sound in sounds:
        spectrogram = model.card.standardise(batch.analyse(jnp.asarray(sound)[None]))
        pieces.append(np.asarray(_listen(model.network, spectrogram)[0].mean(axis=0)))
    return np.concatenate(pieces)


@jax.jit
def _listen(network, spectrograms):
    return nnx.merge(*network)(spectrograms, (LISTENED,))[LISTENED]
