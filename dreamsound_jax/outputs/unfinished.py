"""What an ouroboros keeps on disk while it runs, so that a killed one goes on where it was.

The rounds of a batch lie in files of several rounds each; beside them lies the state after the last
of them. Each file is written whole or not at all, and the state after its rounds.
"""

import contextlib
import io
import logging
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.system import storage

log = logging.getLogger(__name__)

FOLDER = "unfinished"
NUMBERS = "numbers"  # of the clips of a batch, beside its state


def numbers_of_batches(folder):
    """The numbers of the clips of each batch that is unfinished in `folder` of a run.

    Another process may finish its own meanwhile, and remove it: it is passed over.
    """
    found = []
    for path in _listed(folder / FOLDER, "*-state.npz"):
        with contextlib.suppress(FileNotFoundError):
            found.append(_numbers_in(path))
    return found


def _listed(folder, pattern):
    try:
        return sorted(folder.glob(pattern))
    except FileNotFoundError:  # a folder of a store ends with its last file, while it is listed
        return []


def _numbers_in(path):
    with np.load(io.BytesIO(path.read_bytes())) as kept:
        return kept[NUMBERS].tolist() if NUMBERS in kept else []


class Rounds(NamedTuple):
    """The rounds of one clip on the host; arrays with a leading axis of rounds.

    Attributes:
      mel_db: (rounds, mel bands, frames).
      sound: (rounds, channels, samples).
      overcooked, moved_db: (rounds,).
      objective, fault: (rounds, levels, steps).
    """

    mel_db: np.ndarray
    sound: np.ndarray
    overcooked: np.ndarray
    moved_db: np.ndarray
    objective: np.ndarray
    fault: np.ndarray


class Unfinished:
    """The files of one batch, in `folder` of a run; `numbers` are those of its clips."""

    def __init__(self, folder, numbers):
        self._folder, self._numbers = folder / FOLDER, list(numbers)
        self._name = f"{self._numbers[0]:05d}"

    def resume(self, state):
        """The state to go on with: the one that was kept, else `state`.

        What was kept of other clips, of batches of another size, or by another version of the
        program, is of no use, and removed.
        """
        path = self._path("state")
        if not path.exists():
            return state
        leaves, structure = jax.tree.flatten(state)
        with np.load(io.BytesIO(path.read_bytes())) as kept:
            arrays = [kept[name] for name in kept.files if name != NUMBERS]
        shapes = [_plain(leaf).shape for leaf in leaves]
        if _numbers_in(path) == self._numbers and [array.shape for array in arrays] == shapes:
            return jax.tree.unflatten(structure, map(_as, arrays, leaves))
        log.info("%s: begins again; what was kept of it is of another batch", self._name)
        self.remove()
        return state

    def save(self, first, rounds, state):
        """Keeps rounds from number `first` on, and the state after the last of them.

        `rounds` is a list of `Rounds`, with an axis of clips in place of that of rounds.
        """
        arrays = {
            f"{clip}/{field}": np.stack([getattr(each, field)[clip] for each in rounds])
            for clip in range(len(self._numbers))
            for field in Rounds._fields
        }
        self._write(self._path(f"{first:06d}"), arrays)
        leaves = map(_plain, jax.tree.leaves(state))
        numbered = {f"{number:03d}": np.asarray(leaf) for number, leaf in enumerate(leaves)}
        self._write(self._path("state"), numbered | {NUMBERS: np.array(self._numbers)})

    def rounds(self, clip, count, fields=Rounds._fields):
        """The first `count` rounds of a clip, by its place in the batch; other fields are None."""
        found = {field: [] for field in fields}
        for path in _listed(self._folder, f"{self._name}-[0-9]*.npz"):
            if int(path.stem.split("-")[1]) >= count:
                break  # killed before the state was kept: these were dreamed again, or will be
            with path.open("rb") as file, np.load(file) as kept:
                for field in fields:
                    found[field].append(kept[f"{clip}/{field}"])
        joined = {field: np.concatenate(parts)[:count] for field, parts in found.items()}
        return Rounds(**{field: joined.get(field) for field in Rounds._fields})

    def remove(self):
        """Removes all files of the batch."""
        for path in _listed(self._folder, f"{self._name}-*"):
            path.unlink()

    def _path(self, what):
        return self._folder / f"{self._name}-{what}.npz"

    def _write(self, path, arrays):
        if not storage.is_cloud(path):
            self._folder.mkdir(exist_ok=True)
        file = io.BytesIO()
        np.savez(file, **arrays)
        storage.write_whole(path, file.getvalue())


def _plain(leaf):
    """An array that can be written: random keys as their data."""
    is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    return jax.random.key_data(leaf) if is_key else leaf


def _as(array, leaf):
    """The inverse of `_plain`: what `array` is in the place of `leaf`."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf))
    return jnp.asarray(array)
