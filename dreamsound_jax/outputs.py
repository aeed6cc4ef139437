"""What a run leaves behind: its folder, params.json, and four files for each clip."""

import datetime
import importlib.metadata
import io
import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from etils import epath

from dreamsound_jax import audio, inputs, mel, report
from dreamsound_jax.errors import UserError, reason_of

log = logging.getLogger(__name__)

PACKAGES = ("dreamsound-jax", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


class Clip(NamedTuple):
    """One finished clip, on the host.

    Attributes:
      source: the `Source` it came from.
      dreams: its `Dreams`, without the axis of clips.
      wav: the bytes of its sound file.
      heard_again: class probabilities (classes,) of the written sound.
      seconds: what each stage took, for the whole batch.
    """

    source: Any
    dreams: Any
    wav: bytes
    heard_again: np.ndarray
    seconds: dict


def make_folder(output_dir):
    """Makes the folder of a run: `output_dir`, or outputs/N with N the next free number.

    Raises:
      UserError: the folder cannot be made, or holds a run already.
    """
    try:
        if output_dir is None:
            return _next_numbered(epath.Path("outputs"))
        folder = epath.Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        taken = (folder / "params.json").exists()
    except Exception as error:  # each cloud client has its own family of errors
        place = output_dir or "outputs"
        raise UserError(f"cannot make the output folder {place!r}: {reason_of(error)}") from error
    if taken:
        raise UserError(f"{output_dir!r} already holds a run; name another --output_dir")
    return folder


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
    device = jax.devices()[0]
    _write_json(
        folder / "params.json",
        {
            "command": f"{command} --seed={flags['seed']}",
            "seed": flags["seed"],
            "flags": flags,
            "target_classes": targets,
            "versions": {name: _version(name) for name in PACKAGES},
            "device": {"platform": device.platform, "kind": device.device_kind},
            "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        },
    )


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


def write_clip(folder, clip, *, options, card, seed):
    """Writes the clip's .wav, .npz, .png and .json, each whole or not at all."""
    path = folder / clip.source.name
    written = audio.decode(clip.wav)
    facts = describe(clip, written, options=options, card=card, seed=seed)
    audio.write_whole(f"{path}.wav", clip.wav)
    audio.write_whole(f"{path}.npz", _arrays(clip, options))
    audio.write_whole(f"{path}.png", _picture(clip, written, options, card))
    _write_json(f"{path}.json", facts)
    log.info("%s.wav: %s", path, summarise(facts))


def describe(clip, written, *, options, card, seed):
    """What the clip's .json says."""
    loudness = audio.measure(written.channels, sample_rate=written.sample_rate)
    objective = clip.dreams.climb.objective
    target = clip.source.target
    return {
        "input": clip.source.path,
        "number": clip.source.number,
        "seed": seed,
        "model": card.name,
        "domain": options.domain,
        "layers_to_use": list(options.layers_to_use),
        "target_class": None if target is None else card.classes[target],
        "objective": {"first": float(objective[-1, 0]), "last": float(objective[-1, -1])},
        "objective_by_level": objective.tolist(),
        "class_probabilities": {
            "before": _named(card, clip.dreams.heard[0]),
            "after": _named(card, clip.dreams.heard[1]),
            "written_sound": _named(card, clip.heard_again),
        },
        "loudness_lufs": _finite_or_none(loudness.lufs),
        "true_peak_dbtp": _finite_or_none(loudness.true_peak_dbtp),
        "seconds": len(written.channels) / written.sample_rate,
        "sample_rate": written.sample_rate,
        "channels": written.channels.shape[1],
        "timings": dict(clip.seconds),
    }


def summarise(facts):
    """One line about a clip, for the log."""
    climb = facts["objective"]
    line = f"{'+'.join(facts['layers_to_use'])} {climb['first']:.4g} -> {climb['last']:.4g}"
    heard = [facts["class_probabilities"][when] for when in ("before", "written_sound")]
    named = [max(probabilities, key=probabilities.get) for probabilities in heard]
    return f"{line}; sounded like {named[0]}, sounds like {named[1]}"


def _arrays(clip, options):
    finished = clip.dreams.finished
    arrays = {"mel_db": np.stack([clip.dreams.before_db, finished.mel_db])}
    if options.domain == "sound":
        arrays["gain_db"] = finished.change_db
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _picture(clip, written, options, card):
    layers = " + ".join(options.layers_to_use)
    target = None if clip.source.target is None else card.classes[clip.source.target]
    aim = "" if target is None else f", {options.class_objective} {target}"
    return report.picture(
        title=f"{Path(clip.source.path).name}, dreamed by {layers} of {card.name}{aim}",
        before_db=clip.dreams.before_db,
        after_db=clip.dreams.finished.mel_db,
        change_db=clip.dreams.finished.change_db,
        change_name="Gain on the sound" if options.domain == "sound" else "Change",
        before_sound=clip.source.sound,
        after_sound=inputs.to_mono(written, sample_rate=mel.SAMPLE_RATE),
        objective=clip.dreams.climb.objective,
        objective_label=_objective_label(options, target),
        level_shapes=options.settings().level_shapes(clip.dreams.before_db.shape),
        sample_rate=mel.SAMPLE_RATE,
        hop=mel.HOP,
    )


def _objective_label(options, target):
    if len(options.layers_to_use) > 1:
        return "mean response of the layers"
    if target is None:
        return f"mean squared activation of {options.layers_to_use[0]}"
    sign = "" if options.class_objective == "towards" else "minus "
    return f"{sign}log probability of {target}"


def _named(card, probabilities):
    return {name: round(float(p), 6) for name, p in zip(card.classes, probabilities)}


def _finite_or_none(value):
    return round(value, 3) if np.isfinite(value) else None


def _write_json(path, entries):
    audio.write_whole(path, (json.dumps(entries, indent=2) + "\n").encode())
