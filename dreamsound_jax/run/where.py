"""`--time`, `--frequency` and `--mask`: where a clip is dreamed, from words to a mask."""

import functools
import math
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dreamsound_jax.run.mask_file import read_mask
from dreamsound_jax.run.options import Options
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.where import Range, weigh_bands, weigh_frames
from dreamsound_jax.system.errors import UserError

# A range may end so much later than its clip: durations are shown rounded.
_SECONDS_ROUNDED = 0.01


class _Kind(NamedTuple):
    """In which unit the ranges of an option are, and an example of each form."""

    unit: str
    examples: str


KINDS = {
    "time": _Kind("seconds", "0.5:1.2, 1: or :0.5"),
    "frequency": _Kind("Hz", "200:2000, 200: or :2000"),
}


@dataclass(frozen=True)
class Where:
    """Where a clip is dreamed: inside of all that is given.

    Attributes:
      time: ranges in seconds; none for everywhere.
      frequency: ranges in Hz; none for everywhere.
      mask: the name of a .npy file, or None.
    """

    time: tuple[Range, ...] = ()
    frequency: tuple[Range, ...] = ()
    mask: str | None = None

    def describe(self) -> dict[str, str]:
        """Returns what was asked for, {option: value as it is typed}.

        Example:
          >>> Where(time=((0.5, 1.25), (2.0, math.inf))).describe()
          {'time': '0.5:1.25,2:'}
        """
        ranges = {"time": self.time, "frequency": self.frequency}
        asked = {name: ",".join(map(_type_range, each)) for name, each in ranges.items() if each}
        return asked | ({"mask": self.mask} if self.mask else {})


def read_where(options: Options) -> Where | None:
    """Returns where a clip is dreamed; None for everywhere.

    Raises:
      UserError: a range is not one, or the file of a mask cannot be used whatever the clip is.
    """
    if options.time is None and options.frequency is None and options.mask is None:
        return None
    if options.mask is not None:
        read_mask(options.mask)
    ranges = {name: parse_ranges(name, getattr(options, name)) for name in KINDS}
    return Where(**ranges, mask=options.mask)


def parse_ranges(name: str, words: tuple[str, ...] | None) -> tuple[Range, ...]:
    """Parses the ranges of an option of `KINDS`.

    Raises:
      UserError: a word is not a range; the message names it.

    Example:
      >>> parse_ranges("time", ("0.5:1.2", "1.5-1.7", "2:"))
      ((0.5, 1.2), (1.5, 1.7), (2.0, inf))
    """
    if words is None:
        return ()
    if not words:
        raise UserError(f"--{name} must not be empty; leave it out to dream everywhere")
    return tuple(_parse_range(name, word) for word in words)


def _parse_range(name, word):
    # A dash between two numbers is as good as a colon.
    begin, colon, end = re.sub(r"(?<=[\d.])-(?=[\d.])", ":", word).partition(":")
    try:
        found = (float(begin or 0), float(end or math.inf))
    except ValueError:
        found = (math.nan, math.nan)
    typed = [each for each, word in zip(found, (begin, end)) if word.strip()]
    if not colon or not typed or not (0 <= found[0] < found[1]) or math.inf in typed:
        unit, examples = KINDS[name]
        raise UserError(
            f"--{name} must be a range FROM:TO in {unit}, with 0 <= FROM < TO, such as {examples}, "
            f"and is {word!r}"
        )
    return found


def _type_range(ends):
    begin, end = ends
    return f"{begin:g}:" if end == math.inf else f"{begin:g}:{end:g}"


def check_heard(where: Where, front_end: FrontEnd, *, network: str) -> None:
    """Raises UserError for a range that begins above all that a network hears."""
    for ends in where.frequency:
        if ends[0] >= front_end.highest:
            raise UserError(
                f"--frequency must begin below {front_end.highest:g} Hz, the highest frequency "
                f"that the network {network} hears, and is {_type_range(ends)}"
            )


def make_mask(
    where: Where,
    *,
    front_end: FrontEnd,
    sample_rate: int,
    seconds: float,
    frames: int,
    kept_frames: int,
) -> np.ndarray:
    """Returns the mask of a clip, (mel bands, frames) from 0 to 1.

    Args:
      where: what was asked for.
      front_end: of the network.
      sample_rate: of the sound that is dreamed, in Hz.
      seconds: the duration of the input.
      frames: of the clip, which may be padded.
      kept_frames: those of the input.

    Raises:
      UserError: a range leaves the clip, or holds no cell; or the mask has another shape.
    """
    mask = np.ones((front_end.n_mels, frames))
    if where.mask:
        mask[:, :kept_frames] = _fit_mask(where.mask, (front_end.n_mels, kept_frames))
        mask[:, kept_frames:] = 0
    for ends in where.time:
        _check_inside(ends, seconds)
    of_frames = functools.partial(
        weigh_frames,
        front_end=front_end,
        frames=frames,
        sample_rate=sample_rate,
        seconds=seconds,
    )
    of_bands = functools.partial(weigh_bands, front_end=front_end, sample_rate=sample_rate)
    if where.time:
        ranges = [(begin, math.inf if end >= seconds else end) for begin, end in where.time]
        mask *= _weigh_all("time", ranges, of_frames)
    if where.frequency:
        mask *= _weigh_all("frequency", where.frequency, of_bands)[:, None]
    if not mask.any():
        raise UserError(
            f"--mask: {where.mask!r} must be above 0 somewhere inside of --time and --frequency"
        )
    return mask


def _fit_mask(path, shape):
    mask = read_mask(path)
    if mask.shape != shape:
        raise UserError(
            f"--mask: {path!r} must have the shape of the clip's spectrogram, {shape} (mel bands, "
            f"frames), and has {mask.shape}"
        )
    return mask


def _check_inside(ends, seconds):
    begin, end = ends
    if begin >= seconds or (end > seconds + _SECONDS_ROUNDED and end != math.inf):
        raise UserError(
            f"--time must lie within the clip, 0 to {seconds:g} s, and is {_type_range(ends)}; "
            "leave out TO for a range up to the end"
        )


def _weigh_all(name, ranges, weigh):
    """Returns the weights of ranges; UserError if one of them is too narrow to hold a cell."""
    for ends in ranges:
        if not weigh([ends]).any():
            what = {"time": "frame", "frequency": "mel band"}[name]
            raise UserError(
                f"--{name}={_type_range(ends)} is too narrow: it must hold a whole {what} of the "
                "network"
            )
    return weigh(ranges)
