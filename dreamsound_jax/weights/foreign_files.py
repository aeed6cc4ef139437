"""Says what a file is that was given as weights and is none, and what to do about it."""

from collections.abc import Collection

from dreamsound_jax.system.file_kinds import DOWNLOAD, GET_FROM_LFS, Group, recognise

UNPACK = "unpack it first, into another file"
EXPORT = (
    "save the weights with PyTorch or safetensors, under torchvision's names, and convert that file"
)
NO_WEIGHTS = "--pth must be a file of weights"
ADVICE: dict[Group, str] = {
    "packed": UNPACK,
    "numbers": EXPORT,
    "sound": NO_WEIGHTS,
    "notes": NO_WEIGHTS,
    "other": NO_WEIGHTS,
    "pointer": GET_FROM_LFS,
    "page": DOWNLOAD,
    "text": DOWNLOAD,
}
WEIGHT_SUFFIXES = (".pth", ".pt", ".ckpt", ".bin", ".tar", ".safetensors", ".pkl")


def describe_start(start: bytes) -> str:
    """Says what a file is, from its first bytes, and what to do; "" if they are of no known kind.

    Example:
      >>> describe_start(bytes([0x1f, 0x8b, 8, 0]))
      'is compressed with gzip; unpack it first, into another file'
    """
    if not start:
        return "is empty: download or save it again"
    if start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5" and len(start) > 1:
        return f"is a plain pickle, which was not run; {EXPORT}"
    if start[:1] == b"\x08" and b"\x12" in start[2:5]:
        return f"looks like an ONNX model; {EXPORT}"
    if start.lstrip().startswith(b"{") and b'"weight_map"' in start:
        return "is the index of a network in several files; join them into one file"
    kind = recognise(start)
    return f"is {kind.name}; {ADVICE[kind.group]}" if kind else ""


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
