"""The plan of a run: how each clip is dreamed, by which layers and objective in each round."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.domains.registry import DOMAINS
from dreamsound_jax.dreaming.keys import Keys
from dreamsound_jax.dreaming.optimizers import (
    Steps,
)
from dreamsound_jax.dreaming.ouroboros import RoundSettings
from dreamsound_jax.dreaming.program import Program
from dreamsound_jax.dreaming.views import Jitter
from dreamsound_jax.networks.card import Card
from dreamsound_jax.objectives.interpolation import Interpolation, compile_interpolation
from dreamsound_jax.objectives.terms import (
    LayerTerm,
    Objective,
    ObjectiveData,
    ProbabilityTerm,
    compile_objective,
    list_measures,
)
from dreamsound_jax.run.where import Where

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
      model: the option of this name.
      card: of the model; its front end says whether the clip is a loop.
      changes: {option: value} in which the clip differs from the run.
      domain: "sound" or "mel".
      layers: the names of the layers to excite; of an ouroboros that iterates over layers, all; of
        a given objective, those that it reads.
      iterates: whether each round of the ouroboros dreams by another layer.
      target: index of the class to dream of; None if it is drawn, or no class is dreamed of.
      class_weight: 1 towards the class, -1 away from it.
      optimizer: its name.
      steps: how its steps are taken.
      views: number of views of each step.
      jitter: (frames, mel bands, dB, noise) by which views differ; None if they do not.
      gain_range, detail_factor, pyramid_roll, clip_length, sine_freq, seed, loudness, mix: the
        options of these names.
      preset, strength: the options of these names, for the record of the clip; what they set is
        in the other attributes.
      distance_db: how far the dream is to be from its input; None for as far as it goes.
      amount: how much of the finished dream is kept, in the domain "sound".
      until_db: how far from its input a clip stops; None for never.
      ouroboros: how the dream is fed back; None for a single dream.
      given_objective: an objective in place of the one of `layers`, or an interpolation.
      where: where it is dreamed; None for everywhere.
      name_values: {field: value} of the options in the template of --name.
      excerpt_seconds: how many seconds of an input are dreamed on, the loudest ones; None for all.
      format, bit_depth: the options of these names.
    """

    model: str
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
    views: int
    jitter: tuple[float, float, float, float] | None
    gain_range: float
    distance_db: float | None
    amount: float
    until_db: float | None
    clip_length: int
    sine_freq: float
    seed: int
    loudness: str
    mix: float
    preset: str | None
    strength: float | None
    dtype: Any
    ouroboros: OuroborosPlan | None = None
    given_objective: Objective | Interpolation | None = None
    where: Where | None = None
    name_values: Mapping[str, Any] = field(default_factory=dict)
    excerpt_seconds: float | None = None
    format: str = "wav"
    bit_depth: str | None = None

    @property
    def keeps_original(self) -> bool:
        """Whether the dream is a gain on the recording as it came."""
        return DOMAINS[self.domain].keeps_original

    @property
    def is_loop(self) -> bool:
        """Whether the clip is a loop, whose end runs into its beginning."""
        return self.card.front_end.circular

    @property
    def dreams_of_class(self) -> bool:
        """Whether a class is part of the objective, in some round at least."""
        of_layers = self.given_objective is None
        return of_layers and self.card.architecture.class_layer in self.layers

    @property
    def asked_layers(self) -> tuple[str, ...]:
        """The layers as they were asked for."""
        return (ITERATE,) if self.iterates else self.layers

    @property
    def direction(self) -> str:
        """Where the dream goes from or to, if it is of a class: "towards" it or "away from" it."""
        return "towards" if self.class_weight > 0 else "away from"

    def name_rounds(self, count: int) -> list[str]:
        """Returns the layers of so many rounds of an ouroboros, as text."""
        return [" + ".join(self.layers_of_round(number)) for number in range(count)]

    def layers_of_round(self, number: int = 0) -> tuple[str, ...]:
        """Returns the layers of a round: one after the other from the deepest if it iterates."""
        if self.iterates:
            return (self.layers[-1 - number % len(self.layers)],)
        return self.layers

    @property
    def changes_by_round(self) -> bool:
        """Whether rounds of an ouroboros have objectives with other data."""
        return self.iterates or isinstance(self.given_objective, Interpolation)

    def objective(self, target: int | None, number: int = 0) -> Objective | Interpolation:
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
        names = self._computed_layers(number)
        weights = [1 / len(chosen) if name in chosen else 0.0 for name in names]
        return Objective(tuple(self._term(w, name, target) for w, name in zip(weights, names)))

    def _computed_layers(self, number):
        """Returns the layers that a round's program computes; which of them count is data."""
        chosen = self.layers_of_round(number)
        return self.card.architecture.stage_of(chosen[0]) if self.iterates else chosen

    def _term(self, weight, name, target):
        if name == self.card.architecture.class_layer:
            return self.class_weight * weight, ProbabilityTerm(target or 0)
        return weight, LayerTerm(name)

    def program(self, number: int = 0) -> Program:
        """Returns what the compiled dream of a round depends on."""
        objective = self.objective(0, number)
        joined = objective.joined if isinstance(objective, Interpolation) else objective
        return Program(
            measures=list_measures(joined, self.card),
            pyramid_size=self.pyramid_size,
            pyramid_ratio=self.pyramid_ratio,
            replace_detail=self.replace_detail,
            num_iterations=self.num_iterations,
            optimizers=(self.optimizer,),
            views=self.views,
            circular=self.is_loop,
        )

    def make_jitter(self, keys: Keys) -> Jitter | None:
        """Returns by how much the views of a clip's steps differ, drawn by its keys."""
        if self.jitter is None:
            return None
        frames, bands, gain_db, noise = self.jitter
        numbers = (frames, bands, gain_db / self.card.front_end.std, noise)
        key = np.asarray(jax.random.key_data(keys.views))
        return Jitter(key, *(np.asarray(each, self.dtype) for each in numbers))

    def programs(self) -> list[Program]:
        """Returns the distinct programs of all rounds, in their order; that of a single dream."""
        if not self.iterates or self.ouroboros is None or self.given_objective is not None:
            return [self.program()]
        rounds = range(min(self.ouroboros.length, len(self.layers)))
        first_rounds = {self._computed_layers(number): number for number in reversed(rounds)}
        return [self.program(number) for number in sorted(first_rounds.values())]

    def objective_data(
        self, target: int | None, number: int = 0, *, frames: int | None = None
    ) -> ObjectiveData:
        """Returns the weights and the data of a round's objective, for a clip of so many frames."""
        objective, given = self.objective(target, number), {"dtype": self.dtype, "frames": frames}
        if isinstance(objective, Interpolation):
            begin, end = self._progress(len(objective.stops), number)
            _, data = compile_interpolation(objective, self.card, begin=begin, end=end, **given)
        else:
            _, data = compile_objective(objective, self.card, **given)
        return data

    def _progress(self, stops, number):
        """Returns where among some stops a clip, or a round of an ouroboros, begins and ends."""
        if self.ouroboros is None:
            return 0.0, float(stops if self.is_loop else stops - 1)
        reached = number / max(1, self.ouroboros.length - 1) * (stops - 1)
        return reached, reached

    @property
    def static(self) -> tuple:
        """What clips of one batch must have in common, besides the shape of their sounds."""
        program = self.program()
        parts = (self.jitter, self.until_db, self.where)
        structure = (*(part is not None for part in parts), self._count_stops())
        rest = (program, structure, self.ouroboros)
        return (self.model, self.domain, self.layers, self.iterates, *rest)

    def _count_stops(self):
        given = self.given_objective
        return len(given.stops) if isinstance(given, Interpolation) else 0


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
      first_draw: the number of the random draw of the first clip.
      draws_pictures: whether each clip gets a picture.
      writes_inputs: whether the input is written beside each dream.
      video: the shape of the video that each clip gets; None for no videos.
      video_growth: whether the video of a dream shows it after each pass of the pyramid.
      writes_arrays: whether the spectrograms of each clip are written.
      save_every: seconds between two saves of an unfinished ouroboros.
      command: the command line that repeats the run, except for its seed.
      dtype: of spectrograms and sounds; that of the network may be narrower.
      name: the template of the names of the clips' files; None for the usual names.
    """

    inputs: tuple[str, ...]
    clips: tuple[ClipPlan, ...]
    num_clips: int | None
    seed: int
    batch_size: int
    pads_lengths: bool
    draws_pictures: bool
    writes_inputs: bool
    video: str | None
    save_every: float
    first_draw: int = 0
    dtype: Any = field(default=jnp.float32)
    name: str | None = None
    writes_arrays: bool = True
    video_growth: bool = False
    command: str = ""
