"""Finds the parts of a PyTorch file that is a ZIP archive, as PyTorch 1.6 and newer write it.

The archive holds a pickle, and one member for each storage.
"""

import contextlib
import os
import sys
import zipfile
from collections.abc import Iterator, Mapping
from typing import IO

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.weights.advice import advise_to_save_state_dict
from dreamsound_jax.weights.foreign_files import describe_archive
from dreamsound_jax.weights.torch_unpickler import MAX_PICKLE_BYTES
from dreamsound_jax.weights.torch_views import Storage

PEEKED_BYTES = 2**16


class Archive:
    """An open archive.

    Attributes:
      path: of the file.
      pickled: the pickle that describes the tensors.
      swaps_bytes: whether the bytes of each number are in the other order than on this machine.
    """

    def __init__(self, path: str | os.PathLike, stack: contextlib.ExitStack) -> None:
        """Opens an archive, which `stack` will close, and verifies all checksums."""
        self.path = path
        self._archive = stack.enter_context(zipfile.ZipFile(path))
        self._root = _find_root(path, self._archive)
        with report_damage(path):
            _check_sizes(path, self._archive)
            if damaged := self._archive.testzip():
                raise zipfile.BadZipFile(f"Bad CRC-32 in {damaged!r}")
            self.pickled = _read_pickle(path, self._archive, self._root)
            self.swaps_bytes = _read_byte_order(path, self._archive, self._root) != sys.byteorder

    def measure_storages(self, storages: Mapping[str, Storage]) -> dict[str, int]:
        """Returns {key: size in bytes} of all storages."""
        prefix = f"{self._root}data/"
        return {
            info.filename.removeprefix(prefix): info.file_size
            for info in self._archive.infolist()
            if info.filename.startswith(prefix)
        }

    @contextlib.contextmanager
    def open_storage(self, key: str, offset: int) -> Iterator[IO[bytes]]:
        """Opens a storage, `offset` bytes behind its start."""
        with self._archive.open(f"{self._root}data/{key}") as storage:
            storage.seek(offset)
            yield storage


@contextlib.contextmanager
def report_damage(path: str | os.PathLike) -> Iterator[None]:
    """Raises a UserError in place of the errors that a damaged file causes."""
    try:
        yield
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{path} is damaged: {reason_of(error)}") from error


def _find_root(path, archive):
    """Finds the folder inside the archive that holds all members."""
    names = archive.namelist()
    pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if not pickles:
        raise UserError(f"{path} {describe_archive(names)}")
    if len(pickles) > 1:
        raise UserError(f"{path} is not a PyTorch file: it has more than one data.pkl")
    root = pickles[0].removesuffix("data.pkl")
    if any(name.startswith((f"{root}constants.pkl", f"{root}code/")) for name in names):
        advice = advise_to_save_state_dict(path)
        raise UserError(f"{path} is a TorchScript program, which was not run; {advice}")
    if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
        advice = advise_to_save_state_dict(path)
        raise UserError(f"{path} is compressed, which PyTorch never does; {advice}")
    return root


def _check_sizes(path, archive):
    """Checks that the members, which are not compressed, fit into the file one after the other.

    A directory may name one member many times, or claim more bytes than the file has.
    """
    names = archive.namelist()
    if len({*names}) < len(names):
        raise zipfile.BadZipFile("it names a member twice")
    if sum(info.file_size for info in archive.infolist()) > os.path.getsize(path):
        raise zipfile.BadZipFile("its members would be larger than the file")


def _read_pickle(path, archive, root):
    size = archive.getinfo(f"{root}data.pkl").file_size
    if size > MAX_PICKLE_BYTES:
        with archive.open(f"{root}data.pkl") as pickled:
            # PyTorch lays its tensors beside the pickle, and all other arrays in it.
            holds_arrays = b"numpy" in pickled.read(PEEKED_BYTES)
        if holds_arrays:
            raise UserError(
                f"{path} holds NumPy arrays, which are not read, since they lie in its pickle: in "
                "PyTorch, save torch.from_numpy(array) of each in its place"
            )
        advice = advise_to_save_state_dict(path)
        raise UserError(f"{path} is not a state dict: its data.pkl has {size} bytes; {advice}")
    return archive.read(f"{root}data.pkl")


def _read_byte_order(path, archive, root):
    if f"{root}byteorder" not in archive.namelist():
        return "little"
    order = archive.read(f"{root}byteorder")
    if order not in (b"little", b"big"):
        raise UserError(f"{path} is damaged: its byte order is {order[:20]!r}")
    return order.decode()
