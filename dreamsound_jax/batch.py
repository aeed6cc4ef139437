"""One batch of clips, on the device: sound, spectrogram, dream, and sound again."""

import functools
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax import ascent, mel, pyramid
from dreamsound_jax.domains import DOMAINS, Finished
from dreamsound_jax.dream import Clip, class_probabilities, dream, layer_weights


class Dreams(NamedTuple):
    """A dreamed batch; arrays with a leading axis of clips.

    Attributes:
      before_db: (clips, mel bands, frames).
      finished: what `domains.Finished` says.
      climb: arrays (clips, levels, steps).
      heard: class probabilities (clips, classes) before and after.
    """

    before_db: jax.Array
    finished: Finished
    climb: ascent.Climb
    heard: tuple[jax.Array, jax.Array]


def dream_batch(model, sources, options, *, clock, after_level=lambda climb: None):
    """Sound to spectrogram, dream, and sound again, for clips of one shape; on the device."""
    starts, before_db = gather(model.card, sources, options)
    clock("analysis", before_db)
    changed, climb = dream(
        model.network,
        starts,
        clips(sources, options),
        settings=options.settings(),
        after_level=after_level,
    )
    finished = clock("resynthesis", finish(starts, clock("dream", changed)))
    heard = clock("classes", (hear(model, before_db), hear(model, finished.mel_db)))
    return Dreams(before_db, finished, climb, heard)


def filled(sources, size):
    """`sources`, the last repeated until there are `size`.

    A batch is always full: a clip then comes out the same whatever its neighbours are.
    """
    return [*sources, *[sources[-1]] * (size - len(sources))]


def gather(card, sources, options):
    """Puts a batch on the device: what it dreams on, in its domain; and its mel dB."""
    sounds = jnp.asarray(np.stack([source.sound for source in sources]), options.dtype())
    mel_db = analyse(sounds)
    domain = DOMAINS[options.domain]
    starts = domain.gather(
        card, sources, sounds, card.standardise(mel_db), gain_range=options.gain_range
    )
    return starts, mel_db


def hear(model, mel_db):
    """The probability of each class, (clips, classes), of (clips, mel bands, frames) in dB."""
    return class_probabilities(model.network, model.card.standardise(mel_db))


class Stopwatch:
    """Waits for a result, and notes the seconds since the one before it."""

    def __init__(self):
        self.seconds, self._last = {}, time.perf_counter()

    def __call__(self, stage, result):
        jax.block_until_ready(result)
        now = time.perf_counter()
        self.seconds[stage], self._last = round(now - self._last, 4), now
        return result


analyse = jax.jit(jax.vmap(mel.analyse))
"""Sounds (clips, samples) to mel spectrograms (clips, mel bands, frames) in dB."""

finish = jax.jit(jax.vmap(lambda start, changed: start.finish(changed)))
"""Starts in a domain, and what was changed, to `Finished` dreams."""


def clips(sources, options):
    """The `Clip`s of a batch."""
    rolls = functools.partial(
        pyramid.draw_rolls,
        size=options.pyramid_size,
        ratio=options.pyramid_ratio,
        roll=options.pyramid_roll,
    )
    each = functools.partial(jnp.full, len(sources), dtype=options.dtype())
    weights = jnp.asarray(layer_weights(options.layers()), options.dtype())
    return Clip(
        learning_rate=each(options.lr),
        smoothing_coefficient=each(options.smoothing_coefficient),
        detail_factor=each(options.detail_factor),
        target_class=jnp.asarray([source.target or 0 for source in sources]),
        rolls=jnp.stack([rolls(source.keys.rolls) for source in sources]),
        layer_weights=jnp.tile(weights, (len(sources), 1)),
    )
