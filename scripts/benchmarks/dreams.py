"""The dreams that are timed: the same for this project and for its peers."""

import functools
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np

from dreamsound_jax.dreaming import batch
from dreamsound_jax.dreaming.dream import Clip, Settings, dream, response
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.run import sources


class Task(NamedTuple):
    """A batch of dreams on spectrograms: what `dream.dream` takes.

    Attributes:
      model: a `Model`.
      starts: a `domains.Mel` or `domains.Sound` with an axis of clips.
      clips: their `Clip`s; they differ in `rolls` and `target_class` alone.
      settings: a `Settings` of one layer.
    """

    model: Model
    starts: Any
    clips: Clip
    settings: Settings

    @property
    def layer(self):
        """The one that is dreamed by."""
        return self.settings.layers[0]

    @property
    def size(self):
        """How many clips there are."""
        return len(self.starts.spectrogram)

    def first(self, size):
        """The task of the first clips alone."""
        starts, clips = jax.tree.map(lambda leaf: leaf[:size], (self.starts, self.clips))
        return self._replace(starts=starts, clips=clips)


def task(model, options, *, layer, size, domain="mel"):
    """A `Task` of `size` clips of noise."""
    what = {"layers_to_use": [layer], "domain": domain, "num_clips": size, "input": ["noise"]}
    options = replace(options, **what)
    found, _ = sources.collect(options, model.card, options.seed)
    starts, _ = batch.gather(model.card, found, options)
    return Task(model, starts, batch.clips(found, options), options.settings())


def ours(of):
    """The dreamed spectrograms (clips, mel bands, frames) of a `Task`, standardised."""
    return dream(of.model.network, of.starts, of.clips, settings=of.settings)[0]


def gradient(of, spectrograms):
    """Of the objective of a `Task`, with respect to spectrograms (clips, mel bands, frames)."""
    clips = of.clips
    return np.asarray(
        _gradient(
            of.model.network, spectrograms, clips.layer_weights, clips.target_class, of.settings
        )
    )


@functools.partial(jax.jit, static_argnums=4)
def _gradient(network, spectrograms, weights, targets, settings):
    def of_one(spectrogram, weight, target):
        return response(network, spectrogram, weight, target, settings=settings)

    return jax.vmap(jax.grad(of_one))(spectrograms, weights, targets)
