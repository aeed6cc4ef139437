"""Says what a file is that was given as weights and is none, and what to do about it."""

from collections.abc import Collection

UNPACK = "unpack it first, into another file"
EXPORT = (
    "save the weights with PyTorch or safetensors, under torchvision's names, and convert that file"
)
# (what a file begins with, how many bytes stand before that, what it is, what to do).
SIGNATURES = (
    (b"\x1f\x8b", 0, "compressed with gzip", UNPACK),
    (b"BZh", 0, "compressed with bzip2", UNPACK),
    (b"\xfd7zXZ\0", 0, "compressed with xz", UNPACK),
    (b"\x28\xb5\x2f\xfd", 0, "compressed with zstandard (.zst)", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive", UNPACK),
    (b"Rar!", 0, "a RAR archive", UNPACK),
    (b"\x89HDF\r\n\x1a\n", 0, "an HDF5 file, as Keras and TensorFlow write it (.h5)", EXPORT),
    (b"TFL3", 4, "a TFLite model", EXPORT),
    (b"GGUF", 0, "a GGUF file", EXPORT),
    (b"\x93NUMPY", 0, "an array of NumPy (.npy)", EXPORT),
    (b"MATLAB", 0, "a file of MATLAB", EXPORT),
    (b"RIFF", 0, "a sound file", "--pth must be a file of weights"),
    (b"fLaC", 0, "a sound file", "--pth must be a file of weights"),
    (b"OggS", 0, "a sound file", "--pth must be a file of weights"),
    (b"ID3", 0, "a sound file", "--pth must be a file of weights"),
    (b"%PDF", 0, "a PDF document", "--pth must be a file of weights"),
    (b"\x89PNG", 0, "a picture", "--pth must be a file of weights"),
    (b"\xff\xd8\xff", 0, "a picture", "--pth must be a file of weights"),
)
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
DOWNLOAD = "download the file itself: the address is that of a page, or needs a login"
WEIGHT_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".tar", ".safetensors", ".pkl")


def describe_start(start: bytes) -> str:
    """Says what a file is, from its first bytes, and what to do; "" if they are of no known kind.

    Example:
      >>> describe_start(bytes([0x1f, 0x8b, 8, 0]))
      'is compressed with gzip; unpack it first, into another file'
    """
    if not start:
        return "is empty: download or save it again"
    if start.startswith(LFS_POINTER):
        return (
            "is only a Git LFS pointer to the file; run `git lfs pull` or use the download link to "
            "get the file itself"
        )
    for signature, offset, kind, advice in SIGNATURES:
        if start[offset:].startswith(signature):
            return f"is {kind}; {advice}"
    if start[257:262] == b"ustar":
        return f"is a tar archive; {UNPACK}"
    if start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5" and len(start) > 1:
        return f"is a plain pickle, which was not run; {EXPORT}"
    if start[:1] == b"\x08" and b"\x12" in start[2:5]:
        return f"looks like an ONNX model; {EXPORT}"
    return _describe_text(start)


def describe_archive(names: Collection[str]) -> str:
    """Says what a ZIP archive is that holds no state dict, and what to do, from its members."""
    if any(name.endswith(".h5") for name in names) and "config.json" in names:
        return f"is a model of Keras (.keras); {EXPORT}"
    weights = [name for name in names if name.lower().endswith(WEIGHT_SUFFIXES)]
    if weights:
        shown = weights[0][:80] if weights[0].isprintable() else ascii(weights[0])[1:81]
        others = f" and {len(weights) - 1} others" if len(weights) > 1 else ""
        return f"is a ZIP archive around {shown}{others}: unpack it, and give --pth that file"
    if names and all(name.endswith(".npy") for name in names):
        return f"is an archive of arrays of NumPy (.npz); {EXPORT}"
    return "is a ZIP archive, but not a PyTorch file: it has no data.pkl"


def _describe_text(start):
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return f"is an HTML page; {DOWNLOAD}"
    if text.startswith((b"<?xml", b"<")):
        return f"is an XML or HTML text; {DOWNLOAD}"
    if text.startswith(b"{") and b'"weight_map"' in text:
        return "is the index of a network in several files; join them into one file"
    if text.startswith((b"{", b"[")):
        return f"is a JSON text; {DOWNLOAD}"
    if b"\0" not in start and start.decode("utf-8", "replace").count("\ufffd") <= 1:
        return f"is a text; {DOWNLOAD}"
    return ""
