"""Each convolution of a dream by the way that was chosen for its shape, and by XLA's own.

A way that is not faster here has no place in `dreamsound_jax/convolution.py`.
"""

import functools

import jax
import jax.numpy as jnp

from benchmarks import counts, random_network
from benchmarks.table import Table
from benchmarks.timing import Spread, interleaved, ratios
from dreamsound_jax.networks.cpu.convolution import by_xla, convolve, fastest, forms_of

STEPS = 10  # up the gradient, in one loop, as in a dream
OURS, XLA = "this project", "XLA's own"
COLUMNS = ["map", "channels", "clips in a batch", "way", f"{OURS} (ms)", f"{XLA} (ms)"]
COLUMNS += ["times as fast"]
NOTES = (
    "A step: the convolution, and the gradient with respect to its map, in a loop of "
    f"{STEPS} steps. Medians, and the fastest and the slowest round.",
    "XLA's own: `jax.lax.conv_general_dilated` and the derivative that JAX writes for it.",
)


def measure(context):
    """The `Table` of this part."""
    shapes = dict.fromkeys(_shapes(context))
    rows = [_row(context, *shape, size) for shape in shapes for size in context.batch_sizes]
    return Table(f"Convolutions of a dream up to {context.layers[0]}", COLUMNS, rows, NOTES)


def _shapes(context):
    """((rows, columns) of the map, channels in and out) of each convolution, at each level."""
    card = random_network.model(context.width).card
    for shape in reversed(context.options.settings().level_shapes(context.shape)):
        for kernel, cells in counts.convolutions(card, context.layers[0], shape):
            yield cells, kernel[2:]


def _row(context, cells, channels, size):
    keys = jax.random.split(jax.random.key(0))
    x = jax.random.normal(keys[0], (size, 1, *cells, channels[0]))
    kernel = jax.random.normal(keys[1], (3, 3, *channels)) / (9 * channels[0]) ** 0.5
    ways, given = {OURS: convolve, XLA: by_xla}, (x, kernel, forms_of(kernel))
    functions = {name: functools.partial(_climb, *given, way=way) for name, way in ways.items()}
    seconds = interleaved(functions, rounds=context.rounds)
    spreads = [Spread(*(1e3 * s / STEPS for s in Spread.of(seconds[name]))) for name in ways]
    named = fastest((size, *cells, channels[0]), kernel)
    return [
        " x ".join(map(str, cells)),
        " to ".join(map(str, channels)),
        size,
        named.__name__,
        *spreads,
        ratios(seconds, of=XLA, to=OURS),
    ]


@functools.partial(jax.jit, static_argnames="way")
def _climb(x, kernel, forms, *, way):
    """Steps of a batch (clips, 1, rows, columns, channels)."""
    gradient = jax.grad(lambda x: jnp.square(way(x, kernel, forms)).mean())

    def climb(x):
        return jax.lax.scan(lambda x, _: (x + gradient(x), None), x, length=STEPS)[0]

    return jax.vmap(climb)(x)
