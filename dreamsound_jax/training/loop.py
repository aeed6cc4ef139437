"""The training loop: labelled mel spectrograms in, a classifier out.

Clips are cut to random windows of time, so that the early epochs can look through short, cheap
windows; a trained network is measured on whole clips.
"""

import dataclasses
import logging
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from dreamsound_jax.errors import UserError
from dreamsound_jax.training.augment import augment
from dreamsound_jax.training.examples import batches

WARM_UP = 0.1  # of all steps
CLIP_NORM = 1.0  # of the gradient
LOG_EVERY = 25  # steps
MEASURED_AT_ONCE = 50  # clips


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to train; the defaults are those of the embedded network.

    Attributes:
      windows: the frames seen of each clip, one entry per epoch.
      batch_size: clips in a step.
      learning_rate: peak, after a linear warm-up and before a cosine to 0.
      weight_decay: of AdamW, on kernels alone.
      label_smoothing: the share of each target spread evenly over the classes.
    """

    windows: tuple[int, ...] = (64, 64, 64, 64, 64, 128, 128)
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1


def train(model, examples, *, mean, std, recipe=Recipe(), seed=0, after_epoch=lambda *_: None):
    """Trains a classifier.

    Args:
      model: an nnx.Module called on (batch, mel bands, frames), as VGG19 is; set to train, its
        weights left as they were.
      examples: Examples.
      mean, std: in dB; the network sees (mel_db - mean) / std.
      recipe: a Recipe.
      seed: of the order, the windows and the augmentation.
      after_epoch: called with (epoch, model so far), epochs counted from 1.

    Returns:
      (trained model, mean training loss of each epoch).

    Raises:
      UserError: fewer clips than one batch, or a window longer than the clips.
    """
    _check(examples, recipe)
    model.train()
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    optimizer = make_optimizer(recipe, steps=len(examples) // recipe.batch_size)
    step = _make_step(graphdef, optimizer, smoothing=recipe.label_smoothing, mean=mean, std=std)
    state, losses = (params, rest, optimizer.init(params)), []
    for epoch, window in enumerate(recipe.windows, 1):
        options = {"seed": seed, "epoch": epoch, "window": window, "size": recipe.batch_size}
        state, loss = _run_epoch(step, state, batches(examples, **options), f"epoch {epoch}")
        losses.append(loss)
        model = nnx.merge(graphdef, *state[:2], copy=True)
        after_epoch(epoch, model)
    return model, losses


def _check(examples, recipe):
    if len(examples) < recipe.batch_size:
        raise UserError(f"{len(examples)} clips do not fill one batch of {recipe.batch_size}")
    frames = examples.mel_db.shape[-1]
    if not all(1 <= window <= frames for window in recipe.windows):
        given = ", ".join(map(str, recipe.windows))
        raise UserError(f"windows of {given} frames: each must be between 1 and {frames}")


def make_optimizer(recipe, *, steps):
    """AdamW on clipped gradients; warms up, then follows a cosine to 0. `steps` in an epoch."""
    steps = steps * len(recipe.windows)
    warm_up = int(WARM_UP * steps)
    rate = optax.warmup_cosine_decay_schedule(0.0, recipe.learning_rate, warm_up, steps)
    decayed = optax.adamw(rate, weight_decay=recipe.weight_decay, mask=_kernels)
    return optax.chain(optax.clip_by_global_norm(CLIP_NORM), decayed)


def _kernels(params):
    return jax.tree.map(lambda array: array.ndim > 1, params)


def _make_step(graphdef, optimizer, *, smoothing, mean, std):
    """The jitted step: (state, key, mel dB, labels) -> (state, (loss, share named rightly))."""

    def loss_of(params, rest, spectrograms, labels):
        model = nnx.merge(graphdef, params, rest, copy=True)
        logits = model(spectrograms)["output"]
        targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), smoothing)
        loss = optax.softmax_cross_entropy(logits, targets).mean()
        right = (logits.argmax(-1) == labels).mean()
        return loss, (nnx.state(model, nnx.Not(nnx.Param)), right)

    @jax.jit
    def step(state, key, mel_db, labels):
        params, rest, momenta = state
        keys = jax.random.split(key, len(labels))
        spectrograms = jax.vmap(augment)(keys, (mel_db - mean) / std)
        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (loss, (rest, right)), slope = gradient(params, rest, spectrograms, labels)
        updates, momenta = optimizer.update(slope, momenta, params)
        return (optax.apply_updates(params, updates), rest, momenta), (loss, right)

    return step


def _run_epoch(step, state, epoch, name):
    started, measured = time.monotonic(), []
    for count, batch in enumerate(epoch, 1):
        state, pair = step(state, *batch)
        measured.append(pair)
        if count % LOG_EVERY == 0:
            loss, right = np.mean(jax.device_get(measured[-LOG_EVERY:]), 0)
            pace = (time.monotonic() - started) / count
            message = "%s, step %d: loss %.3f, accuracy %.3f, %.2f s a step"
            logging.getLogger(__name__).info(message, name, count, loss, right, pace)
    return state, float(np.mean([loss for loss, _ in jax.device_get(measured)]))


def predict(network, mel_db, *, mean, std):
    """Names whole clips, dropout off.

    Args:
      network: (graphdef, state) of a classifier, as `flax.nnx.split` gives it.
      mel_db: (clips, mel bands, frames), in dB.
      mean, std: in dB.

    Returns:
      The most likely classes (clips,).
    """
    graphdef, state = network

    @jax.jit
    def classify(state, mel_db):
        model = nnx.merge(graphdef, state, copy=True)
        model.eval()
        spectrograms = (mel_db.astype(jnp.float32) - mean) / std
        return model(spectrograms)["output"].argmax(-1)

    starts = range(0, len(mel_db), MEASURED_AT_ONCE)
    named = [classify(state, mel_db[start : start + MEASURED_AT_ONCE]) for start in starts]
    return np.concatenate(jax.device_get(named))


def accuracy(network, examples, *, mean, std):
    """The share of clips that `predict` names rightly: of all, and of each class.

    Returns:
      (share, shares of the classes, in the order of their labels).
    """
    right = predict(network, examples.mel_db, mean=mean, std=std) == examples.labels
    classes = np.unique(examples.labels)
    return float(right.mean()), [float(right[examples.labels == label].mean()) for label in classes]
