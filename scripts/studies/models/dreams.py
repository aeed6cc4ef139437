"""Dreams on a few inputs by layers and towards classes, by the real command."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import soundfile
from etils import epath

import dreamsound_jax as ds
from dreamsound_jax.outputs.manifest import Manifest
from studies.command import run_dreamsound
from studies.first_dream.dreams import Input, read_inputs

RATES = (
    0.04,
    0.08,
    0.16,
)  # Half the default learning rate of the domain sound, it, and its double.
SHOWN_RATE = 0.08
LIKE_PRESETS = ("--num_iterations=20", "--smoothing_coefficient=1")
"""The flags of the presets that dream towards a class, besides their learning rate."""


class Dream(NamedTuple):
    """A dream that was written.

    Attributes:
      input: The name of its input.
      by: The layer or the class.
      lr: Its learning rate.
      distance_db: How far it is from its input.
      before, after: The probability of the class in the input and in the written sound; None for a
        dream by a layer.
      path: The written sound.
    """

    input: str
    by: str
    lr: float
    distance_db: float
    before: float | None
    after: float | None
    path: Path

    def read(self) -> Input:
        """Reads the written sound."""
        return Input(*ds.load_sound(str(self.path)))


def cut_inputs(paths: Sequence[str], seconds: float, folder: Path) -> dict[str, Path]:
    """Writes the first seconds of files as WAV files; returns their paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    cut = {Path(path).stem: folder / f"{Path(path).stem}.wav" for path in paths}
    for path, given in zip(cut.values(), read_inputs(paths, seconds)):
        soundfile.write(path, given.channels.T, given.sample_rate, subtype="FLOAT")
    return cut


def dream_by_layers(
    checkpoint: Path, inputs: Sequence[Path], layers: Sequence[str], folder: Path
) -> list[Dream]:
    """Dreams on each input by each layer at each of `RATES`; resumes what lies in the folder."""
    return _dream(checkpoint, inputs, folder, f"--sweep=layers_to_use={','.join(layers)}")


def dream_towards_classes(
    checkpoint: Path, inputs: Sequence[Path], classes: Sequence[str], folder: Path
) -> list[Dream]:
    """Dreams towards each class at each of `RATES`, as presets do; resumes what lies there."""
    sweep = f"--sweep=target_class={','.join(classes)}"
    return _dream(checkpoint, inputs, folder, *LIKE_PRESETS, sweep)


def _dream(checkpoint, inputs, folder, *options):
    run_dreamsound(
        f"--output_dir={folder}",
        f"--input={','.join(map(str, inputs))}",
        f"--checkpoint={checkpoint}",
        "--domain=sound",
        "--seed=1",
        "--noplots",
        "--nowrite_input",
        *options,
        f"--sweep=lr={','.join(f'{rate:g}' for rate in RATES)}",
    )
    return read_dreams(folder)


def read_dreams(folder: Path) -> list[Dream]:
    """Reads the dreams in the folder of a run that swept the learning rate."""
    records = Manifest(epath.Path(folder)).records().values()
    return [_read_dream(folder / record["name"], record) for record in records]


def _read_dream(path, record):
    name = record["target_class"]
    chances = json.loads(path.with_suffix(".json").read_text())["class_probabilities"]
    return Dream(
        input=Path(record["input"]).stem,
        by=name or record["layers"],
        lr=record["lr"],
        distance_db=record["distance_db"],
        before=chances["before"][name] if name else None,
        after=chances["written_sound"][name] if name else None,
        path=path.with_suffix(".wav"),
    )
