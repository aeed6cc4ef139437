"""What must be computed and moved at least, counted: nothing here is measured.

Convolutions count as direct ones, two FLOPs for a product and its sum; Winograd's need fewer, so a
limit by this count can be beaten. What is not a convolution or a matrix product is left out of the
network's counts. Bytes are those of float32.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.vgg19 import LAYERS, VGG19, smallest_side
from dreamsound_jax.spectral import interpolate, inversion, mel

BYTES = 4


class Cost(NamedTuple):
    """FLOPs, and bytes moved."""

    flops: float
    moved: float

    def times(self, number):
        """So many of them."""
        return Cost(number * self.flops, number * self.moved)


def total(costs):
    """The sum of `Cost`s."""
    return Cost(*map(sum, zip(*costs)))


def forward(card, layer, shape, *, size=1):
    """The `Cost` of the card's network up to `layer`, on `size` spectrograms of `shape`.

    Weights are read once, whatever the batch; each layer that has weights reads and writes its
    activations once.
    """
    layers = _weighted_layers(card, layer, shape)
    found = [(kernel, math.prod(cells)) for kernel, cells in layers]
    flops = sum(2 * math.prod(kernel) * cells for kernel, cells in found)
    weights = sum(math.prod(kernel) + kernel[-1] for kernel, _ in found)
    activations = sum((kernel[-2] + kernel[-1]) * cells for kernel, cells in found)
    return Cost(size * flops, BYTES * (weights + size * activations))


def gradient(card, layer, shape, *, size=1):
    """The `Cost` of a forward pass and the gradient with respect to the spectrograms.

    That gradient goes back through each layer by as many products as led forward.
    """
    return forward(card, layer, shape, size=size).times(2)


def dream(card, settings, shape, *, size=1):
    """The `Cost` of the gradients of a dream over its whole pyramid."""
    (layer,) = settings.layers
    steps = [gradient(card, layer, each, size=size) for each in settings.level_shapes(shape)]
    return total(steps).times(settings.num_iterations)


def convolutions(card, layer, shape):
    """(shape of the kernel, (rows, columns) of the map) of each convolution up to `layer`."""
    found = _weighted_layers(card, layer, shape)
    return [(kernel, cells) for kernel, cells in found if len(cells) == 2]


def _weighted_layers(card, layer, shape):
    """(shape of the kernel, of what it is applied to) of each layer up to `layer`."""
    kernels, layers = loading.weight_shapes(card), LAYERS[: LAYERS.index(layer) + 1]
    seen = _activation_shapes(card, layers, _repeated(shape, layer))
    for name in layers:
        if name in kernels:
            yield kernels[name]["kernel"].shape, seen[name][1:-1]


def _repeated(shape, layer):
    """As `interpolate.repeat_time` repeats what is too short for the layer."""
    like = jax.ShapeDtypeStruct(shape, jnp.float32)
    repeat = functools.partial(interpolate.repeat_time, at_least=smallest_side(layer))
    return jax.eval_shape(repeat, like).shape


@functools.cache
def _activation_shapes(card, layers, shape):
    def look(spectrograms):
        size = {"width": card.width, "hidden": card.hidden}
        network = VGG19(len(card.classes), rngs=nnx.Rngs(0), **size)
        network.eval()
        return network(spectrograms, layers)

    seen = jax.eval_shape(look, jax.ShapeDtypeStruct((1, *shape), jnp.float32))
    return {name: array.shape for name, array in seen.items()}


def analysis(frames):
    """The `Cost` of a mel spectrogram of so many frames: a fast Fourier transform, the filters."""
    bins = mel.N_FFT // 2 + 1
    flops = frames * (_transform() + 2 * mel.N_MELS * bins)
    return Cost(flops, BYTES * frames * (mel.HOP + mel.N_MELS))


def least_squares(frames):
    """The `Cost` of mel bands to Fourier bins: each iteration a product with the Gram matrix."""
    bins = mel.N_FFT // 2 + 1
    flops = 2 * frames * (mel.N_MELS * bins + inversion.NNLS_ITERATIONS * bins * bins)
    return Cost(flops, BYTES * frames * (mel.N_MELS + bins))


def griffin_lim(frames):
    """The `Cost` of finding phases: in each iteration a transform there, and one back."""
    transforms = 2 * inversion.GRIFFIN_LIM_ITERATIONS + 1
    moved = BYTES * frames * (mel.N_FFT // 2 + 1 + mel.HOP)
    return Cost(frames * transforms * _transform(), moved)


def _transform():
    """FLOPs of a real fast Fourier transform of a frame."""
    return 2.5 * mel.N_FFT * math.log2(mel.N_FFT)
