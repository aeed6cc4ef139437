"""The training loop: labelled mel spectrograms in, a classifier out.

Clips are cut to random windows of time, so that the early epochs can look through short, cheap
windows; a trained network is measured on whole clips. A batch is spread over all devices.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.augment import augment
from dreamsound_jax.training.examples import batches

WARM_UP = 0.1  # of all steps
CLIP_NORM = 1.0  # of the gradient


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train; the defaults are those of the embedded network.

    Attributes:
      windows: the frames seen of each clip, one entry per epoch.
      batch_size: clips in a step.
      learning_rate: peak, after a linear warm-up and before a cosine to 0.
      weight_decay: of AdamW, on kernels alone.
      label_smoothing: the share of each target spread evenly over the classes.
      precision: of the network's arithmetic; the weights themselves are float32.
      seed: of the order, the windows and the augmentation.
    """

    windows: tuple[int, ...] = (64, 64, 64, 64, 64, 128, 128)
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    precision: str = "float32"
    seed: int = 0


class State(NamedTuple):
    """All that changes while a network trains: weights, running statistics and keys, momenta."""

    params: Any
    rest: Any
    momenta: Any


class Quiet:
    """Follows a training run without a trace: what `train` reports to, and resumes from.

    Subclasses keep a log, or the state, or both.
    """

    def restore(self, state):
        """(state, steps done): where an earlier run stopped, or where this one starts."""
        return state, 0

    def after_step(self, done, state, loss, right):
        """`done` steps are done; the last had this mean loss, and this share of clips right."""

    def after_epoch(self, epoch, model):
        """`epoch` epochs are done; `model` is the network so far."""


QUIET = Quiet()


def train(model, examples, *, mean, std, recipe=Recipe(), follow=QUIET):
    """Trains a classifier.

    Args:
      model: an nnx.Module called on (batch, mel bands, frames), as VGG19 is; set to train, its
        weights left as they were.
      examples: Examples.
      mean, std: in dB; the network sees (mel_db - mean) / std.
      recipe: a Recipe.
      follow: a Quiet, or what does more.

    Returns:
      The trained model.

    Raises:
      UserError: fewer clips than one batch, or a batch that devices cannot share evenly.
    """
    _check(examples, recipe)
    model.train()
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    steps = len(examples) // recipe.batch_size
    optimizer = make_optimizer(recipe, steps=steps)
    step = _make_step(graphdef, optimizer, recipe=recipe, mean=mean, std=std)
    everywhere, shared = _shardings()
    start = jax.device_put(State(params, rest, optimizer.init(params)), everywhere)
    state, done = follow.restore(start)
    for epoch in range(done // steps, len(recipe.windows)):
        options = {"seed": recipe.seed, "epoch": epoch, "window": recipe.windows[epoch]}
        for batch in batches(examples, size=recipe.batch_size, start=done % steps, **options):
            state, loss, right = step(state, done, *jax.device_put(batch, shared))
            done += 1
            follow.after_step(done, state, loss, right)
        follow.after_epoch(epoch + 1, _merged(graphdef, state))
    return _merged(graphdef, state)


def _merged(graphdef, state):
    return nnx.merge(graphdef, state.params, state.rest, copy=True)


def _shardings():
    """How arrays lie on the devices: the same on each, or clips shared out."""
    mesh = jax.make_mesh((jax.local_device_count(),), ("clips",), axis_types=(AxisType.Auto,))
    return NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("clips"))


def _check(examples, recipe):
    if len(examples) < recipe.batch_size:
        raise UserError(
            f"{len(examples)} clips do not fill one batch of {recipe.batch_size}; accepted are "
            f"batches of up to {len(examples)}: --batch_size"
        )
    devices = jax.local_device_count()
    if recipe.batch_size % devices:
        raise UserError(
            f"batches of {recipe.batch_size}: accepted are multiples of {devices} devices"
        )


def make_optimizer(recipe, *, steps):
    """AdamW on clipped gradients; warms up, then follows a cosine to 0. `steps` in an epoch."""
    steps = steps * len(recipe.windows)
    warm_up = int(WARM_UP * steps)
    rate = optax.warmup_cosine_decay_schedule(0.0, recipe.learning_rate, warm_up, steps)
    decayed = optax.adamw(rate, weight_decay=recipe.weight_decay, mask=_kernels)
    return optax.chain(optax.clip_by_global_norm(CLIP_NORM), decayed)


def _kernels(params):
    return jax.tree.map(lambda array: array.ndim > 1, params)


def _make_step(graphdef, optimizer, *, recipe, mean, std):
    """The jitted step: (state, its number, mel dB, labels) -> (state, loss, share right)."""

    def loss_of(params, rest, spectrograms, labels):
        # The running statistics of batch normalisation stay as they are, in float32.
        narrow = jax.tree.map(lambda array: array.astype(recipe.precision), params)
        model = nnx.merge(graphdef, narrow, rest, copy=True)
        logits = model(spectrograms)["output"].astype(jnp.float32)
        targets = jax.nn.one_hot(labels, logits.shape[-1])
        targets = optax.smooth_labels(targets, recipe.label_smoothing)
        loss = optax.softmax_cross_entropy(logits, targets).mean()
        right = (logits.argmax(-1) == labels).mean()
        return loss, (nnx.state(model, nnx.Not(nnx.Param)), right)

    @jax.jit
    def step(state, number, mel_db, labels):
        key = jax.random.fold_in(jax.random.key(recipe.seed), number)
        keys = jax.random.split(key, len(labels))
        spectrograms = jax.vmap(augment)(keys, (mel_db - mean) / std)
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, (rest, right)), slope = gradient(state.params, state.rest, spectrograms, labels)
        updates, momenta = optimizer.update(slope, state.momenta, state.params)
        return State(optax.apply_updates(state.params, updates), rest, momenta), loss, right

    return step
