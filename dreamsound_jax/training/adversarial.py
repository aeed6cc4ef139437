"""Adversarial changes of spectrograms, to train networks on and to test them with.

Sounds that are made for a network that is trained on them are recognised by people more often
(Feather et al., "Model metamers reveal divergent invariances between biological and artificial
neural networks", 2023). All changes are bounded by their L2 norm.

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
SMALLEST_NORM = 1e-12  # A gradient of zeros has no direction, and stays zero.

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
        # optax's projection_l2_ball is not a number where the radius is 0.
        change = change * jnp.minimum(1, radius / _measure_norms(change))
    return spectrograms + change


def _normalise(batch):
    return batch / _measure_norms(batch)


def _measure_norms(batch):
    norms = jnp.linalg.norm(batch, axis=(1, 2), keepdims=True)
    return jnp.maximum(norms, SMALLEST_NORM)
