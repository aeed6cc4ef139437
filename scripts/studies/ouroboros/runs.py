"""Runs ouroboroses by the real command, and measures their rounds."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from dreamsound_jax.audio.files import Recording, to_mono
from dreamsound_jax.spectral import measures
from studies.command import run_dreamsound


class Run(NamedTuple):
    """One run of the command.

    Attributes:
      domain: "sound" or "mel".
      layers: The value of --layers_to_use.
      flag: "--stabilise" or "--nostabilise".
    """

    domain: str
    layers: str
    flag: str


class Course(NamedTuple):
    """The course of one ouroboros.

    Attributes:
      index: The overcooked index in dB after each round, (rounds,).
      moved: The change in dB of each round, (rounds,).
      silent: The share of silent frames in the input and after each round, (1 + rounds,).
      high: The share of the energy above 6 kHz, (1 + rounds,).
    """

    index: np.ndarray
    moved: np.ndarray
    silent: np.ndarray
    high: np.ndarray


def dream(run: Run, *, names: list[str], rounds: int, work_dir: Path) -> dict[str, Course]:
    """Returns the `Course` of each input, from files of an earlier call if they exist.

    Raises:
      UserError: The command failed.
    """
    folder = work_dir / f"{run.domain}-{run.layers}-{run.flag.strip('-')}"
    if len(list(folder.glob("0*.json"))) < len(names):
        run_dreamsound(
            f"--output_dir={folder}",
            "--create_ouroboros",
            f"--ouroboros_length={rounds}",
            "--seed=0",
            run.flag,
            f"--input={','.join(names)}",
            f"--domain={run.domain}",
            f"--layers_to_use={run.layers}",
            "--nocrossfade",
            "--loudness=none",
        )
    return {path.stem[6:]: measure_course(path) for path in sorted(folder.glob("0*.json"))}


def measure_course(path: Path) -> Course:
    """Measures an ouroboros by its .json, and by its .wav, which joins the sounds of all rounds."""
    rounds = json.loads(path.read_text())["rounds"]
    channels, rate = soundfile.read(path.with_suffix(".wav"), dtype="float32", always_2d=True)
    clips = np.split(channels, len(rounds) + 1)
    sounds = [to_mono(Recording(clip, rate), sample_rate=measures.SAMPLE_RATE) for clip in clips]
    return Course(
        index=np.array([each["overcooked_db"] for each in rounds]),
        moved=np.array([each["moved_db"] for each in rounds]),
        silent=np.array([measures.silent_share(sound) for sound in sounds]),
        high=np.array([measures.high_share(sound) for sound in sounds]),
    )
