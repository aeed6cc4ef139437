"""Finds the moments of sound files that excite each channel of a layer most."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio.files import normalise_recording, read_recording
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.system.errors import UserError
from studies.atlas.probes import hear_columns

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
      seconds: The length of an excerpt; shorter files are heard whole.

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
    front_end = model.card.front_end
    rate = front_end.sample_rate
    sound = normalise_recording(file, read_recording(file), sample_rate=rate)
    columns = hear_columns(model, layer, sound)
    per_column = model.card.architecture.layer(layer).stride[1] * front_end.seconds_per_frame
    width = min(len(columns), max(1, round(seconds / per_column)))
    sums = np.cumsum(np.concatenate([np.zeros((1, columns.shape[1])), columns]), axis=0)
    means = (sums[width:] - sums[:-width]) / width
    starts = means.argmax(axis=0) * per_column
    samples = round(seconds * rate)
    return [
        Excerpt(file, float(start), float(mean), sound[round(start * rate) :][:samples])
        for start, mean in zip(starts, means.max(axis=0))
    ]
