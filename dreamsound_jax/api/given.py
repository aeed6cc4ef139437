"""What the Python API is given: sounds, a model, an objective and options; all of it is checked."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dreamsound_jax.api.sounds import is_several, take_clips, take_sample_rate, to_recording
from dreamsound_jax.audio.files import remove_offset
from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.loading import Model, load_model
from dreamsound_jax.objectives.grammar import parse_objective
from dreamsound_jax.objectives.interpolation import Interpolation
from dreamsound_jax.objectives.terms import Objective
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.options import FIELDS
from dreamsound_jax.run.plan import ClipPlan
from dreamsound_jax.run.presets import make_options
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.run.sources import Source, make_source
from dreamsound_jax.system.errors import UserError, nearest_or_fail

OUROBOROS_OPTIONS = (
    *(name for name in FIELDS if name.startswith("ouroboros_")),
    "crossfade",
    "stabilise",
)
# Options of clips that the argument `model` stands for, or that only a run of the command has.
NOT_OF_DREAM = (
    *("model", "clip_length", "sine_freq", "stop_overcooked"),
    *("format", "bit_depth", "loudness"),
    "create_ouroboros",
    *OUROBOROS_OPTIONS,
)
# The options that say how a sound is dreamed, and not what a run of the command does.
DREAM_OPTIONS = tuple(
    name
    for name, field in FIELDS.items()
    if field.metadata["role"] != "run" and name not in NOT_OF_DREAM
)


class Given(NamedTuple):
    """What is dreamed.

    Attributes:
      model: the network and its card.
      plan: how each clip is dreamed.
      clips: the sounds as they were given.
      sources: the sounds as the dream takes them.
      is_several: whether several sounds were given, even if as a list of one.
    """

    model: Model
    plan: ClipPlan
    clips: list[np.ndarray]
    sources: list[Source]
    is_several: bool

    def dream_in_batches(
        self, dream_together: Callable[[list[Source], list[np.ndarray]], Sequence[Any]]
    ) -> Any:
        """Returns the results of all clips in a list, or that of the one sound that was given.

        Args:
          dream_together: returns the results of some sources and their clips. The network hears
            the same channel of all of them.

        Raises:
          UserError: the one sound stopped.
        """
        results: dict[int, Any] = {}
        for rows in self._rows_together():
            sources, clips = [self.sources[r] for r in rows], [self.clips[r] for r in rows]
            results |= zip(rows, dream_together(sources, clips))
        in_order = [results[row] for row in sorted(results)]
        return in_order if self.is_several else _only(in_order)

    def _rows_together(self):
        rows: dict[int | None, list[int]] = {}
        for row, source in enumerate(self.sources):
            rows.setdefault(source.heard_channel, []).append(row)
        return rows.values()


def _only(results):
    """Returns the only result; UserError if the clip stopped."""
    (result,) = results
    if result.fault:
        raise UserError(result.fault)
    return result


def check_given(
    sound: Any,
    sample_rate: int,
    model: Model | None,
    objective: Objective | str | None,
    options: dict[str, Any],
    *,
    makes_ouroboros: bool = False,
) -> Given:
    """Checks the arguments of `dream` and `ouroboros`.

    Args:
      sound, sample_rate, model, objective, options: as `dream` takes them.
      makes_ouroboros: whether each dream is fed back into itself.

    Raises:
      UserError: one of them is not possible.
    """
    known = (*DREAM_OPTIONS, *OUROBOROS_OPTIONS) if makes_ouroboros else DREAM_OPTIONS
    for name in options:
        nearest_or_fail("option", name, known)
    if makes_ouroboros:
        options = options | {"create_ouroboros": True}
    model = _check_model(model, options)
    chosen, options = _choose_objective(objective, options, model.card)
    sample_rate, clips = take_sample_rate(sample_rate), take_clips(sound)
    (plan,) = resolve(make_options({"seed": 0, **options}), model.card, objective=chosen).clips
    sources = _sources(clips, sample_rate, plan)
    return Given(model, plan, clips, sources, is_several(sound))


def _check_model(model, options):
    if model is None:
        return load_model(make_options(options).model)
    if not isinstance(model, Model):
        raise UserError(f"the model must be what load_model returns, and is {model!r}")
    return model


def _choose_objective(
    objective: Objective | str | None, options: dict[str, Any], card: Card
) -> tuple[Objective | Interpolation | None, dict[str, Any]]:
    """Returns the objective, if it is not left to the options, and the options without it."""
    if objective is not None:
        objective = take_objective(objective, card)
    stops = options.get("interpolate")
    if stops is not None and objective is not None:
        raise UserError("objective and interpolate must not both be given")
    for name in ("layers_to_use", "target_class", "target_class_index"):
        if (objective is not None or stops is not None) and name in options:
            given = "objective" if stops is None else "interpolate"
            raise UserError(f"{given} and {name} must not both be given")
    if isinstance(stops, str | None):
        return objective, options
    rest = {name: value for name, value in options.items() if name != "interpolate"}
    return _interpolate(stops, card), rest


def take_objective(objective: Objective | str, card: Card) -> Objective:
    """Returns an objective that may be given as text; UserError if it is none."""
    if isinstance(objective, str):
        return parse_objective(objective, card=card)
    if not isinstance(objective, Objective):
        raise UserError(
            f'the objective must be an Objective such as layer("relu3_4"), and is {objective!r}'
        )
    return objective


def _interpolate(stops, card):
    """Returns the interpolation of a sequence of objectives."""
    if isinstance(stops, list | tuple):
        parsed = tuple(
            parse_objective(each, card=card) if isinstance(each, str) else each for each in stops
        )
        if all(isinstance(each, Objective) for each in parsed):
            return Interpolation(parsed)
    raise UserError(
        "interpolate must be a list of objectives such as [layer('relu2_2'), layer('relu5_4')], or "
        f"text such as 'relu2_2 > relu5_4', and is {stops!r}"
    )


def _sources(clips: list[np.ndarray], sample_rate: int, plan: ClipPlan) -> list[Source]:
    sources = []
    for number, clip in enumerate(clips):
        name = f"clip {number}" if len(clips) > 1 else "the sound"
        recording = remove_offset(name, to_recording(clip, sample_rate))
        sources.append(make_source(Job(number, name, number, plan), recording))
    return sources
