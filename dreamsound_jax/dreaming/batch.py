"""One batch of clips, on the device: sound, spectrogram, dream, and sound again."""

import functools
import time
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.domains.domains import DOMAINS, Finished
from dreamsound_jax.dreaming import ascent, optimizers, pyramid
from dreamsound_jax.dreaming.dream import Clip, class_probabilities, dream, layer_weights
from dreamsound_jax.run.sources import draw_keys
from dreamsound_jax.spectral import mel
from dreamsound_jax.system import devices, programs


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
    sounds = jax.ShapeDtypeStruct((len(sources), sources[0].sound.size), options.dtype())
    class_probabilities.ahead(model.network, analyse.ahead(sounds))
    starts, before_db = gather(model.card, sources, options)
    clock("analysis", before_db)
    finish.ahead(starts, starts.spectrogram)
    asked = clips(sources, options)
    # Nothing more is waited for before all is under way: it is traced while the device computes.
    heard = hear(model, before_db)
    changed, climb = dream(
        model.network,
        starts,
        asked,
        settings=options.settings(),
        after_level=after_level,
    )
    finished = finish(starts, changed)
    heard = heard, hear(model, finished.mel_db)
    for stage, result in {"dream": changed, "resynthesis": finished, "classes": heard}.items():
        clock(stage, result)
    return Dreams(before_db, finished, climb, heard)


def filled(sources, size):
    """`sources`, the last repeated until there are `size`.

    A batch is always full: a clip then comes out the same whatever its neighbours are.
    """
    return [*sources, *[sources[-1]] * (size - len(sources))]


def gather(card, sources, options):
    """Puts a batch on the device: what it dreams on, in its domain; and its mel dB."""
    sounds = np.stack([source.sound for source in sources]).astype(options.dtype())
    sounds = devices.share_out(sounds)
    mel_db = analyse(sounds)
    gain_ranges = [each.gain_range for each in each_asked(sources, options)]
    starts = DOMAINS[options.domain].gather(
        card, sources, sounds, card.standardise(mel_db), gain_range=gain_ranges
    )
    return devices.share_out((starts, mel_db))


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


@programs.Kept
@jax.jit
def analyse(sounds):
    """Sounds (clips, samples) to mel spectrograms (clips, mel bands, frames) in dB."""
    return devices.over_clips(mel.analyse)(sounds)


AT_ONCE = 4  # are inverted: 1.3 times as fast as 16 on two cores


@programs.Kept
@jax.jit
def finish(starts, changed):
    """Starts in a domain, and what was changed, to `Finished` dreams."""
    finish_one = lambda start, changed: start.finish(changed)  # noqa: E731
    return devices.over_clips(finish_one, at_once=AT_ONCE)(starts, changed)


@programs.Kept
@functools.partial(jax.jit, static_argnames="size")
def draw_rolls(keys, ratios, most, *, size):
    """`pyramid.draw_rolls` for each of a list of keys: (clips, levels)."""
    draw = lambda key, ratio, roll: pyramid.draw_rolls(key, size=size, ratio=ratio, roll=roll)  # noqa: E731
    return jax.vmap(draw)(jnp.stack(keys), ratios, most)


def draw_ahead(options):
    """Has what draws compiled, while something else is done."""
    if not programs.are_kept():
        return
    keys, numbers = draw_keys.ahead(options.seed, 0), np.zeros(options.batch_size)
    rolls = [keys.rolls] * options.batch_size
    draw_rolls.ahead(rolls, numbers, numbers.astype(int), size=options.pyramid_size)


def each_asked(sources, options):
    """The options of each clip of a batch."""
    return [replace(options, **source.changes) for source in sources]


def clips(sources, options, *, names=None):
    """The `Clip`s of a batch; `names` as in `optimizers.steps_of`."""
    asked, dtype = each_asked(sources, options), options.dtype()
    steps = [optimizers.steps_of(one, names) for one in asked]
    weights = np.stack([layer_weights(one.layers()) for one in asked]).astype(dtype)
    keys = [source.keys.rolls for source in sources]
    ratios, most = (
        [getattr(one, name) for one in asked] for name in ("pyramid_ratio", "pyramid_roll")
    )
    rolls = draw_rolls(keys, np.array(ratios), np.array(most), size=options.pyramid_size)
    return devices.share_out(
        Clip(
            steps=jax.tree.map(lambda *each: np.stack(each), *steps),
            detail_factor=np.array([one.detail_factor for one in asked], dtype),
            target_class=np.array([source.target or 0 for source in sources], np.int32),
            rolls=rolls,
            layer_weights=weights,
        )
    )
