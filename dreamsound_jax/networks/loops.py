"""What a network is shown of a loop, and which of its responses are those of the loop itself."""

from typing import NamedTuple

import jax
import numpy as np

from dreamsound_jax.networks.network import Layer


class Heard(NamedTuple):
    """What a network is shown of a clip.

    Attributes:
      spectrogram: (mel bands, frames), of a loop with more before and behind it.
      before: how many frames are before the clip itself.
      frames: of the clip.
      circular: whether it is a loop.
    """

    spectrogram: jax.Array
    before: int
    frames: int
    circular: bool

    def columns(self, layer: Layer) -> int:
        """Returns how many columns of an activation are of the clip itself."""
        if self.circular:
            return count_loop_columns(layer, self.frames)
        return layer.columns(self.frames)

    def own(self, activation: jax.Array, layer: Layer) -> jax.Array:
        """Returns the columns of (rows, columns, channels) that are of the clip itself."""
        first = self.before // layer.stride[1]
        return activation[:, first : first + self.columns(layer)]


def wrap_loop(spectrogram: jax.Array, layer: Layer) -> Heard:
    """Returns a loop with as many frames before and behind it as a layer reaches."""
    assert layer.reach is not None, f"what {layer.name} hears cannot be wrapped"
    frames, stride = spectrogram.shape[1], layer.stride[1]
    before = -(-layer.reach // stride) * stride
    end = count_loop_columns(layer, frames) * stride
    around = np.arange(-before, max(frames, end) + layer.reach + stride) % frames
    return Heard(spectrogram[:, around], before, frames, circular=True)


def count_loop_columns(layer: Layer, frames: int) -> int:
    """Returns how many columns the activation of a loop has: the nearest to its frames.

    Poolings count from the first frame on. Where their stride does not divide the loop, up to half
    a stride of it is counted twice at the seam, or not at all; what lies there is still heard.
    """
    return max(1, round(frames / layer.stride[1]))
