"""A hill, and what climbs it."""

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.domains.mel import CLAMP
from dreamsound_jax.dreaming import ascent, optimizers
from dreamsound_jax.dreaming.ascent import Climb
from tests.helpers import tiny


def noise(seed=0, shape=(16, 24)):
    """Normal noise, float64."""
    return np.random.default_rng(seed).normal(size=shape)


def hill(x):
    """An objective that is highest where `x` is a bump to the left."""
    target = jnp.where(jnp.arange(x.shape[1]) < x.shape[1] // 2, 2.0, -2.0)
    return -jnp.mean(jnp.square(x - target))


def make_transform(optimizer="sgd", learning_rate=0.1, *, steps=5):
    """Returns the transformation of a dream's gradient, for so many steps."""
    return optimizers.make_transform([optimizer], tiny.steps(optimizer, learning_rate), total=steps)


def ascend(
    objective, start, transform, *, steps, bound=CLAMP, **options
) -> tuple[jax.Array, Climb]:
    """Returns the parameters at which an ascent ends, and its `Climb`."""
    end, climb = ascent.ascend(objective, start, transform, steps=steps, bound=bound, **options)
    return end.parameters, climb
