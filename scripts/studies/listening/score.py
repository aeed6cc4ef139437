"""Scores the answers to a listening test."""

from typing import NamedTuple

import numpy as np

from studies.listening import statistics
from studies.listening.answers import Answers
from studies.listening.clips import CONTROL, DREAM, PHRASE
from studies.listening.key import Key, select
from studies.listening.statistics import Estimate


class Score(NamedTuple):
    """What the answers say.

    Attributes:
      shares: {kind of clip: how often its class is named}, of dreams and of real phrases, if there
        are any.
      above_controls: by how much dreams exceed the undreamed inputs, each taken for a dream towards
        the same class by the same listener.
      p: by `statistics.permutation_test`.
      alike: how often a clip that is heard twice is answered alike; None if there is none.
    """

    shares: dict[str, Estimate]
    above_controls: Estimate
    p: float
    alike: Estimate | None


class Heard(NamedTuple):
    """Answers beside what the clips are.

    Attributes:
      choices: (listeners, trials).
      targets: (trials,), -1 for controls.
      sources: (trials,), names.
      places: {kind: the trials that count}.
      pairs: the trials (first, second) of each clip that is heard twice.
    """

    choices: np.ndarray
    targets: np.ndarray
    sources: np.ndarray
    places: dict[str, list[int]]
    pairs: list[tuple[int, int]]

    def hits(self, kind: str) -> np.ndarray:
        """Returns where the target is named, (listeners, clips of the kind)."""
        places = self.places[kind]
        return (self.choices[:, places] == self.targets[places]).astype(float)

    def controls_of_dreams(self) -> np.ndarray:
        """Returns where the target of a dream is named of its undreamed input."""
        control_of = {self.sources[place]: place for place in self.places[CONTROL]}
        dreams = self.places[DREAM]
        inputs = [control_of[self.sources[place]] for place in dreams]
        return (self.choices[:, inputs] == self.targets[dreams]).astype(float)

    def alike(self) -> np.ndarray:
        """Returns where a clip that is heard twice is answered alike, (listeners, pairs)."""
        first, second = np.array(self.pairs, int).reshape(-1, 2).T
        return (self.choices[:, first] == self.choices[:, second]).astype(float)


def compare(key: Key, answers: Answers) -> Heard:
    """Puts the answers beside what the clips are."""
    place_of = {trial.id: place for place, trial in enumerate(key.trials)}
    targets = [-1 if t.target is None else key.classes.index(t.target) for t in key.trials]
    pairs = [(place_of[t.repeats], place_of[t.id]) for t in key.trials if t.repeats is not None]
    return Heard(
        answers.choices,
        np.array(targets),
        np.array([trial.source for trial in key.trials]),
        {kind: select(key.trials, kind) for kind in (DREAM, CONTROL, PHRASE)},
        pairs,
    )


def score(heard: Heard) -> Score:
    """Scores answers."""
    dreams, sources = heard.places[DREAM], heard.sources
    shares = {
        kind: statistics.estimate_share(heard.hits(kind), sources[heard.places[kind]])
        for kind in (DREAM, PHRASE)
        if heard.places[kind]
    }
    above = statistics.estimate_difference(
        heard.hits(DREAM), heard.controls_of_dreams(), sources[dreams]
    )
    p = statistics.permutation_test(
        heard.choices[:, dreams], heard.targets[dreams], sources[dreams]
    )
    first = [place for place, _ in heard.pairs]
    alike = statistics.estimate_share(heard.alike(), sources[first]) if first else None
    return Score(shares, above, p, alike)
