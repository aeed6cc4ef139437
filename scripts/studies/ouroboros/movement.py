"""Measures whether an ouroboros keeps moving, by new events, and whether it still dreams."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import dreamsound_jax as ds
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.networks.windows import measure_response
from dreamsound_jax.objectives.terms import compile_objective, evaluate, layers
from studies.report import markdown_table

SHOWN_ROUNDS = (1, 10, 50, 100)
# The last dream is compared with this many rounds before it, except for the one just before it.
RECENT = 20
# The change after the best roll is the mean over this many last rounds.
END = 10


class Movement(NamedTuple):
    """How one ouroboros moves.

    Attributes:
      moved_db: The root mean square change of each round, (rounds,).
      index: The overcooked index of each round over that of round 1, (rounds,).
      response: The response of the layer to the dream of each round over that to the input,
        (rounds,).
      rolled_db: The mean change of the last rounds, if each dream is first rolled in time to lie as
        near to the next as it can.
      nearest_db: The distance of the last dream from the nearest of earlier ones, except for the
        one just before it.
      smoothness: The correlation of cells with the next frame, in the input, round 1 and the last
        round, (3,).
    """

    moved_db: np.ndarray
    index: np.ndarray
    response: np.ndarray
    rolled_db: float
    nearest_db: float
    smoothness: np.ndarray


def make_listener(model: Model, layer: str) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from spectrograms (count, mel bands, frames) in dB to responses."""
    measures, data = compile_objective(layers([layer]), model.card)

    @jax.jit
    def respond(mel_db):
        spectrogram = model.card.front_end.standardise(mel_db)
        measured = measure_response(model.network, spectrogram, measures, data.data)
        return evaluate(measured, data)

    return lambda spectrograms: np.array([respond(jnp.asarray(each)) for each in spectrograms])


def measure_movement(made: ds.Ouroboros, listen: Callable) -> Movement:
    """Measures an ouroboros by its spectrograms, of which the first is that of the input."""
    spectrograms = made.spectrograms_db
    response, last = listen(spectrograms), spectrograms[-1]
    pairs = [*zip(spectrograms[1:], spectrograms[:-1])][-END:]
    return Movement(
        moved_db=made.moved_db,
        index=made.overcooked_db / made.overcooked_db[0],
        response=response[1:] / response[0],
        rolled_db=float(np.mean([_rolled_distance(new, old) for new, old in pairs])),
        nearest_db=min(_distance(last, old) for old in spectrograms[-RECENT - 2 : -2]),
        smoothness=np.array([_smoothness(each) for each in spectrograms[[0, 1, -1]]]),
    )


def _distance(one, other):
    return float(np.sqrt(np.mean(np.square(one - other))))


def _rolled_distance(new, old):
    return min(_distance(new, np.roll(old, frames, axis=1)) for frames in range(new.shape[1]))


def _smoothness(mel_db):
    detail = mel_db - mel_db.mean(axis=1, keepdims=True)
    return float(np.corrcoef(detail[:, 1:].ravel(), detail[:, :-1].ravel())[0, 1])


def format_movement(courses: dict[tuple[str, str], Movement]) -> str:
    """Formats the `Movement` of each (domain, input) as two tables."""
    rounds = len(next(iter(courses.values())).moved_db)
    shown = [number for number in SHOWN_ROUNDS if number <= rounds]
    return f"{_format_change(courses, shown)}\n\n{_format_novelty(courses, shown)}"


def _format_change(courses, shown):
    headers = [
        "domain",
        "input",
        *(f"change in round {number} (dB)" for number in shown),
        "smallest change from round 5 on (dB)",
        "highest index, relative to round 1",
    ]
    rows = [
        [
            *names,
            *(f"{course.moved_db[number - 1]:.1f}" for number in shown),
            f"{course.moved_db[4:].min():.1f}",
            f"{course.index.max():.2f}",
        ]
        for names, course in courses.items()
    ]
    return markdown_table(headers, rows, names=2)


def _format_novelty(courses, shown):
    headers = [
        "domain",
        "input",
        "change after the best roll (dB)",
        "distance from the nearest earlier round (dB)",
        *(f"response in round {number}" for number in shown),
        "smoothness of the input, of round 1, at the end",
    ]
    rows = [
        [
            *names,
            f"{course.rolled_db:.1f}",
            f"{course.nearest_db:.1f}",
            *(f"{course.response[number - 1]:.2f}" for number in shown),
            ", ".join(f"{each:.2f}" for each in course.smoothness),
        ]
        for names, course in courses.items()
    ]
    return markdown_table(headers, rows, names=2)
