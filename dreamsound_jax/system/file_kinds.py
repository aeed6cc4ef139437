"""Says what a file is that was given as something else, from its first bytes."""

from typing import Literal, NamedTuple

Group = Literal["packed", "numbers", "sound", "notes", "other", "pointer", "page", "text"]

GET_FROM_LFS = "run `git lfs pull` or use the download link to get the file itself"
DOWNLOAD = "download the file itself: the address is that of a page, or needs a login"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
# (what a file begins with, how many bytes stand before that, what it is, its group).
_SIGNATURES: tuple[tuple[bytes, int, str, Group], ...] = (
    (b"PK\3\4", 0, "a ZIP archive", "packed"),
    (b"\x1f\x8b", 0, "compressed with gzip", "packed"),
    (b"BZh", 0, "compressed with bzip2", "packed"),
    (b"\xfd7zXZ\0", 0, "compressed with xz", "packed"),
    (b"\x28\xb5\x2f\xfd", 0, "compressed with zstandard (.zst)", "packed"),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive", "packed"),
    (b"Rar!", 0, "a RAR archive", "packed"),
    (b"ustar", 257, "a tar archive", "packed"),
    (b"\x89HDF\r\n\x1a\n", 0, "an HDF5 file, as Keras and TensorFlow write it (.h5)", "numbers"),
    (b"TFL3", 4, "a TFLite model", "numbers"),
    (b"GGUF", 0, "a GGUF file", "numbers"),
    (b"\x93NUMPY", 0, "an array of NumPy (.npy)", "numbers"),
    (b"MATLAB", 0, "a file of MATLAB", "numbers"),
    (b"MThd", 0, "a MIDI file", "notes"),
    (b"RMID", 8, "a MIDI file", "notes"),
    (b"WEBP", 8, "a picture", "other"),
    (b"RIFF", 0, "a sound file", "sound"),
    (b"RF64", 0, "a sound file", "sound"),
    (b"riff", 0, "a sound file", "sound"),
    (b"AIF", 8, "a sound file", "sound"),
    (b"caff", 0, "a sound file", "sound"),
    (b".snd", 0, "a sound file", "sound"),
    (b"fLaC", 0, "a sound file", "sound"),
    (b"OggS", 0, "a sound file", "sound"),
    (b"ID3", 0, "a sound file", "sound"),
    (b"ftyp", 4, "a sound or video file", "sound"),
    (b"\x1aE\xdf\xa3", 0, "a sound or video file", "sound"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", 0, "a sound or video file", "sound"),
    (b"%PDF", 0, "a PDF document", "other"),
    (b"\x89PNG", 0, "a picture", "other"),
    (b"GIF8", 0, "a picture", "other"),
    (b"\xff\xd8\xff", 0, "a picture", "other"),
)


class FileKind(NamedTuple):
    """What a file is: `name` follows "it is"; `group` decides what can be done about it."""

    name: str
    group: Group


def recognise(start: bytes) -> FileKind | None:
    """Says what a file is, from its first 512 bytes or more; None if they are of no known kind.

    Example:
      >>> recognise(b"%PDF-1.7").name
      'a PDF document'
    """
    if start.startswith(_LFS_POINTER):
        return FileKind("only a Git LFS pointer to the file", "pointer")
    for signature, offset, name, group in _SIGNATURES:
        if start.startswith(signature, offset):
            return FileKind(name, group)
    return _recognise_text(start)


def _recognise_text(start):
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return FileKind("an HTML page", "page")
    if text.startswith((b"<?xml", b"<")):
        return FileKind("an XML or HTML text", "page")
    if text.startswith((b"{", b"[")):
        return FileKind("a JSON text", "page")
    if text and b"\0" not in start and start.decode("utf-8", "replace").count("\ufffd") <= 1:
        return FileKind("a text", "text")
    return None
