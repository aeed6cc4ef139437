"""Reads videos, as a player does."""

import io
from typing import NamedTuple

import av
import numpy as np


class Watched(NamedTuple):
    """What a video shows and plays.

    Attributes:
      frames: (frames, height, width), their luma.
      sound: (samples, channels) at `rate` Hz.
      seconds: of the pictures and of the sound.
      facts: of the streams, by name.
    """

    frames: np.ndarray
    sound: np.ndarray
    rate: int
    seconds: tuple[float, float]
    facts: dict


def watch(content: bytes) -> Watched:
    """Decodes a video."""
    with av.open(io.BytesIO(content)) as file:
        (pictures,), (sounds,) = file.streams.video, file.streams.audio
        facts = {
            "codecs": (pictures.codec_context.name, sounds.codec_context.name),
            "profile": pictures.codec_context.profile,
            "format": pictures.codec_context.pix_fmt,
            "colours": pictures.codec_context.colorspace,
            "size": (pictures.width, pictures.height),
            "rates": (float(pictures.average_rate), sounds.rate),
        }
        seconds = tuple(float(each.duration * each.time_base) for each in (pictures, sounds))
        frames, samples = [], []
        for frame in file.decode():
            planes = frame.to_ndarray()
            if isinstance(frame, av.VideoFrame):
                frames.append(planes[: frame.height, : frame.width].copy())
            else:
                samples.append(planes.T)
        return Watched(np.stack(frames), np.concatenate(samples), sounds.rate, seconds, facts)


def find_playhead(luma: np.ndarray, place) -> int | None:
    """Returns the column of the white line through a panel, from its left edge; None without one.

    Args:
      luma: (height, width).
      place: of the panel.
    """
    panel = luma[place.top + 2 : place.top + place.height - 2]
    panel = panel[:, place.left - 4 : place.left + place.width + 4]
    white = np.flatnonzero(panel.min(axis=0) > 180)
    return round(white.mean()) - 4 if len(white) else None
