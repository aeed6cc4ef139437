"""The dream in PyTorch, twice: as the 2021 reference dreams, and as well as PyTorch can.

This file and `torch_network.py` alone need PyTorch. Both dreams take the `Task` and the weights of
this project.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.torch_network import network
from dreamsound_jax.dreaming.ascent import CLAMP
from dreamsound_jax.dreaming.gradients import BLUR_RADIUS, BLUR_SCALES
from dreamsound_jax.objectives.combine import CLASS_LAYER

torch.backends.cudnn.allow_tf32 = False  # this project's float32 is whole, too
torch.backends.cudnn.benchmark = True

TRIES = 3  # of each way to run the network, to find the fastest
MOST_PROGRAMS = 1000


class Peer(NamedTuple):
    """A way to dream.

    Attributes:
      gradient: (task, spectrograms (clips, mel bands, frames)) -> that of the objective, alike.
      dream: task -> dreamed spectrograms (clips, mel bands, frames).
      how: it runs the network, in a few words.
    """

    gradient: Callable
    dream: Callable
    how: str = ""


def missing():
    """Why PyTorch cannot be compared on the device that JAX uses; None if it can."""
    platform = jax.default_backend()
    if platform == "cpu" or (platform == "gpu" and torch.cuda.is_available()):
        return None
    return f"this PyTorch, {torch.__version__}, does not run on the {platform.upper()}"


def reference(task):
    """As the reference: eager, clip by clip, the whole network, gradients of all weights."""
    see = network(task.model, task.layer, whole=True).to(_device())

    def gradient(image, targets):
        see.zero_grad()
        image = image.detach().requires_grad_()
        _response(see(image), targets).backward()
        return image.grad

    return _peer(gradient, _smooth_thrice, clip_by_clip=True)


def good(task, *, compiler=True):
    """Frozen, batched, no deeper than the layer; run in the fastest way for this `Task`.

    Without `compiler`, torch.compile is not tried, which takes minutes.
    """
    found = {}
    for channels_last in (False, True):
        for compiled in (False, True)[: 1 + compiler]:
            peer = frozen(task, channels_last=channels_last, compiled=compiled)
            try:
                found[_seconds(peer, task)] = peer
            except Exception:  # a compiler may be missing, and PyTorch tells in many ways
                if not compiled:
                    raise
    return found[min(found)]


def frozen(task, *, channels_last=False, compiled=False):
    """With weights that are data, in one way to run the network."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    see = network(task.model, task.layer, whole=False).to(_device(), memory_format=layout)
    see.requires_grad_(False)
    prepare = _compile if compiled else lambda function: function

    @prepare
    def respond(image, targets):
        return _response(see(image.contiguous(memory_format=layout)), targets)

    def gradient(image, targets):
        image = image.detach().requires_grad_()
        return torch.autograd.grad(respond(image, targets), image)[0]

    how = ("torch.compile" if compiled else "eager") + (", channels last" * channels_last)
    return _peer(gradient, prepare(_smooth_once), how=how)


def _compile(function):
    # For each shape anew; PyTorch would give up after eight, and be as slow as without.
    torch._dynamo.config.cache_size_limit = MOST_PROGRAMS
    return torch.compile(function, dynamic=False)


def _seconds(peer, task):
    spectrograms, seconds = np.asarray(task.starts.spectrogram), []
    for _ in range(1 + TRIES):
        began = time.perf_counter()
        peer.gradient(task, spectrograms)
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def _peer(gradient, smooth, *, clip_by_clip=False, how=""):
    """A `Peer` of functions of images (clips, 1, mel bands, frames)."""

    def gradients(task, spectrograms):
        parts = _parts(task, spectrograms, 1 if clip_by_clip else task.size)
        return np.concatenate([_host(gradient(image, targets)) for image, targets, _ in parts])

    def dreams(task):
        parts = _parts(task, task.starts.spectrogram, 1 if clip_by_clip else task.size)
        return np.concatenate([_host(_dream(task, gradient, smooth, *part)) for part in parts])

    return Peer(gradients, dreams, how)


def _parts(task, spectrograms, size):
    """(images, targets or None, rolls) of so many clips at a time."""
    images = torch.tensor(np.asarray(spectrograms), device=_device())[:, None]
    targets = torch.tensor(np.asarray(task.clips.target_class), device=_device()).long()
    rolls = np.asarray(task.clips.rolls)
    for start in range(0, task.size, size):
        some = slice(start, start + size)
        aim = targets[some] if task.layer == CLASS_LAYER else None
        yield images[some], aim, rolls[some]


def _dream(task, gradient, smooth, original, targets, rolls):
    settings, steps = task.settings, task.clips.steps
    factor = float(task.clips.detail_factor[0]) if settings.replace_detail else 0
    shapes = settings.level_shapes(tuple(original.shape[2:]))
    current = original
    for level, shape in enumerate(shapes):
        current = _resize(current, shape)
        if level:
            lost = _resize(_resize(original, shapes[level - 1]), shape)
            current = current + factor * (_resize(original, shape) - lost)
        current = _roll(current, rolls[:, level])
        for step in range(settings.num_iterations):
            sigma = 2 * (step + 1) / settings.num_iterations + float(steps.smoothing_coefficient[0])
            moved = smooth(gradient(current, targets), _gaussians(sigma).to(current))
            current = (current + float(steps.learning_rate[0]) * moved).clamp(-CLAMP, CLAMP)
        current = _roll(current, -rolls[:, level])
    return current


def _resize(image, shape):
    return F.interpolate(image, size=shape, mode="nearest")


def _roll(images, frames):
    """Each image by as many frames as its own number says."""
    return torch.stack([image.roll(int(by), 2) for image, by in zip(images, frames)])


def _smooth_thrice(gradient, kernels):
    """One blur after the other, their mean, and that standardised: as the reference does."""
    padded = F.pad(gradient, (BLUR_RADIUS,) * 4, mode="reflect")
    return _standardise(sum(F.conv2d(padded, kernel[None, None]) for kernel in kernels) / 3)


def _smooth_once(gradient, kernels):
    padded = F.pad(gradient, (BLUR_RADIUS,) * 4, mode="reflect")
    return _standardise(F.conv2d(padded, kernels.mean(0)[None, None]))


def _standardise(gradient):
    over = (1, 2, 3)
    return (gradient - gradient.mean(over, keepdim=True)) / gradient.std(over, keepdim=True)


def _gaussians(sigma):
    """(3, 9, 9), each of sum 1."""
    squares = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, dtype=torch.float64) ** 2
    spread = 2 * (sigma * torch.tensor(BLUR_SCALES, dtype=torch.float64)[:, None, None]) ** 2
    kernels = torch.exp(-(squares[:, None] + squares) / spread)
    return kernels / kernels.sum((1, 2), keepdim=True)


def _response(activation, targets):
    """The objective, summed over clips, whose gradients it leaves apart."""
    if targets is None:
        return activation.square().flatten(1).mean(1).sum()
    return -F.cross_entropy(activation, targets, reduction="sum")


def _device():
    return "cpu" if jax.default_backend() == "cpu" else "cuda"


def _host(images):
    return images.detach().cpu().numpy()[:, 0]
