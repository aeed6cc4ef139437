"""Dreams the cases of a draw, and checks what was written: numbers, levels and messages."""

import json
import math
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

from dreamsound_jax.audio.files import read_original
from dreamsound_jax.audio.loudness import measure_loudness
from dreamsound_jax.audio.offset import find_offset
from dreamsound_jax.run.options import Options
from dreamsound_jax.run.run import run
from dreamsound_jax.system.errors import UserError, describe_error
from studies.hunt.numbers import Draw, write_sound

# `describe_error` names the type of what nobody foresaw.
_UNFORESEEN = re.compile(r"\b[A-Z][A-Za-z]*(Error|Exception|Interrupt)\b")
_PEAK_DBTP = -1.0
_LOWEST_LUFS = -70.0
_TOLERANCE_LU = 0.2
_LOSSY_TOLERANCE_LU = 1.5  # Of a quarter of a second of noise, lossy formats lose as much.


class Outcome(NamedTuple):
    """What became of a case.

    Attributes:
      draw: The run.
      input: Its sound.
      found: "written", "refused", or what is a fault.
      message: Of a refusal or a fault.
    """

    draw: Draw
    input: str
    found: str
    message: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether it must not happen."""
        return self.found not in ("written", "refused")


def dream_draw(draw: Draw, *, checkpoint: Path) -> list[Outcome]:
    """Dreams the cases of a draw, in a precision that the process is prepared for."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [str(write_sound(folder, sound)) for sound in draw.sounds]
        records = []
        options = Options(
            input=tuple(paths),
            checkpoint=str(checkpoint),
            output_dir=str(folder / "out"),
            precision=draw.precision,
            **draw.options,
        )
        try:
            run(options, command="hunt", report=lambda record, path: records.append(record))
        except UserError as error:
            found, message = _judge_message(str(error))
            return [Outcome(draw, "all", found, message)] * draw.cases
        except Exception as error:
            message = describe_error(error)
            return [Outcome(draw, "all", "raised", message)] * draw.cases
        finally:
            jax.clear_caches()
        outcomes = [_judge(draw, folder / "out", record) for record in records]
    missing = draw.cases - len(outcomes)
    return outcomes + [Outcome(draw, "?", "neither written nor refused")] * missing


def _judge(draw, folder, record):
    sound = Path(record["input"]).stem
    if "error" in record:
        return Outcome(draw, sound, *_judge_message(record["error"]))
    fault = _find_fault(draw, folder, record["name"])
    return Outcome(draw, sound, fault or "written")


def _judge_message(message):
    if "\n" in message:
        return "refused in several lines", message
    return "raised" if _UNFORESEEN.search(message) else "refused", message


def _find_fault(draw, folder, name):
    """Returns what is wrong with the files of a clip; None if all is as promised."""
    suffix = f".{draw.options.get('format', 'wav')}"
    recording, origin = read_original(str(folder / f"{name}{suffix}"))
    for path in folder.glob(f"{name}.*{suffix}"):
        read_original(str(path))  # It raises UserError for samples that are not finite.
    arrays = np.load(folder / f"{name}.npz")
    if not all(np.isfinite(arrays[key]).all() for key in arrays.files):
        return "an array is not finite"
    if "gain_db" in arrays and np.abs(arrays["gain_db"]).max() > _most_gain(draw) + 1e-3:
        return "the gain is over its range"
    loudness = measure_loudness(
        recording.channels, sample_rate=recording.sample_rate, layout=origin.layout
    )
    facts = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    if not _is_near(facts["loudness_lufs"], loudness.lufs):
        return f"its loudness is told as {facts['loudness_lufs']}, and is {loudness.lufs:.2f}"
    offset = find_offset(recording.channels, sample_rate=recording.sample_rate)
    if offset.any():
        return f"an offset of {offset.max():.3g}"
    tolerance = _LOSSY_TOLERANCE_LU if suffix in (".ogg", ".mp3") else _TOLERANCE_LU
    return _find_wrong_level(draw.options.get("loudness", "safe"), loudness, tolerance)


def _most_gain(draw):
    return 1.5 * draw.options.get("gain_range", 24.0)


def _is_near(told, measured):
    if told is None or not math.isfinite(measured):
        return (told is None or not math.isfinite(told)) and not math.isfinite(measured)
    return abs(told - measured) < 0.05


def _find_wrong_level(wanted, loudness, tolerance):
    """Returns what is wrong with a level; None if it is as promised, or silence."""
    lufs, peak = loudness
    if wanted == "none" or peak == -math.inf:
        return None
    if peak > _PEAK_DBTP:
        return f"a true peak of {peak:.2f} dBTP"
    if wanted == "match":
        return None
    target = -23.0 if wanted == "safe" else float(wanted)
    if target <= _LOWEST_LUFS and lufs == -math.inf:
        return None  # It is a little too quiet to be measured.
    level = lufs if math.isfinite(lufs) else peak
    # What would need much limiting, as a click does, ends quieter, with its peaks at the ceiling.
    is_limited = level < target and peak > _PEAK_DBTP - 0.3 - tolerance
    if abs(level - target) < tolerance or is_limited:
        return None
    return f"{lufs:.2f} LUFS with a true peak of {peak:.2f} dBTP, and not {target:g} LUFS"
