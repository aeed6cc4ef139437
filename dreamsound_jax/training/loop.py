"""The training loop, which makes a classifier from labelled mel spectrograms.

Clips are cut to random windows of time. Early epochs can use short windows, which cost less, and
the trained network is evaluated on whole clips. A batch is spread over all devices. A network can
be trained on adversarial changes of the clips, which grow during the first part of the training.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.adversarial import change_once, radius_of
from dreamsound_jax.training.augment import augment
from dreamsound_jax.training.examples import Examples, iterate_batches
from dreamsound_jax.training.recipe import Recipe

WARM_UP = 0.1  # The share of all steps in which the learning rate rises.
MAX_GRADIENT_NORM = 1.0
ADVERSARIAL_RAMP = 0.4  # The share of all steps in which the adversarial changes grow.


class TrainState(NamedTuple):
    """Everything that changes during training.

    Attributes:
      params: the weights.
      rest: the running statistics of batch normalisation, and the random keys of dropout.
      optimizer_state: the state of the optimizer.
    """

    params: Any
    rest: Any
    optimizer_state: Any


class Monitor:
    """Receives the reports of a training run, and may restore its state.

    This one ignores all reports. Subclasses log them, save the state, or both.
    """

    def restore(self, state: TrainState) -> tuple[TrainState, int]:
        """Returns (state, number of finished steps) from which the run starts."""
        return state, 0

    def after_step(
        self, done: int, state: TrainState, loss: jax.Array, accuracy: jax.Array
    ) -> None:
        """Is called after each step.

        Args:
          done: the number of finished steps.
          state: the state after the step.
          loss: the mean loss of the step's clips.
          accuracy: the share of the step's clips that were classified correctly.
        """

    def after_epoch(self, epoch: int, model: nnx.Module) -> None:
        """Is called with the trained model after each epoch, which are counted from 1."""


NO_MONITOR = Monitor()


def train(
    model: nnx.Module,
    examples: Examples,
    *,
    front_end: FrontEnd,
    recipe: Recipe,
    monitor: Monitor = NO_MONITOR,
) -> nnx.Module:
    """Trains a classifier.

    Args:
      model: the untrained network, called with (batch, mel bands, frames) as VGG19 is. Its mode is
        set to training; its weights stay as they are.
      examples: the clips to train on.
      front_end: standardises the spectrograms, and compresses what the network is shown.
      recipe: the settings.
      monitor: receives reports.

    Returns:
      The trained model.

    Raises:
      UserError: there are fewer clips than one batch, or the devices cannot share a batch evenly.
    """
    _check_batch_size(examples, recipe)
    model.train()
    graphdef, *states = nnx.split(model, nnx.Param, ...)
    params, rest = states
    steps = len(examples) // recipe.batch_size
    optimizer = make_optimizer(recipe, steps_per_epoch=steps)
    epsilon = optax.linear_schedule(
        0.0, recipe.adversarial, int(ADVERSARIAL_RAMP * steps * len(recipe.windows))
    )
    step = _make_step(graphdef, optimizer, epsilon, recipe=recipe, front_end=front_end)
    replicated, sharded = _make_shardings()
    start = jax.device_put(TrainState(params, rest, optimizer.init(params)), replicated)
    state, done = monitor.restore(start)
    for epoch in range(done // steps, len(recipe.windows)):
        options = {"seed": recipe.seed, "epoch": epoch, "window": recipe.windows[epoch]}
        first = done % steps
        for batch in iterate_batches(examples, size=recipe.batch_size, start=first, **options):
            state, loss, accuracy = step(state, done, *jax.device_put(batch, sharded))
            done += 1
            monitor.after_step(done, state, loss, accuracy)
        monitor.after_epoch(epoch + 1, _merge_model(graphdef, state))
    return _merge_model(graphdef, state)


def make_optimizer(recipe: Recipe, *, steps_per_epoch: int) -> optax.GradientTransformation:
    """Makes AdamW on clipped gradients, with a linear warm-up and a cosine decay to 0."""
    steps = steps_per_epoch * len(recipe.windows)
    warm_up = int(WARM_UP * steps)
    rate = optax.warmup_cosine_decay_schedule(0.0, recipe.learning_rate, warm_up, steps)
    adamw = optax.adamw(rate, weight_decay=recipe.weight_decay, mask=_select_kernels)
    return optax.chain(optax.clip_by_global_norm(MAX_GRADIENT_NORM), adamw)


def _select_kernels(params):
    return jax.tree.map(lambda array: array.ndim > 1, params)


def _check_batch_size(examples, recipe):
    if len(examples) < recipe.batch_size:
        raise UserError(
            f"--batch_size must be at most {len(examples)}, the number of clips to train on, got "
            f"{recipe.batch_size}"
        )
    devices = jax.local_device_count()
    if recipe.batch_size % devices:
        raise UserError(
            f"--batch_size must be a multiple of {devices}, the number of devices, got "
            f"{recipe.batch_size}"
        )


def _make_shardings():
    """Returns the shardings of arrays that every device has, and of arrays (clips, ...)."""
    mesh = jax.make_mesh((jax.local_device_count(),), ("clips",), axis_types=(AxisType.Auto,))
    return NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("clips"))


def _merge_model(graphdef, state):
    return nnx.merge(graphdef, state.params, state.rest, copy=True)


def _make_step(graphdef, optimizer, epsilon, *, recipe, front_end):
    """Makes the jitted step: (state, its number, mel dB, labels) -> (state, loss, accuracy)."""
    compute_loss = _make_loss(graphdef, recipe)
    differentiate = jax.value_and_grad(compute_loss, has_aux=True)
    gradient_by_input = jax.grad(compute_loss, argnums=2, has_aux=True)

    @jax.jit
    def step(state, number, mel_db, labels):
        key = jax.random.fold_in(jax.random.key(recipe.seed), number)
        keys = jax.random.split(key, len(labels))
        # Sounds are augmented in dB, whatever the network is shown.
        augmented = jax.vmap(augment)(keys, front_end.standardise(mel_db))
        shown = front_end.compress(augmented)
        if recipe.adversarial:
            shown = change_once(
                jax.random.fold_in(key, len(labels)),
                lambda changed: gradient_by_input(state.params, state.rest, changed, labels)[0],
                shown,
                radius=radius_of(epsilon(number), shown.shape),
            )
        (loss, (rest, accuracy)), gradient = differentiate(state.params, state.rest, shown, labels)
        updates, optimizer_state = optimizer.update(gradient, state.optimizer_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(params, rest, optimizer_state), loss, accuracy

    return step


def _make_loss(graphdef, recipe):
    """Makes the loss: (params, rest, spectrograms, labels) -> (loss, (rest, accuracy))."""

    def compute_loss(params, rest, spectrograms, labels):
        # The running statistics of batch normalisation stay float32.
        narrow = jax.tree.map(lambda array: array.astype(recipe.precision), params)
        model = nnx.merge(graphdef, narrow, rest, copy=True)
        logits = model(spectrograms)["output"].astype(jnp.float32)
        targets = jax.nn.one_hot(labels, logits.shape[-1])
        targets = optax.smooth_labels(targets, recipe.label_smoothing)
        loss = optax.softmax_cross_entropy(logits, targets).mean()
        accuracy = (logits.argmax(-1) == labels).mean()
        return loss, (nnx.state(model, nnx.Not(nnx.Param)), accuracy)

    return compute_loss
