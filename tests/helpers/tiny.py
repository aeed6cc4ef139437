"""A network of one sixteenth of VGG19's width, with random weights."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from flax import nnx
from orbax.checkpoint import v1 as ocp

from dreamsound_jax.cli import main as cli  # noqa: F401 (cli defines the flags)
from dreamsound_jax.dreaming import (
    optimizers,  # noqa: F401 (cli defines the flags)
    pyramid,  # noqa: F401 (cli defines the flags)
)
from dreamsound_jax.dreaming.dream import Clip, layer_weights
from dreamsound_jax.networks import loading
from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.vgg19 import VGG19
from dreamsound_jax.run.options import Options

CARD = Card(
    name="tiny",
    classes=tuple(f"class_{index}" for index in range(6)),
    mean=-24.0,
    std=17.0,
    width=1 / 16,
    hidden=32,
)


def random_weights(card=CARD, *, seed=0):
    """{layer: {"kernel", "bias"}}, float64: He-normal kernels and small biases."""
    rng = np.random.default_rng(seed)

    def draw(leaf):
        fan_in = np.prod(leaf.shape[:-1]) if leaf.ndim > 1 else 1e4
        return rng.normal(size=leaf.shape) * np.sqrt(2 / fan_in)

    size = {"width": card.width, "hidden": card.hidden}
    shapes = nnx.eval_shape(lambda: VGG19(len(card.classes), rngs=nnx.Rngs(0), **size))
    return jax.tree.map(draw, nnx.to_pure_dict(nnx.state(shapes, nnx.Param)))


def tiny_network(*, seed=0, dtype=jnp.float32):
    """(graphdef, state), as `loading.load` gives it."""
    return loading.network_from(CARD, random_weights(seed=seed), dtype=dtype)


def options(**changes):
    """The `Options` of `dreamsound` without flags, but for `changes`."""
    given = {field.name: flags.FLAGS[field.name].default for field in dataclasses.fields(Options)}
    return Options(**{**given, "seed": 0, **changes})


def steps(optimizer="sgd", learning_rate=0.05, names=None, **changes):
    """The `Steps` of one clip."""
    return optimizers.steps_of(options(optimizer=optimizer, lr=learning_rate, **changes), names)


def clips(count, *, settings, learning_rate=0.05, target=0, **changes):
    """The `Clip`s of a batch for a dream by `settings`."""
    how = steps(settings.optimizers[0], learning_rate, settings.optimizers, **changes)
    each = functools.partial(jnp.full, count)
    keys = jax.random.split(jax.random.key(0), count)
    draw = functools.partial(
        pyramid.draw_rolls, size=settings.pyramid_size, ratio=settings.pyramid_ratio, roll=20
    )
    weights = jnp.tile(layer_weights(settings.layers), (count, 1))
    return Clip(jax.tree.map(each, how), each(1.0), each(target), jax.vmap(draw)(keys), weights)


def write_checkpoint(folder, *, bias=0.0):
    """Writes `card.json` and `weights` into `folder`; returns it. `bias` is added to all."""
    weights = jax.tree.map(np.float32, random_weights())
    for layer in weights.values():
        layer["bias"] += np.float32(bias)
    folder.mkdir(parents=True, exist_ok=True)
    ocp.save(folder / "weights", weights)
    (folder / "card.json").write_text(json.dumps(dataclasses.asdict(CARD)))
    return folder
