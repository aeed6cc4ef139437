"""Writes PyTorch's file format without PyTorch, so that its reader can be tested without it."""

import io
import pickle
import zipfile

import numpy as np
import pytest

from dreamsound_jax.networks.vgg19 import CONV_LAYERS
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.torch_file import StoredTensor, open_state_dict
from dreamsound_jax.weights.torch_weights import (
    BATCH_NORM_PARTS,
    BATCH_NORM_TORCH_NAMES,
    TORCH_NAMES,
)

STORAGES = {"float32": "FloatStorage", "float64": "DoubleStorage", "int64": "LongStorage"}


class Global:
    """Is pickled as a name in a module, neither of which need exist here."""

    def __init__(self, module, name):
        self.name = f"{module}\n{name}\n"


class Call:
    """Is pickled as a call of `function`, a Global, with `arguments`."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Items:
    """Is pickled as a dictionary of pairs, whose keys may be a Call."""

    def __init__(self, pairs):
        self.pairs = list(pairs)


class Storage:
    """Is pickled as a persistent ID, which is how PyTorch refers to a storage."""

    def __init__(self, *pid):
        self.pid = pid


class _Pickler(pickle._Pickler):
    """Python's pickler, extended by names that cannot be imported."""

    def save(self, obj, *args, **options):
        if isinstance(obj, Global):
            self.write(pickle.GLOBAL + obj.name.encode())
        elif isinstance(obj, Call):
            self.save(obj.function)
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
        elif isinstance(obj, Storage):
            self.save(obj.pid)
            self.write(pickle.BINPERSID)
        elif isinstance(obj, Items):
            self.write(pickle.EMPTY_DICT + pickle.MARK)
            for part in (part for pair in obj.pairs for part in pair):
                self.save(part)
            self.write(pickle.SETITEMS)
        else:
            super().save(obj, *args, **options)


RNG = np.random.default_rng(0)
ARRAYS = {
    "features.0.weight": RNG.normal(size=(7, 2, 3, 3)).astype(np.float32),
    "features.0.bias": RNG.normal(size=7),
    "features.1.num_batches_tracked": np.array(5),
    "empty": np.zeros((0, 3)),
}


def dumps(content):
    """Pickles `content`, which may contain Global, Call and Storage."""
    file = io.BytesIO()
    _Pickler(file, protocol=2).dump(content)
    return file.getvalue()


def tensor(key, array, *, offset=0, shape=None, strides=None, count=None):
    """Returns what is pickled for a tensor: `array` itself, unless arguments say otherwise."""
    kind = Global("torch", STORAGES[str(array.dtype)])
    storage = Storage("storage", kind, key, "cpu", array.size if count is None else count)
    strides = [s // array.itemsize for s in array.strides] if strides is None else strides
    arguments = (storage, offset, tuple(shape or array.shape), tuple(strides), False, None)
    return Call(Global("torch._utils", "_rebuild_tensor_v2"), *arguments)


def write_zip(path, pickled, storages=(), *, compression=zipfile.ZIP_STORED, extra=None):
    """Writes an archive as `torch.save` does, from a pickle (bytes) and {key: array}."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in (extra or {}).items():
            archive.writestr(f"archive/{name}", content)
        for key, array in dict(storages).items():
            with archive.open(f"archive/data/{key}", "w", force_zip64=True) as member:
                member.write(array.ravel().view(np.uint8).data if array.size else b"")
    return path


def write_pth(path, arrays):
    """Writes a state dict {name: array} as PyTorch would, and returns `path`."""
    arrays = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    storages = {str(number): array for number, array in enumerate(arrays.values())}
    pickled = dumps({name: tensor(key, storages[key]) for key, name in zip(storages, arrays)})
    return write_zip(path, pickled, storages)


def vgg19_arrays(shapes, *, seed=0, batch_norm=False, dtype=np.float32):
    """Draws a random state dict of VGG19 with torchvision's names.

    The numbers are He-normal and drawn in the order of the network, so that they depend on the
    seed alone.

    Args:
      shapes: the shapes of the network's weights, as `loading.weight_shapes` returns them.
      seed: the seed of the random numbers.
      batch_norm: whether a batch norm follows each convolution.
      dtype: the dtype of the arrays.
    """
    rng, names = np.random.default_rng(seed), BATCH_NORM_TORCH_NAMES if batch_norm else TORCH_NAMES
    arrays = {}
    for layer, name in names.items():
        *inside, out = shapes[layer]["kernel"].shape
        shape = (out, inside[-1], 3, 3) if layer in CONV_LAYERS else (out, *inside)
        scale = dtype(np.sqrt(2 / np.prod(inside)))
        arrays[f"{name}.weight"] = rng.standard_normal(shape, dtype) * scale
        arrays[f"{name}.bias"] = rng.standard_normal(out, dtype) * dtype(0.05)
        if batch_norm and layer in CONV_LAYERS:
            features, position = name.split(".")
            norm = f"{features}.{int(position) + 1}"
            parts = [rng.uniform(0.5, 1.5, out).astype(dtype) for _ in BATCH_NORM_PARTS]
            arrays |= {f"{norm}.{part}": values for part, values in zip(BATCH_NORM_PARTS, parts)}
            arrays[f"{norm}.num_batches_tracked"] = np.array(7)
    return arrays


def read_all(path):
    """Returns {name: array} of all tensors in a file."""
    with open_state_dict(path) as tensors:
        return {n: each.read() for n, each in tensors.items() if isinstance(each, StoredTensor)}


def get_refusal(path):
    """Returns why a file is refused: one line that names it."""
    with pytest.raises(UserError) as caught:
        read_all(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    return message
