"""Makes the files that the hunt mutates, where encoders or other packages write them.

    cd scripts && python -m studies.hunt.base_files

They lie in the repository, so that a case is the same file whatever is installed. The digests of
the corpus, which `corpus.py` writes, must be written again after a change.
"""

import shutil
from pathlib import Path

import numpy as np
import soundfile
import torch
from etils import epath

from dreamsound_jax.outputs.saved_rounds import Rounds, SavedRounds
from dreamsound_jax.system.shipped import shipped
from studies.hunt.media import CONTAINERS, encode_media
from studies.hunt.targets import BASE_FILES, RATE, begin_rounds
from studies.hunt.tiny_soundfont import make_soundfont

SOUNDS = {
    "wav": ("WAV", "PCM_16"),
    "float.wav": ("WAV", "FLOAT"),
    "flac": ("FLAC", "PCM_24"),
    "ogg": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_24"),
}
"""{kind of file: libsndfile's names of the container and the codec}."""


def make_base_files(folder: Path) -> None:
    """Writes all files into a folder, which is emptied first."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    noise = 0.3 * np.random.default_rng(0).standard_normal((RATE // 8, 2)).clip(-3, 3)
    for kind, (container, subtype) in SOUNDS.items():
        soundfile.write(folder / f"sound.{kind}", noise, RATE, format=container, subtype=subtype)
    for kind, (container, codec) in CONTAINERS.items():
        (folder / f"sound.{kind}").write_bytes(encode_media(noise, container, codec))
    (folder / "tiny.sf2").write_bytes(make_soundfont())
    shutil.copy(shipped("checkpoints") / "gm" / "card.json", folder)
    shutil.copy(shipped("configs") / "hits.flags", folder)
    _save_rounds(folder)
    _save_weights(folder)


def _save_rounds(folder):
    saved = SavedRounds(epath.Path(folder), [0, 1])
    fields = (np.ones((2, 4, 5)), np.ones((2, 1, 90)), *[np.ones(2)] * 2, *[np.ones((2, 1, 3))] * 2)
    saved.save(0, [Rounds(*fields)] * 2, begin_rounds())


def _save_weights(folder):
    weights = {"features.0.weight": torch.ones(4, 1, 3, 3), "features.0.bias": torch.zeros(4)}
    content = {"state_dict": weights, "epoch": 3}
    torch.save(content, folder / "weights.pth")
    torch.save(content, folder / "legacy.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    make_base_files(BASE_FILES)
