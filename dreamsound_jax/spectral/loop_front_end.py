"""The front end of a network for loops: the end of a sound runs into its beginning."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import jax
import numpy as np

from dreamsound_jax.spectral import inversion, loop
from dreamsound_jax.spectral.front_end import FrontEnd


@dataclass(frozen=True)
class LoopFrontEnd(FrontEnd):
    """A front end whose frames lie around the whole of a loop; see `spectral.loop`.

    Its frames are a little nearer or farther than `hop`, by half a hop over the whole loop at most,
    so that a whole number of them fits.

    Example:
      >>> front_end = make_circular(FrontEnd())
      >>> front_end.frame_count(38661)
      193
    """

    circular: ClassVar[bool] = True

    def frame_count(self, samples: int) -> int:
        """Returns how many frames a loop of so many samples has."""
        return loop.frame_count(samples, hop=self.hop)

    def sample_count(self, frames: int) -> int:
        """Returns how many samples a loop of so many frames has, to half a hop."""
        return frames * self.hop

    def _transform(self, sound: jax.Array, frames: slice | np.ndarray) -> jax.Array:
        count = self.frame_count(sound.size)
        return loop.stft(sound, n_fft=self.n_fft, count=count, frames=frames)

    def _find_sound(self, key: jax.Array, magnitude: jax.Array, samples: int | None) -> jax.Array:
        samples = samples or self.sample_count(magnitude.shape[1])
        return inversion.griffin_lim_loop(key, magnitude, n_fft=self.n_fft, samples=samples)


def make_circular(front_end: FrontEnd) -> LoopFrontEnd:
    """Returns the front end for loops with the constants of another."""
    constants = (field.name for field in dataclasses.fields(front_end))
    return LoopFrontEnd(**{name: getattr(front_end, name) for name in constants})
