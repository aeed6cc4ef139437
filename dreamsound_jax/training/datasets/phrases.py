"""Draws random phrases of notes."""

import numpy as np

from dreamsound_jax.training.datasets.soundfont import SAMPLE_RATE, Note

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10))
# The notes of each step, as degrees above the current position in the scale.
FIGURES = {
    "melody": ((0,),),
    "chords": ((0, 2, 4),),
    "arpeggio": ((0,), (2,), (4,), (7,)),
}
MAX_LEAP = 3  # The position moves by at most this many degrees from one figure to the next.
STEP_SECONDS = (0.12, 0.6)
NOTE_STEPS = (0.3, 1.3)  # The duration of a note, in steps.
PHRASE_VELOCITY = (60, 115)
MAX_VELOCITY_CHANGE = 15  # The velocity of a note differs from its phrase's by at most this.
REST_PROBABILITY = 0.1  # The share of steps without notes.


def draw_phrase(rng: np.random.Generator, keys: tuple[int, int], samples: int) -> list[Note]:
    """Draws a phrase that fills `samples` samples at 22,050 Hz.

    Args:
      rng: the source of randomness.
      keys: the lowest and the highest MIDI key.
      samples: the duration of the phrase.
    """
    scale_keys, figure = _draw_scale_keys(rng, keys), FIGURES[rng.choice(list(FIGURES))]
    step = np.exp(rng.uniform(*np.log(STEP_SECONDS))) * SAMPLE_RATE
    duration, phrase_velocity = rng.uniform(*NOTE_STEPS), rng.integers(*PHRASE_VELOCITY)
    position, notes = rng.integers(len(scale_keys)), []
    for count in range(int(samples / step) + 1):
        if count % len(figure) == 0:
            position += rng.integers(-MAX_LEAP, MAX_LEAP + 1)
        if rng.uniform() >= REST_PROBABILITY:
            times = int(count * step), int((count + duration) * step)
            for degree in figure[count % len(figure)]:
                key = scale_keys[np.clip(position + degree, 0, len(scale_keys) - 1)]
                change = rng.integers(-MAX_VELOCITY_CHANGE, MAX_VELOCITY_CHANGE + 1)
                notes.append((*times, key, int(np.clip(phrase_velocity + change, 1, 127))))
            position = np.clip(position, 0, len(scale_keys) - 1)
    return notes


def _draw_scale_keys(rng, keys):
    """Draws a scale and its root, and returns the scale's MIDI keys, lowest to highest."""
    scale, root = SCALES[rng.integers(len(SCALES))], rng.integers(12)
    return [key for key in range(keys[0], keys[1] + 1) if (key - root) % 12 in scale]
