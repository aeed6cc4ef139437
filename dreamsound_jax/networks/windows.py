"""How strongly layers respond to a spectrogram; a long one is looked at window by window.

Up to `mp5`, a cell of an activation depends on frames near it alone. So a long spectrogram is cut
into windows that overlap by as far as the deepest layer reaches, and each cell is taken from the
window that has all that it depends on. Nothing is approximated: windows begin on the grid of the
poolings, and the first and the last end where the spectrogram does. Only one window's activations
are in memory at a time; for the gradient they are computed again.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from dreamsound_jax.networks.vgg19 import HEAD, LAYERS, deepest, smallest_side
from dreamsound_jax.objectives.combine import response, squares

OWN = 4096  # frames that a window has for itself: 37 seconds
LAST = LAYERS[LAYERS.index(HEAD[0]) - 1]


class Cut(NamedTuple):
    """Windows of one length; arrays (windows,) in frames.

    Attributes:
      length: of each window.
      starts: where each begins.
      firsts: the first frame that each owns; it owns all up to the next one's first.
    """

    length: int
    starts: np.ndarray
    firsts: np.ndarray


def respond(network, spectrogram, layers, *, own=OWN):
    """How strongly `layers` respond to one clip.

    Args:
      network: (graphdef, state) of a VGG19, as `flax.nnx.split` gives it.
      spectrogram: standardised, (mel bands, frames).
      layers: names from LAYERS.
      own: a clip of more than twice so many frames is looked at window by window.

    Returns:
      {layer: response}: the mean square of the layer's activation; of `output` its logits.
    """
    if spectrogram.shape[1] <= 2 * own:
        return _responses(nnx.merge(*network)(spectrogram[None], layers))
    local = tuple(layer for layer in layers if layer not in HEAD)
    head = tuple(layer for layer in layers if layer in HEAD)
    shares, last = _look(network, spectrogram, local, head, own)
    return shares | (_responses(nnx.merge(*network).go_on(last, head, after=LAST)) if head else {})


def cut(frames, layer, *, own):
    """The `Cut` of so many frames for `layer`, from which on the windows may be joined."""
    grid = smallest_side(layer)
    cells, odd = divmod(frames, grid)
    halo = -(-reach(layer) // grid)
    count = max(1, -(-(cells - 2 * halo) * grid // own))
    length = -(-(cells - 2 * halo) // count) + 2 * halo
    starts = np.arange(count) * (cells - length) // max(1, count - 1)
    firsts = np.where(starts > 0, starts + halo, 0)
    # What is over at the end, poolings leave out; they meet it in the last window as in the whole.
    return Cut(length * grid + odd, starts * grid, firsts * grid)


def reach(layer):
    """How many frames before and after its own, at most, a cell of `layer` depends on."""
    frames, stride = 0, 1
    for name in LAYERS[: LAYERS.index(layer) + 1]:
        frames += 0 if name.startswith("relu") else stride
        stride *= 2 if name.startswith("mp") else 1
    return frames


def _responses(activations):
    return {layer: response(layer, values[0]) for layer, values in activations.items()}


def _look(network, spectrogram, local, head, own):
    """({layer of `local`: mean square}, the map of LAST for `head`), window by window."""
    asked, frames = (*local, LAST) if head else local, spectrogram.shape[1]
    parts = cut(frames, deepest(asked), own=own)

    def look(window, start, first, end):
        activations = nnx.merge(*network)(window[None], asked)
        shares = {}
        for layer in local:
            stride = smallest_side(layer)
            places = start + stride * jnp.arange(activations[layer].shape[2])
            owned = (first <= places) & (places < end)
            shares[layer] = _share(activations[layer][0], owned, of=frames // stride)
        return shares, activations[LAST][0] if head else None

    # A gradient keeps none of a window's activations; in a loop, nothing need prevent CSE.
    look = jax.checkpoint(look, prevent_cse=False)
    ends = [*parts.firsts[1:], frames]
    windows = (_windows(spectrogram, parts), *map(jnp.asarray, (parts.starts, parts.firsts, ends)))
    shares, maps = jax.lax.map(lambda window: look(*window), windows)
    shares = {layer: share.sum() for layer, share in shares.items()}
    return shares, _joined(maps, parts, frames) if head else None


def _windows(spectrogram, parts):
    """(mel bands, frames) to (windows, mel bands, frames of each)."""
    take = functools.partial(jax.lax.dynamic_slice_in_dim, slice_size=parts.length, axis=1)
    return jax.vmap(take, in_axes=(None, 0))(spectrogram, jnp.asarray(parts.starts))


def _share(values, owned, *, of):
    """What the `owned` columns of an activation add to the mean square of a whole `of` columns."""
    rows, _, channels = values.shape
    return jnp.where(owned[:, None], squares(values), 0).sum() / (rows * of * channels)


def _joined(maps, parts, frames):
    """The map of LAST of the whole, (1, rows, columns, channels), from each window's."""
    stride = smallest_side(LAST)
    places = np.arange(frames // stride) * stride
    window = np.searchsorted(parts.firsts, places, side="right") - 1
    columns = maps[window, :, (places - parts.starts[window]) // stride]
    return columns.swapaxes(0, 1)[None]
