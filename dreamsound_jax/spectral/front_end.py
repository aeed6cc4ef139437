"""The front end of a network: how a sound becomes the spectrogram that the network is shown.

On the host, `audio.files.normalise_recording` makes what the network hears of a recording.
"""

import math
from dataclasses import dataclass
from numbers import Real

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.spectral import inversion, mel, stft
from dreamsound_jax.spectral.empty_bands import check_bands
from dreamsound_jax.spectral.mel_bands import MelBands, mel_bands
from dreamsound_jax.system.errors import UserError, nearest_or_fail

DECIBEL, LOG1P = COMPRESSIONS = ("db", "log1p")
# The factor of the mel power in "log1p".
LOG1P_FACTOR = 1e4


@dataclass(frozen=True)
class FrontEnd:
    """Analysis and inversion with the constants of one network; read from its card.

    The defaults are the front end of the 2021 reference. Methods take one clip in any float dtype
    and are meant to be `vmap`ped. Spectrograms are (mel bands, frames).

    Attributes:
      sample_rate: in Hz.
      n_fft: samples in a frame.
      hop: samples from one frame to the next.
      n_mels: mel bands, on Slaney's scale.
      f_min, f_max: the lowest and the highest frequency of the bands, in Hz; by default `f_max` is
        half the sample rate.
      amin: the smallest power; lower values are raised to it.
      top_db: cells further below the loudest cell are raised to this distance, in dB.
      mean, std: of the training spectrograms, in dB.
      compression: what the network is shown: "db", standardised dB; or "log1p", log10(1 + 10000 x)
        of the mel power x, as it is.

    Example:
      >>> front_end = FrontEnd(mean=-24.0, std=17.0)
      >>> front_end.frame_count(51200), front_end.sample_count(256)
      (256, 51001)
    """

    sample_rate: int = 22050
    n_fft: int = 441
    hop: int = 200
    n_mels: int = 128
    f_min: float = 0.0
    f_max: float | None = None
    amin: float = 1e-10
    top_db: float = 80.0
    mean: float = 0.0
    std: float = 1.0
    compression: str = DECIBEL

    def __post_init__(self) -> None:
        """Raises UserError for a constant that makes no sense."""
        for name in ("sample_rate", "n_fft", "hop", "n_mels"):
            value = getattr(self, name)
            if not (isinstance(value, int | np.integer) and value > 0):
                raise UserError(f"{name} must be a whole number above 0, got {value!r}")
        for name in ("f_min", "mean", "amin", "top_db", "std"):
            _check_number(name, getattr(self, name), positive=name in ("amin", "top_db", "std"))
        _check_number("f_max", self.highest)
        nearest_or_fail("compression", self.compression, COMPRESSIONS)
        if not 0 <= self.f_min < self.highest <= self.sample_rate / 2:
            bands, whole = f"{self.f_min:g} to {self.highest:g}", f"0 to {self.sample_rate / 2:g}"
            raise UserError(f"f_min to f_max must lie in {whole} Hz, got {bands} Hz")
        nearest_or_fail("compression", self.compression, COMPRESSIONS)
        check_bands(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            n_mels=self.n_mels,
            f_min=self.f_min,
            f_max=self.highest,
        )

    @property
    def highest(self) -> float:
        """The highest frequency that the network hears, in Hz."""
        return self.sample_rate / 2 if self.f_max is None else self.f_max

    @property
    def bands(self) -> MelBands:
        """The mel filter bank."""
        return mel_bands(
            sample_rate=self.sample_rate,
            n_fft=self.n_fft,
            n_mels=self.n_mels,
            f_min=self.f_min,
            f_max=self.highest,
        )

    @property
    def band_centres(self) -> np.ndarray:
        """The centre frequency of each mel band, (n_mels,) in Hz."""
        return self.bands.edges[1:-1]

    @property
    def seconds_per_frame(self) -> float:
        """The time from one frame to the next."""
        return self.hop / self.sample_rate

    def frame_count(self, samples: int) -> int:
        """Returns how many frames a sound of so many samples has."""
        return stft.frame_count(samples, n_fft=self.n_fft, hop=self.hop)

    def sample_count(self, frames: int) -> int:
        """Returns how many samples `invert` gives for so many frames."""
        return stft.sample_count(frames, n_fft=self.n_fft, hop=self.hop)

    def analyse(self, sound: jax.Array, *, frames: slice | np.ndarray = slice(None)) -> jax.Array:
        """Returns the mel dB (mel bands, frames) of a sound, scaled to a peak of 1 first.

        Args:
          sound: (samples,) at `sample_rate`.
          frames: the indices of the frames that are wanted; by default all.
        """
        return self.level_db(mel.peak_normalise(sound), frames=frames)

    def level_db(self, sound: jax.Array, *, frames: slice | np.ndarray = slice(None)) -> jax.Array:
        """Returns the mel dB (mel bands, frames) of a sound at the level that it has."""
        spectrum = stft.stft(sound, n_fft=self.n_fft, hop=self.hop, frames=frames)
        power = mel.mel_power(spectrum, self.bands.filters)
        return mel.power_to_db(power, amin=self.amin, top_db=self.top_db)

    def headroom(self, mel_db: jax.Array) -> jax.Array:
        """Returns how far each cell stands above the floor of a spectrogram in dB."""
        return mel_db - mel_db.max() + self.top_db

    def invert(self, key: jax.Array, mel_db: jax.Array) -> jax.Array:
        """Returns a sound (samples,) whose mel spectrogram is near `mel_db`.

        Args:
          key: random key of the phase that Griffin-Lim begins with.
          mel_db: (mel bands, frames) in dB.
        """
        magnitude = inversion.mel_db_to_magnitude(mel_db, self.bands.filters)
        return inversion.griffin_lim(key, magnitude, n_fft=self.n_fft, hop=self.hop)

    def standardise(self, mel_db: jax.Array) -> jax.Array:
        """Converts dB to standard deviations of the training spectrograms."""
        return (mel_db - self.mean) / self.std

    def destandardise(self, spectrogram: jax.Array) -> jax.Array:
        """Converts standard deviations of the training spectrograms to dB."""
        return spectrogram * self.std + self.mean

    def compress(self, spectrogram: jax.Array) -> jax.Array:
        """Converts standardised dB to what the network is shown."""
        if self.compression == DECIBEL:
            return spectrogram
        db = self.destandardise(spectrogram)
        # log1p is exact where the power is small; a float32 can hold 1e4 times any power.
        return jnp.log1p(LOG1P_FACTOR * mel.db_to_power(db)) / math.log(10)


def mix_to_mono(channels: jax.Array) -> jax.Array:
    """Returns the mean of (channels, samples), which the network hears: (samples,)."""
    return channels.mean(axis=0)


def _check_number(name, value, *, positive=False):
    if not (isinstance(value, Real) and math.isfinite(value)):
        raise UserError(f"{name} must be a finite number, got {value!r}")
    if positive and value <= 0:
        raise UserError(f"{name} must be above 0, got {value:g}")
