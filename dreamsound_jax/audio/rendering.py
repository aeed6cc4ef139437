"""Renders a sound: what is written into its file, and what is known of it."""

import logging
import math
from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio.decoding import decode_sound
from dreamsound_jax.audio.encoding import encode_sound, quantise
from dreamsound_jax.audio.formats import FORMATS, Encoding
from dreamsound_jax.audio.loudness import (
    SAFE_LUFS,
    Loudness,
    measure_loudness,
    measure_lufs,
    normalise_loudness,
)
from dreamsound_jax.audio.recording import Recording
from dreamsound_jax.audio.true_peak import measure_peaks
from dreamsound_jax.system.errors import UserError

log = logging.getLogger(__name__)

LOUDNESSES = ("safe", "match", "none")
_MONO_ON_TWO_SPEAKERS_LU = 10 * math.log10(2)
_LOWEST_LUFS = -70  # BS.1770 measures nothing quieter.
_CEILING_DBTP = -1.0
_MOST_ENCODINGS = 6  # of a lossy format, whose peaks are a little higher; two are usual
_MARGIN_DB = 0.05
_WAV_16 = Encoding()


class RenderedSound(NamedTuple):
    """A sound as it is written.

    Attributes:
      content: the bytes of its file.
      recording: the sound that is read back from that file.
      loudness: the loudness and the true peak of `recording`.
      before_encoding: (samples, channels), what was encoded.
    """

    content: bytes
    recording: Recording
    loudness: Loudness
    before_encoding: np.ndarray


def render_sound(
    sound: np.ndarray,
    *,
    sample_rate: int,
    target_lufs: float | None = SAFE_LUFS,
    circular: bool = False,
    encoding: Encoding = _WAV_16,
) -> RenderedSound:
    """Renders a sound: encodes it, and measures what is read back from the file.

    A lossy format may raise a true peak over the ceiling. The sound is then lowered by as much, and
    encoded again.

    Args:
      sound: (samples, channels), of any float dtype.
      sample_rate: in Hz.
      target_lufs: the loudness that it is given, by `normalise_loudness`. With None it is written
        as it is, and lowered only if integers or a lossy format could not hold its peaks.
      encoding: the format, bit depth, layout and tags of the file.
      circular: whether it is a loop, whose end runs into its beginning.

    Raises:
      ValueError: a sample is NaN or infinite.
    """
    keeps_level = target_lufs is None
    bit_depth = encoding.choose_bit_depth(keeps_level=keeps_level)
    if target_lufs is None:
        scaled = _lower_to_full_scale(np.asarray(sound), bit_depth, encoding)
    else:
        scaled, _ = normalise_loudness(
            sound,
            sample_rate=sample_rate,
            target_lufs=target_lufs,
            ceiling_dbtp=_CEILING_DBTP,
            circular=circular,
            layout=encoding.layout,
        )
    for attempt in range(_MOST_ENCODINGS):
        content = encode_sound(
            scaled,
            sample_rate=sample_rate,
            encoding=encoding,
            bit_depth=bit_depth,
            is_loop=circular,
        )
        recording = decode_sound(content)
        loudness = measure_loudness(
            recording.channels, sample_rate=sample_rate, layout=encoding.layout
        )
        excess_db = loudness.true_peak_dbtp - _CEILING_DBTP
        if keeps_level or excess_db <= 0:
            break
        # The peaks of noise differ from one encoding to the next, by more than what is in excess.
        scaled = scaled * 10 ** (-(excess_db + _MARGIN_DB * 2**attempt) / 20)
    return RenderedSound(content, recording, loudness, scaled)


def _lower_to_full_scale(sound, bit_depth, encoding):
    """Lowers a sound whose samples are over full scale, where they would be clipped."""
    peak = np.abs(sound).max(initial=0)
    if bit_depth == "32f" or not peak > 1 or not np.isfinite(peak):
        return sound
    log.warning(
        "%s: lowered by %.1f dB, since its peaks are over the full scale of %s; --bit_depth=32f "
        "of wav holds them",
        encoding.tags.get("title", "a sound"),
        20 * math.log10(peak),
        f"{bit_depth} bit" if bit_depth else encoding.format,
    )
    return sound / peak


def render_input(
    original: Recording,
    *,
    dream: RenderedSound,
    target_lufs: float | None,
    circular: bool = False,
    encoding: Encoding = _WAV_16,
) -> RenderedSound:
    """Renders an input to be compared with its dream: as loud when it is played, and as long.

    Args:
      original: the input, with its own channels and sample rate.
      dream: as it is written.
      target_lufs: what the dream was given by `render_sound`. With None, the input is written
        as the dream is, too, and its peaks are not limited. If the dream or the input is too quiet
        or too low for the meter, as what is loud in low-frequency effects alone, the input is given
        the power of the dream, or with None keeps its level.
      encoding: the format, bit depth, layout and tags of the file.
      circular: whether both are loops.
    """
    (dreamed, dream_rate), (channels, sample_rate) = dream.recording, original
    channels = channels[: round(len(dreamed) * sample_rate / dream_rate)]
    wanted = dream.loudness.lufs + _gain_on_two_speakers(dreamed) - _gain_on_two_speakers(channels)
    if target_lufs is not None:
        written = render_sound(
            channels,
            sample_rate=sample_rate,
            target_lufs=min(wanted, 0.0) if math.isfinite(wanted) else target_lufs,
            encoding=encoding,
            circular=circular,
        )
        gain = math.sqrt(_divide(_total_power(dreamed), _total_power(channels)))
        if gain and not _have_loudness(dream, written):
            return _render_with_gain(Recording(channels, sample_rate), gain, encoding)
        return written
    gain_db = wanted - measure_lufs(channels, sample_rate=sample_rate, layout=encoding.layout)
    if math.isfinite(gain_db):
        channels = channels * 10 ** (gain_db / 20)
    return render_sound(channels, sample_rate=sample_rate, target_lufs=None, encoding=encoding)


def render_input_alike(
    original: Recording,
    *,
    dream: RenderedSound,
    unscaled: np.ndarray,
    target_lufs: float | None,
    circular: bool = False,
    encoding: Encoding = _WAV_16,
) -> RenderedSound:
    """Renders an input with the gain that its dream was given: what they share stays the same.

    Args:
      original: the input, with the channels and the sample rate of the dream.
      dream: as it is written.
      unscaled: the dream before it was rendered, (samples, channels).
      target_lufs: what the dream was given by `render_sound`.
      encoding: the format, bit depth, layout and tags of the file.
      circular: whether both are loops.
    """
    channels, sample_rate = original
    if target_lufs is None:
        return render_sound(channels, sample_rate=sample_rate, target_lufs=None, encoding=encoding)
    own, dreamed = (
        measure_lufs(each, sample_rate=sample_rate, layout=encoding.layout)
        for each in (channels, unscaled)
    )
    gain = math.sqrt(_divide(_total_power(dream.before_encoding), _total_power(unscaled)))
    wanted = own + dream.loudness.lufs - dreamed
    if gain and not math.isfinite(wanted):
        return _render_with_gain(original, gain, encoding)
    wanted = min(wanted, 0.0) if math.isfinite(wanted) else target_lufs
    return render_sound(
        channels, sample_rate=sample_rate, target_lufs=wanted, encoding=encoding, circular=circular
    )


def _have_loudness(*sounds):
    return all(math.isfinite(each.loudness.lufs) for each in sounds)


def _total_power(channels):
    """Returns the power of all channels, those of low-frequency effects among them, when played."""
    power = np.mean(np.square(channels, dtype=np.float64)) * channels.shape[1]
    return float(power) * 10 ** (_gain_on_two_speakers(channels) / 10)


def _divide(power, by):
    return power / by if by else 0.0


def _render_with_gain(recording, gain, encoding):
    """Renders a recording with a gain, or with less if its true peak would pass the ceiling."""
    peak = gain * measure_peaks(recording.channels).max()
    gain *= min(1.0, 10 ** (_CEILING_DBTP / 20) / peak)
    encoding = encoding._replace(bit_depth=encoding.choose_bit_depth())
    channels, sample_rate = recording
    return render_sound(
        channels * gain, sample_rate=sample_rate, target_lufs=None, encoding=encoding
    )


def _gain_on_two_speakers(channels):
    """Returns how much louder a sound is on two loudspeakers, which both play a mono sound."""
    return _MONO_ON_TWO_SPEAKERS_LU if channels.shape[1] == 1 else 0.0


def render_difference(
    dream: RenderedSound, original: RenderedSound, *, encoding: Encoding = _WAV_16
) -> bytes:
    """Encodes a dream minus its input, of one shape, sample by sample.

    Of a format without loss, it is the difference of the two files, and exact: it has the fewest
    bits that hold it. It is lowered only where it is over full scale and the format has no floats.
    Of a lossy format, it is the difference of the sounds before they were encoded: the files also
    differ by what each encoding lost.
    """
    sample_rate, format = dream.recording.sample_rate, FORMATS[encoding.format]
    if format.is_lossy:
        difference = dream.before_encoding - original.before_encoding
    else:
        difference = dream.recording.channels - original.recording.channels
    exact = [each for each in format.bit_depths if _is_exact(difference, each)]
    bit_depth = [*exact, *format.bit_depths[-1:], None][0]
    difference = _lower_to_full_scale(difference, bit_depth, encoding)
    return encode_sound(difference, sample_rate=sample_rate, encoding=encoding, bit_depth=bit_depth)


def _is_exact(sound, bit_depth):
    steps = quantise(sound, bit_depth)
    full = {"i": 2.0 ** (8 * steps.itemsize - 1), "f": 1.0}[steps.dtype.kind]
    return np.array_equal(steps / full, sound)


def parse_loudness(loudness: str | float) -> str | float:
    """Returns what `--loudness` asks for: one of `LOUDNESSES`, or a number of LUFS.

    Raises:
      UserError: it is neither, or a number that is not from -70 to 0.
    """
    if loudness in LOUDNESSES:
        return loudness
    try:
        lufs = float(loudness)
    except ValueError:
        lufs = math.nan
    if not _LOWEST_LUFS <= lufs <= 0:
        raise UserError(
            f"--loudness must be {', '.join(LOUDNESSES)} or a number of LUFS from {_LOWEST_LUFS} "
            f"to 0, such as -14, and is {loudness!r}"
        )
    return lufs


def find_target_lufs(
    loudness: str | float, original: Recording, *, layout: str | None = None
) -> float | None:
    """Returns the loudness that `render_sound` is to give a sound, in LUFS.

    Args:
      loudness: as in `--loudness`: "safe", "match", "none" or a number of LUFS.
      original: the input, whose loudness "match" takes over. If it is under -70 LUFS, or lower than
        can be heard, it has none, and "match" is "safe".
      layout: of the channels of `original`, as `measure_loudness` takes it.

    Raises:
      UserError: for the reasons of `parse_loudness`.
    """
    wanted = parse_loudness(loudness)
    if wanted == "match":
        channels, sample_rate = original
        lufs = measure_lufs(channels, sample_rate=sample_rate, layout=layout)
        return min(lufs, 0.0) if math.isfinite(lufs) else SAFE_LUFS
    if isinstance(wanted, str):
        return {"safe": SAFE_LUFS, "none": None}[wanted]
    return wanted
