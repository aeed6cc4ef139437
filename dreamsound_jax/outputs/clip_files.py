"""The files of one clip: its sound, its arrays, its picture, its video and its facts."""

import io
import logging
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from etils import epath

from dreamsound_jax.audio.find import VIDEO
from dreamsound_jax.audio.rendering import RenderedSound
from dreamsound_jax.outputs.page.suffixes import PICTURE
from dreamsound_jax.outputs.results import DreamResult, OuroborosResult
from dreamsound_jax.system.errors import StorageError, describe_error
from dreamsound_jax.system.storage import encode_json, printable_name, write_whole

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ClipRequest:
    """Which clip it is, and what was to be dreamed.

    Attributes:
      number: the place of the clip in the run.
      name: the name of its files, without a suffix, such as "00000-noise".
      input: the input as it was named.
      seed: the seed that the clip's random numbers come from.
      model: the name of the network.
      domain: what the dream changed, "mel" or "sound".
      layers: the layers that were chosen.
      target_class: the class that was dreamed of, or None.
      raises: the objective in words, if one was given, or None.
      swept: the flags in which the clip differs from others of its run, by name.
      mix: how much of the dream is in the written sound, from 0 to 1.
      preset: the name of the preset that was asked for, or None.
      strength: the strength that was asked for, from 0 to 100, or None.
      where: the flags that say where it was dreamed, {name: value as it is typed}.
      excerpt: the part of the input that was dreamed on, in seconds, such as "2.50:7.50"; None for
        all of it.
      loop: whether it is a loop, whose end runs into its beginning.
    """

    number: int
    name: str
    input: str
    seed: int
    model: str
    domain: str
    layers: tuple[str, ...]
    target_class: str | None = None
    raises: str | None = None
    swept: Mapping[str, Any] = field(default_factory=dict)
    mix: float = 1.0
    preset: str | None = None
    strength: float | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    excerpt: str | None = None
    loop: bool = False


@dataclass(frozen=True, kw_only=True)
class ClassProbabilities:
    """The probability of each class, by name, at three times.

    Attributes:
      before: in the input.
      after: in the dream, as the network saw it last.
      written_sound: in the sound that is written.
    """

    before: Mapping[str, float]
    after: Mapping[str, float]
    written_sound: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class ClipFiles:
    """What is written of one finished clip; all of it is on the host.

    Attributes:
      request: which clip it is.
      sound: the sound, as it is written.
      format: of its file and of those in `compared`, one of `audio.formats`.
      compared: files to compare with it by ear, as bytes by `INPUT` or `DIFFERENCE` of
        `audio.find`.
      arrays: what the .npz holds, by name; None if there is none.
      pictures: what draws each picture as a PNG, by the suffix of its file: `PICTURE`, and
        `THUMBNAIL` for a small one of the dream alone; called when the sound is written.
      result: what the dream or the ouroboros did.
      probabilities: of the classes.
      timings: the seconds of each stage, for the whole batch of the clip.
      make_video: returns the bytes of the .mp4; called when the sound is written. None for no
        video.
    """

    request: ClipRequest
    sound: RenderedSound
    arrays: Mapping[str, np.ndarray] | None
    result: DreamResult | OuroborosResult
    probabilities: ClassProbabilities
    timings: Mapping[str, float]
    compared: Mapping[str, bytes] = field(default_factory=dict)
    format: str = "wav"
    pictures: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
    make_video: Callable[[], bytes] | None = None


def write_clip(folder: epath.Path, clip: ClipFiles) -> dict:
    """Writes the files of a clip, each whole or not at all, the .json last.

    A picture or a video that cannot be made is left out: a warning, and `picture_failed` or
    `video_failed` in the .json and in the record, say why.

    Returns:
      The record of the clip for the manifest.

    Raises:
      StorageError: the folder cannot be written to, or the disk is full.
    """
    path = folder / clip.request.name
    sounds = {"": clip.sound.content, **clip.compared}
    contents = {f"{kind}.{clip.format}": content for kind, content in sounds.items()}
    if clip.arrays is not None:
        contents[".npz"] = _encode_npz(clip.arrays)
    for suffix, content in contents.items():
        write_whole(f"{path}{suffix}", content)
    sizes = {suffix: len(content) for suffix, content in contents.items()}
    drawn, failed = write_pictures(path, clip.pictures)
    filmed, video_failed = write_video(f"{path}{VIDEO}", clip.make_video)
    failed |= video_failed
    facts = encode_json(describe_clip(clip) | failed)
    write_whole(f"{path}.json", facts)
    log.info("%s: %s", clip.request.name, summarise(clip))
    files = sizes | drawn | filmed | {".json": len(facts)}
    return make_record(clip) | failed | {"files": files, "picture": PICTURE in files}


def write_pictures(
    path: os.PathLike | str, pictures: Mapping[str, Callable[[], bytes]]
) -> tuple[dict[str, int], dict[str, str]]:
    """Draws and writes the pictures of a clip; a warning says why one of them cannot be made.

    Args:
      path: of the files of the clip, without a suffix.
      pictures: what draws each, by suffix; what one of them met is not said again of the next.

    Returns:
      ({suffix: size in bytes}, {"picture_failed": why}); the second is empty if none failed.
    """
    sizes, reasons = {}, []
    for suffix, draw in pictures.items():
        size, reason = _make_file(f"{path}{suffix}", draw)
        if reason is None:
            sizes[suffix] = size
        elif reason not in reasons:
            reasons.append(reason)
            _warn(f"{path}{suffix}", reason)
    return sizes, {"picture_failed": reasons[0]} if reasons else {}


def write_video(
    path: str, make_video: Callable[[], bytes] | None
) -> tuple[dict[str, int], dict[str, str]]:
    """Makes and writes the video of a clip, if it is to have one; a warning says why it cannot.

    Returns:
      ({suffix: size in bytes}, {"video_failed": why}); one of them is empty, or both are.
    """
    if make_video is None:
        return {}, {}
    size, reason = _make_file(path, make_video)
    if reason is None:
        return {VIDEO: size}, {}
    _warn(path, reason)
    return {}, {"video_failed": reason}


def _make_file(path, make):
    """Makes and writes a file that a clip can do without: (its size in bytes, None or why not)."""
    try:
        content = make()
        write_whole(path, content)
    except StorageError:
        raise
    except Exception as error:
        log.debug("%s", path, exc_info=error)
        return 0, describe_error(error)
    return len(content), None


def _warn(path, reason):
    log.warning("%s could not be made: %s", path, reason)


def describe_clip(clip: ClipFiles) -> dict:
    """Returns the facts of a clip, which its .json holds."""
    request, recording, loudness = clip.request, clip.sound.recording, clip.sound.loudness
    probabilities = {name: _round_all(each) for name, each in vars(clip.probabilities).items()}
    return {
        "input": request.input,
        "number": request.number,
        "seed": request.seed,
        "model": request.model,
        "domain": request.domain,
        "layers_to_use": list(request.layers),
        "target_class": request.target_class,
        **_list_asked(request),
        **clip.result.facts(),
        "class_probabilities": probabilities,
        "loudness_lufs": _finite_or_none(loudness.lufs),
        "true_peak_dbtp": _finite_or_none(loudness.true_peak_dbtp),
        "seconds": _seconds_of(clip),
        "format": clip.format,
        "sample_rate": recording.sample_rate,
        "channels": recording.channels.shape[1],
        "timings": dict(clip.timings),
    }


def make_record(clip: ClipFiles) -> dict:
    """Returns the record of a clip that is done, for the manifest and the page of the run."""
    request, written = clip.request, clip.probabilities.written_sound
    record = {
        "number": request.number,
        "name": request.name,
        "input": request.input,
        "seed": request.seed,
        "model": request.model,
        "domain": request.domain,
        **_list_asked(request),
        "layers": "+".join(request.layers),
        **{flag: _join(value) for flag, value in request.swept.items()},
        "target_class": request.target_class,
        "heard_as": _most_probable(written),
    }
    if request.target_class is not None:
        before = clip.probabilities.before
        record["p_target_input"] = round(float(before[request.target_class]), 6)
        record["p_target"] = round(float(written[request.target_class]), 6)
    return record | {
        **clip.result.columns(),
        "loudness_lufs": _finite_or_none(clip.sound.loudness.lufs),
        "true_peak_dbtp": _finite_or_none(clip.sound.loudness.true_peak_dbtp),
        "seconds": round(_seconds_of(clip), 3),
        "picture": PICTURE in clip.pictures,
        "heard": _name_heard(clip.probabilities),
    }


def title_clip(request: ClipRequest, *, kind: str, aim: str | None = None) -> str:
    """Makes the title of the picture of a clip.

    Args:
      request: which clip it is.
      kind: "Dream" or "Ouroboros".
      aim: what was dreamed towards, such as "towards organ"; None without a class.
    """
    name, layers = printable_name(Path(request.input).name), " + ".join(request.layers)
    aim = f", {aim}" if aim else ""
    return f"{kind} of {name} by {layers} of {request.model}{aim}{describe_mix(request.mix)}"


def describe_mix(mix: float) -> str:
    """Returns the end of a title, which says how much of the sound is the dream; "" if all is."""
    return "" if mix == 1 else f"; the sound is {mix:.0%} dream and {1 - mix:.0%} input"


def summarise(clip: ClipFiles) -> str:
    """Returns one line about a clip, for the log."""
    before, written = _name_heard(clip.probabilities)
    done = clip.result.summarise("+".join(clip.request.layers))
    return f"the network hears {before} -> {written}; {done}"


def _list_asked(request):
    """Returns preset, strength, mix, objective and place, {name: value}, if they were asked for."""
    mix = None if request.mix == 1 else request.mix
    asked = {"preset": request.preset, "strength": request.strength, "mix": mix}
    asked |= {"raises": request.raises, "excerpt": request.excerpt}
    asked |= {"loop": request.loop or None}
    given = {name: value for name, value in asked.items() if value is not None}
    return given | dict(request.where)


def _name_heard(probabilities):
    """Returns the most probable class in the input and in the written sound, in words."""
    return [
        _name_most_probable(each) for each in (probabilities.before, probabilities.written_sound)
    ]


def _encode_npz(arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _seconds_of(clip):
    channels, sample_rate = clip.sound.recording
    return len(channels) / sample_rate


def _most_probable(probabilities):
    return max(probabilities, key=probabilities.get)


def _name_most_probable(probabilities):
    name = _most_probable(probabilities)
    return f"{name} {probabilities[name]:.0%}"


def _round_all(probabilities):
    return {name: round(float(value), 6) for name, value in probabilities.items()}


def _finite_or_none(value):
    return round(value, 3) if math.isfinite(value) else None


def _join(value):
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else value
