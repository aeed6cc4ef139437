"""Labelled spectrograms: their statistics, and batches of random windows of them."""

import dataclasses

import jax
import numpy as np


@dataclasses.dataclass(frozen=True)
class Examples:
    """Mel spectrograms (clips, mel bands, frames) in dB, any float dtype, and labels (clips,)."""

    mel_db: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.labels)

    def first(self, count):
        """The first `count` clips."""
        return Examples(self.mel_db[:count], self.labels[:count])


def statistics(mel_db):
    """Mean and standard deviation of all cells, in dB; one clip at a time, in float64."""
    clips = (clip.astype(np.float64) for clip in mel_db)
    sums = [(clip.sum(), np.square(clip).sum()) for clip in clips]
    mean, square = np.sum(sums, 0) / mel_db.size
    return float(mean), float(np.sqrt(square - mean**2))


def batches(examples, *, seed, epoch, window, size):
    """Goes once through the clips, in random order, a last, smaller batch left out.

    Yields:
      (key, mel dB (size, mel bands, window) float32, labels (size,)), each clip cut to a random
      window of time; the key is for augmenting the batch.
    """
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(examples))
    for done in range(0, len(order) - size + 1, size):
        chosen = order[done : done + size]
        starts = rng.integers(0, examples.mel_db.shape[-1] - window + 1, size)
        places = zip(chosen, starts, strict=True)
        clips = [examples.mel_db[clip, :, first : first + window] for clip, first in places]
        key = jax.random.key(rng.integers(2**31))
        yield key, np.stack(clips).astype(np.float32), examples.labels[chosen]
