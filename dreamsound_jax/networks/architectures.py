"""The architectures that a card can name. To add one, give it a row here."""

from collections.abc import Callable
from typing import NamedTuple

from dreamsound_jax.networks import musicnn, panns, vgg19_network


class Family(NamedTuple):
    """How networks of one architecture are made; each function takes the number of classes and the
    sizes that the card states.

    Attributes:
      describe: returns the `network.Architecture`.
      weight_shapes: returns the weights as `jax.ShapeDtypeStruct`s.
      build: returns the `network.Network` of given weights.
    """

    describe: Callable
    weight_shapes: Callable
    build: Callable


ARCHITECTURES = {
    "vgg19": Family(
        vgg19_network.architecture, vgg19_network.weight_shapes, vgg19_network.build_network
    ),
    "musicnn": Family(musicnn.architecture, musicnn.weight_shapes, musicnn.build_network),
    "panns": Family(panns.architecture, panns.weight_shapes, panns.build_network),
}
