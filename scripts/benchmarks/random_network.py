"""A VGG19 with random weights: as fast as a trained one, and there for everyone, of any width."""

import functools

import jax
import jax.numpy as jnp
from flax import nnx

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.vgg19 import HIDDEN, VGG19

CLASSES = 10  # as UrbanSounds8k has
MEAN, STD = -24.0, 17.0  # about those of the reference's training sets, in dB


def card(width):
    """The `Card` of a network of this width."""
    classes = tuple(f"class {index}" for index in range(CLASSES))
    hidden = max(1, round(HIDDEN * width))
    return Card("random", classes, mean=MEAN, std=STD, width=width, hidden=hidden)


@functools.lru_cache(maxsize=2)
def model(width, *, seed=0, dtype=jnp.float32):
    """A `Model` of He-normal weights; the same each time, and kept for other parts."""
    of = card(width)

    @jax.jit
    def draw(key):
        size = {"width": of.width, "hidden": of.hidden, "dtype": dtype}
        drawn = VGG19(len(of.classes), rngs=nnx.Rngs(params=key, dropout=key), **size)
        return nnx.to_pure_dict(nnx.state(drawn, nnx.Param))

    weights = draw(jax.random.key(seed))
    return loading.Model(of, loading.network_from(of, weights, dtype=dtype))
