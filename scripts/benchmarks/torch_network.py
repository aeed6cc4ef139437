"""VGG19 in PyTorch, with the weights of this project."""

import numpy as np
import torch
import torch.nn.functional as F
from flax import nnx

from dreamsound_jax.networks.vgg19 import CONV_LAYERS, LINEAR_LAYERS, POOLED
from dreamsound_jax.networks.vgg19_network import VGG19Network

Weights = dict[str, tuple[torch.Tensor, torch.Tensor]]


def read_weights(
    network: VGG19Network, layers, device: str, *, layout=torch.contiguous_format
) -> Weights:
    """Returns {layer: (weight, bias)} of those of `layers` that have weights."""
    module, weights = nnx.merge(network.graph, network.weights), {}
    for name in layers:
        if name in CONV_LAYERS + LINEAR_LAYERS:
            of_layer = getattr(module, name)
            kernel = _to_torch(name, np.asarray(of_layer.kernel[...]))
            tensor = torch.tensor(np.ascontiguousarray(kernel), device=device)
            if name in CONV_LAYERS:
                tensor = tensor.contiguous(memory_format=layout)
            weights[name] = tensor, torch.tensor(np.array(of_layer.bias[...]), device=device)
    return weights


def _to_torch(layer, kernel):
    """Returns a kernel with its axes in PyTorch's order; `torch_weights` does the inverse."""
    if layer in CONV_LAYERS:
        return kernel.transpose(3, 2, 0, 1)
    if layer == "linear1":
        cells = kernel.reshape(POOLED, POOLED, -1, kernel.shape[-1])
        return cells.transpose(3, 2, 0, 1).reshape(kernel.shape[-1], -1)
    return kernel.T


def run_network(weights: Weights, layers, x: torch.Tensor, *, wanted: str) -> torch.Tensor:
    """Runs `layers` on (clips, 1, height, width), and returns the activation of `wanted`.

    Dropout does nothing, as in evaluation.
    """
    found = None
    for name in layers:
        if name.startswith("relu"):
            # ReLUs work in place, as in the reference, but must not overwrite what is wanted.
            x = F.relu(x, inplace=x is not found)
        elif name in CONV_LAYERS:
            x = F.conv2d(x, *weights[name], padding=1)
        elif name.startswith("mp"):
            x = F.max_pool2d(x, 2)
        elif name == "avgpool":
            x = F.adaptive_avg_pool2d(x, POOLED)
        elif name in LINEAR_LAYERS:
            x = F.linear(x.flatten(1), *weights[name])
        found = x if name == wanted else found
    return found
