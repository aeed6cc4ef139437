"""What a run leaves behind: its folder, params.json, and four files for each clip."""

import datetime
import importlib.metadata
import io
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from etils import epath

from dreamsound_jax.audio import audio
from dreamsound_jax.outputs.page import page
from dreamsound_jax.system.errors import UserError, reason_of

log = logging.getLogger(__name__)

FREE_FLAGS = ("output_dir", "save_every")  # what a run may go on with in another way
PACKAGES = ("dreamsound-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


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


def earlier_run(output_dir, flags):
    """The params.json of the run that `output_dir` holds and `flags` would go on with, or None.

    Raises:
      UserError: the folder cannot be read, or holds a run with other flags.
    """
    if output_dir is None:
        return None
    path = epath.Path(output_dir) / "params.json"
    try:
        if not path.exists():
            return None
    except Exception as error:  # each cloud client has its own family of errors
        raise UserError(f"cannot look into {output_dir!r}: {reason_of(error)}") from error
    try:
        params = json.loads(path.read_text())
        given = json.loads(json.dumps(flags))
        there = {name: params["flags"].get(name) for name in given}
    except Exception as error:  # each cloud client has its own family of errors
        raise UserError(
            f"{output_dir!r} already holds a run, which cannot be read ({reason_of(error)}); name "
            "another --output_dir"
        ) from error
    if flags["seed"] is None:
        given["seed"] = there["seed"]
    other = [name for name in given if given[name] != there[name] and name not in FREE_FLAGS]
    if other:
        told = ", ".join(f"--{name} {there[name]}, not {given[name]}" for name in other)
        raise UserError(
            f"{output_dir!r} already holds a run with {told}; name another --output_dir"
        )
    return params


def make_folder(output_dir):
    """Makes the folder of a run: `output_dir`, or outputs/N with N the next free number.

    Raises:
      UserError: the folder cannot be made.
    """
    try:
        if output_dir is None:
            return _next_numbered(epath.Path("outputs"))
        folder = epath.Path(output_dir)
        if not audio.is_cloud(folder):  # a store has no folders, and s3fs would make a bucket
            folder.mkdir(parents=True, exist_ok=True)
        return folder
    except Exception as error:  # each cloud client has its own family of errors
        place = output_dir or "outputs"
        raise UserError(f"cannot make the output folder {place!r}: {reason_of(error)}") from error


def _next_numbered(parent):
    parent.mkdir(parents=True, exist_ok=True)
    taken = [int(path.name) for path in parent.iterdir() if path.name.isdecimal()]
    number = max(taken, default=0)
    while True:  # another run may take the number first: then the next
        number += 1
        try:
            (parent / str(number)).mkdir()
        except FileExistsError:
            continue
        return parent / str(number)


def write_params(folder, *, flags, command, targets):
    """Writes params.json: all that is needed to run again."""
    told = _told_of_run(command, flags["seed"])
    told |= {"seed": flags["seed"], "flags": flags, "target_classes": targets}
    _write_json(folder / "params.json", told)


def write_index(folder, records, *, command, seed):
    """Writes index.html, where all clips of `records`, a `Manifest`'s, are seen and heard."""
    failed = sum("error" in each for each in records.values())
    told = _told_of_run(command, seed)
    told["versions"] = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    told["device"] = told["device"]["kind"]
    told["clips"] = f"{len(records) - failed} done, {failed} failed"
    html = page.index_html(list(records.values()), title=f"DreamSound: {folder.name}", facts=told)
    audio.write_whole(folder / "index.html", html.encode(), shared=True)


def _told_of_run(command, seed):
    device = jax.devices()[0]
    return {
        "command": f"{command} --seed={seed}",
        "versions": {name: _version(name) for name in PACKAGES},
        "device": {"platform": device.platform, "kind": device.device_kind},
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    }


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a clone that is not installed
        return None


def encode(sound, *, sample_rate, loudness):
    """A WAV file of (samples, channels): 16 bit and safe to hear, or float32 as it comes."""
    if loudness == "none":
        return audio.encode_wav(sound, sample_rate=sample_rate, subtype="FLOAT")
    safe = audio.make_safe(sound, sample_rate=sample_rate)
    return audio.encode_wav(safe, sample_rate=sample_rate)


def write_clip(folder, source, clip, *, options, card):
    """Writes the clip's .wav, .npz, .png and .json, each whole or not at all, the .json last.

    Returns its record for the manifest.
    """
    path, options = folder / source.name, replace(options, **source.changes)
    written = audio.decode(clip.wav)
    facts = describe(source, clip, written, options=options, card=card)
    audio.write_whole(f"{path}.wav", clip.wav)
    audio.write_whole(f"{path}.npz", _npz(clip.arrays))
    if options.plots:
        audio.write_whole(f"{path}.png", clip.picture(written))
    _write_json(f"{path}.json", facts)
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
    loudness = audio.measure(written.channels, sample_rate=written.sample_rate)
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


def _write_json(path, entries):
    audio.write_whole(path, (json.dumps(entries, indent=2) + "\n").encode())
