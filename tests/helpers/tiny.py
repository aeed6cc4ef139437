"""A network of one sixteenth of VGG19's width, with random weights, and plans to dream with it."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from orbax.checkpoint import v1 as ocp

from dreamsound_jax.dreaming import optimizers, pyramid
from dreamsound_jax.dreaming.program import ClipSettings, Program
from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.loading import Model, build_network, weight_shapes
from dreamsound_jax.objectives.terms import Objective, compile_objective
from dreamsound_jax.run.options import Options
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.spectral.front_end import FrontEnd

FRONT_END = FrontEnd(mean=-24.0, std=17.0)
CARD = Card(
    name="tiny",
    classes=tuple(f"class_{index}" for index in range(6)),
    front_end=FRONT_END,
    size={"width": 1 / 16, "hidden": 32},
)


def random_weights(card=CARD, *, seed=0):
    """{layer: {"kernel", "bias"}}, float64: He-normal kernels and small biases."""
    rng = np.random.default_rng(seed)

    def draw(leaf):
        fan_in = np.prod(leaf.shape[:-1]) if leaf.ndim > 1 else 1e4
        return rng.normal(size=leaf.shape) * np.sqrt(2 / fan_in)

    return jax.tree.map(draw, weight_shapes(card))


@functools.cache
def tiny_network(*, seed=0, dtype="float32"):
    """The network, as `load_model` gives it."""
    return build_network(CARD, random_weights(seed=seed), dtype=jnp.dtype(dtype))


def as_module(network):
    """The Flax module of a `VGG19Network`."""
    return nnx.merge(network.graph, network.weights)


def tiny_model(**keywords):
    """The network and its card."""
    return Model(CARD, tiny_network(**keywords))


def options(**changes):
    """The `Options` of `dreamsound noise`, except for `changes`."""
    return Options(**{"seed": 0, "input": ("noise",), **changes})


def plan(card=CARD, **changes) -> Plan:
    """The plan of `options(**changes)`."""
    return resolve(options(**changes), card)


def objective_of(names, card=CARD) -> Objective:
    """The objective of the flag `--layers_to_use`; where it names the layer of classes, class 0."""
    return plan(card, layers_to_use=tuple(names)).clips[0].objective(0)


def steps(optimizer="sgd", learning_rate=0.05, **changes):
    """The `Steps` of one clip."""
    return optimizers.make_steps(optimizer, learning_rate=learning_rate, **changes)


def program(*names, objective: Objective | None = None, card=CARD, **changes) -> Program:
    """The `Program` of a dream by the layers `names`, or by an objective."""
    measures, _ = compile_objective(objective or objective_of(names, card), card)
    return Program(measures, **changes)


def settings(
    count, names=("relu3_1",), *, program, learning_rate=0.05, objective=None, card=CARD, **changes
) -> ClipSettings:
    """The settings of a batch of clips for a dream by the layers `names`, or by an objective."""
    how = steps(program.optimizers[0], learning_rate, optimizers=program.optimizers, **changes)
    _, data = compile_objective(objective or objective_of(names, card), card)
    repeat = functools.partial(jax.tree.map, lambda leaf: jnp.stack([jnp.asarray(leaf)] * count))
    draw = functools.partial(
        pyramid.draw_rolls, size=program.pyramid_size, ratio=program.pyramid_ratio, roll=20
    )
    keys = jax.random.split(jax.random.key(0), count)
    return ClipSettings(repeat(how), jnp.ones(count), jax.vmap(draw)(keys), repeat(data))


def write_checkpoint(folder, *, bias=0.0):
    """Writes `card.json` and `weights` into `folder`; returns it. `bias` is added to all biases."""
    weights = jax.tree.map(np.float32, random_weights())
    for layer in weights.values():
        layer["bias"] += np.float32(bias)
    folder.mkdir(parents=True, exist_ok=True)
    ocp.save(folder / "weights", weights)
    (folder / "card.json").write_text(json.dumps(CARD.entries()))
    return folder
