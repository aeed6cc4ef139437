"""`ouroboros`: dreams on sounds that are given as arrays, and feeds each dream back into itself."""

import operator
from typing import Any, overload

import jax
import numpy as np

from dreamsound_jax.api.given import check_given
from dreamsound_jax.api.results import Ouroboros
from dreamsound_jax.api.sounds import SeveralSounds, Sound, shape_like
from dreamsound_jax.dreaming.ascent import NON_FINITE_GRADIENT, describe_fault
from dreamsound_jax.dreaming.ouroboros import begin_ouroboros, dream_round
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.objectives.terms import Objective
from dreamsound_jax.run.batches import place_clips, place_objectives, place_settings


@overload
def ouroboros(
    sound: Sound,
    sample_rate: int,
    model: Model | None = None,
    *,
    objective: Objective | str | None = None,
    **options: Any,
) -> Ouroboros: ...


@overload
def ouroboros(
    sound: SeveralSounds,
    sample_rate: int,
    model: Model | None = None,
    *,
    objective: Objective | str | None = None,
    **options: Any,
) -> list[Ouroboros]: ...


def ouroboros(
    sound: Sound | SeveralSounds,
    sample_rate: int,
    model: Model | None = None,
    *,
    objective: Objective | str | None = None,
    **options: Any,
) -> Ouroboros | list[Ouroboros]:
    """Dreams on a sound, and feeds the dream back into itself, round after round.

    Args:
      sound, sample_rate, model, objective: as in `dream`.
      **options: as in `dream`, and those of an ouroboros, such as `ouroboros_length` (10 rounds by
        default), `ouroboros_transform`, `crossfade` and `stabilise`.

    Returns:
      An `Ouroboros` of one sound, or a list of them, as in `dream`.

    Raises:
      UserError: as in `dream`.

    Example:
      >>> import numpy as np
      >>> tone = np.sin(2 * np.pi * 440 / 22050 * np.arange(11025)).astype(np.float32)
      >>> made = ouroboros(tone, 22050, pyramid_size=1, num_iterations=1, ouroboros_length=2)
      >>> made.sound.shape, made.spectrograms_db.shape
      ((33075,), (3, 128, 56))
    """
    given = check_given(sound, sample_rate, model, objective, options, makes_ouroboros=True)

    def dream_together(sources, clips):
        first, rounds = _dream_rounds(given.model, sources, given.plan)
        before_db, before_sounds = np.asarray(first.last_db), np.asarray(first.last_sound)
        made = []
        for place, (source, clip) in enumerate(zip(sources, clips)):
            of_clip = [jax.tree.map(operator.itemgetter(place), each) for each in rounds]
            before = before_db[place], before_sounds[place]
            made.append(_ouroboros_of(source, clip, before, of_clip))
        return made

    return given.dream_in_batches(dream_together)


def _dream_rounds(model, sources, plan):
    """Returns the state before the first round, and the result of each round."""
    settings = place_settings(sources)
    placed, mel_db = place_clips(sources)
    keys = [source.keys.rolls for source in sources]
    first = state = begin_ouroboros(placed, mel_db, settings.rolls, keys)
    rounds = []
    for number in range(plan.ouroboros.length):
        settings = settings._replace(objective=place_objectives(sources, number))
        state, result = dream_round(
            model.network,
            state,
            settings,
            program=plan.program(number),
            round_settings=plan.ouroboros.round_settings,
        )
        rounds.append(jax.device_get(result))
    return first, rounds


def _ouroboros_of(source, given, before, rounds):
    before_db, before_sound = before
    mixed = [source.mix_with_input(each.sound) for each in rounds]
    sound = np.concatenate([before_sound, *mixed], axis=1)
    return Ouroboros(
        sound=shape_like(sound, given),
        sample_rate=source.sample_rate,
        spectrograms_db=np.stack([before_db, *(each.mel_db for each in rounds)]),
        overcooked_db=np.array([each.overcooked for each in rounds]),
        moved_db=np.array([each.moved_db for each in rounds]),
        climb=np.stack([each.climb.objective for each in rounds]),
        plan=source.plan,
        fault=_describe_first_fault(rounds, source.plan),
    )


def _describe_first_fault(rounds, plan):
    for number, each in enumerate(rounds):
        fault = describe_fault(each.climb, plan.layers_of_round(number))
        # If it iterates over layers, the next one may respond where this one does not.
        if fault and not (plan.iterates and np.max(each.climb.fault) < NON_FINITE_GRADIENT):
            return f"round {number + 1} {fault}"
    return None
