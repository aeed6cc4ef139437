"""Data sets of files, on small folders with the real layouts."""

import csv

import numpy as np
import pytest
import soundfile

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets.class_folders import find_class_folders
from dreamsound_jax.training.datasets.public_datasets import (
    URBANSOUND8K_CLASSES,
    find_fma_small,
    find_urbansound8k,
)
from dreamsound_jax.training.examples import load_examples
from tests.helpers.sounds import RATE, tone

URBAN_COLUMNS = "slice_file_name,fsID,start,end,salience,fold,classID,class"
FMA_HEADER = [
    ["", "album", "set", "set", "track", "track"],
    ["", "title", "split", "subset", "genre_top", "title"],
    ["track_id", "", "", "", "", ""],
]


def write_sound(path, frequency=440.0, seconds=0.4):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(frequency=frequency, seconds=seconds), RATE)


def urban_tree(root, clips=20):
    """Writes UrbanSound8K with two clips in each fold."""
    rows = []
    for clip in range(clips):
        fold, label = clip % 10 + 1, clip % 3
        name = f"{1000 + clip}-{label}-0-0.wav"
        write_sound(root / "audio" / f"fold{fold}" / name)
        row = [name, 1000 + clip, 0.0, 4.0, 1, fold, label, URBANSOUND8K_CLASSES[label]]
        rows.append(",".join(map(str, row)))
    (root / "metadata").mkdir()
    (root / "metadata/UrbanSound8K.csv").write_text("\n".join([URBAN_COLUMNS, *rows]) + "\n")
    return root


def fma_tree(root):
    """Writes FMA with tracks of several subsets and splits; track 133297 is a broken one."""
    tracks = {
        2: ("training", "small", "Hip-Hop"),
        5: ("training", "small", "Rock"),
        99: ("validation", "small", "Rock"),
        1482: ("test", "small", "Instrumental"),
        133297: ("training", "small", "Folk"),
        7: ("training", "medium", "Rock"),
        8: ("training", "large", ""),
    }
    (root / "fma_metadata").mkdir(parents=True)
    with (root / "fma_metadata/tracks.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerows(FMA_HEADER)
        for track, (split, subset, genre) in tracks.items():
            lines.writerow([track, "An album,\nof two lines", split, subset, genre, "A title"])
            path = f"{track:06d}"
            write_sound(root / "fma_small" / path[:3] / f"{path}.mp3", seconds=1.0)
    return root


def folder_tree(root, counts):
    for name, count in counts.items():
        for number in range(count):
            write_sound(root / name / "takes" / f"{number}.wav")
    return root


def test_urbansound8k_holds_one_official_fold_out(tmp_path):
    dataset = find_urbansound8k(urban_tree(tmp_path), fold=3)
    assert dataset.classes[8] == "siren" and dataset.held_out == ["fold_3"]
    held_out = {sound.name for sound in dataset.splits["fold_3"]}
    assert held_out == {"audio/fold3/1002-2-0-0.wav", "audio/fold3/1012-0-0-0.wav"}
    assert len(dataset.splits["train"]) == 18
    assert dataset.splits["train"][1].label == 1
    assert dataset.open_reader(RATE)(dataset.splits["train"][0].name).size == round(0.4 * RATE)
    assert dataset.open_reader(8000)(dataset.splits["train"][0].name).size == 3200


def test_fma_small_has_its_official_split_and_not_its_broken_tracks(tmp_path):
    dataset = find_fma_small(fma_tree(tmp_path))
    names = {split: [sound.name for sound in sounds] for split, sounds in dataset.splits.items()}
    assert names == {
        "train": ["fma_small/000/000002.mp3", "fma_small/000/000005.mp3"],
        "validation": ["fma_small/000/000099.mp3"],
        "test": ["fma_small/001/001482.mp3"],
    }
    labels = [dataset.classes[sound.label] for sound in dataset.splits["train"]]
    assert labels == ["hip_hop", "rock"]
    assert "133297" in dataset.source["left_out"]
    assert (
        np.shape(
            load_examples(dataset, tmp_path / "cache", front_end=FrontEnd())["test"].mel_db[0]
        )[0]
        == 128
    )


def test_a_folder_for_each_class_is_split_by_class_and_seed(tmp_path):
    root = folder_tree(tmp_path, {"dog": 10, "cat": 20, "empty": 0, ".hidden": 3})
    (root / "notes.txt").write_text("not a class")
    dataset, again, other = (find_class_folders(root, held_out=0.2, seed=s) for s in (0, 0, 1))
    assert dataset.classes == ("cat", "dog")
    held_out = [sound.label for sound in dataset.splits["held_out"]]
    assert sorted(held_out) == [0] * 4 + [1] * 2
    names = [{sound.name for sound in dataset.splits[split]} for split in ("train", "held_out")]
    assert len(names[0] | names[1]) == 30 and not names[0] & names[1]
    assert dataset.splits == again.splits != other.splits


def open_invalid(tmp_path, kind):
    if kind == "no UrbanSound8K":
        return find_urbansound8k(tmp_path, fold=1)
    if kind == "no FMA":
        return find_fma_small(tmp_path)
    if kind == "another table":
        (tmp_path / "metadata").mkdir()
        (tmp_path / "metadata/UrbanSound8K.csv").write_text("name,class\na.wav,dog\n")
        return find_urbansound8k(tmp_path, fold=1)
    if kind == "empty table":
        (tmp_path / "fma_metadata").mkdir()
        (tmp_path / "fma_metadata/tracks.csv").write_text("")
        return find_fma_small(tmp_path)
    if kind == "one class":
        return find_class_folders(folder_tree(tmp_path, {"dog": 3}), held_out=0.1, seed=0)
    if kind == "one sound":
        return find_class_folders(folder_tree(tmp_path, {"dog": 3, "cat": 1}), held_out=0.1, seed=0)
    if kind == "fold":
        return find_urbansound8k(urban_tree(tmp_path), fold=11)
    return find_class_folders(tmp_path / "nowhere", held_out=0.1, seed=0)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("no UrbanSound8K", "no file .*metadata/UrbanSound8K.csv"),
        ("no FMA", "no file .*fma_metadata/tracks.csv"),
        ("another table", "no column slice_file_name, fold"),
        ("empty table", "cannot read .*tracks.csv"),
        ("one class", "must have folders with sounds for two or more classes, got 1: dog"),
        ("one sound", "class cat must have two or more sounds"),
        ("fold", "--fold must be from 1 to 10, got 11"),
        ("no folder", "--data_dir must be a folder .*nowhere"),
    ],
)
def test_an_invalid_data_set_is_refused_in_one_line(tmp_path, kind, message):
    with pytest.raises(UserError, match=message) as caught:
        open_invalid(tmp_path, kind)
    assert "\n" not in str(caught.value)


def test_broken_sounds_are_named_counted_and_left_out(tmp_path, caplog):
    root = urban_tree(tmp_path / "data")
    (root / "audio/fold1/1000-0-0-0.wav").write_bytes(b"no sound")
    (root / "audio/fold2/1001-1-0-0.wav").unlink()
    soundfile.write(root / "audio/fold3/1002-2-0-0.wav", np.zeros(4000), RATE)
    splits = load_examples(
        find_urbansound8k(root, fold=10), tmp_path / "cache", front_end=FrontEnd()
    )
    assert len(splits["train"]) == 15 and len(splits["fold_10"]) == 2
    for words in ("1000-0-0-0.wav", "1001-1-0-0.wav", "1002-2-0-0.wav", "3 of 20 sounds"):
        assert words in caplog.text
    assert caplog.text.count("skipped") == 4


def test_a_split_without_readable_sounds_is_refused(tmp_path):
    root = urban_tree(tmp_path / "data")
    for path in root.glob("audio/fold10/*"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="no sound of the split fold_10 can be read"):
        load_examples(find_urbansound8k(root, fold=10), tmp_path / "cache", front_end=FrontEnd())
