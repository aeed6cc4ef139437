"""Arithmetic of a network: the ways to compute a dream, and what they do to it."""

import functools
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import random_network, whole
from benchmarks.table import Table
from benchmarks.timing import Spread, interleaved
from dreamsound_jax.dreaming.dream import layer_weights, response

NOTES = (
    "Objective: what the dream reached, by the network in float32. Distance: the mean absolute "
    "difference of the dreamed spectrogram from float32's.",
    "TF32 is what NVIDIA's GPUs can make of float32's products; elsewhere there is none.",
)


class Way(NamedTuple):
    """Of computing: the type of the weights, and the precision of products (None: any)."""

    dtype: str
    products: str | None


WAYS = {
    "float32": Way("float32", "float32"),
    "TF32": Way("float32", "tensorfloat32"),
    "bfloat16": Way("bfloat16", None),
}


def possible():
    """Those of `WAYS` that the device has."""
    has_tf32 = jax.default_backend() == "gpu"
    return {name: way for name, way in WAYS.items() if has_tf32 or name != "TF32"}


@functools.lru_cache(maxsize=2)
def model(width, dtype):
    """The random `Model` of this width; its weights are float32's, rounded."""
    drawn = random_network.model(width)
    graph, state = drawn.network
    return drawn._replace(network=(graph, jax.tree.map(lambda leaf: leaf.astype(dtype), state)))


def computing(way):
    """A context in which products are of a `Way`'s precision."""
    return jax.default_matmul_precision(way.products)


def dreamer(context, way, clips):
    """A function that dreams `clips`, sound in to sound out, in a `Way`: their `batch.Dreams`."""
    options = replace(context.options, precision=way.dtype)
    own = model(context.width, way.dtype)

    def dream():
        with computing(way):
            return whole.dream(own, clips, options)

    return dream


def compare(context, size):
    """The `Table` of all ways, on `size` clips at once; each row's dreams are of the same clips."""
    judge = random_network.model(context.width)
    clips = whole.noises(judge, context.options, size)
    dreamers = {name: dreamer(context, way, clips) for name, way in possible().items()}
    spectrograms = {name: dream().finished.mel_db for name, dream in dreamers.items()}
    seconds = interleaved(dreamers, rounds=context.rounds)
    rows = [_row(context, name, judge, spectrograms, seconds, size) for name in WAYS]
    heads = ["arithmetic", "s/clip", "clips/s", "objective", "distance (dB)"]
    return Table(f"Arithmetic of the network, {size} clips at once", heads, rows, NOTES)


def _row(context, name, judge, spectrograms, seconds, size):
    if name not in spectrograms:
        return [name, None, None, None, None]
    each = Spread.of(np.divide(seconds[name], size))
    apart = np.abs(spectrograms[name] - spectrograms["float32"]).mean()
    reached = _objective(judge, spectrograms[name], context.options)
    return [name, each, 1 / each.median, reached, float(apart)]


def _objective(judge, mel_db, options):
    """The mean over clips of the objective, in float32, of spectrograms (clips, bands, frames)."""
    settings = options.settings()
    with computing(WAYS["float32"]):
        found = _respond(judge.network, judge.card.standardise(mel_db), settings)
    return float(found.mean())


@functools.partial(jax.jit, static_argnums=2)
def _respond(network, spectrograms, settings):
    weights = jnp.asarray(layer_weights(settings.layers), jnp.float32)
    each = functools.partial(response, settings=settings)
    return jax.vmap(each, (None, 0, None, None))(network, spectrograms, weights, 0)
