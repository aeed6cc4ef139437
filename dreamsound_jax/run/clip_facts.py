"""Describes a clip for its files: what was asked, the class probabilities, the title's aim."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from dreamsound_jax.audio.files import Recording, to_mono
from dreamsound_jax.audio.formats import Encoding
from dreamsound_jax.dreaming.batch import analyse_clips, class_probabilities
from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.outputs.clip_files import ClassProbabilities, ClipRequest, title_clip
from dreamsound_jax.outputs.panels import SpectrogramScale
from dreamsound_jax.run.clip_command import make_clip_command
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.sources import Source
from dreamsound_jax.spectral.front_end import FrontEnd


def describe_request(source: Source) -> ClipRequest:
    """Returns which clip it is, and what was to be dreamed."""
    plan, job = source.plan, source.job
    return ClipRequest(
        number=job.number,
        name=job.name,
        input=job.path,
        seed=plan.seed,
        model=plan.card.name,
        domain=plan.domain,
        layers=plan.asked_layers,
        target_class=source.target_name,
        raises=plan.given_objective and plan.given_objective.label(plan.card),
        swept=plan.changes,
        mix=plan.mix,
        preset=plan.preset,
        strength=plan.strength,
        where=plan.where.describe() if plan.where else {},
        excerpt=source.excerpt and "{:.2f}:{:.2f}".format(*source.excerpt),
        loop=plan.is_loop,
    )


def describe_aim(source: Source) -> str | None:
    """Returns the class that was dreamed of in words, such as "towards organ"; None without one."""
    if source.target_name is None:
        return None
    return f"{source.plan.direction} {source.target_name}"


def describe_encoding(source: Source, plan: Plan, *, kind: str, part: str = "") -> Encoding:
    """Returns how a sound of a clip is written, with the tags that say what it is.

    Args:
      source: the clip.
      plan: that of the run, whose command is known.
      kind: "Dream" or "Ouroboros".
      part: "input" or "difference" of what is written beside it.
    """
    title = title_clip(describe_request(source), kind=kind, aim=describe_aim(source))
    tags = {"title": f"{title} ({part})" if part else title}
    if plan.command:
        # Clips that change together can only be made again together.
        alone = make_clip_command(source.job, run_command=plan.command)
        tags["comment"] = alone or f"{plan.command} --seed={plan.seed}"
    return source.choose_encoding(of_input=part == "input")._replace(tags=tags)


def name_probabilities(card: Card, probabilities: Sequence[np.ndarray]) -> ClassProbabilities:
    """Names the probabilities (classes,) of the input, the dream, and the written sound."""
    before, after, written = (dict(zip(card.classes, each)) for each in probabilities)
    return ClassProbabilities(before=before, after=after, written_sound=written)


def classify_recording(model: Model, recording: Recording, dtype) -> np.ndarray:
    """Returns the class probabilities (classes,) of a recording, analysed as an input is."""
    mel_db = _analyse(recording, model.card.front_end, dtype)
    return np.asarray(class_probabilities(model, mel_db))[0]


def analyse_recording(recording: Recording, front_end: FrontEnd, dtype: Any) -> np.ndarray:
    """Returns the spectrogram (bands, frames) of a recording in dB, analysed as an input is."""
    return np.asarray(_analyse(recording, front_end, dtype))[0]


def _analyse(recording, front_end, dtype):
    mono = to_mono(recording, sample_rate=front_end.sample_rate)
    return analyse_clips(mono[None].astype(dtype), front_end=front_end)


def analyse_pieces(recording: Recording, front_end: FrontEnd, count: int) -> np.ndarray:
    """Returns the spectrograms (count, bands, frames) of equal pieces of a recording in dB."""
    mono = to_mono(recording, sample_rate=front_end.sample_rate)
    pieces = mono[: mono.size // count * count].reshape(count, -1)
    level_db = jax.jit(front_end.level_db)
    return np.stack([level_db(piece) for piece in pieces])


def scale_of(front_end: FrontEnd) -> SpectrogramScale:
    """Returns where the cells of a front end's spectrograms lie."""
    return SpectrogramScale(
        band_centres=front_end.band_centres, seconds_per_frame=front_end.seconds_per_frame
    )
