"""Finds the parts of a file in the format that PyTorch wrote before version 1.6.

Four pickles stand one after the other: a magic number, the version of the format, facts on the
machine, and the saved object. A list of keys follows, and then for each key its storage, which
begins with the count of its numbers. Published networks of 2019 have this format.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from typing import IO, Literal

from dreamsound_jax.weights.torch_pickle import cut_first_pickle, load_plain_pickle
from dreamsound_jax.weights.torch_views import Storage, numpy_dtype

START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first bytes of such a file: the pickle of the number 0x1950A86A20F9469CFC6C."""
FORMAT_VERSION = 1001
COUNT_BYTES = 8


class LegacyFile:
    """An open file.

    Attributes:
      path: of the file.
      pickled: the pickle that describes the tensors.
      swaps_bytes: whether the bytes of each number are in the other order than on this machine.
    """

    def __init__(self, path: str | os.PathLike, stack: contextlib.ExitStack) -> None:
        """Opens a file, which `stack` will close; raises many kinds of errors if it is damaged."""
        self.path = path
        self._file = stack.enter_context(open(path, "rb"))  # noqa: SIM115
        _, version, machine, self.pickled, keys = (cut_first_pickle(self._file) for _ in range(5))
        if load_plain_pickle(version) != FORMAT_VERSION:
            raise ValueError("not a known version of the format")
        self._byte_order: Literal["little", "big"]
        self._byte_order = "little" if load_plain_pickle(machine)["little_endian"] else "big"
        self.swaps_bytes = self._byte_order != sys.byteorder
        self._keys, self._first = load_plain_pickle(keys), self._file.tell()
        self._positions: dict[str, int] = {}

    def measure_storages(self, storages: Mapping[str, Storage]) -> dict[str, int]:
        """Returns {key: size in bytes} of all storages.

        Args:
          storages: {key: storage} as the pickle describes them.

        Raises:
          ValueError: the file has other storages, or is cut short.
        """
        sizes, position = {}, self._first
        for key in self._keys:
            self._file.seek(position)
            count = int.from_bytes(self._file.read(COUNT_BYTES), self._byte_order)
            if count != storages[key].size:
                raise ValueError("a storage has another size")
            self._positions[key] = position + COUNT_BYTES
            sizes[key] = count * numpy_dtype(storages[key]).itemsize
            position += COUNT_BYTES + sizes[key]
        if position != os.fstat(self._file.fileno()).st_size:
            raise ValueError("the file is cut short, or too long")
        return sizes

    @contextlib.contextmanager
    def open_storage(self, key: str, offset: int) -> Iterator[IO[bytes]]:
        """Opens a storage, `offset` bytes behind its start."""
        with open(self.path, "rb") as file:
            file.seek(self._positions[key] + offset)
            yield file
