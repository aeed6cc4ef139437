"""Finds the moments of sound files that excite each channel of a layer most."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio.files import normalise_recording, read_recording
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.system.errors import UserError
from studies.atlas.probes import hear_columns

# Files are heard in pieces of so many excerpts, which overlap by one.
_PIECE = 4

log = logging.getLogger("dreamsound_jax")


class Excerpt(NamedTuple):
    """A moment of a file.

    Attributes:
      file: Its path.
      start: In seconds.
      response: Of the channel, on average over the moment.
      sound: (samples,) at the sample rate of the network.
    """

    file: str
    start: float
    response: float
    sound: np.ndarray


def find_excerpts(
    model: Model, layer: str, files: Sequence[str], *, seconds: float
) -> list[Excerpt]:
    """Finds the excerpt that excites each channel most, one for each channel.

    Args:
      model: The network and its card.
      layer: The layer.
      files: Sound files; those that cannot be heard are left out, and named in the log.
        The silence after a file that is shorter than an excerpt counts.
      seconds: The length of an excerpt.

    Raises:
      UserError: No file can be heard.
    """
    best: list[Excerpt] = []
    for file in files:
        try:
            found = _hear_file(model, layer, file, seconds)
        except UserError as error:
            log.warning("left out: %s", error)
            continue
        best = [max(pair, key=_response) for pair in zip(best, found)] if best else found
    if not best:
        raise UserError(
            f"--sounds must name sounds that can be heard, got {len(files)} that cannot"
        )
    return best


def _response(excerpt):
    return excerpt.response


def _hear_file(model, layer, file, seconds):
    """Returns the best excerpt of one file for each channel."""
    rate = model.card.front_end.sample_rate
    sound = normalise_recording(file, read_recording(file), sample_rate=rate)
    length = round(seconds * rate)
    best: list[Excerpt] = []
    for first in range(0, max(1, sound.size - length), (_PIECE - 1) * length):
        piece = sound[first : first + _PIECE * length]
        found = _hear_piece(model, layer, file, piece, first, length)
        best = [max(pair, key=_response) for pair in zip(best, found)] if best else found
    return best


def _hear_piece(model, layer, file, piece, first, length):
    """Returns the best excerpt of a piece of a file, which begins at the sample `first`.

    A piece is padded with silence to one length for all files, so that one program serves for all.
    """
    padded = np.pad(piece, (0, _PIECE * length - piece.size))
    columns = hear_columns(model, layer, padded)
    samples = padded.size / len(columns)
    width = max(1, round(length / samples))
    columns = columns[: max(width, round(piece.size / samples))]
    sums = np.cumsum(np.concatenate([np.zeros((1, columns.shape[1])), columns]), axis=0)
    means = (sums[width:] - sums[:-width]) / width
    starts = np.round(means.argmax(axis=0) * samples).astype(int)
    rate = model.card.front_end.sample_rate
    return [
        Excerpt(file, (first + start) / rate, float(mean), piece[start : start + length])
        for start, mean in zip(starts, means.max(axis=0))
    ]
