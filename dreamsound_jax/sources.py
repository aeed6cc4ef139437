"""The clips of a run before they dream: each with its number, its sound and its random keys."""

import logging
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from dreamsound_jax import audio, inputs, transforms
from dreamsound_jax.errors import UserError
from dreamsound_jax.mel import N_MELS, SAMPLE_RATE, frame_count
from dreamsound_jax.objectives import CLASS_LAYER

log = logging.getLogger(__name__)

WAV_BYTES = 2**32


class Keys(NamedTuple):
    """A clip's random keys, one for each thing that is drawn."""

    noise: jax.Array
    target: jax.Array
    rolls: jax.Array
    phase: jax.Array


class Source(NamedTuple):
    """A clip to dream.

    Attributes:
      number: its place among the inputs; with the seed, it decides all that is drawn.
      path: the input as it was named.
      sound: (samples,) at 22,050 Hz, peak 1.
      original: the `Recording` that the domain "sound" dreams in, as it came; else None.
      keys: its random keys.
      target: index of the class that the layer `output` dreams of; None without that layer.
    """

    number: int
    path: str
    sound: np.ndarray
    original: inputs.Recording | None
    keys: Keys
    target: int | None

    @property
    def name(self):
        """Of the clip's files, without a suffix: 00000-noise."""
        return f"{self.number:05d}-{Path(self.path).stem}"

    @property
    def sample_rate(self):
        """Of the clip's dream, in Hz."""
        return self.original.sample_rate if self.original else SAMPLE_RATE

    @property
    def shape(self):
        """What is the same for all clips of a batch."""
        return (self.sound.size, self.sample_rate, self.original and self.original.channels.shape)


def collect(options, card, seed):
    """Reads every input; those that cannot dream are logged, a line each.

    Returns:
      (sources, how many inputs failed).

    Raises:
      UserError: the class that was asked for does not exist.
    """
    wanted = _wanted_class(options, card)
    found, missing = inputs.find_inputs(options.input)
    sources, failures = [], [message for _, message in missing]
    for number, path in enumerate(found):
        try:
            sources.append(_source(number, path, options, len(card.classes), wanted, seed))
        except UserError as error:
            failures.append(str(error))
    for message in failures:
        log.error("%s", message)
    return sources, len(failures)


def _wanted_class(options, card):
    """The class that was asked for, or None to draw one for each clip."""
    if options.target_class is not None:
        if not options.dreams_of_class:
            log.warning("--target_class is of no use without the layer %s", CLASS_LAYER)
        return card.class_index(options.target_class)
    if options.target_class_index == -1 or not options.dreams_of_class:
        return None
    return card.class_index(options.target_class_index)


def _source(number, path, options, classes, wanted, seed):
    clip_key = jax.random.fold_in(jax.random.key(seed), number)
    keys = Keys(*jax.random.split(clip_key, len(Keys._fields)))
    recording = _recording(path, options, keys.noise)
    sound = inputs.listen(path, recording, sample_rate=SAMPLE_RATE)
    _check_length(path, sound, options)
    if options.create_ouroboros:
        _check_journey(path, sound, recording, options)
    target = int(jax.random.randint(keys.target, (), 0, classes)) if wanted is None else wanted
    return Source(
        number=number,
        path=path,
        sound=sound,
        original=recording if options.domain == "sound" else None,
        keys=keys,
        target=target if options.dreams_of_class else None,
    )


def _recording(path, options, key):
    if path not in inputs.GENERATED:
        return inputs.record(path)
    if path == "noise":
        sound = audio.noise(key, samples=options.clip_length)
    else:
        sound = audio.sine(
            samples=options.clip_length, frequency=options.sine_freq, sample_rate=SAMPLE_RATE
        )
    return inputs.Recording(sound[:, None], SAMPLE_RATE)


def _check_length(path, sound, options):
    try:
        options.settings().level_shapes((N_MELS, frame_count(sound.size)))
    except UserError as error:
        raise UserError(f"{path} ({sound.size / SAMPLE_RATE:.2f} s): {error}") from None


def _check_journey(path, sound, recording, options):
    in_sound = options.domain == "sound"
    samples, channels = recording.channels.shape if in_sound else (sound.size, 1)
    rate = recording.sample_rate if in_sound else SAMPLE_RATE
    try:
        transforms.check_length(options.chain(), samples, sample_rate=rate)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    width = 4 if options.loudness == "none" else 2
    if (options.ouroboros_length + 1) * samples * channels * width >= WAV_BYTES:
        most = WAV_BYTES // (samples * channels * width) - 2
        raise UserError(
            f"{path}: --ouroboros_length={options.ouroboros_length} is more than a WAV file holds "
            f"of this clip; accepted are up to {most} rounds"
        )
