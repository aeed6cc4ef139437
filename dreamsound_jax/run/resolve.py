"""From options and a card to a plan: names of layers and classes are looked up, once.

A field of a plan that has the name of an option takes its value; all others are set here. Nothing
that runs after `resolve` sees the options.
"""

import functools
import logging
from collections.abc import Mapping
from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from dreamsound_jax.audio.find import is_sound
from dreamsound_jax.domains.registry import DOMAINS
from dreamsound_jax.dreaming.optimizers import make_steps
from dreamsound_jax.dreaming.ouroboros import RoundSettings
from dreamsound_jax.dreaming.pyramid import count_levels
from dreamsound_jax.networks.card import Card
from dreamsound_jax.objectives.grammar import parse_interpolation, parse_objective
from dreamsound_jax.objectives.interpolation import Interpolation, compile_interpolation
from dreamsound_jax.objectives.terms import Objective, compile_objective
from dreamsound_jax.run.checks import (
    chain_of,
    check_each_value,
    check_options,
    check_rounds,
    combinations,
    count_combinations,
    cover_values,
    given_hyperparameters,
)
from dreamsound_jax.run.names import find_values
from dreamsound_jax.run.options import FIELDS, Options
from dreamsound_jax.run.options.defaults import DOMAIN_DEFAULTS, MOST_LEVELS
from dreamsound_jax.run.plan import ITERATE, ClipPlan, OuroborosPlan, Plan
from dreamsound_jax.run.presets import apply_changes
from dreamsound_jax.run.strength import apply_strength, distance_of, fill_lr
from dreamsound_jax.run.where import check_heard, read_where
from dreamsound_jax.system.errors import UserError, find_choice

log = logging.getLogger(__name__)

# So many combinations of swept values are checked in an instant.
_MANY = 2000
# Of each input, a preview dreams on so many seconds; an ouroboros in it has so many rounds, unless
# their number is given.
PREVIEW_SECONDS = 5.0
PREVIEW_ROUNDS = 3
# Frames, mel bands, dB, and noise in standard deviations, where several views have no jitter given.
DEFAULT_JITTER = (8.0, 1.0, 3.0, 0.1)


def resolve(
    options: Options,
    card: Card,
    *,
    swept_cards: Mapping[str, Card] | None = None,
    objective: Objective | Interpolation | None = None,
) -> Plan:
    """Checks the options, and returns what a run does.

    Args:
      options: with a seed.
      card: of the model.
      swept_cards: {model: its card} of the models that are swept, if any are.
      objective: in place of the one that the options describe.

    Raises:
      UserError: an option is wrong whatever the clips are; the message names it, and what it must
        be.
    """
    plan_clip = functools.partial(
        _plan_clip, options, card=card, swept_cards=swept_cards, objective=objective
    )
    if (count := count_combinations(options.sweep)) > _MANY:
        log.info("checking all %d combinations of --sweep, which may take a while", count)
        check_each_value(options)  # So a wrong value is found soon.
        for changes in cover_values(options.sweep):
            plan_clip(changes)
    check_options(options)
    clips = tuple(map(plan_clip, combinations(options.sweep)))
    return Plan(
        **_named_alike(Plan, options),
        inputs=tuple(options.input),
        clips=clips,
        pads_lengths=options.lengths == "buckets",
        draws_pictures=options.plots,
        writes_inputs=options.write_input,
        writes_arrays=options.arrays,
        dtype=_dtype(options),
    )


def _plan_clip(options, changes, *, card, swept_cards, objective):
    """Returns the plan of the clip with these changes of swept values."""
    given = fill_lr(apply_changes(options, changes))
    asked = apply_strength(given)
    if swept_cards is None:
        clip = _clip_plan(asked, changes, card, objective)
    else:
        clip = _swept_clip_plan(asked, changes, swept_cards[asked.model])
    of_clip = {"layers_to_use": clip.asked_layers, "model": clip.card.name}
    of_clip |= {"pyramid_size": clip.pyramid_size}
    return replace(clip, name_values=find_values(options.name, {**vars(given), **of_clip}))


def _named_alike(kind, options):
    """Returns {name: value} of the options that fields of a plan have the names of."""
    return {name: getattr(options, name) for name in kind.__annotations__ if name in FIELDS}


def _dtype(options):
    return jnp.float64 if options.precision == "float64" else jnp.float32


def _swept_clip_plan(asked, changes, card):
    """Returns the plan of a clip; what is wrong for one of several models names this model."""
    try:
        return _clip_plan(asked, changes, card)
    except UserError as error:
        raise UserError(f"model {asked.model}: {error}") from None


def _clip_plan(asked, changes, card, objective=None):
    _check_sample_rate(asked, card)
    if asked.loop:
        card = card.of_loops()
    objective = _named_objective(asked, card) or objective
    if isinstance(objective, Interpolation):
        check_rounds(objective, asked)
    layers = _layers(asked, card) if objective is None else _layers_of(objective, card)
    pyramid_size = asked.pyramid_size or _default_levels(asked, layers, card)
    differing = {
        "pyramid_size": pyramid_size,
        "amount": asked.amount if DOMAINS[asked.domain].keeps_original else 1.0,
        "mix": asked.mix * _amount_of_mix(asked),
    }
    return ClipPlan(
        **_named_alike(ClipPlan, asked) | differing,
        card=card,
        changes=changes,
        layers=layers,
        iterates=asked.layers_to_use == (ITERATE,),
        target=_target(asked, card),
        class_weight=1.0 if asked.class_objective == "towards" else -1.0,
        steps=_steps(asked),
        jitter=_jitter(asked),
        distance_db=distance_of(asked.strength),
        until_db=asked.until,
        dtype=_dtype(asked),
        ouroboros=_ouroboros(asked, changes, pyramid_size) if asked.create_ouroboros else None,
        given_objective=objective,
        where=_where(asked, card),
        excerpt_seconds=PREVIEW_SECONDS if asked.preview else None,
    )


def _check_sample_rate(asked, card):
    if asked.sample_rate not in (None, card.front_end.sample_rate):
        raise UserError(
            f"--sample_rate must be {card.front_end.sample_rate}, the rate at which the network "
            f"{card.name} hears, and is {asked.sample_rate}; files of any rate are resampled"
        )


def _named_objective(asked, card):
    """Returns what the options objective and interpolate name; None without them."""
    if asked.interpolate is not None:
        return parse_interpolation(asked.interpolate, card=card)
    return None if asked.objective is None else parse_objective(asked.objective, card=card)


def _where(asked, card):
    where = read_where(asked)
    if where:
        check_heard(where, card.front_end, network=card.name)
    return where


def _amount_of_mix(asked):
    """Returns the amount of a dream whose domain mixes it with the input; 1 for others."""
    is_mixed = not DOMAINS[asked.domain].keeps_original and not asked.create_ouroboros
    return asked.amount if is_mixed else 1.0


def _jitter(asked):
    """Returns by how much views differ, in frames, bands, dB and noise; None if they do not."""
    given = (asked.jitter_time, asked.jitter_pitch, asked.jitter_gain, asked.jitter_noise)
    if any(given):
        return given
    return DEFAULT_JITTER if asked.views > 1 else None


def _layers_of(objective, card):
    """Returns the layers that an objective reads, after a check of all that it needs."""
    if isinstance(objective, Interpolation):
        measures, _ = compile_interpolation(objective, card)
    else:
        measures, _ = compile_objective(objective, card)
    return tuple(dict.fromkeys(name for measure in measures for name in measure.layers))


def _default_levels(asked, layers, card):
    """Returns how many levels a pyramid has for which no number is given."""
    at_least, _ = card.architecture.deepest(layers).stride
    return count_levels(
        card.front_end.n_mels, at_least=at_least, ratio=asked.pyramid_ratio, most=MOST_LEVELS
    )


def _layers(options, card):
    architecture = card.architecture
    if options.layers_to_use == (ITERATE,):
        return architecture.layers
    names_class = (
        options.target_class is not None
        or options.target_class_index != -1
        or not {"target_class", "target_class_index"}.isdisjoint(options.sweep)
    )
    default = card.choose_layer(DOMAIN_DEFAULTS[options.domain].layer)
    for name in options.layers_to_use or ():
        if is_sound(name):
            raise UserError(
                f"--layers_to_use must name layers, and {name!r} is a sound: put inputs before "
                "the flags"
            )
    names = options.layers_to_use or (architecture.class_layer if names_class else default,)
    return tuple(find_choice("layer", name, architecture.layers) for name in names)


def _target(options, card):
    if options.target_class is not None:
        return card.class_index(options.target_class)
    if options.target_class_index == -1:
        return None
    return card.class_index(options.target_class_index)


def _steps(options):
    given = given_hyperparameters(options)
    return make_steps(
        options.optimizer,
        learning_rate=options.lr,
        smoothing_coefficient=options.smoothing_coefficient,
        smooth_gradient=options.smooth_gradient,
        standardise_gradient=options.standardise_gradient,
        carry_state=options.optimizer_state == "carry",
        hyperparameters=given,
        dtype=np.dtype(_dtype(options)),
    )


def _ouroboros(options, changes, pyramid_size):
    length = options.ouroboros_length
    if options.preview and "ouroboros_length" not in changes:
        length = min(length, PREVIEW_ROUNDS)
    settings = _named_alike(RoundSettings, options) | {"pyramid_size": pyramid_size}
    return OuroborosPlan(
        length=length,
        round_settings=RoundSettings(**settings, chain=chain_of(options)),
        stop_overcooked=options.stop_overcooked,
    )
