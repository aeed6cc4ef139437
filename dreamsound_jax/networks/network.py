"""What dreaming needs of a network: an immutable value that states the geometry of its layers."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, Self

import jax


class Layer(NamedTuple):
    """One layer, and what a cell of its activation sees of the spectrogram.

    Attributes:
      name: what options call it, such as "relu3_4".
      channels: of its activation.
      stride: (mel bands, frames) from one cell to the next. A spectrogram of fewer bands or frames
        does not reach the layer.
      reach: how many frames before and after its own a cell depends on, at most; None if it depends
        on all of them.
      pools: (window, stride) in cells of the poolings before it, along the frames; only where their
        windows are wider than their strides. Otherwise a layer has a column for each stride.
    """

    name: str
    channels: int
    stride: tuple[int, int]
    reach: int | None
    pools: tuple[tuple[int, int], ...] = ()

    @property
    def least_frames(self) -> int:
        """The number of frames of which its activation has one column."""
        frames = 1
        for window, stride in reversed(self.pools):
            frames = (frames - 1) * stride + window
        return frames if self.pools else self.stride[1]

    def columns(self, frames: int) -> int:
        """Returns how many columns its activation has for so many frames."""
        for window, stride in self.pools:
            frames = (frames - window) // stride + 1
        return frames if self.pools else frames // self.stride[1]


@dataclass(frozen=True)
class Architecture:
    """The layers of a network; hashable, so that a compiled program can depend on it.

    Attributes:
      stages: layers shallow to deep, in groups that share a compiled program where an ouroboros
        iterates over layers.
      class_layer: the name of the layer that gives a number for each class.
      multi_label: whether classes exclude each other (softmax) or not (sigmoid).
      bands: how many mel bands its weights are for, or None if they are for any number.
      repeats_whole: whether a clip that is too short is repeated a whole number of times, or to
        just the length of a patch, which costs less where a patch is long.
    """

    stages: tuple[tuple[Layer, ...], ...]
    class_layer: str
    multi_label: bool = False
    bands: int | None = None
    repeats_whole: bool = True

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """The names of all layers, shallow to deep."""
        return tuple(layer.name for stage in self.stages for layer in stage)

    def layer(self, name: str) -> Layer:
        """Returns the layer with this name."""
        return next(layer for stage in self.stages for layer in stage if layer.name == name)

    def deepest(self, names: Iterable[str]) -> Layer:
        """Returns the deepest of the layers with these names."""
        return self.layer(max(names, key=self.layers.index))

    def stage_of(self, name: str) -> tuple[str, ...]:
        """Returns the names of the layers in the stage of a layer, shallow to deep."""
        names = (tuple(layer.name for layer in stage) for stage in self.stages)
        return next(stage for stage in names if name in stage)

    @cached_property
    def last_local(self) -> Layer:
        """The deepest layer whose cells depend on nearby frames alone."""
        layers = [layer for stage in self.stages for layer in stage]
        return max((layer for layer in layers if layer.reach is not None), key=layers.index)

    def count_heard_frames(
        self, frames: int, names: Iterable[str], *, circular: bool = False
    ) -> int:
        """Returns how many frames a clip of `frames` is repeated to for these layers.

        One that is `circular`, a loop, is always repeated a whole number of times.
        """
        needed = self.deepest(names).least_frames
        if self.repeats_whole or circular:
            return -(-needed // frames) * frames
        return max(frames, needed)

    def probabilities(self, logits: jax.Array) -> jax.Array:
        """Converts logits (..., classes) to the probability of each class."""
        return jax.nn.sigmoid(logits) if self.multi_label else jax.nn.softmax(logits)


class Network(Protocol):
    """A network as a value: a pytree whose leaves are its weights; no call changes it.

    Each method takes one clip, standardised, (mel bands, frames).
    """

    architecture: Architecture

    def activations(self, spectrogram: jax.Array, layers: tuple[str, ...]) -> dict[str, jax.Array]:
        """Returns {layer: activation}: (rows, columns, channels), or (features,) of the head."""
        ...

    def activations_after(
        self, layer: str, activation: jax.Array, layers: tuple[str, ...]
    ) -> dict[str, jax.Array]:
        """Returns the activations of deeper `layers`, from that of `layer`."""
        ...

    def prepare(self, shape: tuple[int, int], layers: tuple[str, ...]) -> Self:
        """Returns a network that responds the same, and may be faster for spectrograms of `shape`.

        `layers` are those that will be asked for.
        """
        ...
