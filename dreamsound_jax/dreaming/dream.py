"""A dream: a clip goes up the pyramid, and at each level up the gradient."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from dreamsound_jax.domains.domain import Domain
from dreamsound_jax.dreaming.ascent import Climb, ascend
from dreamsound_jax.dreaming.distance import measure_distance
from dreamsound_jax.dreaming.habituation import turn_away
from dreamsound_jax.dreaming.interpolation import mix_gradients, weigh_stops
from dreamsound_jax.dreaming.optimizers import carry_state, make_transform
from dreamsound_jax.dreaming.program import ClipSettings, Program
from dreamsound_jax.dreaming.views import average_views
from dreamsound_jax.networks.loops import count_loop_columns
from dreamsound_jax.networks.network import Network
from dreamsound_jax.networks.windows import measure_response
from dreamsound_jax.objectives.preparing import Level, prepare_all
from dreamsound_jax.objectives.terms import evaluate
from dreamsound_jax.spectral.interpolate import (
    repeat_time,
    resize_largest,
    resize_nearest,
    roll_time,
)
from dreamsound_jax.system.devices import over_clips
from dreamsound_jax.system.programs import keep_traces

Reached = tuple[jax.Array, Any]
"""What a level ends with: the parameters, and the state of the optimizer."""


def dream_clips(
    network: Network,
    clips: Domain,
    settings: ClipSettings,
    *,
    program: Program,
    after_level: Callable[[Climb], None] = lambda climb: None,
    keep_reached: Callable[[jax.Array], None] = lambda parameters: None,
) -> tuple[jax.Array, Climb]:
    """Dreams a batch of clips, by one compiled program for each level of the pyramid.

    Args:
      network: what responds.
      clips: a domain whose leaves have a leading axis of clips.
      settings: of each clip; leaves have a leading axis of clips.
      program: what the compiled programs depend on.
      after_level: called with the `Climb` of each level, arrays (clips, steps), as soon as its
        computation has begun.
      keep_reached: called with the parameters that each level ends with, (clips, mel bands, frames)
        of the level.

    Returns:
      The parameters of the domain, (clips, mel bands, frames), and a `Climb` of arrays (clips,
      levels, steps).

    Raises:
      UserError: the pyramid is too deep for the clips, or for a layer.
    """
    program.level_shapes(clips.spectrogram.shape[1:], network.architecture)
    reached: Reached | None = None
    climbs = []
    for level in range(program.pyramid_size):
        reached, climb = dream_level_of_clips(
            network, reached, clips, settings, program=program, level=level
        )
        climbs.append(climb._replace(path=None))
        keep_reached(reached[0])
        after_level(climb)
    assert reached is not None, "a pyramid has at least one level"
    return reached[0], stack_levels(climbs)


@keep_traces
@functools.partial(jax.jit, static_argnames=("program", "level"))
def dream_level_of_clips(
    network: Network,
    reached: Reached | None,
    clips: Domain,
    settings: ClipSettings,
    *,
    program: Program,
    level: int,
) -> tuple[Reached, Climb]:
    """Applies `dream_level` to a batch: arguments and results have a leading axis of clips."""
    dream_one = functools.partial(dream_level, program=program, level=level)
    return over_clips(dream_one, shared=1)(network, reached, clips, settings)


@keep_traces
@jax.jit
def stack_levels(climbs: list[Climb]) -> Climb:
    """Stacks the `Climb`s of levels, arrays (clips, steps), to arrays (clips, levels, steps)."""
    return jax.tree.map(lambda *levels: jnp.stack(levels, axis=1), *climbs)


def dream_level(
    network: Network,
    reached: Reached | None,
    clip: Domain,
    settings: ClipSettings,
    *,
    program: Program,
    level: int,
) -> tuple[Reached, Climb]:
    """Dreams one level of one clip.

    Args:
      network: what responds.
      reached: what the level before returned first; None at the first level.
      clip: the domain.
      settings: of the clip.
      program, level: static.

    Returns:
      ((parameters, the optimizer's state), the `Climb` of arrays (steps,)).
    """
    shapes = program.level_shapes(clip.spectrogram.shape, network.architecture)
    roll = settings.rolls[level]
    network = prepare_network(network, shapes[level], program)
    original = resize_nearest(clip.spectrogram, shapes[level])
    settings = prepare_objective(network, original, settings, program=program, roll=roll)
    # XLA would compute what zeros become, for minutes where a clip is long, while it compiles.
    parameters, state = reached or (jax.lax.optimization_barrier(clip.initial()), ())
    steps, turn = _apply_habituation(settings, shapes[level])
    inside = None if clip.mask is None else resize_largest(clip.mask, shapes[level]) > 0
    rolled = None if inside is None else roll_time(inside, roll)

    def objective(observed):
        heard = clip.constrain_gradient(roll_time(observed, roll), rolled)
        return respond(network, heard, settings, program=program)

    end, climb = ascend(
        objective,
        clip.to_level(
            parameters, shapes, level, settings.detail_factor if program.replace_detail else 0
        ),
        make_transform(
            program.optimizers,
            steps,
            total=program.num_iterations,
            roll=roll,
            turn=turn,
            inside=inside,
            circular=program.circular,
        ),
        steps=program.num_iterations,
        observe=clip.observe(shapes[level]),
        bound=clip.bound(),
        initial_state=_carry(state, settings, program) if level else lambda fresh: fresh,
        at_step=_make_hills(
            settings, clip.spectrogram.shape, shapes[level], inside, program, level
        ),
        is_done=_watch_distance(settings, clip, original),
        keep_path=program.keep_path,
    )
    return (end.parameters, end.state), climb


def _carry(state, settings, program):
    """Returns with which state of the optimizer a level begins, given a fresh one."""
    carry = settings.steps.carry_state
    return functools.partial(carry_state, state, carry=carry, circular=program.circular)


def _make_hills(settings, whole, shape, inside, program, level):
    """Returns how the objective of a step is made of that of a level."""

    def look(objective, number):
        return objective

    if settings.jitter is not None:
        look = average_views(settings.jitter, count=program.views, whole=whole, level=level)
    if settings.objective.progress is None:
        return look
    mix = mix_gradients(_weigh_stops(settings, shape[1], program), inside)
    return lambda objective, number: mix(look(objective, number))


def _weigh_stops(settings, frames, program):
    return weigh_stops(
        settings.objective.progress,
        stops=len(settings.objective.weights),
        frames=frames,
        circular=program.circular,
    )


def _watch_distance(settings, clip, original):
    """Returns whether what is observed at a level is as far from the input as is asked for."""
    if settings.until_db is None:
        return lambda observed: False
    destandardise = clip.front_end.destandardise

    def is_done(observed):
        moved = measure_distance(destandardise(original), destandardise(observed))
        return moved >= settings.until_db

    return is_done


def _apply_habituation(settings, shape):
    """Returns the `Steps` of a level, and what turns its gradient away from the familiar."""
    steps, habituation = settings.steps, settings.habituation
    if habituation is None:
        return steps, None
    steps = steps._replace(learning_rate=steps.learning_rate * habituation.rate_factor)
    return steps, turn_away(resize_nearest(habituation.familiar_db, shape))


def prepare_network(network: Network, shape: tuple[int, int], program: Program) -> Network:
    """Returns a network that responds the same, and may be faster for a level of this shape."""
    frames = _count_heard_frames(network, shape[1], program)
    if program.circular:
        last = network.architecture.last_local
        frames = count_loop_columns(last, frames) * last.stride[1]
    return network.prepare((shape[0], frames), program.layers)


def _count_heard_frames(network, frames, program):
    return network.architecture.count_heard_frames(
        frames, program.layers, circular=program.circular
    )


def prepare_objective(
    network: Network,
    original: jax.Array,
    settings: ClipSettings,
    *,
    program: Program,
    roll: jax.Array | int = 0,
) -> ClipSettings:
    """Returns settings whose objective knows the input, and what the network hears of guides.

    Args:
      network: what responds.
      original: the standardised input, (mel bands, frames), at the level that is dreamed.
      settings: of the clip.
      program: static.
      roll: how far the clip is rolled in time, in frames.
    """
    frames = _count_heard_frames(network, original.shape[1], program)
    level = Level(network, original, roll, frames, program.layers, program.circular)
    data = prepare_all(program.measures, settings.objective.data, level)
    return settings._replace(objective=settings.objective._replace(data=data))


def respond(
    network: Network, spectrogram: jax.Array, settings: ClipSettings, *, program: Program
) -> jax.Array:
    """Returns the objective of one standardised spectrogram (mel bands, frames): a scalar.

    Of an interpolation, it returns those of all stops, (stops,); see `summarise`.
    Where the objective has guides or depends on the input, the settings must have been prepared
    for this shape. A spectrogram too short for a layer is heard as if it were repeated.
    """
    frames = _count_heard_frames(network, spectrogram.shape[1], program)
    heard = repeat_time(spectrogram, frames=frames)
    measured = measure_response(
        network, heard, program.measures, settings.objective.data, circular=program.circular
    )
    return evaluate(measured, settings.objective)


def summarise(
    objective: jax.Array, settings: ClipSettings, *, frames: int, program: Program
) -> jax.Array:
    """Returns one number of what `respond` returns for a clip of so many frames.

    Of an interpolation it is the mean of its objectives, each by how much of the clip it has.
    """
    if settings.objective.progress is None:
        return objective
    return jnp.vdot(_weigh_stops(settings, frames, program).mean(axis=1), objective)
