"""Gradients of several objectives are mixed, frame by frame, where a dream fades between them.

Each function takes one clip and is meant to be `vmap`ped.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from dreamsound_jax.dreaming.ascent import Hill


def weigh_stops(
    progress: jax.Array, *, stops: int, frames: int, circular: bool = False
) -> jax.Array:
    """Returns how much each of some objectives counts in each frame: (stops, frames).

    Between two stops one fades linearly into the next; the weights of a frame add up to 1.

    Args:
      progress: (begin, end) of the clip, in stops from 0; as many as there are stand for the first.
      stops: how many objectives there are.
      frames: of the clip.
      circular: whether the clip is a loop, whose last frame is followed by its first.

    Example:
      >>> weigh_stops(jnp.array([0.0, 1.0]), stops=2, frames=3)[1].tolist()
      [0.0, 0.5, 1.0]
    """
    begin, end = progress
    share = jnp.arange(frames, dtype=progress.dtype) / (frames if circular else max(1, frames - 1))
    distance = jnp.abs(begin + share * (end - begin) - jnp.arange(stops)[:, None])
    return jnp.maximum(1 - jnp.minimum(distance, stops - distance), 0)


def mix_gradients(weights: jax.Array, inside: jax.Array | None = None) -> Callable[[Hill], Hill]:
    """Returns a function that makes of several objectives one, whose gradient is a mix of theirs.

    Before they are mixed, the gradients are brought to one root mean square over the clip, so that
    each counts as much as its weight says, whatever its size. The value is the mean of the
    objectives by their weights.

    Args:
      weights: (stops, frames), as `weigh_stops` gives them.
      inside: which cells the dream changes, in the shape of the gradient; None for all.
    """

    def mix(hill: Hill) -> Hill:
        def mixed(observed: jax.Array) -> jax.Array:
            values, pull_back = jax.vjp(hill, jax.lax.stop_gradient(observed))
            one_by_one = jnp.eye(len(weights), dtype=values.dtype)
            direction = jnp.zeros_like(observed)
            for weight, chosen in zip(weights, one_by_one):
                gradient = _normalise(pull_back(chosen)[0], inside)
                direction += jnp.where(weight > 0, weight * gradient, 0)
            # The second term is 0, and its gradient is the direction.
            nothing = observed - jax.lax.stop_gradient(observed)
            return jnp.vdot(weights.mean(axis=1), values) + jnp.vdot(direction, nothing)

        return mixed

    return mix


def _normalise(gradient, inside):
    """Scales a gradient to a root mean square of 1; one of zero stays zero."""
    largest = jnp.abs(gradient).max(where=True if inside is None else inside, initial=0)
    scaled = gradient / jnp.where(largest > 0, largest, 1)
    power = jnp.mean(jnp.square(scaled), where=inside)
    return scaled / jnp.where(power > 0, jnp.sqrt(power), 1)
