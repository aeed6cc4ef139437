"""From options to a plan: everything is checked once, and what is static is split from data.

Nothing that runs after `resolve` sees the options.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from dreamsound_jax.dreaming.optimizers import (
    HYPERPARAMETERS,
    Steps,
    check_hyperparameters,
    make_steps,
)
from dreamsound_jax.dreaming.ouroboros import RoundSettings
from dreamsound_jax.dreaming.program import Program
from dreamsound_jax.networks.card import Card
from dreamsound_jax.objectives.terms import (
    LayerTerm,
    Objective,
    ObjectiveData,
    ProbabilityTerm,
    compile_objective,
)
from dreamsound_jax.run.options import DEFAULT_LAYER, FIELDS, SWEEPABLE, Options, value_type
from dreamsound_jax.spectral.transforms import TRANSFORMS, check_amounts
from dreamsound_jax.system.errors import UserError, nearest_or_fail

ITERATE = "iterate"


@dataclass(frozen=True)
class OuroborosPlan:
    """How the dream of a clip is fed back into itself.

    Attributes:
      length: number of rounds.
      round_settings: what the end of a round depends on.
      stop_overcooked: index in dB before which the clip ends; 0 for never.
    """

    length: int
    round_settings: RoundSettings
    stop_overcooked: float


@dataclass(frozen=True)
class ClipPlan:
    """How one clip is dreamed.

    Attributes:
      card: of the model.
      changes: {option: value} in which the clip differs from the run.
      domain: "sound" or "mel".
      layers: the names of the layers to excite; of an ouroboros that iterates over layers, all.
      iterates: whether each round of the ouroboros dreams by another layer.
      target: index of the class to dream of; None if it is drawn, or no class is dreamed of.
      class_weight: 1 towards the class, -1 away from it.
      optimizer: its name.
      steps: how its steps are taken.
      gain_range, detail_factor, pyramid_roll, clip_length, sine_freq, seed, loudness: the options
        of these names.
      ouroboros: how the dream is fed back; None for a single dream.
      given_objective: an objective in place of the one of `layers`.
    """

    card: Card
    changes: Mapping[str, Any]
    domain: str
    layers: tuple[str, ...]
    iterates: bool
    target: int | None
    class_weight: float
    optimizer: str
    steps: Steps
    pyramid_size: int
    pyramid_ratio: float
    pyramid_roll: int
    replace_detail: bool
    detail_factor: float
    num_iterations: int
    gain_range: float
    clip_length: int
    sine_freq: float
    seed: int
    loudness: str
    dtype: Any
    ouroboros: OuroborosPlan | None = None
    given_objective: Objective | None = None

    @property
    def dreams_of_class(self) -> bool:
        """Whether a class is part of the objective, in some round at least."""
        return self.card.architecture.class_layer in self.layers

    @property
    def asked_layers(self) -> tuple[str, ...]:
        """The layers as they were asked for."""
        if self.given_objective is not None:
            return self.program().layers
        return (ITERATE,) if self.iterates else self.layers

    def layers_of_round(self, number: int = 0) -> tuple[str, ...]:
        """Returns the layers of a round: one after the other from the deepest if it iterates."""
        if self.iterates:
            return (self.layers[-1 - number % len(self.layers)],)
        return self.layers

    def objective(self, target: int | None, number: int = 0) -> Objective:
        """Returns the objective of a round: the mean over its layers, as in the reference.

        With `iterates`, a round's program computes all layers of a stage of the network, and which
        of them counts is data: there are as many programs as stages, not as layers.

        Args:
          target: index of the class to dream of, if a class is.
          number: of the round.
        """
        if self.given_objective is not None:
            return self.given_objective
        chosen = self.layers_of_round(number)
        names = self.card.architecture.stage_of(chosen[0]) if self.iterates else chosen
        weights = [1 / len(chosen) if name in chosen else 0.0 for name in names]
        return Objective(tuple(self._term(w, name, target) for w, name in zip(weights, names)))

    def _term(self, weight, name, target):
        if name == self.card.architecture.class_layer:
            return self.class_weight * weight, ProbabilityTerm(target or 0)
        return weight, LayerTerm(name)

    def program(self, number: int = 0) -> Program:
        """Returns what the compiled dream of a round depends on."""
        measures, _ = compile_objective(self.objective(0, number), self.card)
        return Program(
            measures=measures,
            pyramid_size=self.pyramid_size,
            pyramid_ratio=self.pyramid_ratio,
            replace_detail=self.replace_detail,
            num_iterations=self.num_iterations,
            optimizers=(self.optimizer,),
        )

    def objective_data(self, target: int | None, number: int = 0) -> ObjectiveData:
        """Returns the weights and the data of a round's objective."""
        _, data = compile_objective(self.objective(target, number), self.card, dtype=self.dtype)
        return data

    @property
    def static(self) -> tuple:
        """What clips of one batch must have in common, besides the shape of their sounds."""
        return (self.domain, self.layers, self.iterates, self.program(), self.ouroboros)


@dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes:
      inputs: the sounds as they were named.
      clips: a plan for each combination of the swept values; one if nothing is swept.
      num_clips: how many clips there are; None for each input with each combination.
      seed: of the run.
      batch_size: clips that are dreamed at once.
      pads_lengths: whether files are padded to a few lengths.
      draws_pictures: whether each clip gets a picture.
      save_every: seconds between two saves of an unfinished ouroboros.
      dtype: of spectrograms and sounds; that of the network may be narrower.
    """

    inputs: tuple[str, ...]
    clips: tuple[ClipPlan, ...]
    num_clips: int | None
    seed: int
    batch_size: int
    pads_lengths: bool
    draws_pictures: bool
    save_every: float
    dtype: Any = field(default=jnp.float32)

    @property
    def creates_ouroboros(self) -> bool:
        """Whether the dreams are fed back into themselves."""
        return self.clips[0].ouroboros is not None


def resolve(options: Options, card: Card) -> Plan:
    """Checks the options, and returns what a run does.

    Args:
      options: with a seed.
      card: of the model.

    Raises:
      UserError: an option is wrong whatever the clips are; the message names it, and what it must
        be.
    """
    check_options(options)
    if options.sample_rate not in (None, card.front_end.sample_rate):
        raise UserError(
            f"--sample_rate must be {card.front_end.sample_rate}, the rate at which the network "
            f"{card.name} hears, and is {options.sample_rate}; files of any rate are resampled"
        )
    return Plan(
        inputs=tuple(options.input),
        clips=tuple(_clip_plan(options, changes, card) for changes in combinations(options.sweep)),
        num_clips=options.num_clips,
        seed=options.seed,
        batch_size=options.batch_size,
        pads_lengths=options.lengths == "buckets",
        draws_pictures=options.plots,
        save_every=options.save_every,
        dtype=_dtype(options),
    )


def _dtype(options):
    return jnp.float64 if options.precision == "float64" else jnp.float32


def combinations(sweep: Mapping[str, tuple]) -> list[dict[str, Any]]:
    """Returns all combinations of swept values, the last option changing fastest; [{}] of none."""
    return [dict(zip(sweep, values)) for values in itertools.product(*sweep.values())]


def _clip_plan(options, changes, card):
    asked = replace(options, **changes)
    layers = _layers(asked, card)
    return ClipPlan(
        card=card,
        changes=changes,
        domain=asked.domain,
        layers=layers,
        iterates=asked.layers_to_use == (ITERATE,),
        target=_target(asked, layers, card),
        class_weight=1.0 if asked.class_objective == "towards" else -1.0,
        optimizer=asked.optimizer,
        steps=_steps(asked),
        pyramid_size=asked.pyramid_size,
        pyramid_ratio=asked.pyramid_ratio,
        pyramid_roll=asked.pyramid_roll,
        replace_detail=asked.replace_detail,
        detail_factor=asked.detail_factor,
        num_iterations=asked.num_iterations,
        gain_range=asked.gain_range,
        clip_length=asked.clip_length,
        sine_freq=asked.sine_freq,
        seed=asked.seed,
        loudness=asked.loudness,
        dtype=_dtype(asked),
        ouroboros=_ouroboros(asked) if asked.create_ouroboros else None,
    )


def _layers(options, card):
    architecture = card.architecture
    if options.layers_to_use == (ITERATE,):
        return architecture.layers
    names_class = options.target_class is not None or "target_class" in options.sweep
    default = (
        DEFAULT_LAYER if DEFAULT_LAYER in architecture.layers else architecture.last_local.name
    )
    names = options.layers_to_use or (architecture.class_layer if names_class else default,)
    return tuple(nearest_or_fail("layer", name, architecture.layers) for name in names)


def _target(options, layers, card):
    if options.target_class is not None:
        return card.class_index(options.target_class)
    if options.target_class_index == -1 or card.architecture.class_layer not in layers:
        return None
    return card.class_index(options.target_class_index)


def _steps(options):
    given = _given_hyperparameters(options)
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


def _given_hyperparameters(options):
    values = {name: getattr(options, name) for name in HYPERPARAMETERS}
    return {name: value for name, value in values.items() if value is not None}


def _ouroboros(options):
    chain = _chain(options)
    return OuroborosPlan(
        length=options.ouroboros_length,
        round_settings=RoundSettings(
            chain=chain,
            stabilise=options.stabilise,
            crossfade=options.crossfade,
            pyramid_size=options.pyramid_size,
            pyramid_ratio=options.pyramid_ratio,
            pyramid_roll=options.pyramid_roll,
        ),
        stop_overcooked=options.stop_overcooked,
    )


def _chain(options):
    names = [name for name in options.ouroboros_transform if name != "none"]
    return tuple((name, getattr(options, TRANSFORMS[name].option)) for name in names)


def check_options(options: Options) -> None:
    """Raises UserError for an option that is wrong whatever the network and the clips are."""
    _check_sweep(options.sweep)
    for changes in combinations(options.sweep):
        _check_one(replace(options, **changes))


def _check_one(options):
    _check_values(options)
    if not options.input:
        raise UserError("--input must not be empty; leave it out to dream on noise")
    if options.target_class and options.target_class_index != -1:
        raise UserError(
            f"--target_class={options.target_class} and --target_class_index="
            f"{options.target_class_index} both name a class: give only one of them"
        )
    check_hyperparameters(options.optimizer, _given_hyperparameters(options))
    _check_layers(options)
    if options.create_ouroboros:
        _check_ouroboros(options)


def _check_values(options):
    for name in FIELDS:
        value = getattr(options, name)
        if value is not None and value_type(name) is not Mapping:
            check_value(name, value)


def check_value(name: str, value) -> None:
    """Raises UserError for a value that its option cannot have."""
    metadata = FIELDS[name].metadata
    for each in value if isinstance(value, (tuple, list)) else (value,):
        if isinstance(each, float) and not math.isfinite(each):
            raise UserError(f"--{name} must be a finite number, and is {each}")
        if metadata["choices"] and each not in metadata["choices"]:
            nearest_or_fail(f"--{name}", each, metadata["choices"])
    lowest, highest = metadata["at_least"], metadata["at_most"]
    if lowest is not None and value < lowest:
        raise UserError(f"--{name} must be at least {lowest:g}, and is {value}")
    if highest is not None and value > highest:
        raise UserError(f"--{name} must be at most {highest}, and is {value}")


def _check_sweep(sweep):
    for name, values in sweep.items():
        nearest_or_fail("flag to --sweep", name, SWEEPABLE)
        if not values:
            raise UserError(f"--sweep={name}= must have values, as in --sweep={name}=VALUE,VALUE")


def _check_layers(options):
    if options.layers_to_use is None:
        return
    if not options.layers_to_use:
        raise UserError("--layers_to_use must not be empty; leave it out to use the default")
    if ITERATE not in options.layers_to_use:
        return
    if options.layers_to_use != (ITERATE,):
        raise UserError(f"--layers_to_use: {ITERATE} must stand alone, without other layers")
    if not options.create_ouroboros:
        raise UserError(
            f"--layers_to_use={ITERATE} takes another layer in each round of an ouroboros: add "
            "--create_ouroboros, or name layers"
        )


def _check_ouroboros(options):
    if options.lengths != "exact":
        raise UserError("--lengths must be exact with --create_ouroboros")
    names = options.ouroboros_transform
    for name in names:
        nearest_or_fail("transform", name, ("none", *TRANSFORMS))
    if not names or (len(names) > 1 and "none" in names):
        raise UserError(
            f"--ouroboros_transform must be none, or transforms without it, and is "
            f"{','.join(names) or 'empty'}"
        )
    check_amounts(_chain(options))
