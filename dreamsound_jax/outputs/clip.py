"""The files of one clip: sound, arrays, picture and facts."""

import io
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamsound_jax.audio import files
from dreamsound_jax.audio.loudness import make_safe, measure_loudness
from dreamsound_jax.system import storage
from dreamsound_jax.system.storage import write_json

log = logging.getLogger(__name__)


class Clip(NamedTuple):
    """One finished clip, on the host.

    Attributes:
      wav: the bytes of its sound file.
      arrays: what its .npz holds, by name.
      picture: a function that draws its .png of the written `Recording`.
      facts: what its .json says of the dream.
      heard: class probabilities (classes,) of the input, of the dream, and of the written sound.
      seconds: what each stage took, for the whole batch.
    """

    wav: bytes
    arrays: dict
    picture: Callable
    facts: dict
    heard: tuple
    seconds: dict


def encode(sound, *, sample_rate, loudness):
    """A WAV file of (samples, channels): 16 bit and safe to hear, or float32 as it comes."""
    if loudness == "none":
        return files.encode_wav(sound, sample_rate=sample_rate, subtype="FLOAT")
    safe = make_safe(sound, sample_rate=sample_rate)
    return files.encode_wav(safe, sample_rate=sample_rate)


def write_clip(folder, source, clip, *, options, card):
    """Writes the clip's .wav, .npz, .png and .json, each whole or not at all, the .json last.

    Returns its record for the manifest.
    """
    path, options = folder / source.name, replace(options, **source.changes)
    written = files.decode(clip.wav)
    facts = describe(source, clip, written, options=options, card=card)
    storage.write_whole(f"{path}.wav", clip.wav)
    storage.write_whole(f"{path}.npz", _npz(clip.arrays))
    if options.plots:
        storage.write_whole(f"{path}.png", clip.picture(written))
    write_json(f"{path}.json", facts)
    log.info("%s.wav: %s", path, summarise(facts))
    return record(source, facts, options)


def record(source, facts, options):
    """What the manifest and the page of all clips say of one that is done."""
    heard, target = facts["class_probabilities"]["written_sound"], facts["target_class"]
    told = {
        "number": source.number,
        "name": source.name,
        "input": source.path,
        "seed": options.seed,
        "layers": "+".join(facts["layers_to_use"]),
        **{flag: _scalar(value) for flag, value in source.changes.items()},
        "target_class": target,
        "heard_as": max(heard, key=heard.get),
        **({"p_target": heard[target]} if target else {}),
        **_climb_of(facts),
        "loudness_lufs": facts["loudness_lufs"],
        "seconds": round(facts["seconds"], 3),
        "picture": options.plots,
    }
    return told | ({"ended": facts["ended"]} if facts.get("ended") else {})


def _climb_of(facts):
    if "rounds" in facts:
        last = facts["rounds"][-1]
        told = {name: last[name] for name in ("overcooked_db", "moved_db")}
        return {"rounds": len(facts["rounds"]), **told}
    return {f"objective_{when}": facts["objective"][when] for when in ("first", "last")}


def _scalar(value):
    return "+".join(map(str, value)) if isinstance(value, list) else value


def describe(source, clip, written, *, options, card):
    """What the clip's .json says."""
    loudness = measure_loudness(written.channels, sample_rate=written.sample_rate)
    times = ("before", "after", "written_sound")
    return {
        "input": source.path,
        "number": source.number,
        "seed": options.seed,
        "model": card.name,
        "domain": options.domain,
        "layers_to_use": list(options.layers_to_use),
        "target_class": target_name(source, card),
        **clip.facts,
        "class_probabilities": {
            when: _named(card, heard) for when, heard in zip(times, clip.heard, strict=True)
        },
        "loudness_lufs": _finite_or_none(loudness.lufs),
        "true_peak_dbtp": _finite_or_none(loudness.true_peak_dbtp),
        "seconds": len(written.channels) / written.sample_rate,
        "sample_rate": written.sample_rate,
        "channels": written.channels.shape[1],
        "timings": dict(clip.seconds),
    }


def target_name(source, card):
    """The class that a clip dreams of, or None."""
    return None if source.target is None else card.classes[source.target]


def summarise(facts):
    """One line about a clip, for the log."""
    heard = [facts["class_probabilities"][when] for when in ("before", "written_sound")]
    named = [max(probabilities, key=probabilities.get) for probabilities in heard]
    return f"{_climbed(facts)}; sounded like {named[0]}, sounds like {named[1]}"


def _climbed(facts):
    layers = "+".join(facts["layers_to_use"])
    if "rounds" in facts:
        first, last = (facts["rounds"][number]["overcooked_db"] for number in (0, -1))
        count = len(facts["rounds"])
        rounds = "1 round" if count == 1 else f"{count} rounds"
        return f"{layers}, {rounds}; overcooked index {first:.1f} -> {last:.1f} dB"
    return f"{layers} {facts['objective']['first']:.4g} -> {facts['objective']['last']:.4g}"


def title(source, options, card):
    """What a picture is called."""
    layers, target = " + ".join(options.layers_to_use), target_name(source, card)
    aim = "" if target is None else f", {options.class_objective} {target}"
    return f"{Path(source.path).name}, dreamed by {layers} of {card.name}{aim}"


def _npz(arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _named(card, probabilities):
    return {name: round(float(p), 6) for name, p in zip(card.classes, probabilities)}


def _finite_or_none(value):
    return round(value, 3) if np.isfinite(value) else None
