"""Spectrograms are cut into examples for training."""

import sys

import jax
import numpy as np
import pytest

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.augment import augment
from dreamsound_jax.training.confusion_plot import draw_confusion_matrices
from dreamsound_jax.training.evaluate import compute_accuracy
from dreamsound_jax.training.examples import (
    Examples,
    iterate_batches,
    measure_statistics,
    split_into_windows,
)
from dreamsound_jax.training.recipe import parse_windows


def test_an_epoch_shows_each_clip_once_in_a_window_of_its_own():
    mel_db = np.arange(10 * 3 * 50, dtype=np.float32).reshape(10, 3, 50)
    examples = Examples(mel_db, np.arange(10))
    options = {"seed": 0, "window": 20, "size": 5}
    epochs = [list(iterate_batches(examples, epoch=epoch, **options)) for epoch in (1, 1, 2)]
    first, again, second = epochs
    shown = np.concatenate([labels for _, labels in first])
    assert sorted(shown) == list(range(10)) and list(shown) != list(range(10))
    starts = set()
    for clips, labels in first:
        for clip, label in zip(clips, labels):
            start = int(clip[0, 0] - mel_db[label, 0, 0])
            np.testing.assert_array_equal(clip, mel_db[label, :, start : start + 20])
            starts.add(start)
    assert len(starts) > 3
    np.testing.assert_array_equal(first[0][0], again[0][0])
    assert not np.array_equal(first[0][0], second[0][0])
    (later,) = iterate_batches(examples, epoch=1, start=1, **options)
    np.testing.assert_array_equal(later[0], first[1][0])


def test_without_grain_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "grain", None)
    with pytest.raises(UserError, match=r"pip install -e '.\[train\]'"):
        next(iterate_batches(Examples([], np.zeros(0)), seed=0, epoch=0, window=32, size=1))


def test_windows_cover_a_clip_and_short_clips_are_repeated():
    ramp = np.arange(70.0)[None]
    windows = split_into_windows(ramp, 32)
    assert windows.shape == (3, 1, 32)
    assert set(windows.ravel()) == set(range(70))
    repeated = split_into_windows(ramp[:, :20], 32)[0, 0]
    np.testing.assert_array_equal(repeated, [*range(20), *range(12)])
    short = Examples([ramp[:, :20]], np.zeros(1, int))
    ((clips, _),) = iterate_batches(short, seed=0, epoch=0, window=32, size=1)
    assert clips.shape == (1, 1, 32)


def test_statistics_are_those_of_all_cells():
    rng = np.random.default_rng(0)
    mel_db = [rng.normal(-20, 15, (12, frames)).astype(np.float16) for frames in (5, 30, 17)]
    cells = np.concatenate([clip.ravel() for clip in mel_db]).astype(float)
    examples = Examples(mel_db, np.zeros(3))
    found = measure_statistics(examples, FrontEnd(hop=100))
    assert (found.mean, found.std) == pytest.approx((cells.mean(), cells.std()))
    assert found == FrontEnd(hop=100, mean=found.mean, std=found.std)
    found = measure_statistics(examples, FrontEnd(compression="log", log_offset=1e-3))
    assert (found.mean, found.std) == pytest.approx((cells.mean(), cells.std()))
    shown = np.log(10 ** (cells / 10) + 1e-3)
    assert (found.input_mean, found.input_std) == pytest.approx((shown.mean(), shown.std()))


def test_a_selection_is_evenly_spread():
    examples = Examples(np.arange(100), np.arange(100))
    assert examples.select_evenly(4).labels.tolist() == [0, 33, 66, 99]
    assert len(examples.select_evenly(1000)) == 100


def test_augmenting_hides_strips_and_shifts_the_rest_a_little():
    keys = jax.random.split(jax.random.key(0), 64)
    changed = np.asarray(jax.jit(jax.vmap(augment, (0, None)))(keys, np.full((128, 64), 5.0)))
    hidden = changed == 0
    assert 0.02 < hidden.mean() < 0.3
    assert hidden.all(2).any(1).mean() > 0.5 and hidden.all(1).any(1).mean() > 0.5
    assert np.abs(changed[~hidden] - 5).max() < 0.6
    assert changed[:, 64, :].std() > 0.1


def test_a_class_without_clips_has_no_accuracy_and_the_picture_is_drawn():
    counts = np.array([[3, 1, 0], [0, 0, 0], [0, 1, 5]])
    accuracy, of_classes = compute_accuracy(counts)
    assert accuracy == pytest.approx(0.8)
    np.testing.assert_allclose(of_classes, [0.75, np.nan, 5 / 6])
    picture = draw_confusion_matrices({"fold_1": counts, "test": counts}, ["a", "b", "c"])
    assert picture.startswith(b"\x89PNG")


def test_windows_are_parsed_to_one_entry_per_epoch():
    assert parse_windows(["64x2", "128"]) == (64, 64, 128)


@pytest.mark.parametrize("items", [["20"], ["64x"], ["64", "ax2"], []])
def test_windows_of_another_form_are_refused(items):
    with pytest.raises(UserError, match="--windows must be a list .* at least 32 frames, got"):
        parse_windows(items)
