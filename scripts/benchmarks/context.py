"""What all parts of the benchmark measure with."""

from typing import NamedTuple

from benchmarks.machine import Limits
from dreamsound_jax.run.options import Options
from dreamsound_jax.spectral import mel, stft


class Context(NamedTuple):
    """How a benchmark is run.

    Attributes:
      options: the `Options` of the dreams; each part says by which layer, and in which domain.
      limits: the `Limits` of the machine.
      width: of the networks with random weights; 1.0 is VGG19.
      rounds: how often each thing is timed, after a first time that does not count.
      batch_sizes: of the parts that measure by batch, small to large.
      torch_compile: whether it is tried; it takes minutes.
      layers: those that are dreamed by, one after the other, or the first where one will do.
      max_batch: the largest that the part `accelerator` tries; None is until there is no room.
    """

    options: Options
    limits: Limits
    width: float = 1.0
    rounds: int = 3
    batch_sizes: tuple[int, ...] = (1, 4)
    torch_compile: bool = True
    layers: tuple[str, ...] = ("relu5_4", "relu3_4", "relu1_1", "output")
    max_batch: int | None = None

    @property
    def shape(self):
        """(mel bands, frames) of a clip."""
        return (mel.N_MELS, stft.frame_count(self.options.clip_length))

    @property
    def seconds_of_sound(self):
        """In a clip."""
        return self.options.clip_length / mel.SAMPLE_RATE
