"""The clips of a run before they dream: each with its number, its sound and its random keys."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from dreamsound_jax.audio import files, find, generated
from dreamsound_jax.run import grid
from dreamsound_jax.spectral import transforms
from dreamsound_jax.spectral.mel import N_MELS, SAMPLE_RATE
from dreamsound_jax.spectral.stft import frame_count
from dreamsound_jax.system import programs
from dreamsound_jax.system.errors import UserError

log = logging.getLogger(__name__)

BUCKETS = 8  # lengths in an octave, at most, with --lengths=buckets

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
      number: its place in the list of clips.
      path: the input as it was named.
      sound: (samples,) at 22,050 Hz, peak 1.
      original: the `Recording` that the domain "sound" dreams in, as it came; else None.
      keys: its random keys.
      target: index of the class that the layer `output` dreams of; None without that layer.
      changes: {flag: value} in which it differs from the run's options.
      kept: the share of its dream that is kept, of a sound that was padded.
    """

    number: int
    path: str
    sound: np.ndarray
    original: files.Recording | None
    keys: Keys
    target: int | None
    changes: dict = {}
    kept: float = 1.0

    @property
    def name(self):
        """Of the clip's files, without a suffix: 00000-noise."""
        return name_of(self)

    @property
    def sample_rate(self):
        """Of the clip's dream, in Hz."""
        return self.original.sample_rate if self.original else SAMPLE_RATE

    @property
    def shape(self):
        """What is the same for all clips of a batch."""
        return (self.sound.size, self.sample_rate, self.original and self.original.channels.shape)


def name_of(clip):
    """What the files of a clip, a `Source` or a `grid.Job`, are called, without a suffix."""
    return f"{clip.number:05d}-{Path(clip.path).stem}"


def collect(options, card, seed):
    """Reads every input; those that cannot dream are logged, a line each.

    Returns:
      (sources, how many inputs failed).

    Raises:
      UserError: the class that was asked for does not exist.
    """
    options = replace(options, seed=seed)
    grid.check_points(options, card)
    found, missing = find.find_inputs(options.input)
    sources, failures = [], [message for _, message in missing]
    for job in grid.jobs(found, options):
        try:
            sources.append(read(job, options=options, card=card))
        except UserError as error:
            failures.append(str(error))
    for message in failures:
        log.error("%s", message)
    return sources, len(failures)


def read(job, *, options, card):
    """The `Source` of a `grid.Job`.

    Raises:
      UserError: the input cannot be read, or cannot dream.
    """
    options = replace(options, **job.changes)
    keys = draw_keys(options.seed, job.draw)
    recording, kept = _in_a_bucket(_recording(job.path, options, keys.noise), options)
    sound = files.normalise_recording(job.path, recording, sample_rate=SAMPLE_RATE)
    _check_length(job.path, sound, options)
    if options.create_ouroboros:
        _check_journey(job.path, sound, recording, options)
    return Source(
        number=job.number,
        path=job.path,
        sound=sound,
        original=recording if options.domain == "sound" else None,
        keys=keys,
        target=_target(options, card, keys.target),
        changes=job.changes,
        kept=kept,
    )


@programs.Kept
@jax.jit
def draw_keys(seed, draw):
    """The `Keys` of a clip."""
    clip_key = jax.random.fold_in(jax.random.key(seed), draw)
    return Keys(*jax.random.split(clip_key, len(Keys._fields)))


def _target(options, card, key):
    """The class to dream of: the one that was asked for, or one that is drawn."""
    if not options.dreams_of_class:
        return None
    wanted = options.wanted_class(card)
    return int(_draw_class(key, card)) if wanted is None else wanted


def _draw_class(key, card):
    return jax.random.randint(key, (), 0, len(card.classes))


def classes_of(jobs, options, card):
    """{name of a clip: the class that it dreams of}; of those alone that dream of one."""
    asked = [(job, replace(options, **job.changes)) for job in jobs]
    asked = [(job, one) for job, one in asked if one.dreams_of_class]
    if not asked:
        return {}
    draw = jax.vmap(lambda seed, draw: _draw_class(draw_keys(seed, draw).target, card))
    drawn = draw(*(np.array(each) for each in zip(*[(one.seed, job.draw) for job, one in asked])))
    wanted = [one.wanted_class(card) for _, one in asked]
    indices = [d if w is None else w for d, w in zip(drawn.tolist(), wanted)]
    return {name_of(job): card.classes[index] for (job, _), index in zip(asked, indices)}


def _in_a_bucket(recording, options):
    """(the recording, with silence behind it so that few lengths occur; its share of the result).

    A length is made a multiple of the power of two that is an eighth of it, or less: of lengths
    from one octave at most `BUCKETS` are left, and at most an eighth is added.
    """
    samples = len(recording.channels)
    if options.lengths == "exact" or not samples:
        return recording, 1.0
    scale = recording.sample_rate / SAMPLE_RATE
    heard = max(1, round(samples / scale))
    step = max(1, 2 ** (heard.bit_length() - 1) // BUCKETS)
    longer = max(samples, round(-(-heard // step) * step * scale))
    padded = np.pad(recording.channels, ((0, longer - samples), (0, 0)))
    return recording._replace(channels=padded), samples / longer


def _recording(path, options, key):
    if path not in find.GENERATED:
        return files.read_recording(path)
    if path == "noise":
        sound = generated.noise(key, samples=options.clip_length)
    else:
        sound = generated.sine(
            samples=options.clip_length, frequency=options.sine_freq, sample_rate=SAMPLE_RATE
        )
    return files.Recording(sound[:, None], SAMPLE_RATE)


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
