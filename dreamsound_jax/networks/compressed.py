"""A network that is shown mel power on another scale than dB."""

from typing import Self

import jax
from flax import struct

from dreamsound_jax.networks.network import Architecture, Network
from dreamsound_jax.spectral.front_end import FrontEnd


@struct.dataclass
class CompressedNetwork:
    """A network whose spectrograms are compressed as its front end says; see `network.Network`.

    Dreams are in dB, whatever the network is shown. The compression is a part of the network, so
    that the gradient of each cell has the derivative of the compression.

    Attributes:
      network: what is shown compressed spectrograms.
      front_end: compresses; static.
      architecture: that of the network; static.
    """

    network: Network
    front_end: FrontEnd = struct.field(pytree_node=False)
    architecture: Architecture = struct.field(pytree_node=False)

    def activations(self, spectrogram: jax.Array, layers: tuple[str, ...]) -> dict[str, jax.Array]:
        """Returns {layer: activation} of one clip, standardised dB; see `network.Network`."""
        return self.network.activations(self.front_end.compress(spectrogram), layers)

    def activations_after(
        self, layer: str, activation: jax.Array, layers: tuple[str, ...]
    ) -> dict[str, jax.Array]:
        """Returns {layer: activation} of deeper layers; see `network.Network`."""
        return self.network.activations_after(layer, activation, layers)

    def prepare(self, shape: tuple[int, int], layers: tuple[str, ...]) -> Self:
        """Returns a network that responds the same; see `network.Network`."""
        return self.replace(network=self.network.prepare(shape, layers))  # type: ignore[attr-defined]
