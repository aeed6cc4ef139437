"""The inputs of a listening test, and their dreams, which the real command dreams."""

import logging
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dreamsound_jax.audio import generated
from dreamsound_jax.audio.encoding import encode_sound
from dreamsound_jax.audio.files import Recording, read_recording
from dreamsound_jax.audio.find import RECORDINGS, find_inputs
from dreamsound_jax.audio.formats import Encoding
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.networks.loading import find_checkpoint
from dreamsound_jax.run.presets import make_options
from dreamsound_jax.system.errors import UserError, nearest_or_fail
from dreamsound_jax.system.storage import write_whole
from studies.command import run_dreamsound
from studies.heard import synthesis
from studies.heard.inputs import SETS
from studies.heard.settings import format_flags
from studies.listening.clips import CONTROL, DREAM, SAMPLE_RATE, Clip, count_samples, fit_length

MOST_CLASSES = 10  # As many as there are keys with a number.
GLIDE = "glide"
DEFAULTS = (*map(str, SETS["reporting"].recordings), GLIDE, "noise")
"""Inputs by which docs/heard.md reports results, and by which no settings were chosen; those of
them that need no soundfont and are no instrument."""

log = logging.getLogger("dreamsound_jax")


def choose_classes(names: Sequence[str], settings: Mapping[str, Any]) -> list[str]:
    """Returns the choices of a test, each once.

    Args:
      names: classes.
      settings: {option: value} of `dreamsound`, which name the network.

    Raises:
      UserError: the network does not have a class; or they are fewer than 2 or more than
        `MOST_CLASSES`.
    """
    card = read_card(find_checkpoint(make_options(settings).model))
    classes = list(dict.fromkeys(nearest_or_fail("class", name, card.classes) for name in names))
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise UserError(f"--classes must be 2 to {MOST_CLASSES} classes, got {len(classes)}")
    return classes


def read_inputs(names: Sequence[str], *, seconds: float, seed: int) -> dict[str, np.ndarray]:
    """Reads the inputs of a test.

    Args:
      names: sound files, folders, patterns, or sounds that are included, such as noise; by default
        `DEFAULTS`.
      seconds: their length.
      seed: of the noise.

    Returns:
      {name: (samples,)}, mono at 22,050 Hz.

    Raises:
      UserError: an input is missing, cannot be read, or is silent.
    """
    sounds = {}
    for number, name in enumerate(_find(names or DEFAULTS)):
        stem = Path(name).stem
        called = f"{stem}_{number}" if stem in sounds else stem
        recording = _make(name, seconds, np.random.default_rng((seed, number)))
        sounds[called] = fit_length(name, recording, seconds=seconds)
    return sounds


def _find(names):
    found = []
    for name in names:
        inside, missing = ([name], []) if name == GLIDE else find_inputs([name])
        if missing:
            raise UserError(missing[0][1])
        found += inside
    return found


def _make(name, seconds, rng):
    """Reads an input, or makes it without JAX, which would take the GPU from the command."""
    samples = count_samples(seconds)
    made = {
        GLIDE: lambda: synthesis.glide(samples),
        "noise": lambda: rng.uniform(-1, 1, samples),
        "sine": lambda: generated.sine(samples=samples, frequency=250.0, sample_rate=SAMPLE_RATE),
    }
    if name in made:
        return Recording(np.asarray(made[name](), np.float32)[:, None], SAMPLE_RATE)
    return read_recording(str(RECORDINGS.get(name, name)))


def list_controls(inputs: Mapping[str, np.ndarray]) -> list[Clip]:
    """Lists the inputs as they are, undreamed."""
    return [Clip(CONTROL, name, None, sound) for name, sound in inputs.items()]


def dream_all(
    inputs: Mapping[str, np.ndarray],
    classes: Sequence[str],
    settings: Mapping[str, Any],
    folder: Path,
    *,
    seed: int,
) -> list[Clip]:
    """Dreams on each input towards each class by the command `dreamsound`.

    What an earlier run of the same command has dreamed in the folder is not dreamed again.

    Args:
      inputs: {name: (samples,)}.
      classes: the classes of the network.
      settings: {option: value} of `dreamsound`.
      folder: where inputs and dreams are written.
      seed: of the dreams.

    Raises:
      UserError: the command failed; the message has what it printed.
    """
    files = [_write_input(folder / "inputs" / f"{name}.wav", inputs[name]) for name in inputs]
    arguments = [
        *map(str, files),
        *shlex.split(format_flags(settings)),
        f"--sweep=target_class={','.join(classes)}",
        f"--seed={seed}",
        "--name={number}",
        *("--noplots", "--noarrays", "--nowrite_input"),
        f"--output_dir={folder / 'dreams'}",
    ]
    wanted = [(name, target) for name in inputs for target in classes]  # As the clips are numbered.
    log.info("dreaming %d clips by dreamsound %s", len(wanted), shlex.join(arguments))
    run_dreamsound(*arguments)
    return [
        Clip(DREAM, name, target, _read_dream(folder / "dreams" / f"{number:05}.wav", inputs[name]))
        for number, (name, target) in enumerate(wanted)
    ]


def _write_input(path, sound):
    path.parent.mkdir(parents=True, exist_ok=True)
    wav = encode_sound(0.9 * sound, sample_rate=SAMPLE_RATE, encoding=Encoding())
    if not path.exists() or path.read_bytes() != wav:  # A file that is new would not be resumed.
        write_whole(path, wav)
    return path


def _read_dream(path, given):
    seconds = len(given) / SAMPLE_RATE
    return fit_length(str(path), read_recording(str(path)), seconds=seconds)
