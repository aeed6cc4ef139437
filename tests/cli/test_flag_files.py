"""Flag files: a user's own by their paths, and those of the package by their names."""

import re

import pytest

from dreamsound_jax.cli.flag_files import find_flag_file
from dreamsound_jax.system.errors import UserError
from tests.helpers.commands import parse


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_bare_name_is_a_preset_unless_there_is_such_a_file(folder):
    ours = find_flag_file("clip_1")
    assert ours.endswith("configs/clip_1.flags")
    assert find_flag_file("clip_1.flags") == ours
    (folder / "clip_1").write_text("--lr=1")
    assert find_flag_file("clip_1") == "clip_1"
    assert parse("--flagfile", "clip_1").lr == 1


def test_a_file_in_the_home_folder_is_found(folder, monkeypatch):
    (folder / "my.flags").write_text("# Mine.\n\n// Too.\n  --lr=1\n")
    monkeypatch.setenv("HOME", str(folder))
    assert parse("--flagfile=~/my.flags").lr == 1


def test_a_flag_file_may_name_others_which_give_way_to_what_follows(folder):
    (folder / "outer.flags").write_text("--flagfile=hits\n--seed=7\n--flagfile inner.flags\n")
    (folder / "inner.flags").write_text("--seed=8\n--no-plots")
    options = parse("--flagfile=outer.flags", "--num_clips=2")
    hits = parse("--preset=hits")
    assert (options.lr, options.seed, options.plots, options.num_clips) == (hits.lr, 8, False, 2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_with_the_mark_of_its_encoding_is_read(folder, encoding):
    (folder / "my.flags").write_text("--name=caf\u00e9\r\n--lr=1\r\n", encoding=encoding)
    options = parse("--flagfile=my.flags")
    assert (options.name, options.lr) == ("caf\u00e9", 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("clip_7", "no flag file 'clip_7'; the presets are: clip_1, clip_2, clip_3,"),
        ("/nowhere/hits.flags", "no flag file '/nowhere/hits.flags'; did you mean --preset=hits?"),
        ("configs/hits.flags", "no flag file 'configs/hits.flags'; did you mean --preset=hits?"),
        ("nowhere/my.flags", "no flag file 'nowhere/my.flags'"),
        (".", "--flagfile=. is a folder; it must be a file of flags"),
        ("", "--flagfile must name a file of flags"),
        ("outer.flags", "no flag file 'in/ner.flags' (named in 'outer.flags')"),
        ("round.flags", "the flag file 'round.flags' contains itself"),
        ("latin.flags", "the flag file 'latin.flags' must be UTF-8 text, and is not: save it"),
        (
            "unmarked.flags",
            "the flag file 'unmarked.flags' must be UTF-8 text, and is not: save it",
        ),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(folder, name, message):
    (folder / "outer.flags").write_text("--lr=1\n--flagfile=in/ner.flags")
    (folder / "round.flags").write_text("--flagfile=round.flags")
    (folder / "latin.flags").write_bytes("--name=caf\u00e9".encode("latin-1"))
    (folder / "unmarked.flags").write_bytes("--lr=1".encode("utf-16-le"))
    with pytest.raises(UserError, match=f"^{re.escape(message)}[^\n]*$"):
        parse(f"--flagfile={name}")
