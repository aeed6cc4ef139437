"""Data sets of files, on small folders with the real layouts."""

import csv
import os

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


URBAN_ROWS = [
    f"{clip}.wav,{clip},0.0,4.0,1,{clip % 10 + 1},3,{URBANSOUND8K_CLASSES[clip % 3]}"
    for clip in range(30)
]


FOLDS = ("{}.000", "{}e0", "{}.0E+00", '"{},0"', '"{},000"', '" {} "', "fold{}", "Fold_{}", "0{}")
FOLDERS = ("audio/fold{}/", "fold{}/", "UrbanSound8K/audio/fold{}/", "./fold{}/", "audio\\fold{}\\")


def write_fold(row, like):
    """Returns a row whose fold is written in another way."""
    cells = row.split(",")
    cells[5] = like.format(cells[5])
    return ",".join(cells)


def write_folder(row, like):
    """Returns a row in which the folder of the sound stands before its name."""
    return like.format(row.split(",")[5]) + row


def write_urban_table(root, rows, *, path="metadata/UrbanSound8K.csv", encoding="utf-8", end="\n"):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(end.join([URBAN_COLUMNS, *rows]).encode(encoding))
    return root


def count_sounds(dataset):
    return {split: len(sounds) for split, sounds in dataset.splits.items()}


@pytest.mark.parametrize(
    "change",
    [
        {"encoding": "utf-8-sig"},
        {"encoding": "utf-16"},
        {"encoding": "utf-16-le"},
        {"encoding": "utf-16-be"},
        {"end": "\r\n"},
        {"rows": [*URBAN_ROWS, "", "  ", ",,,,,,,"]},
        {"rows": ["", *URBAN_ROWS]},
        {"rows": [row.replace(",3,", ".0,3,", 1) for row in URBAN_ROWS]},
        {"rows": [row.replace(",", ", ") for row in URBAN_ROWS]},
        {"path": "UrbanSound8K.csv"},
        *({"rows": [write_fold(row, like) for row in URBAN_ROWS]} for like in FOLDS),
        *({"rows": [write_folder(row, like) for row in URBAN_ROWS]} for like in FOLDERS),
    ],
)
def test_a_table_is_read_as_people_have_it(tmp_path, change):
    dataset = find_urbansound8k(
        write_urban_table(tmp_path, **{"rows": URBAN_ROWS, **change}), fold=3
    )
    assert count_sounds(dataset) == {"train": 27, "fold_3": 3}
    folder = "" if "path" in change else "audio/"
    assert dataset.splits["fold_3"][1] == (f"{folder}fold3/12.wav", 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", "|"),
        lambda text: "sep=,\r\n" + text,
        lambda text: '"SEP=;"\n' + text.replace(",", ";"),
        lambda text: text.replace("fold", "Fold").replace("slice_file_name", "SLICE_FILE_NAME"),
        lambda text: text.replace("salience", "Fold"),
        lambda text: "UrbanSound8K, all folds;\n\n# made, with care, on Monday\n" + text,
        lambda text: "City sounds, 10 classes\n" + text.replace(",", ";"),
        lambda text: "sep=;\nCity sounds, 10 classes;;;;;;;\n" + text.replace(",", ";"),
    ],
    ids=["semicolons", "bars", "Excel", "Excel's semicolons", "capitals", "two of a name"]
    + ["title and remark", "title with commas", "Excel's title"],
)
def test_a_table_from_a_spreadsheet_is_read(tmp_path, change):
    write_urban_table(tmp_path, URBAN_ROWS)
    table = tmp_path / "metadata/UrbanSound8K.csv"
    table.write_bytes(change(table.read_text()).encode())
    assert count_sounds(find_urbansound8k(tmp_path, fold=3)) == {"train": 27, "fold_3": 3}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("5.wav,5,0.0", "row 32 has no fold"),
        ("5.wav,5,0,4,1,x,3,siren", "row 32: fold must be a whole number from 1 to 10, got 'x'"),
        ("5.wav,5,0,4,1,0,3,siren", "row 32: fold must be a whole number from 1 to 10, got '0'"),
        ("5.wav,5,0,4,1,3.5,3,siren", "from 1 to 10, got '3.5'"),
        ("5.wav,5,0,4,1," + "9" * 5000 + ",3,siren", "row 32: fold must be a whole number"),
        ("5.wav,5,0,4,1,1,3,sirne", "row 32: no class 'sirne' (did you mean siren?)"),
        (",5,0,4,1,1,3,siren", "row 32 has no slice_file_name"),
        ("../5.wav,5,0,4,1,1,3,siren", "row 32: slice_file_name must be the name of a file"),
        ("../fold1/5.wav,5,0,4,1,1,3,siren", "row 32: slice_file_name must be the name of a file"),
        ("fold1/..,5,0,4,1,1,3,siren", "row 32: slice_file_name must be the name of a file"),
        ("city/5.wav,5,0,4,1,1,3,siren", "such as 7061-6-0-0.wav or fold1/7061-6-0-0.wav, got"),
        (
            "audio/fold2/5.wav,5,0,4,1,1,3,siren",
            "row 32: slice_file_name and fold must name one folder, got 'audio/fold2/5.wav' and",
        ),
        ("5.wav,5,0,4,1,fold11,3,siren", "from 1 to 10, got 'fold11'"),
        ("5.wav,5,0,4,1,1e999,3,siren", "from 1 to 10, got '1e999'"),
        ("5.wav,5,0,4,1,1e-1,3,siren", "from 1 to 10, got '1e-1'"),
        ("5.wav,5,0,4,1,-1,3,siren", "from 1 to 10, got '-1'"),
        ("5.wav,5,0,4,1,1,3,siren,a", "row 32 must have 8 cells, as the header has, and has 9"),
        ("x" * 200_000, "row 32 cannot be read: field larger than field limit"),
        (URBAN_ROWS[4], "row 32 has 'audio/fold5/4.wav' a second time"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_by_its_number(tmp_path, row, words):
    with pytest.raises(UserError) as caught:
        find_urbansound8k(write_urban_table(tmp_path, [*URBAN_ROWS, row]), fold=3)
    message = str(caught.value)
    assert words in message and message.isprintable() and len(message) < 500


TRACKS = ("12.0", "12.5e2", "1.234", "1'234", "1 234", "12.345,00", "12,345.0", "track_id 12")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            "1.000,A,training,small,Rock,T",
            "row 8: track_id must be a whole number, and '1.000' may ",
        ),
        ("1.000,A,training,small,Rock,T", "may be 1 or 1000: write it in digits alone"),
        ('"2,000",A,training,small,Rock,T', "'2,000' may be 2 or 2000: write"),
        ("x7,A,training,small,Rock,T", "row 8: track_id must be a whole number from 1 to 999999"),
        ("7,A,trainign,small,Rock,T", "row 8: no split 'trainign' (did you mean training?)"),
        ("7,A,training,small,Rok,T", "row 8: no genre 'rok' (did you mean rock?)"),
        ("7,A,trai", "row 8 has no set.subset"),
        *((f'"{track}",A,training,small,Rock,T', None) for track in TRACKS),
        ("", None),
        ("7,A,training,large,,T", None),
    ],
)
def test_rows_of_fma_are_checked(tmp_path, row, words):
    lines = [",".join(line) for line in FMA_HEADER]
    lines += ["2,A,training,small,Hip-Hop,T", "5,A,training,small,Rock,T"]
    lines += ["9,A,validation,small,Rock,T", "1482,A,test,small,Rock,T", row]
    (tmp_path / "fma_metadata").mkdir()
    (tmp_path / "fma_metadata/tracks.csv").write_text("\n".join(lines))
    if words is None:
        count = 3 if row.split('"')[-1].startswith(",A,training,small") else 2
        assert count_sounds(find_fma_small(tmp_path))["train"] == count
        return
    with pytest.raises(UserError) as caught:
        find_fma_small(tmp_path)
    assert words in str(caught.value)


def test_a_title_may_stand_above_the_three_lines_of_fma(tmp_path):
    table = fma_tree(tmp_path) / "fma_metadata/tracks.csv"
    table.write_text("FMA: tracks; small, medium and large\n\n" + table.read_text())
    assert count_sounds(find_fma_small(tmp_path)) == {"train": 2, "validation": 1, "test": 1}
    table.write_text(table.read_text() + "7,A,A,trainign,small,Rock,T\n")
    with pytest.raises(UserError, match="row 20 must have 6 cells"):  # counted from the first line
        find_fma_small(tmp_path)


def place_files(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"RIFF")
    return root


def find(root):
    return find_class_folders(root, held_out=0.2, seed=0)


def names_of(dataset):
    return sorted(sound.name for sounds in dataset.splits.values() for sound in sounds)


def test_links_are_followed_once_and_never_out_of_the_class(tmp_path):
    root = place_files(tmp_path / "data", "dog/1.wav", "dog/2.wav", "cat/1.wav", "cat/2.wav")
    place_files(tmp_path / "else", "3.wav", "4.wav")
    (root / "dog/more").symlink_to(tmp_path / "else")
    (root / "dog/again").symlink_to(tmp_path / "else")
    (root / "dog/loop").symlink_to(root / "dog")
    (root / "dog/up").symlink_to(root)
    (root / "cat/gone.wav").symlink_to(tmp_path / "nowhere")
    found = names_of(find(root))
    assert len([name for name in found if name.startswith("dog")]) == 4
    assert [name for name in found if name.startswith("cat")] == ["cat/1.wav", "cat/2.wav"]
    (root / "bird").symlink_to(tmp_path / "else")
    assert find(root).classes == ("bird", "cat", "dog")


@pytest.mark.parametrize("folders", [("train", "test"), ("Training", "val"), ("train", "dev")])
def test_folders_of_splits_are_not_classes(tmp_path, folders):
    for folder, count in zip(folders, (4, 2)):
        for name in ("dog", "cat"):
            place_files(tmp_path, *(f"{folder}/{name}/{number}.wav" for number in range(count)))
    dataset = find(tmp_path)
    assert dataset.classes == ("cat", "dog") and dataset.held_out == [folders[1]]
    assert count_sounds(dataset) == {"train": 8, folders[1]: 4}
    assert {sound.name.split("/")[0] for sound in dataset.splits["train"]} == {folders[0]}
    place_files(tmp_path, f"{folders[1]}/bird/1.wav")
    with pytest.raises(UserError, match="has a class bird, which is not among those"):
        find(tmp_path)


def test_classes_may_be_called_as_splits_are(tmp_path, caplog):
    place_files(tmp_path, "train/1.wav", "train/2.wav", "test/1.wav", "test/2.wav")
    assert find(tmp_path).classes == ("test", "train") and not caplog.text


def test_folders_that_all_classes_have_are_pointed_out(tmp_path, caplog):
    names = [f"{take}/{name}/1.wav" for take in ("monday", "friday") for name in ("cat", "dog")]
    assert find(place_files(tmp_path, *names)).classes == ("friday", "monday")
    assert "have the same folders in them, cat, dog: are those the classes?" in caplog.text


def test_a_folder_that_is_one_too_high_is_told(tmp_path):
    place_files(tmp_path, "sounds/dog/1.wav", "sounds/cat/1.wav")
    with pytest.raises(UserError, match=f"did you mean --data_dir={tmp_path}/sounds"):
        find(tmp_path)


def test_classes_have_names_that_can_be_printed(tmp_path):
    for name in (b"caf\xe9", b"dog\n"):
        folder = os.path.join(os.fsencode(tmp_path), name)
        os.mkdir(folder)
        for sound in (b"1.wav", b"2.wav"):
            open(os.path.join(folder, sound), "wb").close()
    assert find(tmp_path).classes == ("caf\N{REPLACEMENT CHARACTER}", "dog_")
    os.mkdir(os.path.join(os.fsencode(tmp_path), b"caf\xe8"))
    open(os.path.join(os.fsencode(tmp_path), b"caf\xe8", b"1.wav"), "wb").close()
    with pytest.raises(UserError, match="two folders in .* have the name caf"):
        find(tmp_path)


def test_thousands_of_broken_sounds_are_one_line(tmp_path, caplog):
    folder_tree(tmp_path, {"dog": 4, "cat": 4})
    place_files(tmp_path, *(f"dog/{number}.wav" for number in range(300)))
    load_examples(find(tmp_path), tmp_path / ".cache", front_end=FrontEnd())
    (line,) = [record.getMessage() for record in caplog.records if "skipped" in record.getMessage()]
    assert line.startswith("300 of 308 sounds were skipped, such as: ") and ".wav" in line


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
