"""VGG19 in PyTorch, with the weights of this project."""

import numpy as np
import torch
from flax import nnx
from torch import nn

from dreamsound_jax.networks.vgg19 import LAYERS, LINEAR_LAYERS, POOLED


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


def network(model, layer, *, whole):
    """The `Network` of a `Model`, whole or to `layer`; all of its weights want gradients."""
    weights = nnx.to_pure_dict(nnx.state(nnx.merge(*model.network), nnx.Param))
    names = LAYERS if whole else LAYERS[: LAYERS.index(layer) + 1]
    with torch.device("meta"):
        made = Network(names, layer, weights)
    state = {
        f"layers.{name}.{part}": torch.tensor(array)
        for name in names
        if name in weights
        for part, array in _to_torch(name, weights[name]).items()
    }
    made.load_state_dict(state, assign=True)
    return made.eval().requires_grad_()


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
