import contextlib
import dataclasses
import errno
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from flax import nnx

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.card import Card
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.augment import augment
from dreamsound_jax.training.batch_norm import VGG19BatchNorm, fold
from dreamsound_jax.training.confusion import picture
from dreamsound_jax.training.evaluate import confusion, shares
from dreamsound_jax.training.examples import Examples, batches, statistics, whole
from dreamsound_jax.training.follow import Follow
from dreamsound_jax.training.loop import Quiet, Recipe, train

EPOCHS = 12
CARD = Card("tiny", ("low", "high"), -30.0, 17.0, width=1 / 16, hidden=8)


def two_classes(count, seed=0, frames=48):
    """Noise with a loud band: low in class 0, high in class 1."""
    rng = np.random.default_rng(seed)
    mel_db = rng.normal(-40, 5, (count, 32, frames))
    labels = np.arange(count) % 2
    for clip, label in zip(mel_db, labels):
        place = rng.integers(2, 10) + 16 * label
        clip[place : place + 4] += 40
    return Examples(mel_db.astype(np.float16), labels)


def tiny_network():
    size = {"width": CARD.width, "hidden": CARD.hidden}
    return VGG19BatchNorm(2, rngs=nnx.Rngs(0), **size)


class Watch(Quiet):
    """Notes what a run reports."""

    def __init__(self):
        self.losses, self.epochs = [], []

    def close(self):
        """As a `Follow`, so that runs may be followed by either."""

    def after_step(self, done, state, loss, right):
        self.losses.append(float(loss))

    def after_epoch(self, epoch, model):
        self.epochs.append((epoch, fold(model)))


@pytest.fixture(scope="module")
def trained():
    examples = two_classes(96)
    mean, std = statistics(examples)
    recipe = Recipe(windows=(32,) * EPOCHS, batch_size=16, learning_rate=3e-3)
    watch = Watch()
    model = train(tiny_network(), examples, mean=mean, std=std, recipe=recipe, follow=watch)
    return model, watch, {"mean": mean, "std": std}


def test_it_learns(trained):
    _, watch, _ = trained
    per_epoch = np.reshape(watch.losses, (EPOCHS, 6)).mean(1)
    assert per_epoch[-1] < 0.7 * per_epoch[0]


def test_the_plain_network_names_clips_it_never_saw(trained):
    model, _, standard = trained
    network = loading.network_from(CARD, fold(model))
    counts = confusion(network, two_classes(60, seed=1), classes=2, **standard)
    share, of_classes = shares(counts)
    assert counts.sum(1).tolist() == [30, 30]
    assert share > 0.85
    assert share == pytest.approx(np.mean(of_classes))


def test_clips_of_any_length_are_named(trained):
    model, _, standard = trained
    network = loading.network_from(CARD, fold(model))
    lengths = [20, 48, 300, 700]
    examples = [two_classes(40, seed=2, frames=frames) for frames in lengths]
    mel_db = [clip for found in examples for clip in found.mel_db]
    mixed = Examples(mel_db, np.concatenate([found.labels for found in examples]))
    share, _ = shares(confusion(network, mixed, classes=2, **standard))
    assert share > 0.85


def test_the_folded_network_is_the_trained_one(trained):
    model, _, _ = trained
    layers = ("conv1_1", "relu3_4", "conv5_4", "linear1", "output")
    spectrogram = np.random.default_rng(0).normal(size=(2, 32, 48)).astype(np.float32)
    model.eval()
    plain = loading.network_from(CARD, fold(model))
    expected, got = (_activations(net, spectrogram, layers) for net in (nnx.split(model), plain))
    for layer in layers:
        scale = np.abs(expected[layer]).max()
        assert scale > 0
        np.testing.assert_allclose(got[layer], expected[layer], atol=1e-4 * scale, err_msg=layer)


def _activations(network, spectrogram, layers):
    graphdef, state = network
    return jax.jit(lambda state: nnx.merge(graphdef, state, copy=True)(spectrogram, layers))(state)


def test_each_epoch_is_handed_over(trained):
    model, watch, _ = trained
    assert [epoch for epoch, _ in watch.epochs] == list(range(1, EPOCHS + 1))
    kernels = [weights["conv3_2"]["kernel"] for _, weights in watch.epochs]
    assert not np.array_equal(kernels[0], kernels[-1])
    np.testing.assert_array_equal(kernels[-1], fold(model)["conv3_2"]["kernel"])


SHORT = Recipe(windows=(32,) * 3, batch_size=8, learning_rate=3e-3)  # 3 steps in an epoch


def short_run(follow, precision="float32"):
    with contextlib.closing(follow):
        recipe = dataclasses.replace(SHORT, precision=precision)
        options = {"mean": -30, "std": 17, "recipe": recipe, "follow": follow}
        return fold(train(tiny_network(), two_classes(25), **options))


class Killed(Follow):
    def after_step(self, done, state, loss, right):
        super().after_step(done, state, loss, right)
        if done == 4:
            raise KeyboardInterrupt


class Idle(Follow):
    def after_step(self, done, *_):
        raise AssertionError(f"step {done} was done already")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A short run: its weights and losses. What it compiled is kept for runs that follow."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path_factory.mktemp("compiled")))
    watch = Watch()
    yield short_run(watch), watch.losses
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_bit_for_bit(tmp_path, uninterrupted):
    def follow(kind, save_every=1, **facts):
        options = {"steps": 9, "board": None, "measure": lambda weights: {}}
        return kind(tmp_path / "run", facts=facts, save_every=save_every, **options)

    expected, _ = uninterrupted
    with pytest.raises(KeyboardInterrupt):
        short_run(follow(Killed, save_every=2, lr=1))
    for kind in (Follow, Idle):  # goes on; and then has nothing left to do
        jax.tree.map(np.testing.assert_array_equal, short_run(follow(kind, lr=1)), expected)
    with pytest.raises(UserError, match="other flags or data"):
        short_run(follow(Follow, lr=2))


def test_a_state_that_cannot_be_kept_stops_the_run_and_leaves_nothing_half(tmp_path):
    options = {"steps": 9, "board": None, "measure": lambda weights: {}}
    follow = Follow(tmp_path / "run", facts={"lr": 1}, save_every=1, **options)
    (tmp_path / "run/1.orbax-checkpoint-tmp").mkdir()
    follow.after_step(1, {"weights": np.zeros(3)}, 0.5, 0.5)
    (tmp_path / "run/2.orbax-checkpoint-tmp").mkdir()
    follow._saved.save = _no_room
    with pytest.raises(UserError, match="cannot keep the run in .*: No space left on device"):
        follow.after_step(2, {"weights": np.zeros(3)}, 0.5, 0.5)
    follow.close()
    assert [place.name for place in (tmp_path / "run").iterdir()] == ["1"]


def _no_room(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.slow
def test_bfloat16_learns_too_and_keeps_float32_weights():
    recipe = Recipe(windows=(32,) * 6, batch_size=16, learning_rate=3e-3, precision="bfloat16")
    watch = Watch()
    model = train(tiny_network(), two_classes(96), mean=-30, std=17, recipe=recipe, follow=watch)
    assert np.mean(watch.losses[-6:]) < 0.9 * np.mean(watch.losses[:6])
    assert {leaf.dtype for leaf in jax.tree.leaves(fold(model))} == {np.dtype("float32")}


@pytest.mark.slow
def test_devices_share_a_batch():
    """Four devices see the losses that one sees; batch norm goes over the whole batch.

    In float64: of what float32 rounds, Adam makes steps.
    """
    code = (
        "import jax; from tests.training import test_training as t; "
        "assert jax.local_device_count() == 4; "
        "watch = t.Watch(); t.short_run(watch, precision='float64'); print(*watch.losses)"
    )
    flags = "--xla_force_host_platform_device_count=4"
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
    run = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=-1, text=True)
    watch = Watch()
    with jax.enable_x64(True):
        short_run(watch, precision="float64")
    said, _ = run.communicate(timeout=200)
    assert len(watch.losses) == 9
    np.testing.assert_allclose(np.float64(said.split()), watch.losses, rtol=1e-5)


def test_what_does_not_fill_a_batch_is_refused():
    with pytest.raises(UserError, match="12 clips do not fill one batch of 64"):
        train(tiny_network(), two_classes(12), mean=0, std=1, recipe=Recipe())


def test_an_epoch_shows_each_clip_once_in_a_window_of_its_own():
    mel_db = np.arange(10 * 3 * 50, dtype=np.float32).reshape(10, 3, 50)
    examples = Examples(mel_db, np.arange(10))
    options = {"seed": 0, "window": 20, "size": 5}
    first, again, second = (list(batches(examples, epoch=epoch, **options)) for epoch in (1, 1, 2))
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
    (later,) = batches(examples, epoch=1, start=1, **options)
    np.testing.assert_array_equal(later[0], first[1][0])


def test_without_grain_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "grain", None)
    with pytest.raises(UserError, match=r"pip install -e '.\[train\]'"):
        next(batches(Examples([], np.zeros(0)), seed=0, epoch=0, window=32, size=1))


def test_windows_cover_a_clip_and_short_clips_are_repeated():
    ramp = np.arange(70.0)[None]
    windows = whole(ramp, 32)
    assert windows.shape == (3, 1, 32)
    assert set(windows.ravel()) == set(range(70))
    np.testing.assert_array_equal(whole(ramp[:, :20], 32)[0, 0], [*range(20), *range(12)])
    ((clips, _),) = batches(
        Examples([ramp[:, :20]], np.zeros(1, int)), seed=0, epoch=0, window=32, size=1
    )
    assert clips.shape == (1, 1, 32)


def test_statistics_are_those_of_all_cells():
    rng = np.random.default_rng(0)
    mel_db = [rng.normal(-20, 15, (12, frames)).astype(np.float16) for frames in (5, 30, 17)]
    cells = np.concatenate([clip.ravel() for clip in mel_db]).astype(float)
    assert statistics(Examples(mel_db, np.zeros(3))) == pytest.approx((cells.mean(), cells.std()))


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
    share, of_classes = shares(counts)
    assert share == pytest.approx(0.8)
    np.testing.assert_allclose(of_classes, [0.75, np.nan, 5 / 6])
    drawn = picture({"fold_1": counts, "test": counts}, ["a", "b", "c"])
    assert drawn.startswith(b"\x89PNG")
