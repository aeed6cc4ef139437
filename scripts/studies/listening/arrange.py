"""Arranges the clips of a listening test under names, and in an order, that tell nothing."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from studies.listening.clips import Clip, render_clips
from studies.listening.key import Key, Trial


class ListeningTest(NamedTuple):
    """A test.

    Attributes:
      key: what each trial is.
      sounds: {id of a sound: the content of its WAV file}, in an order that tells nothing.
      heard: {id of a trial: id of its sound}; a sound that is heard again has two trials.
    """

    key: Key
    sounds: dict[str, bytes]
    heard: dict[str, str]


def arrange(
    clips: Sequence[Clip],
    classes: Sequence[str],
    *,
    repeats: int,
    seed: int,
    facts: Mapping[str, Any],
) -> ListeningTest:
    """Gives clips random names and a random order, and draws those that are heard again.

    Args:
      clips: all clips, of one length.
      classes: the choices.
      repeats: how many clips are heard twice, at most all of them.
      seed: decides names, order and repeats. The same clips make the same test.
      facts: how the test was made.
    """
    rng = np.random.default_rng(seed)
    contents = render_clips([clip.sound for clip in clips])
    again = rng.permutation(len(clips))[:repeats].tolist()
    sound_ids, ids = _draw_ids(rng, len(clips)), _draw_ids(rng, len(clips) + len(again))
    asked = [
        (Trial(name, clip.kind, clip.source, clip.target, None), sound)
        for name, clip, sound in zip(ids, clips, sound_ids)
    ]
    for name, place in zip(ids[len(clips) :], again):
        trial, sound = asked[place]
        asked.append((trial._replace(id=name, repeats=trial.id), sound))
    asked = [asked[place] for place in rng.permutation(len(asked))]
    sounds = {sound_ids[place]: contents[place] for place in rng.permutation(len(clips))}
    trials = tuple(trial for trial, _ in asked)
    heard = {trial.id: sound for trial, sound in asked}
    key = Key(_digest(classes, trials, sounds), tuple(classes), trials, facts)
    return ListeningTest(key, sounds, heard)


def _draw_ids(rng, count):
    """Draws names of eight hexadecimal digits, each once."""
    return [f"{number:08x}" for number in rng.choice(2**32, count, replace=False)]


def _digest(classes, trials, sounds):
    """Returns the id of a test: another test has another one."""
    digest = hashlib.sha256(repr((tuple(classes), trials, tuple(sounds))).encode())
    for content in sounds.values():
        digest.update(content)
    return digest.hexdigest()[:16]
