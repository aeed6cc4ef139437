"""Dreams towards all classes in both domains, and measures the written sounds."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dreamsound_jax.dreaming.batch import analyse_clips, class_probabilities, dream_batch
from dreamsound_jax.run.batches import place_clips, place_settings
from dreamsound_jax.run.dreams import Stopwatch
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.spectral import measures
from studies.written import write_dream

ROUNDS = 3  # All dreams are timed in turns, this many times.
TRIES = 6  # So many learning rates are tried to move a sound as far as wanted.
WAYS = ("mel", "sound", "sound, as far as mel")


class Dreamed(NamedTuple):
    """The dreams of one input towards each class.

    Attributes:
      p_class: The class probabilities (wanted class, class) of the written sounds.
      distance: The mean log-spectral distance to the input in dB.
      sounds: The written sounds, mono at the rate of the front end.
      seconds: The time of a clip, dream and resynthesis.
    """

    p_class: np.ndarray
    distance: float
    sounds: list
    seconds: float

    def count_hits(self, top: int = 1) -> int:
        """Counts the sounds whose wanted class is among the `top` most probable ones."""
        ranked = np.argsort(-self.p_class, axis=1)[:, :top]
        return sum(wanted in row for wanted, row in enumerate(ranked))


def compare_domains(model, source, options):
    """Returns {way: `Dreamed`} of one input, for each of `WAYS`.

    The domain sound dreams twice: at the learning rate of the domain mel, and at the one that moves
    the input as far as the domain mel moves it.
    """
    both = [replace(options, domain=domain) for domain in ("mel", "sound")]
    for each in both:  # The first dreams compile their programs.
        dream_all(model, source, each)
    turns = [[dream_all(model, source, each) for each in both] for _ in range(ROUNDS)]
    seconds = np.median([[one.seconds for one in turn] for turn in turns], axis=0)
    by_mel, by_sound = (one._replace(seconds=s) for one, s in zip(turns[0], seconds))
    dream_at = lambda lr: dream_all(model, source, replace(both[1], lr=lr))  # noqa: E731
    as_far = find_distance(dream_at, options.lr, by_mel.distance)
    return dict(zip(WAYS, (by_mel, by_sound, as_far)))


def find_distance(dream_at, lr: float, wanted: float):
    """Finds the dreams whose distance is nearest to the wanted one.

    Args:
      dream_at: Returns the `Dreamed` of a learning rate.
      lr: The first learning rate. The others follow from the secant method on its logarithm.
      wanted: The wanted distance in dB.
    """
    rates, tried = [lr, 1.5 * lr], []
    for _ in range(TRIES):
        tried.append(dream_at(rates[len(tried)]))
        if len(tried) == len(rates):
            (x0, x1), (y0, y1) = np.log(rates[-2:]), (one.distance for one in tried[-2:])
            step = (wanted - y1) * (x1 - x0) / (y1 - y0) if y1 != y0 else 0
            rates.append(float(np.exp(x1 + np.clip(step, -1, 1))))
    return min(tried, key=lambda one: abs(one.distance - wanted))


def dream_all(model, source, options):
    """Dreams towards each class; returns a `Dreamed`."""
    targets = range(len(model.card.classes))
    _, sounds, seconds = dream(model, source, targets, options)
    mel_db = analyse_clips(np.stack(sounds), front_end=model.card.front_end)
    distances = [measures.log_spectral_distance(sound, source.sound) for sound in sounds]
    return Dreamed(
        p_class=np.asarray(class_probabilities(model, mel_db)),
        distance=float(np.mean(distances)),
        sounds=sounds,
        seconds=seconds,
    )


def dream(model, source, targets, options):
    """Dreams on one input towards each of the targets.

    Returns:
      The `DreamedBatch`; the sounds in the files that would be written, mono at the rate of the
      front end; the seconds of a clip.
    """
    (plan,) = resolve(options, model.card).clips
    wanted = [
        source._replace(job=source.job._replace(plan=plan), target=target) for target in targets
    ]
    stopwatch = Stopwatch()
    clips, input_db = place_clips(wanted)
    stopwatch("analysis", input_db)
    dreamed = dream_batch(
        model,
        clips,
        place_settings(wanted),
        input_db=input_db,
        program=plan.program(),
        after_stage=stopwatch,
    )
    sounds = [write_dream(sound, wanted[0])[1] for sound in np.asarray(dreamed.rendered.sound)]
    seconds = stopwatch.seconds["dream"] + stopwatch.seconds["resynthesis"]
    return dreamed, sounds, seconds / len(wanted)
