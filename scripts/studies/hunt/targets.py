"""What the hunt mutates: real files of each kind, and what reads them.

Files that encoders, PyTorch and others make lie in `BASE_FILES`, where `base_files.py` has put
them: other versions would make others. The rest is written here, alike everywhere but for traces.
"""

import csv
import importlib.util
import io
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from etils import epath

from dreamsound_jax.audio.files import read_recording, read_sound
from dreamsound_jax.cli import flags as own_flags
from dreamsound_jax.cli import parsing
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.networks.loading import load_model
from dreamsound_jax.objectives.grammar import parse_objective
from dreamsound_jax.outputs.folder import find_earlier_run
from dreamsound_jax.outputs.manifest import Manifest
from dreamsound_jax.outputs.saved_rounds import SavedRounds, list_unfinished_batches
from dreamsound_jax.system import programs
from dreamsound_jax.system.npy_file import read_npy
from dreamsound_jax.system.shipped import shipped
from dreamsound_jax.training.datasets.class_folders import find_class_folders
from dreamsound_jax.training.datasets.public_datasets import find_fma_small, find_urbansound8k
from dreamsound_jax.training.datasets.soundfont import SoundfontPlayer
from dreamsound_jax.training.datasets.soundfont_info import read_soundfont_info
from dreamsound_jax.training.mel_cache import _find_pieces
from dreamsound_jax.weights.safetensors_file import read_safetensors
from dreamsound_jax.weights.torch_file import StoredTensor, open_state_dict

BASE_FILES = Path(__file__).parents[3] / "tests" / "data" / "hunt"
RATE = 22050
SOUNDS = ("wav", "float.wav", "flac", "ogg", "mp3", "aiff", "au", "caf")
"""Kinds that libsndfile reads."""
MEDIA = ("m4a", "mp4", "opus", "webm", "mkv", "wma")
"""Kinds that FFmpeg alone reads."""

# Files of a checkpoint: what Orbax and TensorStore write.
WEIGHTS = {"list": "orbax.checkpoint", "metadata": "state/_METADATA", "data": "state/d/*"}


class Target(NamedTuple):
    """A kind of file.

    Attributes:
      make: Makes a folder with a real file in it; returns the path of the file to mutate.
      read: Reads the file at that path; raises UserError if it cannot be used.
    """

    make: Callable[[Path], Path]
    read: Callable[[Path], object]


def find_targets() -> dict[str, Target]:
    """Returns {kind: target} of all kinds; soundfonts only where what plays them is installed."""
    sounds = {kind: Target(_copy(f"sound.{kind}"), _read_sound) for kind in SOUNDS + MEDIA}
    weights = {
        f"checkpoint {name}": Target(_copy_checkpoint(file), _load_checkpoint)
        for name, file in WEIGHTS.items()
    }
    others = {
        "card": Target(_copy("card.json"), lambda path: read_card(path.parent)),
        "flags": Target(_copy("hits.flags"), _read_flags),
        "objective": Target(_write_objective, lambda path: parse_objective(_read_text(path))),
        "manifest": Target(_write_manifest, _read_manifest),
        "params": Target(_write_params, _read_params),
        "rounds": Target(_copy_rounds("000000"), _read_rounds),
        "rounds state": Target(_copy_rounds("state"), _read_rounds),
        "npy": Target(_write_npy, lambda path: read_npy(str(path), "--mask")),
        "trace": Target(_keep_trace, _use_trace),
        "spectrogram cache": Target(_write_npy, lambda path: _find_pieces(path, 128)),
        "class folder": Target(_make_class_folder, _read_class_folder),
        "urbansound8k": Target(_write_urbansound8k, _read_urbansound8k),
        "fma-small": Target(_write_fma_small, _read_fma_small),
        "safetensors": Target(_write_safetensors, read_safetensors),
        "pth": Target(_copy("weights.pth"), _read_pth),
        "legacy pth": Target(_copy("legacy.pth"), _read_pth),
    }
    if importlib.util.find_spec("tinysoundfont"):
        others["soundfont"] = Target(_copy("tiny.sf2"), _play_soundfont)
    return {**sounds, **weights, **others}


def _copy(name):
    """Returns what puts a file of `BASE_FILES` into a folder."""
    return lambda folder: Path(shutil.copyfile(BASE_FILES / name, folder / name))


def _read_sound(path):
    read_sound(str(path), sample_rate=RATE)
    return read_recording(str(path))


def _copy_checkpoint(file):
    def copy(folder):
        shutil.copytree(shipped("checkpoints") / "mtt", folder / "mtt")
        return min((folder / "mtt" / "weights").glob(file))

    return copy


def _load_checkpoint(path):
    folder = next(parent for parent in path.parents if parent.name == "mtt")
    return load_model(checkpoint=str(folder))


def _read_flags(path):
    flags.FLAGS.unparse_flags()
    try:
        parsing.parse(["dreamsound", f"--flagfile={path}"], module=own_flags.__name__, usage="")
        own_flags.read_options()
    finally:
        for name in flags.FLAGS:
            flags.FLAGS[name].unparse()


def _write_objective(folder):
    text = "layer(relu3_4) + 0.5*(channel(relu2_2, 17) - 2*total_variation(time=1)) + margin('a')"
    return _write(folder / "objective.txt", text.encode())


def _read_text(path):
    return path.read_bytes().decode(errors="replace")


def _write_manifest(folder):
    manifest = Manifest(epath.Path(folder))
    for number in range(4):
        manifest.add({"number": number, "name": f"{number:05d}-noïse", "input": "noise", "seed": 1})
    return folder / "manifest-000.jsonl"


def _read_manifest(path):
    manifest = Manifest(epath.Path(path.parent))
    return manifest.records(), manifest.done()


def _write_params(folder):
    params = {"flags": {"lr": 0.1, "input": ["noise"]}, "seed": 3, "inputs": ["noise"]}
    return _write(folder / "params.json", json.dumps(params).encode())


def _read_params(path):
    flags_given = {"lr": 0.1, "input": ["noise"], "seed": None}
    return find_earlier_run(str(path.parent), flags_given, may_differ=())


def _copy_rounds(suffix):
    """Returns what puts the files of a batch into a folder; it returns one of them."""

    def copy(folder):
        shutil.copytree(BASE_FILES / "unfinished", folder / "unfinished")
        return folder / "unfinished" / f"00000-{suffix}.npz"

    return copy


def begin_rounds() -> dict:
    """Returns the state before the first round of the saved batch."""
    return {"sound": jnp.arange(6.0), "key": jax.random.key(1)}


def _read_rounds(path):
    folder = epath.Path(path.parents[1])
    list_unfinished_batches(folder)
    saved = SavedRounds(folder, [0, 1])
    saved.restore(begin_rounds())
    return saved.read_rounds(0) if saved._digests else None


def _write_npy(folder):
    file = io.BytesIO()
    np.save(file, np.zeros((1, 8, 4), np.float16))
    return _write(folder / "array.npy", file.getvalue())


@programs.keep_traces
@jax.jit
def _twice(x):
    return {"twice": 2 * x}


def _keep_trace(folder):
    with programs.keep_in(str(folder / "traces")):
        _twice(jnp.ones(3))
    return next((folder / "traces").glob("*.trace"))


def _use_trace(path):
    with programs.keep_in(str(path.parent)):
        found = _twice(jnp.ones(3))
    if not (found["twice"] == 2).all():
        raise RuntimeError(f"a damaged program gives {found}")


def _make_class_folder(folder):
    """Makes two classes of two sounds, of which one is mutated."""
    for number in range(4):
        place = folder / "classes" / f"class_{number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(BASE_FILES / "sound.wav", place / f"{number}.wav")
    return folder / "classes" / "class_0" / "0.wav"


def _read_class_folder(path):
    dataset = find_class_folders(path.parents[1], held_out=0.5, seed=0)
    read = dataset.open_reader(RATE)
    return [read(sound.name) for split in dataset.splits.values() for sound in split]


def _write_urbansound8k(folder):
    (folder / "metadata").mkdir()
    rows = [[f"{n}.wav", n, 0.5, 4.5, 1, n % 10 + 1, 3, "dog_bark"] for n in range(20)]
    header = ["slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class"]
    return _write(folder / "metadata" / "UrbanSound8K.csv", _format_csv([header, *rows]))


def _read_urbansound8k(path):
    return find_urbansound8k(path.parents[1], fold=1)


def _write_fma_small(folder):
    (folder / "fma_metadata").mkdir()
    header = [["", "set", "set", "track"], ["", "split", "subset", "genre_top"], ["track_id"]]
    splits = ("training", "validation", "test")
    rows = [[n, splits[n % 3], "small", "Hip-Hop"] for n in range(2, 22)]
    return _write(folder / "fma_metadata" / "tracks.csv", _format_csv([*header, *rows]))


def _read_fma_small(path):
    return find_fma_small(path.parents[1])


def _format_csv(rows):
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _write_safetensors(folder):
    entries = {"a.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
    header = json.dumps(entries).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(24)
    return _write(folder / "weights.safetensors", content)


def _read_pth(path):
    with open_state_dict(path) as tensors:
        return [each.read() for each in tensors.values() if isinstance(each, StoredTensor)]


def _play_soundfont(path):
    read_soundfont_info(path)
    player = SoundfontPlayer(str(path))
    return player.play([(0, 2000, 69, 100)], program=0, tuning=0.0, samples=4000)


def _write(path, content):
    path.write_bytes(content)
    return path


class Planted:
    """An object that makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        """Remembers the file to make."""
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def plant(marker: Path) -> list[bytes]:
    """Returns files that make the file `marker` where they are unpickled."""
    pickled = pickle.dumps(Planted(marker))
    array = io.BytesIO()
    np.save(array, np.array([Planted(marker)], dtype=object), allow_pickle=True)
    arrays = io.BytesIO()
    np.savez(arrays, numbers=np.array([Planted(marker)], dtype=object))
    return [pickled, array.getvalue(), arrays.getvalue()]
