"""Adversarial changes of spectrograms, to train networks on and to test them with.

A network that is trained on them listens to what people listen to: sounds that are made for it are
recognised by others (Feather et al., "Model metamers reveal divergent invariances between
biological and artificial neural networks", 2023). All changes are bounded by their L2 norm.

Spectrograms are (batch, mel bands, frames), standardised.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

# Noise of up to twice the radius comes before the step, and nothing is clipped back
# (de Jorge et al., "Make Some Noise: Reliable and Efficient Single-Step Adversarial Training",
# 2022).
NOISE_RADII = 2.0
PGD_STEPS = 5
PGD_STEP = 2.5 / PGD_STEPS  # In radii, so that the rim can be reached and followed.

Gradient = Callable[[jax.Array], jax.Array]
"""From spectrograms to the gradient of the loss by them, of the same shape."""


def radius_of(epsilon: jax.Array | float, shape: tuple[int, ...]) -> jax.Array:
    """Returns the norm of a change of each cell by `epsilon`, RMS, in standard deviations."""
    return jnp.asarray(epsilon) * (shape[-2] * shape[-1]) ** 0.5


def change_once(
    key: jax.Array, gradient: Gradient, spectrograms: jax.Array, *, radius: jax.Array
) -> jax.Array:
    """Changes spectrograms by random noise and one step up the gradient of the loss (N-FGSM)."""
    noise_key, length_key = jax.random.split(key)
    noise = _normalise(jax.random.normal(noise_key, spectrograms.shape))
    length = jax.random.uniform(length_key, (len(spectrograms), 1, 1), maxval=NOISE_RADII)
    start = spectrograms + radius * length * noise
    return start + radius * _normalise(gradient(start))


def change_most(gradient: Gradient, spectrograms: jax.Array, *, radius: jax.Array) -> jax.Array:
    """Changes spectrograms by projected gradient ascent of the loss, within a ball (PGD)."""
    change = jnp.zeros_like(spectrograms)
    for _ in range(PGD_STEPS):
        change = change + PGD_STEP * radius * _normalise(gradient(spectrograms + change))
        change = change * jnp.minimum(1, radius / jnp.maximum(_norms(change), 1e-12))
    return spectrograms + change


def _normalise(batch):
    return batch / jnp.maximum(_norms(batch), 1e-12)


def _norms(batch):
    return jnp.sqrt(jnp.square(batch).sum((1, 2), keepdims=True))
