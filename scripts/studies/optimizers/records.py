"""The records of a dream: one for each of its steps, see `steps.COLUMNS`."""

import jax
import numpy as np

from dreamsound_jax.dreaming import ascent

BLOWN_UP = "blown up"  # So a dream ended if half of its cells reached their limit.
ENDED = {
    ascent.ZERO_GRADIENT: "zero gradient",
    ascent.NON_FINITE_GRADIENT: "non-finite gradient",
}


def make_records(dreamed, end, place, *, target, every_step):
    """Makes the records of the steps of one clip of a batch, see `steps.COLUMNS`.

    Args:
      dreamed: A `Dreamed`; with all steps if `every_step`.
      end: Its `End`.
      place: The index of the clip in the batch.
      target: The index of the class whose probability is recorded, or None.
      every_step: Whether all steps are recorded, or only the last.
    """
    steps = jax.tree.map(lambda array: np.asarray(array[place]), dreamed.steps)
    spent = _count_evaluations(np.asarray(dreamed.climb.evaluations[place]))
    numbers = range(len(spent)) if every_step else [len(spent) - 1]
    iterations = dreamed.climb.evaluations.shape[-1]
    rows = [
        {
            "step": number,
            "level": max(0, number - 1) // iterations,
            "evaluations": int(spent[number]),
            **_describe_step(steps, number if every_step else -1, target),
            **dict.fromkeys(("distance_db", "p_written", "overcooked_written_db", "ended")),
        }
        for number in numbers
    ]
    faults = np.asarray(dreamed.climb.fault[place])
    rows[-1] |= {
        "ended": _explain_end(faults, float(dreamed.at_limit[place])),
        "distance_db": float(end.distance_db[place]),
        "p_written": None if target is None else float(end.p_class[place, target]),
        "overcooked_written_db": float(end.overcooked_db[place]),
    }
    return rows


def _describe_step(steps, index, target):
    return {
        "objective": float(steps.objective[index]),
        "gain": float(steps.objective[index] - steps.objective[0]),
        "moved_db": float(steps.moved_db[index]),
        "overcooked_db": float(steps.overcooked_db[index]),
        "p_class": None if target is None else float(steps.p_class[index, target]),
    }


def _count_evaluations(spent):
    """Accumulates the gradient evaluations (levels, steps) over levels, to (1 + steps,)."""
    before = np.concatenate([[0], np.cumsum(spent[:-1, -1])])
    return np.concatenate([[0], (spent + before[:, None]).ravel()])


def _explain_end(faults, at_limit):
    """Says why a dream failed; empty if it did not."""
    stopped = faults[faults != ascent.HEALTHY]
    if stopped.size:
        return ENDED[int(stopped[0])]
    return BLOWN_UP if at_limit > 0.5 else ""
