"""The dream in PyTorch, twice: as the 2021 reference dreams, and as well as PyTorch can.

The only file that needs PyTorch. Both take the `Task` and the weights of this project.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
import torch
import torch.nn.functional as F
from flax import nnx
from torch import nn

from dreamsound_jax.ascent import BLUR_RADIUS, BLUR_SCALES, CLAMP
from dreamsound_jax.objectives import CLASS_LAYER
from dreamsound_jax.vgg19 import LAYERS, LINEAR_LAYERS, POOLED

TRIES = 3  # of each way to run the network, to find the fastest


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
    network = _network(task, whole=True, device=_device())

    def gradient(image, targets):
        network.zero_grad()
        image = image.detach().requires_grad_()
        _response(network(image), targets).backward()
        return image.grad

    return _peer(gradient, _smooth_thrice, clip_by_clip=True)


def good(task):
    """Frozen, batched, no deeper than the layer; run in the fastest way for this `Task`."""
    found = {}
    for channels_last in (False, True):
        for compiled in (False, True):
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
    network = _network(task, whole=False, device=_device()).to(memory_format=layout)
    network.requires_grad_(False)
    compile = (lambda f: torch.compile(f, dynamic=False)) if compiled else lambda f: f  # noqa: A001

    @compile
    def respond(image, targets):
        return _response(network(image.contiguous(memory_format=layout)), targets)

    def gradient(image, targets):
        image = image.detach().requires_grad_()
        return torch.autograd.grad(respond(image, targets), image)[0]

    how = ("torch.compile" if compiled else "eager") + (", channels last" * channels_last)
    return _peer(gradient, compile(_smooth_once), how=how)


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


class Network(nn.Module):
    """VGG19 to the deepest of `names`; called on (clips, 1, height, width), it gives `layer`."""

    def __init__(self, names, layer, weights):
        super().__init__()
        self.layer = layer
        modules = {name: _module(name, weights, in_place=name != _next(layer)) for name in names}
        self.layers = nn.ModuleDict(modules)

    def forward(self, x):
        found = None
        for name, module in self.layers.items():
            x = module(x.flatten(1) if name == "linear1" else x)
            found = x if name == self.layer else found
        return found


def _next(layer):
    """The layer after `layer`, which may not overwrite what is asked for."""
    return LAYERS[LAYERS.index(layer) + 1] if layer != LAYERS[-1] else None


def _module(name, weights, *, in_place):
    if name.startswith("relu"):
        return nn.ReLU(inplace=in_place)
    if name.startswith("mp"):
        return nn.MaxPool2d(2)
    if name.startswith("dropout"):
        return nn.Dropout(inplace=in_place)
    if name == "avgpool":
        return nn.AdaptiveAvgPool2d(POOLED)
    features_in, features_out = weights[name]["kernel"].shape[-2:]
    if name in LINEAR_LAYERS:
        return nn.Linear(features_in, features_out)
    return nn.Conv2d(features_in, features_out, 3, padding=1)


def _network(task, *, whole, device):
    weights = nnx.to_pure_dict(nnx.state(nnx.merge(*task.model.network), nnx.Param))
    names = LAYERS if whole else LAYERS[: LAYERS.index(task.layer) + 1]
    with torch.device("meta"):
        network = Network(names, task.layer, weights)
    state = {
        f"layers.{name}.{part}": torch.tensor(array)
        for name in names
        if name in weights
        for part, array in _to_torch(name, weights[name]).items()
    }
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_().to(device)


def _to_torch(layer, arrays):
    """The inverse of `torch_weights`, for one layer."""
    kernel = np.asarray(arrays["kernel"])
    if kernel.ndim == 4:
        kernel = kernel.transpose(3, 2, 0, 1)
    elif layer == "linear1":
        kernel = kernel.reshape(POOLED, POOLED, -1, kernel.shape[-1]).transpose(3, 2, 0, 1)
        kernel = kernel.reshape(len(kernel), -1)
    else:
        kernel = kernel.T
    return {"weight": np.ascontiguousarray(kernel), "bias": np.asarray(arrays["bias"])}


def _device():
    return "cpu" if jax.default_backend() == "cpu" else "cuda"


def _host(images):
    return images.detach().cpu().numpy()[:, 0]
