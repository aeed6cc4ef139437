"""The ouroboros: a dream is fed back into itself, round after round, without leaving the device."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from dreamsound_jax.domains.domain import Domain, LevelMatch
from dreamsound_jax.dreaming import pyramid
from dreamsound_jax.dreaming.ascent import Climb
from dreamsound_jax.dreaming.dream import dream_clips
from dreamsound_jax.dreaming.habituation import Habituation, begin_habituation, habituate
from dreamsound_jax.dreaming.overcooked import match_levels, overcooked_index
from dreamsound_jax.dreaming.program import ClipSettings, Program
from dreamsound_jax.networks.network import Network
from dreamsound_jax.spectral.transforms import Chain
from dreamsound_jax.system.devices import over_clips, shard_over_clips
from dreamsound_jax.system.programs import keep_traces


class RoundSettings(NamedTuple):
    """What the end of a round depends on; static.

    Attributes:
      chain: the transforms between two rounds.
      stabilise: whether the levels of each mel band are kept as the first dream left them, and the
        dream turns away from what is familiar, so that it moves on.
      crossfade: whether each dream fades into the next.
      pyramid_size, pyramid_ratio, pyramid_roll: of the rolls of the next round.
    """

    chain: Chain
    stabilise: bool
    crossfade: bool
    pyramid_size: int
    pyramid_ratio: float
    pyramid_roll: int


class State(NamedTuple):
    """What a round begins with; arrays with a leading axis of clips.

    Attributes:
      number: of the round, from 0; (clips,).
      clip: a domain.
      rolls: (clips, levels), of this round.
      rolls_key: random keys of this round's rolls.
      input_db: (clips, mel bands, frames) of the first input, at the level that it has.
      last_db: (clips, mel bands, frames) of the last dream.
      reference_db, reference_sound_db: of the first dream and of its sound, to which `stabilise`
        matches the others.
      last_sound: (clips, channels, samples) of the last dream.
      habituation: what the ouroboros is used to, if it is stabilised.
    """

    number: jax.Array
    clip: Any
    rolls: jax.Array
    rolls_key: jax.Array
    input_db: jax.Array
    last_db: jax.Array
    reference_db: jax.Array
    reference_sound_db: jax.Array
    last_sound: jax.Array
    habituation: Habituation


class RoundResult(NamedTuple):
    """What a round made of the clips; arrays with a leading axis of clips.

    Attributes:
      mel_db: (clips, mel bands, frames) of the dream.
      sound: (clips, channels, samples), the last dream fading into this one, or this one.
      overcooked: (clips,) the overcooked index of this dream's sound, in dB.
      moved_db: (clips,) root mean square change of `mel_db` since the last round.
      climb: arrays (clips, levels, steps); `dream_round` adds it.
    """

    mel_db: jax.Array
    sound: jax.Array
    overcooked: jax.Array
    moved_db: jax.Array
    climb: Climb | None = None


def begin_ouroboros(
    clips: Domain, mel_db: jax.Array, rolls: jax.Array, rolls_keys: Sequence[jax.Array]
) -> State:
    """Returns the state before the first round of a batch.

    Args:
      clips: a domain whose leaves have a leading axis of clips.
      mel_db: (clips, mel bands, frames) of the inputs.
      rolls: (clips, levels) of the first round.
      rolls_keys: the random key of each clip with which they were drawn.
    """
    return begin_clips(clips, mel_db, rolls, shard_over_clips(jnp.stack(rolls_keys)))


def dream_round(
    network: Network,
    state: State,
    settings: ClipSettings,
    *,
    program: Program,
    round_settings: RoundSettings,
) -> tuple[State, RoundResult]:
    """Dreams one round of a batch. Nothing leaves the device.

    Args:
      network: what responds.
      state: what the round begins with.
      settings: of each clip in this round; its rolls are those of the state.
      program: of this round.
      round_settings: what the end of the round depends on.

    Returns:
      The state with which the next round begins, and the result of this one.
    """
    habituation = state.habituation if round_settings.stabilise else None
    settings = settings._replace(rolls=state.rolls, habituation=habituation)
    parameters, climb = dream_clips(network, state.clip, settings, program=program)
    state, result = close_clips(state, parameters, settings=round_settings)
    return state, result._replace(climb=climb)


@keep_traces
@jax.jit
def begin_clips(clips: Domain, mel_db: jax.Array, rolls: jax.Array, rolls_keys: jax.Array) -> State:
    """Applies `begin_clip` to a batch."""
    return over_clips(begin_clip)(clips, mel_db, rolls, rolls_keys)


def begin_clip(clip: Domain, mel_db: jax.Array, rolls: jax.Array, rolls_key: jax.Array) -> State:
    """Returns the state of one clip before its first round."""
    sound = clip.input_sound()
    input_db = clip.front_end.level_db(clip.as_heard(sound))
    number = jnp.int32(0)
    habituation = begin_habituation(mel_db)
    return State(
        *(number, clip, rolls, rolls_key, input_db, mel_db, mel_db, input_db, sound, habituation)
    )


@keep_traces
@functools.partial(jax.jit, static_argnames="settings")
def close_clips(
    state: State, parameters: jax.Array, *, settings: RoundSettings
) -> tuple[State, RoundResult]:
    """Applies `close_round` to a batch."""
    return over_clips(functools.partial(close_round, settings=settings))(state, parameters)


def close_round(
    state: State, parameters: jax.Array, *, settings: RoundSettings
) -> tuple[State, RoundResult]:
    """Ends a round of one clip: returns the next state, and the result without its climb."""
    first, clip = state.number == 0, state.clip
    rendered = clip.render(parameters, _match_first_dream(state) if settings.stabilise else None)
    sound_db = clip.front_end.level_db(clip.as_heard(rendered.sound))
    fade = jnp.linspace(0, 1, rendered.sound.shape[1], dtype=rendered.sound.dtype)
    faded = state.last_sound + fade * (rendered.sound - state.last_sound)
    result = RoundResult(
        mel_db=rendered.mel_db,
        sound=faded if settings.crossfade else rendered.sound,
        overcooked=overcooked_index(sound_db, state.input_db),
        moved_db=jnp.sqrt(jnp.mean(jnp.square(rendered.mel_db - state.last_db))),
    )
    rolls_key = jax.random.fold_in(state.rolls_key, 1)
    next_state = State(
        number=state.number + 1,
        clip=clip.next_round(rendered, settings.chain),
        rolls=pyramid.draw_rolls(
            rolls_key,
            size=settings.pyramid_size,
            ratio=settings.pyramid_ratio,
            roll=settings.pyramid_roll,
        ),
        rolls_key=rolls_key,
        input_db=state.input_db,
        last_db=rendered.mel_db,
        reference_db=jnp.where(first, rendered.mel_db, state.reference_db),
        reference_sound_db=jnp.where(first, sound_db, state.reference_sound_db),
        last_sound=rendered.sound,
        habituation=_habituate(state, rendered.mel_db) if settings.stabilise else state.habituation,
    )
    return next_state, result


def _habituate(state, mel_db):
    """Returns the habituation of the next round; how far a transform moves does not count."""
    begun_db = state.clip.front_end.destandardise(state.clip.spectrogram)
    moved_db = jnp.sqrt(jnp.mean(jnp.square(mel_db - begun_db)))
    return habituate(state.habituation, mel_db, moved_db=moved_db, first=state.number == 0)


def _match_first_dream(state):
    """Returns functions that match levels to those of the first dream, which itself is kept."""

    def towards(reference_db):
        return lambda db: jnp.where(state.number == 0, db, match_levels(db, reference_db))

    return LevelMatch(towards(state.reference_db), towards(state.reference_sound_db))
