"""What a dream ascends: how strongly the chosen layers respond, or how probable a class is."""

import jax
import jax.numpy as jnp

CLASS_LAYER = "output"
CLASS_OBJECTIVES = ("towards", "away")


def objective(responses, weights, target_class, *, class_objective="towards"):
    """The weighted sum over layers of how strongly each responds.

    Args:
      responses: {layer: response} of one clip, as `windows.respond` gives them: mean squares, and
        of `output` (classes,) logits.
      weights: {layer: weight}, scalars; the reference takes the mean of the chosen layers.
      target_class: index of the class; only `output` heeds it.
      class_objective: "towards" raises the probability of the class; "away" lowers it, as the
        reference does by ascending the cross-entropy.

    Returns:
      A scalar, in float32 or wider: mean squares, and for `output` the signed log probability.
    """
    terms = {
        layer: class_term(response, target_class, class_objective)
        if layer == CLASS_LAYER
        else response
        for layer, response in responses.items()
    }
    return sum(weights[layer] * term for layer, term in terms.items())


def response(layer, values):
    """How strongly a layer responds: the mean square of its activation; of `output`, its logits."""
    return values if layer == CLASS_LAYER else jnp.mean(squares(values))


def squares(values):
    """Of an activation, in float32 or wider."""
    return jnp.square(_at_least_float32(values))


def class_term(logits, target_class, class_objective):
    """log p(target_class) of `logits` (classes,) if "towards", its negative if "away"."""
    log_probability = jax.nn.log_softmax(_at_least_float32(logits))[target_class]
    return log_probability if class_objective == "towards" else -log_probability


def _at_least_float32(values):
    return values.astype(jnp.promote_types(values.dtype, jnp.float32))
