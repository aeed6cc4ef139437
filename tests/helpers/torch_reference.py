"""An implementation of the dream in PyTorch, with which test_parity.py compares.

It was written from the description of the reference. It computes on CPU in float64, one clip at a
time, as the reference does. `weights` is always a state dict with torchvision's names.

    python -m tests.helpers.torch_reference

This command stores what PyTorch computes with a full-width network, for tests without PyTorch.
"""

import numpy as np
import torch
import torch.nn.functional as F

from dreamsound_jax.networks.vgg19 import LAYERS
from dreamsound_jax.weights.torch_weights import TORCH_NAMES
from tests.helpers import full_width


def activations(weights, image, layers, *, exact_ties=False):
    """Computes {layer: activation} of an image (1, 1, height, width)."""
    x, activations = image, {}
    for name in LAYERS[: max(map(LAYERS.index, layers)) + 1]:
        x = _apply_layer(weights, name, x, exact_ties)
        if name in layers:
            activations[name] = x
    return activations


def _apply_layer(weights, name, x, exact_ties):
    if name in TORCH_NAMES:
        kernel, bias = (weights[f"{TORCH_NAMES[name]}.{part}"] for part in ("weight", "bias"))
        if name.startswith("conv"):
            return F.conv2d(x, kernel, bias, padding=1)
        return F.linear(x.flatten(1), kernel, bias)
    if name.startswith("relu"):
        return F.relu(x)
    if name.startswith("mp"):
        return _pool_rounded(x) if exact_ties else F.max_pool2d(x, 2)
    return F.adaptive_avg_pool2d(x, 7) if name == "avgpool" else x


def _pool_rounded(x):
    """Applies a max-pool that treats cells as equal if they differ only by rounding.

    Of equal cells the first one is chosen.
    """
    scale = x.detach().abs().max()
    _, chosen = F.max_pool2d((x / scale).round(decimals=11), 2, return_indices=True)
    return x.flatten(2).gather(2, chosen.flatten(2)).view(chosen.shape)


def dream(weights, mel_db, params, rolls, *, exact_ties=False):
    """Dreams a tensor (mel bands, frames) in dB with the parameters of a golden dream."""
    original = ((mel_db - params["mean"]) / params["std"])[None, None]
    ratio, size = params["pyramid_ratio"], params["pyramid_size"]
    current, last = original, None
    for level in range(size):
        shape = [round(side * ratio ** (level - size + 1)) for side in mel_db.shape]
        current = _resize(current, shape)
        if level and params["replace_detail"]:
            lost = _resize(original, shape) - _resize(_resize(original, last), shape)
            current = current + params["detail_factor"] * lost
        current = torch.roll(current, int(rolls[level]), 3)
        for step in range(params["num_iterations"]):
            current = _step(weights, current, params, step, exact_ties)
        current, last = torch.roll(current, -int(rolls[level]), 3), shape
    return current[0, 0] * params["std"] + params["mean"]


def _step(weights, image, params, step, exact_ties):
    image = image.detach().requires_grad_()
    by_layer = activations(weights, image, params["layers_to_use"], exact_ties=exact_ties)
    terms = [_compute_term(layer, values, params) for layer, values in by_layer.items()]
    (gradient,) = torch.autograd.grad(sum(terms) / len(terms), image)
    sigma = 2 * (step + 1) / params["num_iterations"] + params["smoothing_coefficient"]
    gradient = _smooth(gradient, sigma)
    gradient = (gradient - gradient.mean()) / gradient.std()
    return (image.detach() + params["lr"] * gradient).clamp(-3, 3)


def _compute_term(layer, values, params):
    if layer == "output":  # The reference ascends the cross-entropy.
        return F.cross_entropy(values, torch.tensor([params["target_class_index"]]))
    return values.square().mean()


def _smooth(gradient, sigma):
    rows, columns = torch.meshgrid(*[torch.arange(-4.0, 5, dtype=torch.float64)] * 2, indexing="ij")
    squares, kernel = rows**2 + columns**2, 0
    for scale in (0.5, 1, 2):
        one = torch.exp(-squares / (2 * (scale * sigma) ** 2))
        kernel = kernel + one / one.sum() / 3
    return F.conv2d(F.pad(gradient, (4, 4, 4, 4), mode="reflect"), kernel[None, None])


def _resize(image, shape):
    return F.interpolate(image, size=shape, mode="nearest")


def full_width_numbers():
    """Computes `full_width.numbers` with PyTorch and the weights of `full_width`."""
    weights = {name: torch.tensor(array).double() for name, array in full_width.arrays().items()}
    image = torch.tensor(full_width.spectrogram())[None, None].requires_grad_()
    by_layer = activations(weights, image, LAYERS)
    gradients = {}
    for layer in full_width.GRADIENTS:
        sum_squares = by_layer[layer].square().sum()
        (gradient,) = torch.autograd.grad(sum_squares, image, retain_graph=True)
        gradients[layer] = gradient[0, 0].numpy()
    arrays = {layer: values[0].detach().numpy() for layer, values in by_layer.items()}
    return full_width.numbers(arrays, gradients)


if __name__ == "__main__":
    np.savez_compressed(full_width.STORED, **full_width_numbers())
