"""Whether to keep the activations of a step for its way back, or to compute them again."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from benchmarks import precisions
from benchmarks.table import Table
from benchmarks.timing import Spread, interleaved, ratios
from dreamsound_jax.networks.vgg19 import LAYERS, stage_of

KEPT, WHOLE, STAGES = "kept, as here", "all computed again", "each stage computed again"
NOTES = (
    "A gradient of the objective with respect to the spectrograms. Memory is what the compiled "
    "program needs beside its arguments and its result.",
)


class Program(NamedTuple):
    """A compiled function without arguments, and the bytes that it needs."""

    run: functools.partial
    temp_bytes: int


def compare(context, size, way):
    """The `Table` of ways to hold activations, for `size` clips, in a `precisions.Way`."""
    network = precisions.model(context.width, way.dtype).network
    images = jax.random.normal(jax.random.key(0), (size, *context.shape), jnp.float32)
    with precisions.computing(way):
        programs = {
            name: _compile(responding, network, images, context.options.layers_to_use[-1])
            for name, responding in RESPONDING.items()
        }
    functions = {name: program.run for name, program in programs.items()}
    seconds = interleaved(functions, rounds=context.rounds)
    rows = [
        [
            name,
            Spread.of(seconds[name]),
            ratios(seconds, of=name, to=KEPT),
            program.temp_bytes / 2**20,
            program.temp_bytes / programs[KEPT].temp_bytes,
        ]
        for name, program in programs.items()
    ]
    heads = ["activations", "seconds", "times as long", "memory (MiB)", "times as much"]
    title = f"Activations of a step of {size} clips, kept or computed again, {way.dtype}"
    return Table(title, heads, rows, NOTES)


def _compile(responding, network, images, layer):
    def gradient(network, images):
        of_one = jax.grad(lambda image: responding(network, image, layer))
        return jax.vmap(of_one)(images)

    compiled = jax.jit(gradient).lower(network, images).compile()
    memory = compiled.memory_analysis()
    return Program(functools.partial(compiled, network, images), memory.temp_size_in_bytes)


def kept(network, image, layer):
    """The mean squared activation of `layer` for (mel bands, frames)."""
    return jnp.square(nnx.merge(*network)(image[None], (layer,))[layer]).mean()


def whole_again(network, image, layer):
    """`kept`, of which nothing is kept for the way back."""
    return jax.checkpoint(lambda image: kept(network, image, layer))(image)


def stages_again(network, image, layer):
    """`kept`, of which what stands between stages of the network alone is kept."""
    own = nnx.merge(*network)
    x = image[None, ..., None].astype(own.conv1_1.kernel.dtype)
    for names in _stages(layer):
        x = jax.checkpoint(functools.partial(_through, own, names))(x)
    return jnp.square(x).mean()


def _stages(layer):
    """The layers up to `layer`, stage by stage."""
    upto = LAYERS[: LAYERS.index(layer) + 1]
    stages = dict.fromkeys(stage_of(name) for name in upto)
    return [[name for name in stage if name in upto] for stage in stages]


def _through(network, names, x):
    return functools.reduce(lambda x, name: network.apply_layer(name, x), names, x)


RESPONDING = {KEPT: kept, WHOLE: whole_again, STAGES: stages_again}
