"""What every domain of a dream offers: what its steps change, and how that becomes a sound.

A domain is written for one clip and is meant to be `vmap`ped. Spectrograms are (mel bands, frames),
standardised; what the steps change, the parameters, has that shape and unit, too.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple, Protocol, Self

import jax
import numpy as np
from jax.typing import ArrayLike

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.transforms import Chain


class Rendered(NamedTuple):
    """A dream as a sound.

    Attributes:
      mel_db: (mel bands, frames), what the network was shown last.
      change_db: (mel bands, frames), what the dream did: to the spectrogram, or as a gain.
      sound: (channels, samples), at the level that it has.
    """

    mel_db: jax.Array
    change_db: jax.Array
    sound: jax.Array


class LevelMatch(NamedTuple):
    """Functions of (mel bands, frames) in dB that match a dream's levels to those of another.

    They may be applied several times: levels that match already stay as they are.

    Attributes:
      mel_db: for the dream's spectrogram.
      sound_db: for the spectrogram of its sound, at the level that it has.
    """

    mel_db: Callable[[jax.Array], jax.Array]
    sound_db: Callable[[jax.Array], jax.Array]


class Domain(Protocol):
    """One clip in a domain: a pytree whose leaves are arrays.

    Attributes:
      spectrogram: of the input, standardised, (mel bands, frames).
      mask: how much of the change each cell takes, (mel bands, frames) from 0 to 1; None for all
        of it, everywhere. Where it is 0, the input stays as it is.
      front_end: of the network; static.
      change_label: what `Rendered.change_db` is, in words.
      keeps_original: whether the dream is a gain on the recording as it came, with its channels
        and its sample rate. Otherwise it is a new sound as the network hears it.
    """

    spectrogram: jax.Array
    mask: jax.Array | None
    front_end: FrontEnd
    change_label: ClassVar[str]
    keeps_original: ClassVar[bool]

    def initial(self) -> jax.Array:
        """Returns the parameters that the first level begins with."""
        ...

    def to_level(
        self,
        parameters: jax.Array,
        shapes: Sequence[tuple[int, int]],
        level: int,
        detail_factor: ArrayLike,
    ) -> jax.Array:
        """Brings the parameters of the level before to the shape of `level`."""
        ...

    def observe(self, shape: tuple[int, ...]) -> Callable[[jax.Array], jax.Array]:
        """Returns a function from parameters to what the network sees at the shape of a level."""
        ...

    def observe_whole(self, parameters: jax.Array, detail_factor: ArrayLike) -> jax.Array:
        """Returns what the network would see of the whole clip, with parameters of any level."""
        ...

    def constrain_gradient(self, observed: jax.Array, inside: jax.Array | None = None) -> jax.Array:
        """Returns `observed`, with the part of its gradient that the domain can follow.

        Args:
          observed: what the network sees.
          inside: which of its cells the dream changes; None for all of them.
        """
        ...

    def bound(self) -> jax.Array | np.ndarray | float:
        """Returns the largest absolute value that a parameter may take."""
        ...

    def render(self, parameters: jax.Array, match: LevelMatch | None = None) -> Rendered:
        """Returns the dream as a sound, with its levels matched if asked for."""
        ...

    def input_sound(self) -> jax.Array:
        """Returns the input as rendered sounds are: (channels, samples)."""
        ...

    def as_heard(self, channels: jax.Array) -> jax.Array:
        """Returns (channels, samples) as the network hears it: (samples,) at its sample rate."""
        ...

    def next_round(self, rendered: Rendered, chain: Chain) -> Self:
        """Returns the domain of the next round of an ouroboros, after a chain of transforms."""
        ...
