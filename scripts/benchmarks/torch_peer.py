"""The dream in PyTorch: as the 2021 reference dreams, and as fast as PyTorch can.

Only this file and `torch_network.py` need PyTorch. They take the `Task` and the weights of this
project.
"""

import functools

import jax
import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.dreams import Task
from benchmarks.results import time_call
from benchmarks.torch_network import read_weights, run_network
from dreamsound_jax.domains.mel import CLAMP
from dreamsound_jax.dreaming.gradients import BLUR_RADIUS, BLUR_SCALES
from dreamsound_jax.networks.vgg19 import LAYERS
from dreamsound_jax.networks.vgg19_network import CLASS_LAYER

# This project computes float32 products without TF32, too.
torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True

# How often each way to run the network is tried, to find the fastest.
TRIES = 3
# torch.compile makes a program for each shape; by default it gives up after eight.
MOST_PROGRAMS = 1000


def why_not_here() -> str | None:
    """Returns why PyTorch cannot be compared on the device that JAX uses; None if it can."""
    platform = jax.default_backend()
    if platform == "cpu" or (platform == "gpu" and torch.cuda.is_available()):
        return None
    return f"PyTorch {torch.__version__} does not run on the {platform.upper()} here."


def make_fastest(task: Task, *, compiler: bool = True) -> "Peer":
    """Returns the fastest peer with frozen weights; `compiler` allows torch.compile."""
    spectrograms, found = np.asarray(task.clips.spectrogram), {}
    for channels_last in (False, True):
        for compiled in (False, True)[: 1 + compiler]:
            peer = Peer(task, channels_last=channels_last, compiled=compiled)
            take = functools.partial(peer.gradient, spectrograms)
            try:
                found[min([time_call(take) for _ in range(1 + TRIES)][1:])] = peer
            except Exception:  # A compiler may be missing, which PyTorch reports in many ways.
                if not compiled:
                    raise
    return found[min(found)]


class Peer:
    """A task as PyTorch dreams it.

    Attributes:
      how: how the network is run, in a few words.
    """

    def __init__(self, task: Task, *, as_reference=False, channels_last=False, compiled=False):
        """Prepares the network.

        Args:
          task: the dreams.
          as_reference: eager, clip by clip, through the whole network, with gradients of all
            weights. Otherwise the weights are frozen, clips are batched, and nothing deeper than
            the layer is computed.
          channels_last: whether channels are the last axis in memory.
          compiled: whether torch.compile is used.
        """
        self._task, self._layer = task, task.program.layers[0]
        self._layers = LAYERS if as_reference else LAYERS[: LAYERS.index(self._layer) + 1]
        self._at_once = 1 if as_reference else task.size
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._device = "cpu" if jax.default_backend() == "cpu" else "cuda"
        network = task.model.network
        self._weights = read_weights(network, self._layers, self._device, layout=self._layout)
        self._parameters = sum(self._weights.values(), ()) if as_reference else ()
        for parameter in self._parameters:
            parameter.requires_grad_()
        compile_or_not = _compile if compiled else lambda function: function
        self._respond, self._smooth = compile_or_not(self._respond), compile_or_not(_smooth)
        self.how = ("torch.compile" if compiled else "eager") + ", channels last" * channels_last

    def gradient(self, spectrograms) -> np.ndarray:
        """Returns the gradients of the objective at spectrograms (clips, mel bands, frames)."""
        parts = self._split(spectrograms)
        return _to_numpy([self._take_gradient(image, targets) for image, targets, _ in parts])

    def dream(self) -> np.ndarray:
        """Returns the dreamed spectrograms (clips, mel bands, frames)."""
        return _to_numpy([self._dream(*part) for part in self._split(self._task.clips.spectrogram)])

    def _split(self, spectrograms):
        """Yields (images (clips, 1, mel bands, frames), classes or None, rolls) of some clips."""
        images = torch.tensor(np.asarray(spectrograms), device=self._device)[:, None]
        for start in range(0, len(images), self._at_once):
            clips, targets = slice(start, start + self._at_once), None
            if self._layer == CLASS_LAYER:
                classes = np.asarray(self._task.settings.objective.data[0][clips])
                targets = torch.tensor(classes, device=self._device).long()
            yield images[clips], targets, np.asarray(self._task.settings.rolls[clips])

    def _dream(self, original, targets, rolls):
        program, settings = self._task.program, self._task.settings
        factor = float(settings.detail_factor[0]) if program.replace_detail else 0
        shapes, current = self._task.level_shapes, original
        for level, shape in enumerate(shapes):
            current = F.interpolate(current, size=shape)
            if level:
                lost = F.interpolate(F.interpolate(original, size=shapes[level - 1]), size=shape)
                current = current + factor * (F.interpolate(original, size=shape) - lost)
            dreamed = self._ascend(_roll(current, rolls[:, level]), targets)
            current = _roll(dreamed, -rolls[:, level])
        return current

    def _ascend(self, current, targets):
        steps, count = self._task.settings.steps, self._task.program.num_iterations
        for step in range(count):
            sigma = 2 * (step + 1) / count + float(steps.smoothing_coefficient[0])
            kernel = _make_kernel(sigma).to(current)
            gradient = _standardise(self._smooth(self._take_gradient(current, targets), kernel))
            current = current + float(steps.learning_rate[0]) * gradient
            current = current.clamp(-CLAMP, CLAMP)
        return current

    def _take_gradient(self, image, targets):
        for parameter in self._parameters:
            parameter.grad = None
        image = image.detach().requires_grad_()
        self._respond(image, targets).backward()
        return image.grad

    def _respond(self, image, targets):
        """Returns the sum of the objectives of clips."""
        image = image.contiguous(memory_format=self._layout)
        activation = run_network(self._weights, self._layers, image, wanted=self._layer)
        if targets is None:
            return activation.square().flatten(1).mean(1).sum()
        return -F.cross_entropy(activation, targets, reduction="sum")


def _compile(function):
    torch._dynamo.config.cache_size_limit = MOST_PROGRAMS
    return torch.compile(function, dynamic=False)


def _roll(images, frames):
    """Rolls each image by its own number of frames."""
    return torch.stack([image.roll(int(by), 2) for image, by in zip(images, frames)])


def _smooth(gradient, kernel):
    return F.conv2d(F.pad(gradient, (BLUR_RADIUS,) * 4, mode="reflect"), kernel[None, None])


def _standardise(gradient):
    axes = (1, 2, 3)
    return (gradient - gradient.mean(axes, keepdim=True)) / gradient.std(axes, keepdim=True)


def _make_kernel(sigma):
    """Returns the mean of three Gaussians, (9, 9), each with a sum of 1."""
    squares = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, dtype=torch.float64) ** 2
    spread = 2 * (sigma * torch.tensor(BLUR_SCALES, dtype=torch.float64)[:, None, None]) ** 2
    kernels = torch.exp(-(squares[:, None] + squares) / spread)
    return (kernels / kernels.sum((1, 2), keepdim=True)).mean(0)


def _to_numpy(parts):
    return np.concatenate([images.detach().cpu().numpy()[:, 0] for images in parts])
