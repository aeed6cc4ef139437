"""What an ouroboros keeps on disk while it runs, so that a killed run resumes after its last save.

The rounds of a batch are in files of several rounds each. Beside them is the state after the last
of these rounds. Each file is written whole or not at all, and the state after its rounds.
"""

import contextlib
import io
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from dreamsound_jax.system import storage

log = logging.getLogger(__name__)

FOLDER = "unfinished"
_CLIP_NUMBERS = "numbers"  # the name of the clip numbers of a batch, beside the arrays of its state


class Rounds(NamedTuple):
    """The rounds of one clip on the host; arrays with a leading axis of rounds.

    Attributes:
      mel_db: (rounds, mel bands, frames), the spectrogram of each dream in dB.
      sound: (rounds, channels, samples).
      overcooked: (rounds,), the overcooked index in dB.
      moved_db: (rounds,), the root mean square change since the round before, in dB.
      objective: (rounds, levels, steps).
      fault: (rounds, levels, steps), what went wrong at each step.
    """

    mel_db: np.ndarray
    sound: np.ndarray
    overcooked: np.ndarray
    moved_db: np.ndarray
    objective: np.ndarray
    fault: np.ndarray


def list_unfinished_batches(run_folder: epath.Path) -> list[list[int]]:
    """Lists the batches that are unfinished in the folder of a run, each as its clip numbers.

    A batch that another process finishes, and removes, in the meantime is left out.
    """
    batches = []
    for path in storage.list_files(run_folder / FOLDER, "*-state.npz"):
        with contextlib.suppress(FileNotFoundError):
            batches.append(_read_clip_numbers(path))
    return batches


class SavedRounds:
    """The files of one batch.

    Args:
      run_folder: the folder of the run.
      clip_numbers: the numbers of the clips in the batch, in their order.
    """

    def __init__(self, run_folder: epath.Path, clip_numbers: Sequence[int]):
        self._folder, self._clip_numbers = run_folder / FOLDER, list(clip_numbers)
        self._name = f"{self._clip_numbers[0]:05d}"

    def restore(self, state: Any) -> Any:
        """Returns the saved state, or `state`, the one before the first round, if there is none.

        A state that was saved for other clips, for a batch of another size or by another version
        of the program is of no use; it is removed.

        Args:
          state: a pytree of arrays, among them random keys.
        """
        path = self._path("state")
        if not path.exists():
            return state
        leaves, structure = jax.tree.flatten(state)
        with np.load(io.BytesIO(path.read_bytes())) as saved:
            arrays = [saved[name] for name in saved.files if name != _CLIP_NUMBERS]
        same_shapes = [each.shape for each in arrays] == [_key_data(leaf).shape for leaf in leaves]
        if same_shapes and _read_clip_numbers(path) == self._clip_numbers:
            return jax.tree.unflatten(structure, map(_like_leaf, arrays, leaves))
        log.info("%s: starts again, because what was saved belongs to another batch", self._name)
        self.remove()
        return state

    def save(self, first: int, rounds: Sequence[Rounds], state: Any) -> None:
        """Saves rounds from number `first` on, and the state after the last of them.

        Args:
          first: the number of the first of the rounds, from 0.
          rounds: one for each round, whose arrays have an axis of clips in place of rounds.
          state: a pytree of arrays.
        """
        arrays = {
            f"{clip}/{field}": np.stack([getattr(each, field)[clip] for each in rounds])
            for clip in range(len(self._clip_numbers))
            for field in Rounds._fields
        }
        self._write(self._path(f"{first:06d}"), arrays)
        leaves = map(_key_data, jax.tree.leaves(state))
        arrays = {f"{number:03d}": np.asarray(leaf) for number, leaf in enumerate(leaves)}
        self._write(self._path("state"), arrays | {_CLIP_NUMBERS: np.array(self._clip_numbers)})

    def read_rounds(self, clip: int, count: int, fields: Sequence[str] = Rounds._fields) -> Rounds:
        """Reads the first `count` rounds of a clip.

        Args:
          clip: the index of the clip in the batch.
          count: how many rounds are read. Rounds that were saved without their state are not
            counted: they are dreamed again.
          fields: the fields that are read; the others are None.
        """
        parts = {field: [] for field in fields}
        for path in storage.list_files(self._folder, f"{self._name}-[0-9]*.npz"):
            if int(path.stem.split("-")[1]) >= count:
                break
            with path.open("rb") as file, np.load(file) as saved:
                for field in fields:
                    parts[field].append(saved[f"{clip}/{field}"])
        joined = {field: np.concatenate(each)[:count] for field, each in parts.items()}
        return Rounds(**{field: joined.get(field) for field in Rounds._fields})

    def remove(self) -> None:
        """Removes all files of the batch."""
        for path in storage.list_files(self._folder, f"{self._name}-*"):
            path.unlink()

    def _path(self, suffix):
        return self._folder / f"{self._name}-{suffix}.npz"

    def _write(self, path, arrays):
        if not storage.is_cloud(path):
            self._folder.mkdir(exist_ok=True)
        file = io.BytesIO()
        np.savez(file, **arrays)
        storage.write_whole(path, file.getvalue())


def _read_clip_numbers(path):
    with np.load(io.BytesIO(path.read_bytes())) as saved:
        return saved[_CLIP_NUMBERS].tolist() if _CLIP_NUMBERS in saved else []


def _is_key(leaf):
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _key_data(leaf):
    """Returns an array that can be written: of random keys, their data."""
    return jax.random.key_data(leaf) if _is_key(leaf) else leaf


def _like_leaf(array, leaf):
    """Reverts `_key_data` for a leaf of the same kind."""
    if _is_key(leaf):
        return jax.random.wrap_key_data(jnp.asarray(array), impl=jax.random.key_impl(leaf))
    return jnp.asarray(array)
