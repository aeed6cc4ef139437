"""Terms of another sound: its features, cell by cell, on average, or as a distribution."""

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from dreamsound_jax.audio.files import Recording, normalise_recording, read_recording
from dreamsound_jax.audio.find import RECORDINGS
from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.windows import Part
from dreamsound_jax.objectives.measures import OfLayer, at_least_float32
from dreamsound_jax.objectives.preparing import Level
from dreamsound_jax.objectives.terms import Objective, Term, find_layer
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError, nearest_or_fail
from dreamsound_jax.system.storage import when_changed

Match = Literal["time", "statistics"]
MATCHES = ("time", "statistics")

# As in lucid: however unlike two features are, their dot product counts for a tenth.
LEAST_COSINE = 0.1
_TINY = 1e-8


class Guided(NamedTuple):
    """The data of a guide.

    Attributes:
      features: before a level its standardised spectrogram, (mel bands, frames); at a level what
        is compared.
      power: of the cosine; a scalar.
    """

    features: ArrayLike
    power: ArrayLike


@dataclass(frozen=True)
class Likeness(OfLayer):
    """The mean over cells of dot product times a power of the cosine; its data are `Guided`.

    Attributes:
      layer: whose features are compared.
      match: "time": each cell with the guide's cell at the same place; or "statistics": the mean
        over time of each row of cells with that of the guide.
    """

    match: Match
    sums_over_windows: ClassVar[bool] = False

    def prepare(self, data: Guided, level: Level) -> Guided:
        """Lets the network hear the guide at a level."""
        return data._replace(features=self._summarise(level.activation(self.layer, data.features)))

    def _summarise(self, activation):
        values = at_least_float32(activation)
        if self.match == "statistics" and values.ndim == 3:
            return values.mean(axis=1)
        return values

    def __call__(
        self, activations: Mapping[str, jax.Array], data: Guided, part: Part | None = None
    ) -> jax.Array:
        """Measures a clip."""
        own, guide = self._summarise(activations[self.layer]), data.features
        dot = (own * guide).sum(axis=-1)
        lengths = _length(own) * _length(guide)
        cosine = jnp.maximum(dot / (lengths + _TINY), LEAST_COSINE)
        return (dot * cosine**data.power).mean()


def _length(features):
    """Returns the lengths of vectors along the last axis; at 0 its gradient is 0, not NaN."""
    squares = jnp.square(features).sum(axis=-1)
    positive = squares > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1)), 0)


@dataclass(frozen=True)
class SameDistribution(OfLayer):
    """Minus the squared distance of the sorted features of each channel from those of a guide.

    It is divided by the mean square of the guide's features: 0 is the same distribution, and a
    silent layer has -1. Its data are `Guided`.
    """

    sums_over_windows: ClassVar[bool] = False

    def prepare(self, data: Guided, level: Level) -> Guided:
        """Lets the network hear the guide at a level, and sorts its features."""
        return data._replace(features=_sort(level.activation(self.layer, data.features)))

    def __call__(
        self, activations: Mapping[str, jax.Array], data: Guided, part: Part | None = None
    ) -> jax.Array:
        """Measures a clip."""
        squares = jnp.square(_sort(activations[self.layer]) - data.features).mean()
        return -squares / (jnp.square(data.features).mean() + _TINY)


def _sort(activation):
    """Sorts the cells of each channel: (cells, channels)."""
    values = at_least_float32(activation)
    return jnp.sort(values.reshape(-1, values.shape[-1]), axis=0)


@dataclass(frozen=True, eq=False)
class GuideSound:
    """A sound that guides dreams.

    Attributes:
      name: in messages and labels.
      recording: None for a file of this name that is still to be read.
    """

    name: str
    recording: Recording | None = None


def _read_guide(path: str) -> GuideSound:
    """Reads a file, or a recording that is included; it is kept until the file changes."""
    return _read_guide_once(path, when_changed(path))


@functools.lru_cache(maxsize=32)
def _read_guide_once(path: str, changed: int) -> GuideSound:
    try:
        return GuideSound(path, read_recording(str(RECORDINGS.get(path, path))))
    except UserError as error:
        raise UserError(f"the guide cannot be read: {error}") from None


@functools.lru_cache(maxsize=8)
def _analyse_guide(
    heard: GuideSound, front_end: FrontEnd, frames: int, from_loudest: bool
) -> np.ndarray:
    """Returns its standardised spectrogram, repeated or cut to so many frames.

    A longer guide is cut from its beginning, or to its loudest part.
    """
    assert heard.recording is not None
    samples = normalise_recording(
        heard.name,
        heard.recording,
        sample_rate=front_end.sample_rate,
        band=(front_end.f_min, front_end.highest),
    )
    spectrogram = np.asarray(front_end.standardise(front_end.analyse(jnp.asarray(samples))))
    first = _find_loudest(spectrogram, frames) if from_loudest else 0
    return spectrogram[:, (first + np.arange(frames)) % spectrogram.shape[1]]


def _find_loudest(spectrogram, frames):
    """Returns where so many frames begin whose mean level is the highest; 0 if there are fewer."""
    levels = np.cumsum(np.concatenate([[0], spectrogram.mean(axis=0)]))
    sums = levels[frames:] - levels[:-frames]
    return int(sums.argmax()) if sums.size else 0


@dataclass(frozen=True)
class GuideTerm(Term):
    """The likeness of a layer's features to those of another sound."""

    layer: str
    sound: GuideSound
    power: float
    match: Match

    def measure(self, card: Card) -> Likeness:
        """Returns the measure; UserError if there is no such layer."""
        return Likeness(find_layer(card, self.layer).name, self.match)

    def data(self, card: Card, frames: int | None = None) -> Guided:
        """Returns the guide as the network hears it; UserError if it cannot be read."""
        by_means = self.match == "statistics"
        return _guide(self.sound, card, frames, self.power, from_loudest=by_means)

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        return f"likeness of {self.layer} to {self.sound.name}"


@dataclass(frozen=True)
class FeaturesTerm(Term):
    """The distribution of a layer's features, as in another sound."""

    layer: str
    sound: GuideSound

    def measure(self, card: Card) -> SameDistribution:
        """Returns the measure; UserError if there is no such layer."""
        return SameDistribution(find_layer(card, self.layer).name)

    def data(self, card: Card, frames: int | None = None) -> Guided:
        """Returns the guide as the network hears it; UserError if it cannot be read."""
        return _guide(self.sound, card, frames, 0.0, from_loudest=True)

    def label(self, card: Card) -> str:
        """Returns the measure in words."""
        return f"texture of {self.sound.name} in {self.layer}"


def _guide(sound, card, frames, power, *, from_loudest):
    front_end = card.front_end
    heard = sound if sound.recording else _read_guide(sound.name)
    wanted = frames or front_end.frame_count(front_end.sample_rate)
    return Guided(_analyse_guide(heard, front_end, wanted, from_loudest), np.float32(power))


def guide(
    layer: str,
    sound: str | np.ndarray,
    sample_rate: int | None = None,
    *,
    power: float = 1.0,
    match: Match = "time",
) -> Objective:
    """The likeness of a layer's features to those of another sound, as in lucid's caricature.

    It is the mean over cells of the dot product of their features, times a power of the cosine
    between them, which counts as 0.1 at least.

    Args:
      layer: such as "relu4_4".
      sound: the guide: the path of a file, or samples, (samples,) or (channels, samples).
      sample_rate: of the samples, in Hz.
      power: of the cosine, at least 0. With larger ones, features must be more alike, not larger.
      match: "time": the guide is repeated or cut to the length of the clip, and each cell has its
        guide; "statistics": the means over time are compared, so that the guide colours the clip
        and leaves its rhythm; of a longer guide, the loudest part counts.

    Raises:
      UserError: an argument is not possible. A guide that is silent or cannot be read, or a layer
        that does not exist, raises it when it dreams.

    Example:
      >>> guide("relu4_4", "birds.wav", power=2).terms[0][1].power
      2.0
    """
    nearest_or_fail("such way to match:", match, MATCHES)
    if not 0 <= power < float("inf"):
        raise UserError(f"the power of a guide must be a number from 0 on, and is {power!r}")
    term = GuideTerm(layer, _make_sound(sound, sample_rate), float(power), match)
    return Objective(((1.0, term),))


def features(layer: str, sound: str | np.ndarray, sample_rate: int | None = None) -> Objective:
    """The texture of another sound: the distribution of each channel of a layer, sorted.

    When and where features occur does not matter, only how strong they are and how often (sorted
    features as in VITAL, 2025).

    Args:
      layer: such as "relu2_2".
      sound, sample_rate: as for `guide`.

    Raises:
      UserError: as for `guide`.

    Example:
      >>> features("relu2_2", "rain.wav").terms[0][1].layer
      'relu2_2'
    """
    return Objective(((1.0, FeaturesTerm(layer, _make_sound(sound, sample_rate))),))


def _make_sound(sound, sample_rate):
    if isinstance(sound, str | os.PathLike):
        return GuideSound(os.fspath(sound))
    if sample_rate is None:
        raise UserError("a guide given by its samples needs their rate, as in sample_rate=44100")
    channels = np.atleast_2d(np.asarray(sound, np.float32)).T
    return GuideSound("a sound", Recording(channels, int(sample_rate)))
