"""Measures of a network's response to a spectrogram; a long one is heard window by window.

A cell of a layer before the head depends on frames near it alone. So a long spectrogram is cut into
windows that overlap by as far as the deepest layer reaches, and each cell is taken from the window
that contains all that it depends on:

    frames     0 ............................................. end
    window 0   [ owned ............ | halo ]
    window 1                 [ halo | owned ............ | halo ]
    window 2                                      [ halo | owned ]

Nothing is approximated: windows begin on the grid of the poolings, and the first and the last end
where the spectrogram does. Only one window's activations are in memory at a time; for the gradient
they are computed again. Where a measure is no sum over windows, the activations that it reads, and
no others, are joined and kept for the whole clip.

A loop is heard with as much of its end before it, and of its beginning behind it, as the deepest
layer reaches: each cell depends on what sounds around it when the loop is repeated.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.networks.loops import Heard, wrap_loop
from dreamsound_jax.networks.network import Layer, Network

# A window owns so many frames: 37 seconds of the reference's front end.
OWNED_FRAMES = 4096

# The names by which measures read the spectrogram itself, beside the activations of layers, and of
# a loop the spectrogram with its first frame behind its last.
SPECTROGRAM = "spectrogram"
CLOSED_SPECTROGRAM = "closed spectrogram"


class Part(NamedTuple):
    """The part of a long clip's activation that one window owns.

    Attributes:
      owned: (columns,) booleans, which columns of the window's activation it owns.
      columns: how many columns the activation of the whole clip has.
    """

    owned: jax.Array
    columns: int


class Measure(Protocol):
    """A scalar measure of activations; hashable, so that a compiled program can depend on it."""

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers whose activations it reads; none if it reads the spectrogram alone."""
        ...

    @property
    def sums_over_windows(self) -> bool:
        """Whether it reads one layer, and a clip's measure is the sum of those of its parts."""
        ...

    def __call__(
        self, activations: Mapping[str, jax.Array], data: Any, part: Part | None = None
    ) -> jax.Array:
        """Measures {layer: (rows, columns, channels) or (features,)} of a clip, or of a part.

        `SPECTROGRAM` stands for the standardised spectrogram itself, (mel bands, frames).
        """
        ...


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


def measure_response(
    network: Network,
    spectrogram: jax.Array,
    measures: Sequence[Measure],
    data: Sequence,
    *,
    owned: int = OWNED_FRAMES,
    circular: bool = False,
) -> list[jax.Array]:
    """Measures how a network responds to one clip.

    Args:
      network: a `Network`.
      spectrogram: standardised, (mel bands, frames).
      measures: what is measured.
      data: the data of each measure.
      owned: a clip of more than twice so many frames is heard window by window.
      circular: whether the clip is a loop, whose end runs into its beginning.

    Returns:
      The value of each measure.
    """
    layers = _layers_of(measures)
    if spectrogram.shape[1] > 2 * owned and layers:
        return _measure_windows(network, spectrogram, measures, data, owned, circular)
    activations = {}
    if layers and circular:
        activations = _hear_loop(network, spectrogram, layers)
    elif layers:
        activations = network.activations(spectrogram, layers)
    activations = {**activations, **_show(spectrogram, circular)}
    return [measure(activations, each) for measure, each in zip(measures, data)]


def _show(spectrogram, circular):
    """Returns what measures may read of the spectrogram itself."""
    if not circular:
        return {SPECTROGRAM: spectrogram}
    closed = jnp.concatenate([spectrogram, spectrogram[:, :1]], axis=1)
    return {SPECTROGRAM: spectrogram, CLOSED_SPECTROGRAM: closed}


def _hear_loop(network, spectrogram, layers):
    """Returns {layer: activation} of a loop that is short enough to be heard at once."""
    architecture = network.architecture
    local, head = _split_layers(network, layers)
    heard = wrap_loop(spectrogram, architecture.deepest(local))
    found = network.activations(heard.spectrogram, local)
    found = {name: heard.own(found[name], architecture.layer(name)) for name in local}
    if head:
        last = architecture.last_local.name
        found |= network.activations_after(last, found[last], head)
    return found


def _split_layers(network, layers):
    """Returns the layers before the head, with what the head needs, and those of the head."""
    head = tuple(name for name in layers if _is_in_head(network, name))
    last = network.architecture.last_local.name
    local = tuple(name for name in layers if name not in head)
    local += (last,) if head and last not in local else ()
    return local, head


def _is_in_head(network, name):
    """Whether a layer depends on the whole clip."""
    return network.architecture.layer(name).reach is None


def _layers_of(measures):
    return tuple(dict.fromkeys(name for measure in measures for name in measure.layers))


def cut_windows(frames: int, layer: Layer, *, owned: int) -> Cut:
    """Cuts so many frames for activations of a layer, where the windows can be joined."""
    grid = layer.stride[1]
    assert layer.reach is not None, f"windows of {layer.name} cannot be joined"
    cells, odd = divmod(frames, grid)
    halo = -(-layer.reach // grid)
    count = max(1, -(-(cells - 2 * halo) * grid // owned))
    length = -(-(cells - 2 * halo) // count) + 2 * halo
    starts = np.arange(count) * (cells - length) // max(1, count - 1)
    firsts = np.where(starts > 0, starts + halo, 0)
    # Frames beyond the grid, which poolings leave out, lie at the end of the last window.
    return Cut(length * grid + odd, starts * grid, firsts * grid)


def _measure_windows(network, spectrogram, measures, data, owned, circular):
    """Adds up the parts of measures that are sums, and joins what the others read."""
    architecture = network.architecture
    summed = [number for number, each in enumerate(measures) if _is_sum(network, each)]
    others = [number for number in range(len(measures)) if number not in summed]
    joined, head = _split_layers(network, _layers_of(measures[number] for number in others))
    layers = tuple(dict.fromkeys(_layers_of(measures[number] for number in summed) + joined))
    deepest = architecture.deepest(layers)
    heard = Heard(spectrogram, 0, spectrogram.shape[1], circular=False)
    heard = wrap_loop(spectrogram, deepest) if circular else heard
    frames = heard.spectrogram.shape[1]
    cut = cut_windows(frames, deepest, owned=owned)

    def measure_window(window, start, first, end):
        activations = network.activations(window, layers)
        values = []
        for number in summed:
            (layer,) = measures[number].layers
            seen = architecture.layer(layer)
            columns = start + seen.stride[1] * jnp.arange(activations[layer].shape[1])
            is_owned = (first <= columns) & (columns < end)
            if circular:
                own_end = heard.before + heard.columns(seen) * seen.stride[1]
                is_owned &= (heard.before <= columns) & (columns < own_end)
            part = Part(is_owned, heard.columns(seen))
            values.append(measures[number](activations, data[number], part))
        return values, {name: activations[name] for name in joined}

    # The gradient keeps none of a window's activations. In a loop, nothing needs to prevent CSE.
    measure_window = jax.checkpoint(measure_window, prevent_cse=False)
    ends = [*cut.firsts[1:], frames]
    windows = (_windows(heard.spectrogram, cut), *map(jnp.asarray, (cut.starts, cut.firsts, ends)))
    values, maps = jax.lax.map(lambda window: measure_window(*window), windows)
    found = {number: value.sum() for number, value in zip(summed, values)}
    whole = {name: _join(maps[name], cut, frames, architecture.layer(name)) for name in joined}
    if circular:
        whole = {name: heard.own(whole[name], architecture.layer(name)) for name in joined}
    whole |= _show(spectrogram, circular)
    if head:
        last = architecture.last_local.name
        whole |= network.activations_after(last, whole[last], head)
    found |= {number: measures[number](whole, data[number]) for number in others}
    return [found[number] for number in range(len(measures))]


def _is_sum(network, measure):
    """Whether a clip's measure is the sum of those of its windows."""
    return measure.sums_over_windows and not any(
        _is_in_head(network, name) for name in measure.layers
    )


def _windows(spectrogram, cut):
    """(mel bands, frames) to (windows, mel bands, frames of each)."""
    take = functools.partial(jax.lax.dynamic_slice_in_dim, slice_size=cut.length, axis=1)
    return jax.vmap(take, in_axes=(None, 0))(spectrogram, jnp.asarray(cut.starts))


def _join(maps, cut, frames, layer):
    """Joins windows' activations to that of the whole clip, (rows, columns, channels)."""
    stride = layer.stride[1]
    positions = np.arange(layer.columns(frames)) * stride
    window = np.searchsorted(cut.firsts, positions, side="right") - 1
    columns = maps[window, :, (positions - cut.starts[window]) // stride]
    return columns.swapaxes(0, 1)
