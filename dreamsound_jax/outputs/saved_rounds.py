"""What an ouroboros keeps on disk while it runs, so that a killed run resumes after its last save.

The rounds of a batch are in files of several rounds each. Beside them is the state after the last
of these rounds, with the digests of these files. Each file is written whole or not at all, and the
state after its rounds; so rounds that were saved without their state do not count.
"""

import contextlib
import hashlib
import io
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from dreamsound_jax.system import storage
from dreamsound_jax.system.errors import reason_of

log = logging.getLogger(__name__)

FOLDER = "unfinished"
# What stands in the file of a state, beside its arrays.
_CLIP_NUMBERS, _ORIGIN, _FIRST_ROUNDS, _DIGESTS = "numbers", "origin", "first_rounds", "digests"
_LEAVES = "leaves"


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

    A batch that another process finishes, and removes, in the meantime is left out, and so is one
    whose state cannot be read: its clips are dreamed with others.
    """
    batches = []
    for path in storage.list_files(run_folder / FOLDER, "*-state.npz"):
        with contextlib.suppress(Exception):  # whatever is wrong with the file
            batches.append(_read_clip_numbers(path))
    return batches


def remove_unfinished(run_folder: epath.Path, *, only_if_empty: bool) -> None:
    """Removes what unfinished batches have left in the folder of a run.

    Args:
      run_folder: the folder of the run.
      only_if_empty: whether files are left alone, since other processes may still write them.
    """
    folder = run_folder / FOLDER
    if not folder.exists():
        return
    # What is left does no harm, and the folder may be a link, or somebody else's.
    with contextlib.suppress(Exception):
        if not only_if_empty:
            folder.rmtree()
        elif not storage.is_cloud(folder):
            folder.rmdir()


class SavedRounds:
    """The files of one batch.

    Args:
      run_folder: the folder of the run.
      clip_numbers: the numbers of the clips in the batch, in their order.
      origin: a digest of what the rounds come from, such as sounds and seeds.
    """

    def __init__(
        self, run_folder: epath.Path, clip_numbers: Sequence[int], *, origin: str = ""
    ) -> None:
        self._folder, self._clip_numbers = run_folder / FOLDER, list(clip_numbers)
        self._origin = origin
        self._name = f"{self._clip_numbers[0]:05d}"
        # {the first round in a file of rounds: its digest}, in order.
        self._digests: dict[int, str] = {}

    def restore(self, state: Any) -> Any:
        """Returns the saved state, or `state`, the one before the first round, if there is none.

        What was saved for other clips, for a batch of another size or by another version of the
        program is of no use, nor is it if a file is damaged or missing. It is then removed, and
        the batch starts again.

        Args:
          state: a pytree of arrays, among them random keys.
        """
        if not storage.list_files(self._folder, f"{self._name}-*"):
            return state
        try:
            saved, digests = self._read_state(state)
            for first, digest in digests.items():
                if _digest(self._path(f"{first:06d}").read_bytes()) != digest:
                    raise ValueError(f"the file from round {first + 1} on is damaged")
        except Exception as error:  # Whatever is wrong with a file, rounds can be made again.
            reason = (
                "a file is missing" if isinstance(error, FileNotFoundError) else reason_of(error)
            )
            log.warning(
                "batch %s starts again, because its saved rounds cannot be used: %s",
                *(self._name, reason),
            )
            self.remove()
            return state
        self._digests = digests
        return saved

    def _read_state(self, state):
        """Returns the saved state, which must be like `state`, and the digests of the rounds."""
        leaves, structure = jax.tree.flatten(state)
        with _open(self._path("state")) as saved:
            if saved[_CLIP_NUMBERS].tolist() != self._clip_numbers:
                raise ValueError("they are those of other clips")
            if str(saved[_ORIGIN]) != self._origin:
                raise ValueError("they are those of another sound or seed")
            if _LEAVES not in saved or saved[_LEAVES].tolist() != _name_leaves(state):
                raise ValueError("another version of the program saved them")
            arrays = [saved[f"{number:03d}"] for number in range(len(leaves))]
            digests = dict(zip(saved[_FIRST_ROUNDS].tolist(), saved[_DIGESTS].tolist()))
        if [_kind(each) for each in arrays] != [_kind(_key_data(leaf)) for leaf in leaves]:
            raise ValueError("they are those of a batch of another shape")
        return jax.tree.unflatten(structure, map(_like_leaf, arrays, leaves)), digests

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
        self._digests[first] = _digest(self._write(self._path(f"{first:06d}"), arrays))
        leaves = map(_key_data, jax.tree.leaves(state))
        arrays = {f"{number:03d}": np.asarray(leaf) for number, leaf in enumerate(leaves)}
        arrays[_LEAVES] = np.array(_name_leaves(state))
        arrays[_CLIP_NUMBERS], arrays[_ORIGIN] = np.array(self._clip_numbers), self._origin
        arrays[_FIRST_ROUNDS] = np.array([*self._digests])
        arrays[_DIGESTS] = np.array([*self._digests.values()])
        self._write(self._path("state"), arrays)

    def read_rounds(self, clip: int, fields: Sequence[str] = Rounds._fields) -> Rounds:
        """Reads the rounds of a clip that were saved with their state.

        Args:
          clip: the index of the clip in the batch.
          fields: the fields that are read; the others are None.
        """
        parts = {field: [] for field in fields}
        for first in self._digests:
            with _open(self._path(f"{first:06d}")) as saved:
                for field in fields:
                    parts[field].append(saved[f"{clip}/{field}"])
        joined = {field: np.concatenate(each) for field, each in parts.items()}
        return Rounds(**{field: joined.get(field) for field in Rounds._fields})

    def remove(self) -> None:
        """Removes all files of the batch."""
        for path in storage.list_files(self._folder, f"{self._name}-*"):
            with contextlib.suppress(OSError):
                path.unlink()

    def _path(self, suffix):
        return self._folder / f"{self._name}-{suffix}.npz"

    def _write(self, path, arrays):
        """Writes arrays to a file, and returns its content."""
        storage.make_folder(self._folder)
        file = io.BytesIO()
        np.savez(file, **arrays)
        storage.write_whole(path, file.getvalue())
        return file.getvalue()


def _read_clip_numbers(path):
    with _open(path) as saved:
        numbers = saved[_CLIP_NUMBERS]
    if numbers.ndim != 1 or not numbers.size or not np.issubdtype(numbers.dtype, np.integer):
        raise ValueError("its clip numbers are not a list of integers")
    return numbers.tolist()


def _open(path):
    """Opens a .npz file; nothing in it is unpickled."""
    return np.load(io.BytesIO(path.read_bytes()))


def _digest(content):
    return hashlib.sha256(content).hexdigest()


def _name_leaves(state):
    """Names each leaf of a state by its place, which differs if another version saved others."""
    return [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(state)]


def _kind(array):
    return array.shape, np.dtype(array.dtype)


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
