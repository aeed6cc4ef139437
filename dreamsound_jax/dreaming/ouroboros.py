"""The ouroboros: a dream is fed back into itself, round after round, without leaving the device."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dreamsound_jax.domains import domains
from dreamsound_jax.dreaming import ascent, batch, overcooked, pyramid
from dreamsound_jax.dreaming.dream import Clip, dream
from dreamsound_jax.spectral import mel
from dreamsound_jax.system import devices, programs


class State(NamedTuple):
    """What a round begins with; arrays with a leading axis of clips.

    Attributes:
      number: of the round, from 0; (clips,).
      start: what is dreamed on, a `domains.Mel` or `domains.Sound`.
      clip: how, a `dream.Clip`.
      rolls_key: random keys of this round's rolls.
      input_db: (clips, mel bands, frames) of the first input, as loud as it came.
      last_db: (clips, mel bands, frames) of the last dream.
      reference_db, reference_heard_db: of the first dream and of its sound, which `stabilise`
        holds the others to.
      last_sound: (clips, channels, samples) of the last dream.
    """

    number: jax.Array
    start: Any
    clip: Clip
    rolls_key: jax.Array
    input_db: jax.Array
    last_db: jax.Array
    reference_db: jax.Array
    reference_heard_db: jax.Array
    last_sound: jax.Array


class Round(NamedTuple):
    """What a round leaves; arrays with a leading axis of clips.

    Attributes:
      mel_db: (clips, mel bands, frames) of the dream.
      sound: (clips, channels, samples), the last dream fading into this one, or this one.
      overcooked: (clips,) the index of this dream's sound, in dB.
      moved_db: (clips,) root mean square change of `mel_db` since the last round.
      climb: an `ascent.Climb`, arrays (clips, levels, steps).
    """

    mel_db: jax.Array
    sound: jax.Array
    overcooked: jax.Array
    moved_db: jax.Array
    climb: ascent.Climb


def begin(card, sources, options):
    """The `State` before the first round of a batch."""
    start, mel_db = batch.gather(card, sources, options)
    keys = jnp.stack([source.keys.rolls for source in sources])
    return _begin(start, mel_db, batch.clips(sources, options), devices.share_out(keys))


def dream_round(network, state, options, *, number):
    """One round of a batch: (the next `State`, `Round`). Nothing leaves the device.

    `number` is `state.number`, which the host must know to choose the program.
    """
    how, settings = How.of(options), options.settings(number)
    _close.ahead(state, state.start.spectrogram, how=how)
    changed, climb = dream(network, state.start, state.clip, settings=settings)
    state, left = _close(state, changed, how=how)
    return state, left._replace(climb=climb)


class How(NamedTuple):
    """What the end of a round depends on; static."""

    chain: tuple
    stabilise: bool
    crossfade: bool
    iterates: bool
    pyramid: tuple

    @classmethod
    def of(cls, options):
        """What `options` say of it."""
        return cls(
            chain=options.chain(),
            stabilise=options.stabilise,
            crossfade=options.crossfade,
            iterates=options.iterates,
            pyramid=(options.pyramid_size, options.pyramid_ratio, options.pyramid_roll),
        )


@programs.Kept
@jax.jit
def _begin(starts, mel_db, clips, rolls_keys):
    return devices.over_clips(begin_round)(starts, mel_db, clips, rolls_keys)


def begin_round(start, mel_db, clip, rolls_key):
    """The `State` of one clip before its first round."""
    sound = start.undreamed()
    input_db = mel.sound_to_mel_db(start.listen(sound))
    number = jnp.int32(0)
    return State(number, start, clip, rolls_key, input_db, mel_db, mel_db, input_db, sound)


@programs.Kept
@functools.partial(jax.jit, static_argnames="how")
def _close(state, changed, *, how):
    return devices.over_clips(functools.partial(close_round, how=how))(state, changed)


def close_round(state, changed, *, how):
    """The end of a round of one clip: (the next `State`, `Round` without its climb)."""
    first = state.number == 0
    finished = state.start.finish(changed, _settle(state) if how.stabilise else None)
    heard_db = mel.sound_to_mel_db(state.start.listen(finished.sound))
    fade = jnp.linspace(0, 1, finished.sound.shape[1], dtype=finished.sound.dtype)
    left = Round(
        mel_db=finished.mel_db,
        sound=state.last_sound + fade * (finished.sound - state.last_sound)
        if how.crossfade
        else finished.sound,
        overcooked=overcooked.index(heard_db, state.input_db),
        moved_db=jnp.sqrt(jnp.mean(jnp.square(finished.mel_db - state.last_db))),
        climb=None,
    )
    rolls_key = jax.random.fold_in(state.rolls_key, 1)
    return State(
        number=state.number + 1,
        start=state.start.again(finished, how.chain),
        clip=_next_clip(state, rolls_key, how),
        rolls_key=rolls_key,
        input_db=state.input_db,
        last_db=finished.mel_db,
        reference_db=jnp.where(first, finished.mel_db, state.reference_db),
        reference_heard_db=jnp.where(first, heard_db, state.reference_heard_db),
        last_sound=finished.sound,
    ), left


def _settle(state):
    """The `domains.Settle` towards the first dream; the first itself it leaves alone."""

    def towards(reference_db):
        return lambda db: jnp.where(state.number == 0, db, overcooked.settle(db, reference_db))

    return domains.Settle(towards(state.reference_db), towards(state.reference_heard_db))


def _next_clip(state, rolls_key, how):
    size, ratio, roll = how.pyramid
    clip = state.clip._replace(
        rolls=pyramid.draw_rolls(rolls_key, size=size, ratio=ratio, roll=roll)
    )
    if not how.iterates:
        return clip
    return clip._replace(layer_weights=jnp.roll(clip.layer_weights, -1))
