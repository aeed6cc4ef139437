"""Describes a clip for its files: what was asked, the class probabilities, the title's aim."""

from collections.abc import Sequence

import numpy as np

from dreamsound_jax.audio.files import Recording, to_mono
from dreamsound_jax.dreaming.batch import analyse_clips, class_probabilities
from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.outputs.clip_files import ClassProbabilities, ClipRequest
from dreamsound_jax.outputs.panels import SpectrogramScale
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
    )


def describe_aim(source: Source) -> str | None:
    """Returns the class that was dreamed of in words, such as "towards organ"; None without one."""
    if source.target_name is None:
        return None
    return f"{'towards' if source.plan.class_weight > 0 else 'away from'} {source.target_name}"


def name_probabilities(card: Card, probabilities: Sequence[np.ndarray]) -> ClassProbabilities:
    """Names the probabilities (classes,) of the input, the dream, and the written sound."""
    before, after, written = (dict(zip(card.classes, each)) for each in probabilities)
    return ClassProbabilities(before=before, after=after, written_sound=written)


def classify_recording(model: Model, recording: Recording, dtype) -> np.ndarray:
    """Returns the class probabilities (classes,) of a recording, analysed as an input is."""
    front_end = model.card.front_end
    mono = to_mono(recording, sample_rate=front_end.sample_rate)
    mel_db = analyse_clips(mono[None].astype(dtype), front_end=front_end)
    return np.asarray(class_probabilities(model, mel_db))[0]


def scale_of(front_end: FrontEnd) -> SpectrogramScale:
    """Returns where the cells of a front end's spectrograms lie."""
    return SpectrogramScale(
        band_centres=front_end.band_centres, seconds_per_frame=front_end.seconds_per_frame
    )
