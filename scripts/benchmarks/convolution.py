"""Part `convolution`: each convolution of a dream in the way that is chosen for it, against XLA's.

A way that is not faster has no place in `dreamsound_jax/networks/cpu`.
"""

import functools

import jax
import jax.numpy as jnp

from benchmarks.dreams import Context, make_model
from benchmarks.results import Spread, Table, compare_pairs, time_in_turns
from dreamsound_jax.dreaming.pyramid import level_shapes
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.networks.cpu.convolution import by_xla, choose_method, convolve, make_forms
from dreamsound_jax.networks.loading import weight_shapes
from dreamsound_jax.networks.musicnn import BANDS, PATCH
from dreamsound_jax.system.shipped import shipped

# Steps of gradient ascent in one loop, as in a dream.
STEPS = 10
COLUMNS = [
    "network",
    "map",
    "channels",
    "clips in a batch",
    "way",
    "this project (ms)",
    "XLA's own (ms)",
]
COLUMNS += ["times as fast"]
NOTES = (
    "A step is the convolution and its gradient with respect to the map, in a loop of "
    f"{STEPS} steps.",
    "XLA's own: `jax.lax.conv_general_dilated` and the derivative that JAX writes for it.",
)


def measure(context: Context) -> Table:
    """Returns the table of this part, for all convolutions up to the first layer, and of mtt."""
    card, last = make_model(context.width).card, context.layers[0]
    names = card.architecture.layers[: card.architecture.layers.index(last) + 1]
    mtt = read_card(shipped("checkpoints") / "mtt")
    shapes = [("VGG19", *shape) for shape in _shapes(context, card, names, context.shape)]
    every = mtt.architecture.layers
    shapes += [("mtt", *shape) for shape in _shapes(context, mtt, every, (BANDS, PATCH))]
    rows = [
        [network, *_row(context, *shape, size)]
        for network, *shape in dict.fromkeys(shapes)
        for size in context.batch_sizes
    ]
    return Table(f"Convolutions of a dream up to {last}, and of mtt", COLUMNS, rows, NOTES)


def _shapes(context, card, names, whole):
    """Yields ((rows, columns) of the map, channels in and out), from the largest level on."""
    architecture, weights = card.architecture, weight_shapes(card)
    size, ratio = context.options.pyramid_size, context.options.pyramid_ratio
    for shape in reversed(level_shapes(whole, size=size, ratio=ratio)):
        for name in names:
            if name.startswith("conv"):
                cells = zip(shape, architecture.layer(name).stride)
                channels = weights[name]["kernel"].shape[2:]
                yield tuple(max(1, n // step) for n, step in cells), channels


def _row(context, cells, channels, size):
    keys = jax.random.split(jax.random.key(0))
    x = jax.random.normal(keys[0], (size, 1, *cells, channels[0]))
    kernel = jax.random.normal(keys[1], (3, 3, *channels)) / (9 * channels[0]) ** 0.5
    climb = functools.partial(_climb, x, kernel, make_forms(kernel))
    functions = {way: functools.partial(climb, way=way) for way in (convolve, by_xla)}
    seconds = time_in_turns(functions, rounds=context.rounds)
    return [
        " x ".join(map(str, cells)),
        " to ".join(map(str, channels)),
        size,
        choose_method((size, *cells, channels[0]), kernel).__name__,
        *(Spread.of([1e3 * s / STEPS for s in values]) for values in seconds.values()),
        compare_pairs(seconds[by_xla], seconds[convolve]),
    ]


@functools.partial(jax.jit, static_argnames="way")
def _climb(x, kernel, forms, *, way):
    """Takes steps up the gradient of a batch (clips, 1, rows, columns, channels)."""
    gradient = jax.grad(lambda x: jnp.square(way(x, kernel, forms)).mean())

    def climb(x):
        return jax.lax.scan(lambda x, _: (x + gradient(x), None), x, length=STEPS)[0]

    return jax.vmap(climb)(x)
