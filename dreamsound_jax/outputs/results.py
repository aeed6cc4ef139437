"""What a dream or an ouroboros did, as the .json, the manifest and the page of clips state it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class DreamResult:
    """What a dream did.

    Attributes:
      objective: (levels, steps), the objective at each step of each pyramid level, as it is at
        that level.
      first, last: the objective of the input and of the finished dream, at full resolution.
      distance_db: how far the dream is from its input.
    """

    objective: np.ndarray
    first: float
    last: float
    distance_db: float

    def facts(self) -> dict:
        """Returns what the .json of the clip says of the dream."""
        return {
            "distance_db": round(self.distance_db, 3),
            "objective": {"first": self.first, "last": self.last},
            "objective_by_level": self.objective.tolist(),
        }

    def columns(self) -> dict:
        """Returns the columns of the dream in the manifest and on the page of the run."""
        distance = {"distance_db": round(self.distance_db, 2)}
        return {"objective_first": self.first, "objective_last": self.last, **distance}

    def summarise(self, layers: str) -> str:
        """Says in a few words what the dream did, by layers with this name."""
        moved = f"the dream is {self.distance_db:.1f} dB from the input"
        return f"{moved} ({layers}: {self.first:.4g} -> {self.last:.4g})"


@dataclass(frozen=True, kw_only=True)
class OuroborosResult:
    """What an ouroboros did.

    Attributes:
      settings: what holds for all rounds, such as the transforms between them, by name.
      layers: the layers of each round.
      objective: (rounds, steps), the objective at the last pyramid level of each round.
      overcooked_db: (rounds,), the overcooked index in dB.
      moved_db: (rounds,), the root mean square change since the round before, in dB.
      ended_early: why it ended before its last round, if that is a failure; else None.
    """

    settings: Mapping[str, Any]
    layers: Sequence[Sequence[str]]
    objective: np.ndarray
    overcooked_db: np.ndarray
    moved_db: np.ndarray
    ended_early: str | None = None

    def facts(self) -> dict:
        """Returns what the .json of the clip says of the ouroboros."""
        return {
            "ouroboros": {"length": len(self.objective), **self.settings},
            "rounds": [self._facts_of_round(number) for number in range(len(self.objective))],
            "ended": self.ended_early,
        }

    def columns(self) -> dict:
        """Returns the columns of the ouroboros in the manifest and on the page of the run."""
        last = self._facts_of_round(-1)
        columns = {"rounds": len(self.objective)}
        columns |= {name: last[name] for name in ("overcooked_db", "moved_db")}
        return columns | ({"ended": self.ended_early} if self.ended_early else {})

    def summarise(self, layers: str) -> str:
        """Says in a few words what the ouroboros did, by layers with this name."""
        count, (first, last) = len(self.objective), self.overcooked_db[[0, -1]]
        rounds = "1 round" if count == 1 else f"{count} rounds"
        return f"{rounds} (by {layers}; overcooked index {first:.1f} -> {last:.1f} dB)"

    def _facts_of_round(self, number):
        steps = self.objective[number]
        return {
            "layers": list(self.layers[number]),
            "objective": {"first": float(steps[0]), "last": float(steps[-1])},
            "overcooked_db": round(float(self.overcooked_db[number]), 3),
            "moved_db": round(float(self.moved_db[number]), 3),
        }
