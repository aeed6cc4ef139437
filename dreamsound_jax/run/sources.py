"""Reads the sound of a clip, checks its length, and draws its random keys and its class."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dreamsound_jax.audio import files, generated
from dreamsound_jax.audio.excerpt import cut_loudest
from dreamsound_jax.audio.find import GENERATED, RECORDINGS
from dreamsound_jax.audio.formats import BYTES_PER_SAMPLE, FORMATS, Encoding, check_fits
from dreamsound_jax.audio.loudness import match_loudness
from dreamsound_jax.audio.recording import Origin, Recording
from dreamsound_jax.audio.rendering import find_target_lufs
from dreamsound_jax.dreaming.keys import Keys, draw_class, draw_keys
from dreamsound_jax.run.jobs import Job, draw_classes
from dreamsound_jax.run.plan import ClipPlan
from dreamsound_jax.run.where import make_mask
from dreamsound_jax.spectral import transforms
from dreamsound_jax.system import memory
from dreamsound_jax.system.errors import UserError, describe_error

log = logging.getLogger(__name__)

# With --lengths=buckets there are so many lengths in an octave, at most.
BUCKETS_PER_OCTAVE = 8
_UNKNOWN = Origin()


# What dreaming takes for each sample of a clip at least: some copies in float32.
_BYTES_PER_SAMPLE_DREAMED = 32


class Source(NamedTuple):
    """A clip with its sound, ready to be dreamed.

    Attributes:
      job: its number, its input and how it is dreamed.
      sound: (samples,) as the network hears it, with a peak of 1.
      recording: the input as it came, which the domain "sound" changes.
      keys: its random keys.
      target: index of the class to dream of; None if no class is dreamed of.
      kept_share: the share of its dream that is kept, if its sound was padded.
      excerpt: (start, end) in seconds of the part of the input that is dreamed on; None for all.
      mask: (mel bands, frames), how much of the dream each cell takes; None for all of it.
      origin: how the input was stored.
      heard_channel: the only channel that the network hears; None for the mean of all.
      input_file: the fingerprint of the file that was read, for the record of the clip; None if
        there is none.
    """

    job: Job
    sound: np.ndarray
    recording: Recording
    keys: Keys
    target: int | None
    kept_share: float = 1.0
    mask: np.ndarray | None = None
    excerpt: tuple[float, float] | None = None
    origin: Origin = Origin()
    heard_channel: int | None = None
    input_file: Mapping[str, Any] | None = None

    @property
    def plan(self) -> ClipPlan:
        """How the clip is dreamed."""
        return self.job.plan

    @property
    def sample_rate(self) -> int:
        """The sample rate of the clip's dream in Hz."""
        keeps = self.plan.keeps_original
        return self.recording.sample_rate if keeps else self.plan.card.front_end.sample_rate

    @property
    def frames(self) -> int:
        """The number of frames of its spectrogram."""
        return self.plan.card.front_end.frame_count(self.sound.size)

    @property
    def target_name(self) -> str | None:
        """The class to dream of; None if no class is dreamed of."""
        return None if self.target is None else self.plan.card.classes[self.target]

    @property
    def kept_recording(self) -> Recording:
        """The input as it came, without padding."""
        channels = self.recording.channels
        return self.recording._replace(channels=channels[: round(self.kept_share * len(channels))])

    @property
    def target_lufs(self) -> float | None:
        """The loudness of what is written of the clip, in LUFS; None if it keeps its level."""
        return find_target_lufs(self.plan.loudness, self.kept_recording, layout=self.origin.layout)

    def choose_encoding(self, *, of_input: bool = False) -> Encoding:
        """Returns how the sound of the clip is written, or its input beside it, without tags."""
        plan, (stored, layout) = self.plan, self.origin
        bit_depth = plan.bit_depth or (None if stored == "16" else stored)
        keeps_layout = of_input or plan.keeps_original
        return Encoding(plan.format, bit_depth, layout if keeps_layout else None)

    def mix_with_input(self, dream: np.ndarray) -> np.ndarray:
        """Mixes a dream of the clip, or a round, with its input, as `--mix` says.

        Args:
          dream: (channels, samples) at `sample_rate`.

        Returns:
          The mix, at the level of the dream. In the domain "sound", dream and input already have
          one root mean square; in the domain "mel", the input as the network hears it is brought
          to the loudness of the dream. What is the same in dream and input stays so with a mask.
        """
        share = self.plan.mix
        if share == 1:
            return dream
        keeps = self.plan.keeps_original
        original = (self.recording.channels.T if keeps else self.sound[None])[:, : dream.shape[1]]
        if not keeps:
            original = match_loudness(original.T, dream.T, sample_rate=self.sample_rate).T
        elif self.mask is not None:
            return original + share * (dream - original)
        return share * dream + (1 - share) * original

    @property
    def shape(self) -> tuple:
        """What the sounds of one batch must have in common."""
        keeps = self.plan.keeps_original
        kept = (self.recording.channels.shape, self.heard_channel) if keeps else None
        return (self.sound.size, self.sample_rate, kept)


def describe_unread(job: Job, error: Exception) -> str:
    """Says why the input of a job cannot be read; messages that were foreseen name the file."""
    return str(error) if isinstance(error, UserError) else f"{job.path}: {describe_error(error)}"


def read_source(job: Job, *, pads_lengths: bool = False) -> Source:
    """Reads the sound of a job.

    Args:
      job: what is to be dreamed.
      pads_lengths: whether files are padded so that few lengths occur.

    Raises:
      UserError: the input cannot be read, or is too short to be dreamed as the plan says.
    """
    recording, origin = _record(job)
    check_written(job, recording)
    recording = files.remove_offset(job.path, recording)
    recording, excerpt = _cut(recording, job.plan.excerpt_seconds)
    kept_share = 1.0
    if pads_lengths:
        recording, kept_share = _pad(recording, job.plan.card.front_end.sample_rate)
    source = make_source(job, recording, kept_share=kept_share, origin=origin)
    return source._replace(excerpt=excerpt)


def _cut(recording, seconds):
    """Returns the loudest part of a recording, and its (start, end) in s; None if it is whole."""
    if seconds is None:
        return recording, None
    part, start = cut_loudest(recording, seconds=seconds)
    is_whole = len(part.channels) == len(recording.channels)
    return part, None if is_whole else (start, start + seconds)


def check_written(job: Job, recording: Recording) -> None:
    """Raises UserError if the format of a clip cannot hold its dream, or the input beside it."""
    samples, channels = recording.channels.shape
    try:
        check_fits(job.plan.format, channels=channels, sample_rate=recording.sample_rate)
    except UserError as error:
        raise UserError(f"{job.path}: {error}") from None


def make_source(
    job: Job, recording: Recording, *, kept_share: float = 1.0, origin: Origin = _UNKNOWN
) -> Source:
    """Returns the clip of a job and its recording.

    Args:
      job: what is to be dreamed.
      recording: the input, without an offset.
      kept_share: the share of its dream that is kept, if it was padded.
      origin: how the input was stored.

    Raises:
      UserError: the recording is silent, or too short to be dreamed as the plan says.
    """
    plan, front_end = job.plan, job.plan.card.front_end
    keys = draw_keys(plan.seed, job.draw)
    sound, heard = files.hear_recording(
        job.path,
        recording,
        sample_rate=front_end.sample_rate,
        circular=plan.is_loop,
        band=(front_end.f_min, front_end.highest),
    )
    if plan.is_loop:
        _warn_of_jump(job.path, recording.channels)
    target = _target(plan, keys.target)
    source = Source(
        *(job, sound, recording, keys, target, kept_share), origin=origin, heard_channel=heard
    )
    _check_length(source)
    if plan.ouroboros:
        _check_ouroboros(source)
    return source if plan.where is None else source._replace(mask=_make_mask(source))


def _warn_of_jump(path, channels):
    """Warns of a loop whose end is farther from its beginning than any two samples inside."""
    jump = np.abs(channels[0] - channels[-1]).max()
    inside = np.abs(np.diff(channels, axis=0)).max(initial=0)
    if jump > inside:
        log.warning(
            "%s: its end jumps to its beginning by %.3g, and neighbouring samples inside differ by "
            "%.3g at most; with --loop, the dream keeps that jump",
            *(path, jump, inside),
        )


def _make_mask(source):
    plan, frames = source.plan, source.frames
    channels, rate = source.kept_recording
    try:
        return make_mask(
            plan.where,
            front_end=plan.card.front_end,
            sample_rate=source.sample_rate,
            seconds=len(channels) / rate,
            frames=frames,
            kept_frames=max(1, round(source.kept_share * frames)),
        )
    except UserError as error:
        raise UserError(f"{source.job.path}: {error}") from None


def _record(job):
    """Returns the recording of a job, and how it was stored."""
    plan, rate = job.plan, job.plan.card.front_end.sample_rate
    if job.path not in GENERATED:
        return files.read_original(str(RECORDINGS.get(job.path, job.path)))
    _check_room(job.path, plan.clip_length)
    if job.path == "noise":
        key = draw_keys(plan.seed, job.draw).noise
        sound = generated.noise(key, samples=plan.clip_length)
    else:
        sound = generated.sine(samples=plan.clip_length, frequency=plan.sine_freq, sample_rate=rate)
    return Recording(sound[:, None], rate), Origin()


def _check_room(name, samples):
    """Raises UserError if a sound that is generated can never be dreamed on this machine."""
    room = memory.of_machine()
    most = room.total // _BYTES_PER_SAMPLE_DREAMED if room else samples
    if samples > most:
        raise UserError(
            f"{name} of {samples} samples does not fit into the memory of this machine: "
            f"--clip_length must be at most {most}"
        )


def _pad(recording, heard_rate):
    """Pads a recording with silence so that few lengths occur: (recording, its share of it).

    As the network hears it, its length becomes a multiple of the power of two that is an eighth of
    it, or less: of the lengths in an octave at most eight are left, and at most an eighth is added.
    """
    samples = len(recording.channels)
    if not samples:
        return recording, 1.0
    scale = recording.sample_rate / heard_rate
    heard = max(1, round(samples / scale))
    step = max(1, 2 ** (heard.bit_length() - 1) // BUCKETS_PER_OCTAVE)
    longer = max(samples, round(-(-heard // step) * step * scale))
    padded = np.pad(recording.channels, ((0, longer - samples), (0, 0)))
    return recording._replace(channels=padded), samples / longer


def _target(plan, key):
    """The class that was asked for, or one that is drawn."""
    if not plan.dreams_of_class:
        return None
    return int(draw_class(key, len(plan.card.classes))) if plan.target is None else plan.target


def digest_sources(sources: Sequence[Source]) -> str:
    """Returns a digest of the inputs and of the draws of clips: the same for the same dreams."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(repr((source.plan.seed, source.job.draw, source.sample_rate)).encode())
        if source.job.path in GENERATED:  # Its last digits may differ from device to device.
            digest.update(source.job.path.encode())
        else:
            digest.update(np.ascontiguousarray(source.recording.channels).tobytes())
    return digest.hexdigest()


def draw_targets(jobs: list[Job]) -> dict[str, str]:
    """Returns {name of a clip: the class to dream of} of those clips that dream of a class."""
    classes = draw_classes(jobs)
    return {job.name: classes[job.number] for job in jobs if job.number in classes}


def _check_length(source):
    """Raises UserError if the pyramid of a round is too deep for the clip."""
    front_end, architecture = source.plan.card.front_end, source.plan.card.architecture
    shape = (front_end.n_mels, source.frames)
    try:
        for program in source.plan.programs():
            program.level_shapes(shape, architecture)
    except UserError as error:
        seconds = source.sound.size / front_end.sample_rate
        raise UserError(f"{source.job.path} ({seconds:.2f} s): {error}") from None


def _check_ouroboros(source):
    plan, rate = source.plan, source.sample_rate
    keeps = plan.keeps_original
    samples, channels = source.recording.channels.shape if keeps else (source.sound.size, 1)
    chain, front_end = plan.ouroboros.round_settings.chain, plan.card.front_end
    try:
        transforms.check_length(chain, samples, sample_rate=rate, front_end=front_end)
    except UserError as error:
        raise UserError(f"{source.job.path}: {error}") from None
    _check_file_size(source, samples * channels)


def _check_file_size(source, samples_per_round):
    """Raises UserError if the rounds of an ouroboros are more than a file of its format holds."""
    plan, most = source.plan, FORMATS[source.plan.format].most_bytes
    if most is None:
        return
    keeps_level = plan.loudness == "none"
    bit_depth = source.choose_encoding().choose_bit_depth(keeps_level=keeps_level)
    bytes_per_round = samples_per_round * BYTES_PER_SAMPLE[bit_depth]
    if (plan.ouroboros.length + 1) * bytes_per_round >= most:
        others = " or ".join(each.name for each in FORMATS.values() if each.most_bytes is None)
        raise UserError(
            f"{source.job.path}: --ouroboros_length must be at most "
            f"{most // bytes_per_round - 2}, and is {plan.ouroboros.length}: a WAV file holds no "
            f"more of this clip; --format={others} does"
        )
