"""The front end of a network: how a sound becomes the spectrogram that the network is shown.

On the host, `audio.files.normalise_recording` makes what the network hears of a recording.
"""

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar

import jax
import numpy as np

from dreamsound_jax.spectral import inversion, mel, stft
from dreamsound_jax.spectral.compression import (
    COMPRESSIONS,
    DECIBEL,
    LOG,
    LOG_OFFSET,
    compress_power,
)
from dreamsound_jax.spectral.empty_bands import check_bands
from dreamsound_jax.spectral.mel_bands import MEL_NORMS, NO_NORM, MelBands, mel_bands
from dreamsound_jax.spectral.mel_scales import MEL_SCALES, SLANEY
from dreamsound_jax.system.errors import UserError, nearest_or_fail

CHOICES = {
    "mel_scale": MEL_SCALES,
    "mel_norm": MEL_NORMS,
    "pad_mode": stft.PAD_MODES,
    "compression": COMPRESSIONS,
}
"""{a constant that is a word: what it may be}."""
# The longest frame, in samples.
MOST_SAMPLES = 2**16


@dataclass(frozen=True)
class FrontEnd:
    """Analysis and inversion with the constants of one network; read from its card.

    The defaults are the front end of the 2021 reference. Methods take one clip in any float dtype
    and are meant to be `vmap`ped. Spectrograms are (mel bands, frames).

    Attributes:
      sample_rate: in Hz.
      n_fft: samples in a frame.
      hop: samples from one frame to the next.
      n_mels: mel bands.
      f_min, f_max: the lowest and the highest frequency of the bands, in Hz; by default `f_max` is
        half the sample rate.
      mel_scale: "slaney", which is linear up to 1 kHz; or "htk", torchaudio's default.
      mel_norm: "slaney", for filters of one area; or "none", for filters with a peak of 1,
        torchaudio's default.
      pad_mode: what lies beyond the ends of a sound: "constant", for zeros; or "reflect", for the
        sound mirrored, torchaudio's default.
      amin: the smallest power; lower values are raised to it.
      top_db: cells further below the loudest cell are raised to this distance, in dB.
      mean, std: of the training spectrograms, in dB. Dreams are made on this scale, whatever the
        network is shown.
      compression: what the network is shown of the mel power x: "db", standardised dB; or "log1p",
        log10(1 + 10000 x), or "log", the natural log(x + log_offset), standardised by `input_mean`
        and `input_std`.
      log_offset: of the compression "log".
      input_mean, input_std: of the compressed training spectrograms, if they are not in dB; by
        default 0 and 1, with which they are shown as they are.

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
    mel_scale: str = SLANEY
    mel_norm: str = SLANEY
    pad_mode: str = stft.CONSTANT
    log_offset: float = LOG_OFFSET
    input_mean: float = 0.0
    input_std: float = 1.0

    circular: ClassVar[bool] = False
    """Whether a sound is a loop, whose end runs into its beginning; see `LoopFrontEnd`."""

    def __post_init__(self) -> None:
        """Raises UserError for a constant that makes no sense."""
        for name in ("sample_rate", "n_fft", "hop", "n_mels"):
            value = getattr(self, name)
            if isinstance(value, bool) or not (isinstance(value, int | np.integer) and value > 0):
                raise UserError(f"{name} must be a whole number above 0, got {value!r}")
        if self.n_fft > MOST_SAMPLES:
            raise UserError(f"n_fft must be at most {MOST_SAMPLES}, got {self.n_fft}")
        if self.hop > self.n_fft:
            raise UserError(
                f"hop must be at most n_fft, which is {self.n_fft}, got {self.hop}: frames must "
                "leave no gap"
            )
        for name in ("f_min", "mean", "input_mean", "log_offset"):
            _check_number(name, getattr(self, name))
        for name in ("amin", "top_db", "std", "input_std"):
            _check_number(name, getattr(self, name), positive=True)
        _check_number("f_max", self.highest)
        for name, choices in CHOICES.items():
            nearest_or_fail(name, getattr(self, name), choices)
        self._check_compression()
        if not 0 <= self.f_min < self.highest <= self.sample_rate / 2:
            bands, whole = f"{self.f_min:g} to {self.highest:g}", f"0 to {self.sample_rate / 2:g}"
            raise UserError(f"f_min to f_max must lie in {whole} Hz, got {bands} Hz")
        check_bands(**self._spacing())

    def _check_compression(self):
        """Raises UserError for constants that the compression does not have."""
        if self.log_offset < 0:
            raise UserError(f"log_offset must be 0 or more, got {self.log_offset:g}")
        if self.compression != LOG and self.log_offset != LOG_OFFSET:
            raise UserError(f"log_offset needs compression=log, got compression={self.compression}")
        if self.compression == DECIBEL and (self.input_mean, self.input_std) != (0, 1):
            raise UserError(
                "input_mean and input_std must be left out where the compression is db, which mean "
                "and std standardise"
            )

    def _spacing(self):
        return {
            "sample_rate": self.sample_rate,
            "n_fft": self.n_fft,
            "n_mels": self.n_mels,
            "f_min": self.f_min,
            "f_max": self.highest,
            "mel_scale": self.mel_scale,
        }

    @property
    def highest(self) -> float:
        """The highest frequency that the network hears, in Hz."""
        return self.sample_rate / 2 if self.f_max is None else self.f_max

    @property
    def bands(self) -> MelBands:
        """The mel filter bank."""
        return mel_bands(**self._spacing(), mel_norm=self.mel_norm)

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
        power = mel.mel_power(self._transform(sound, frames), self.bands.filters)
        return mel.power_to_db(power, amin=self.amin, top_db=self.top_db)

    def _transform(self, sound, frames):
        return stft.stft(
            sound, n_fft=self.n_fft, hop=self.hop, frames=frames, pad_mode=self.pad_mode
        )

    def headroom(self, mel_db: jax.Array) -> jax.Array:
        """Returns how far each cell stands above the floor of a spectrogram in dB."""
        return mel_db - mel_db.max() + self.top_db

    def invert(self, key: jax.Array, mel_db: jax.Array, *, samples: int | None = None) -> jax.Array:
        """Returns a sound (samples,) whose mel spectrogram is near `mel_db`.

        Args:
          key: random key of the phase that Griffin-Lim begins with.
          mel_db: (mel bands, frames) in dB.
          samples: the length of a loop. Other sounds have `sample_count(frames)` samples.
        """
        # Filters of one area are inverted in fewer iterations: the widest do not outweigh the rest.
        bands = mel_bands(**self._spacing())
        if self.mel_norm == NO_NORM:
            areas = (bands.edges[2:] - bands.edges[:-2]) / 2
            mel_db = mel_db - (10 * np.log10(areas))[:, None].astype(mel_db.dtype)
        magnitude = inversion.mel_db_to_magnitude(mel_db, bands.filters)
        return self._find_sound(key, magnitude, samples)

    def _find_sound(self, key, magnitude, samples):
        del samples
        return inversion.griffin_lim(
            key, magnitude, n_fft=self.n_fft, hop=self.hop, pad_mode=self.pad_mode
        )

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
        shown = self.compress_db(self.destandardise(spectrogram))
        if (self.input_mean, self.input_std) == (0, 1):
            return shown
        return (shown - self.input_mean) / self.input_std

    def compress_db(self, mel_db: Any) -> Any:
        """Converts dB to compressed mel power that is not standardised; arrays of NumPy or JAX."""
        if self.compression == DECIBEL:
            return mel_db
        power = mel.db_to_power(mel_db)
        return compress_power(power, self.compression, log_offset=self.log_offset)


def mix_to_mono(channels: jax.Array, heard_channel: int | None = None) -> jax.Array:
    """Returns what the network hears of (channels, samples): (samples,).

    It is the mean of all channels, or that channel which it hears in its place.
    """
    return channels.mean(axis=0) if heard_channel is None else channels[heard_channel]


def _check_number(name, value, *, positive=False):
    # JSON's true and false are numbers to Python.
    if isinstance(value, bool) or not (isinstance(value, Real) and math.isfinite(value)):
        raise UserError(f"{name} must be a finite number, got {value!r}")
    if positive and value <= 0:
        raise UserError(f"{name} must be above 0, got {value:g}")
