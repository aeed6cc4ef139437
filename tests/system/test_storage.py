"""Files are written whole, on disks and in stores."""

import errno
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from etils import epath

from dreamsound_jax.system import storage
from dreamsound_jax.system.errors import StorageError, UserError


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
        patch.setattr(type(tmp_path), "unlink", lambda *_, **__: None)
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


def test_of_several_writers_of_a_new_file_one_writes_it(tmp_path):
    path = str(tmp_path / "params.json")
    with ThreadPoolExecutor(8) as pool:
        contents = [str(number).encode() for number in range(8)]
        written = list(pool.map(lambda content: storage.write_new(path, content), contents))
    assert sum(written) == 1
    assert (tmp_path / "params.json").read_bytes() == contents[written.index(True)]
    assert os.listdir(tmp_path) == ["params.json"]


def fail_with(error, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(os, "replace", fail)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), UserError),
        (OSError(errno.ENAMETOOLONG, "File name too long"), UserError),
        (IsADirectoryError(errno.EISDIR, "Is a directory"), UserError),
        (OSError(errno.ENOSPC, "No space left on device"), StorageError),
        (OSError(errno.EIO, "Input/output error"), StorageError),
        (PermissionError(errno.EACCES, "Permission denied"), StorageError),
    ],
)
def test_what_concerns_one_file_is_told_from_what_concerns_the_disk(
    error, kind, tmp_path, monkeypatch
):
    fail_with(error, monkeypatch)
    with pytest.raises(UserError, match="cannot write .*a.wav") as raised:
        storage.write_whole(str(tmp_path / "a.wav"), b"")
    assert type(raised.value) is kind


def test_a_file_that_must_not_be_changed_says_nothing_of_the_disk(tmp_path, monkeypatch):
    (tmp_path / "a.wav").touch()
    fail_with(PermissionError(errno.EPERM, "Operation not permitted"), monkeypatch)
    with pytest.raises(UserError) as raised:
        storage.write_whole(str(tmp_path / "a.wav"), b"")
    assert type(raised.value) is UserError


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
def test_what_may_never_end_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    save = "save what it holds to a file first"
    for path, said in (
        (tmp_path / "pipe.wav", f"a pipe: {save}"),
        ("/dev/zero", f"a device: {save}"),
        (tmp_path, "a folder: name a file in it"),
    ):
        with pytest.raises(UserError, match=f"'{path}' must be a file, and is {said}"):
            storage.read_file(epath.Path(path))
    with pytest.raises(FileNotFoundError):
        storage.read_file(epath.Path(tmp_path / "gone.wav"))


def test_links_that_somebody_has_put_there_are_not_followed(tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "a.wav"
    victim.write_bytes(b"kept")
    digest = hashlib.blake2s(b"a.wav", digest_size=16).hexdigest()
    (tmp_path / f".{digest}.part").symlink_to(victim)
    storage.write_whole(path, b"sound")
    assert path.read_bytes() == b"sound" and not path.is_symlink()
    (tmp_path / "manifest.jsonl").symlink_to(victim)
    with pytest.raises(StorageError, match="cannot write .*manifest.jsonl"):
        storage.append_json_line(tmp_path / "manifest.jsonl", {"number": 0})
    assert victim.read_bytes() == b"kept"


def test_addresses_of_other_kinds_are_refused(monkeypatch):
    for name in ("https://example.com/a.wav", "file:///a.wav"):
        with pytest.raises(UserError, match="must be a local path, or begin with gs:// or s3://"):
            storage.path_of(name)
    monkeypatch.setattr(storage.importlib.util, "find_spec", lambda name: name)
    assert str(storage.path_of("s3://bucket/a.wav")) == "s3://bucket/a.wav"


def test_a_missing_client_of_a_store_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setattr(storage.importlib.util, "find_spec", lambda name: None)
    for address, client in (("gs://b/a.wav", "gcsfs"), ("s3://b/a.wav", "s3fs")):
        for use in (storage.path_of, lambda name: storage.write_whole(name, b"x")):
            with pytest.raises(
                UserError, match=rf"{client}: pip install 'dreamsound-jax\[cloud\]'"
            ):
                use(address)


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
