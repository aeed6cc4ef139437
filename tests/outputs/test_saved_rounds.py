"""The rounds of an ouroboros are saved and restored bit for bit."""

import os

import jax
import numpy as np
import pytest
from etils import epath

from dreamsound_jax.outputs.saved_rounds import (
    Rounds,
    SavedRounds,
    list_unfinished_batches,
    remove_unfinished,
)
from dreamsound_jax.system.errors import StorageError

CLIPS = [7, 9]


@pytest.fixture
def folder(tmp_path):
    folder = epath.Path(tmp_path) / "take [1] *"
    folder.mkdir()
    return folder


def state(number):
    keys = jax.random.split(jax.random.key(number), len(CLIPS))
    return {"number": np.full(len(CLIPS), number), "keys": keys}


def rounds_from(first, count):
    """`Rounds` of all clips, whose values say which round and clip they are of."""
    numbers = range(first, first + count)
    values = [np.array([100.0 * clip + number for clip in CLIPS]) for number in numbers]
    return [Rounds(*[value] * len(Rounds._fields)) for value in values]


def test_what_was_saved_is_restored(folder):
    saved = SavedRounds(folder, CLIPS)
    beginning = state(0)
    assert saved.restore(beginning) is beginning
    saved.save(0, rounds_from(0, 3), state(3))
    saved.save(3, rounds_from(3, 2), state(5))
    resumed = SavedRounds(folder, CLIPS)
    assert list_unfinished_batches(folder) == [CLIPS]
    restored = resumed.restore(state(0))
    np.testing.assert_array_equal(restored["number"], [5, 5])
    np.testing.assert_array_equal(*(jax.random.key_data(s["keys"]) for s in (restored, state(5))))
    rounds = resumed.read_rounds(1, fields=("moved_db", "sound"))
    np.testing.assert_array_equal(rounds.moved_db, [900, 901, 902, 903, 904])
    np.testing.assert_array_equal(rounds.sound, rounds.moved_db)
    assert rounds.mel_db is None
    resumed.remove()
    assert list_unfinished_batches(folder) == [] and not list((folder / "unfinished").iterdir())


@pytest.mark.parametrize("numbers", [[7, 8], [7]])
def test_what_was_saved_of_another_batch_is_removed(folder, numbers):
    SavedRounds(folder, CLIPS).save(0, rounds_from(0, 1), state(1))
    beginning = {name: leaf[: len(numbers)] for name, leaf in state(0).items()}
    assert SavedRounds(folder, numbers).restore(beginning) is beginning
    assert list_unfinished_batches(folder) == []


def test_what_was_saved_of_another_sound_or_seed_is_removed(folder):
    SavedRounds(folder, CLIPS, origin="a sound").save(0, rounds_from(0, 1), state(1))
    same = SavedRounds(folder, CLIPS, origin="a sound").restore(state(0))
    np.testing.assert_array_equal(same["number"], [1, 1])
    beginning = state(0)
    assert SavedRounds(folder, CLIPS, origin="another").restore(beginning) is beginning
    assert list_unfinished_batches(folder) == []


def test_the_state_of_another_version_of_the_program_is_not_taken(folder, caplog):
    more = state(1) | {"habituation": np.zeros(len(CLIPS))}
    other_name = {"round": state(1)["number"], "keys": state(1)["keys"]}
    for saved, beginning in ((state(1), more), (more, state(0)), (other_name, state(0))):
        SavedRounds(folder, CLIPS).save(0, rounds_from(0, 1), saved)
        assert SavedRounds(folder, CLIPS).restore(beginning) is beginning
        assert list_unfinished_batches(folder) == []
    assert caplog.text.count("another version of the program saved them") == 3


def test_where_nothing_can_be_saved_it_is_the_disk_that_fails(folder):
    (folder / "unfinished").write_bytes(b"")
    assert list_unfinished_batches(folder) == []
    with pytest.raises(StorageError, match="cannot make .*unfinished'"):
        SavedRounds(folder, CLIPS).save(0, rounds_from(0, 1), state(1))


def test_a_link_in_place_of_the_folder_is_left_alone(folder, tmp_path):
    (tmp_path / "scratch").mkdir()
    os.symlink(tmp_path / "scratch", folder / "unfinished")
    SavedRounds(folder, CLIPS).save(0, rounds_from(0, 1), state(1))
    remove_unfinished(folder, only_if_empty=False)
    assert (tmp_path / "scratch").is_dir()


def without(name):
    def remove(folder):
        (folder / name).unlink()

    return remove


def cut(name):
    def cut_to_half(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return cut_to_half


def flip_a_bit(folder):
    content = bytearray((folder / "00007-000003.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "00007-000003.npz").write_bytes(content)


def put_in_a_foreign_file(folder):
    """Rounds of the same shape, but of another run."""
    arrays = dict(np.load(folder / "00007-000000.npz"))
    np.savez(folder / "00007-000000.npz", **{name: array + 1 for name, array in arrays.items()})


def put_in_an_object(folder):
    arrays = dict(np.load(folder / "00007-state.npz"))
    np.savez(folder / "00007-state.npz", **arrays | {"000": np.array([{}], object)})


def empty(folder):
    (folder / "00007-state.npz").write_bytes(b"")


DAMAGES = (
    *(without("00007-000000.npz"), without("00007-000003.npz"), without("00007-state.npz")),
    *(cut("00007-000000.npz"), cut("00007-state.npz"), flip_a_bit, empty),
    *(put_in_a_foreign_file, put_in_an_object),
)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_batch_whose_files_are_not_whole_begins_again_with_a_line(folder, damage, caplog):
    saved = SavedRounds(folder, CLIPS)
    saved.save(0, rounds_from(0, 3), state(3))
    saved.save(3, rounds_from(3, 2), state(5))
    damage(folder / "unfinished")
    list_unfinished_batches(folder)
    beginning = state(0)
    assert SavedRounds(folder, CLIPS).restore(beginning) is beginning
    assert caplog.text.count("batch 00007 starts again, because its saved rounds") == 1
    assert list_unfinished_batches(folder) == [] and not list((folder / "unfinished").iterdir())


def test_rounds_without_their_state_do_not_count(folder):
    saved = SavedRounds(folder, CLIPS)
    saved.save(0, rounds_from(0, 3), state(3))
    later = (folder / "unfinished" / "00007-000003.npz").as_posix()
    np.savez(later, **dict(np.load(folder / "unfinished" / "00007-000000.npz")))
    resumed = SavedRounds(folder, CLIPS)
    np.testing.assert_array_equal(resumed.restore(state(0))["number"], [3, 3])
    assert len(resumed.read_rounds(0).sound) == 3
