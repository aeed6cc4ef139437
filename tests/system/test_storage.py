import os

import pytest
from etils import epath

from dreamsound_jax.system import storage
from dreamsound_jax.system.errors import UserError


def test_write_whole_replaces_and_leaves_nothing_beside(tmp_path):
    for name in ("x" * 250 + ".wav", "not utf-8: \udcff.wav"):
        path = tmp_path / name
        for data in (b"first", b"second"):
            storage.write_whole(str(path), data)
            assert path.read_bytes() == data and os.listdir(tmp_path) == [path.name]
        assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()
        path.unlink()


def test_what_a_killed_writer_left_is_replaced_unless_it_may_be_anothers(tmp_path, monkeypatch):
    class Killed(BaseException):
        """As kill -9: nothing is tidied up."""

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        patch.setattr(type(epath.Path(tmp_path)), "unlink", lambda *_, **__: None)
        for shared in (False, True):
            with pytest.raises(Killed):
                storage.write_whole(str(tmp_path / "a.wav"), b"first", shared=shared)
    assert len(list(tmp_path.glob(".*.part"))) == 2
    storage.write_whole(str(tmp_path / "a.wav"), b"second")
    assert (tmp_path / "a.wav").read_bytes() == b"second"
    assert len(list(tmp_path.glob(".*.part"))) == 1


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_write_whole_leaves_the_old_file_when_it_fails(tmp_path, monkeypatch):
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="a.wav.*No space left"):
        storage.write_whole(str(path), b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["a.wav"]


def test_write_whole_names_a_place_that_cannot_be(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    reasons = {"file/a.wav": "Not a directory", "no/a.wav": "No such", "folder": ""}
    for place, reason in reasons.items():
        with pytest.raises(UserError, match=f"{place}.*{reason}"):
            storage.write_whole(str(tmp_path / place), b"data")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_files_are_listed_by_name_in_any_folder(tmp_path):
    folder = epath.Path(tmp_path) / "take [1] *"
    assert storage.list_files(folder, "*.npz") == []
    folder.mkdir()
    for name in ("b.npz", "a.npz", "a.npy"):
        (folder / name).touch()
    assert [path.name for path in storage.list_files(folder, "*.npz")] == ["a.npz", "b.npz"]


def test_json_lines_survive_whatever_a_killed_writer_left(tmp_path):
    path = tmp_path / "a.jsonl"
    entries = [{"name": text} for text in ("plain", "ü\u2028\x85\r\n", "not utf-8: \udcff")]
    torn = (b'{"name": "cut', '{"name": "ü'.encode()[:-1], b"\0\0\0\0", b'{"name": "a"}[')
    for entry, left in zip(entries + entries[:1], torn, strict=True):
        storage.append_json_line(path, entry)
        with path.open("ab") as file:
            file.write(left)
    assert storage.parse_json_lines(path.read_bytes()) == entries + entries[:1]
    assert path.read_bytes().isascii() is False  # a line was torn inside a character
