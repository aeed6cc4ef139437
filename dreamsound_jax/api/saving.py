"""How a `Dream` or an `Ouroboros` is written to a file, and shown in a notebook."""

import base64
import os

import numpy as np

from dreamsound_jax.api.sounds import to_recording
from dreamsound_jax.audio.files import Recording
from dreamsound_jax.audio.formats import FORMATS, Encoding, check_encoding, check_fits
from dreamsound_jax.audio.rendering import (
    RenderedSound,
    find_target_lufs,
    render_sound,
)
from dreamsound_jax.outputs.video import describe_dream
from dreamsound_jax.run.plan import ClipPlan
from dreamsound_jax.system.errors import UserError

WAV = Encoding()


def _format_of(path):
    """Returns the format that the suffix of a path asks for."""
    format = os.path.splitext(path)[1].lower().removeprefix(".")
    if format not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise UserError(f"the file of a sound must end in one of {known}, and is {path!r}")
    return format


def choose_encoding(
    path: str, bit_depth: str | None, layout: str | None, sound: np.ndarray, sample_rate: int
) -> Encoding:
    """Returns how a sound is written to a path; UserError if its format cannot hold it so."""
    format, channels = _format_of(path), len(np.atleast_2d(sound))
    check_encoding(format, bit_depth)
    check_fits(format, channels=channels, sample_rate=sample_rate)
    _check_layout(layout, channels)
    return Encoding(format, bit_depth, layout)


def _check_layout(layout, channels):
    """Raises UserError if FFmpeg knows no layout of this name with so many channels."""
    import av

    if layout is None:
        return
    try:
        fits = av.AudioLayout(layout).nb_channels == channels
    except ValueError:
        fits = False
    if not fits:
        raise UserError(f"layout must be FFmpeg's name of {channels} channels, and is {layout!r}")


def render(
    sound: np.ndarray,
    sample_rate: int,
    loudness: str | float,
    original: Recording,
    *,
    encoding: Encoding = WAV,
    circular: bool = False,
) -> RenderedSound:
    """Returns a sound as it is written, with a loudness that may be that of `original`."""
    return render_sound(
        to_recording(sound, sample_rate).channels,
        sample_rate=sample_rate,
        target_lufs=find_target_lufs(loudness, original),
        circular=circular,
        encoding=encoding,
    )


def describe_plan(plan: ClipPlan) -> str:
    """Says how a plan dreams, without the input."""
    target, objective = plan.target, plan.given_objective
    return describe_dream(
        None if plan.iterates else plan.asked_layers,
        plan.card.name,
        raises=None if objective is None else objective.label(plan.card),
        aim=None if target is None else f"{plan.direction} {plan.card.classes[target]}",
        mix=plan.mix,
    )


def picture_html(png: bytes) -> str:
    """Returns a PNG as an element of a page."""
    data = base64.b64encode(png).decode()
    return f'<img alt="The dream, before and after" src="data:image/png;base64,{data}">'


def player_html(wav: bytes) -> str:
    """Returns a player of a WAV file as an element of a page."""
    data = base64.b64encode(wav).decode()
    return f'<audio controls src="data:audio/wav;base64,{data}"></audio>'
