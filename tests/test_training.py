import json

import jax
import numpy as np
import pytest
from flax import nnx
from orbax.checkpoint import v1 as ocp

from dreamsound_jax import models
from dreamsound_jax.errors import UserError
from dreamsound_jax.training import publish as publishing
from dreamsound_jax.training.augment import augment
from dreamsound_jax.training.batch_norm import VGG19BatchNorm, fold
from dreamsound_jax.training.examples import Examples, batches, statistics
from dreamsound_jax.training.loop import Recipe, accuracy, train
from dreamsound_jax.training.publish import publish

EPOCHS = 12
TINY = {"width": 1 / 16, "hidden": 8}
CARD = {
    "name": "tiny",
    "description": "For a test.",
    "classes": ["low", "high"],
    "mean": -30.0,
    "std": 17.0,
    **TINY,
    "source": {"soundfont": "none"},
    "license": "MIT",
    "accuracy": {"held_out_phrases": 0.75},
    "per_class": {"low": {"held_out_phrases": 1.0}, "high": {"held_out_phrases": 0.5}},
    "rebuild": "python scripts/train_classifier.py",
    "date": "2026-01-01",
    "versions": {"jax": "0"},
}


def two_classes(count, seed=0):
    """Noise with a loud band: low in class 0, high in class 1."""
    rng = np.random.default_rng(seed)
    mel_db = rng.normal(-40, 5, (count, 32, 48))
    labels = np.arange(count) % 2
    for clip, label in zip(mel_db, labels):
        place = rng.integers(2, 10) + 16 * label
        clip[place : place + 4] += 40
    return Examples(mel_db.astype(np.float16), labels)


def tiny_network(kind=VGG19BatchNorm):
    return kind(2, rngs=nnx.Rngs(0), **TINY)


def _known(card):
    return {name: card[name] for name in ("name", "classes", "mean", "std", "width", "hidden")}


@pytest.fixture(scope="module")
def trained():
    examples = two_classes(96)
    mean, std = statistics(examples.mel_db)
    recipe = Recipe(windows=(32,) * EPOCHS, batch_size=16, learning_rate=3e-3)
    seen = []
    model, losses = train(
        tiny_network(),
        examples,
        mean=mean,
        std=std,
        recipe=recipe,
        after_epoch=lambda epoch, model: seen.append((epoch, fold(model))),
    )
    return model, losses, seen, {"mean": mean, "std": std}


def test_it_learns(trained):
    _, losses, _, _ = trained
    assert losses[-1] < 0.7 * losses[0]


def test_the_plain_network_names_clips_it_never_saw(trained):
    model, _, _, standard = trained
    network = models.network_from(models.Card(**_known(CARD)), fold(model))
    share, of_classes = accuracy(network, two_classes(60, seed=1), **standard)
    assert share > 0.85
    assert share == pytest.approx(np.mean(of_classes))


def test_the_folded_network_is_the_trained_one(trained):
    model, _, _, _ = trained
    layers = ("conv1_1", "relu3_4", "conv5_4", "linear1", "output")
    spectrogram = np.random.default_rng(0).normal(size=(2, 32, 48)).astype(np.float32)
    model.eval()
    plain = models.network_from(models.Card(**_known(CARD)), fold(model))
    expected, got = (_activations(net, spectrogram, layers) for net in (nnx.split(model), plain))
    for layer in layers:
        scale = np.abs(expected[layer]).max()
        assert scale > 0
        np.testing.assert_allclose(got[layer], expected[layer], atol=1e-4 * scale, err_msg=layer)


def _activations(network, spectrogram, layers):
    graphdef, state = network
    return jax.jit(lambda state: nnx.merge(graphdef, state, copy=True)(spectrogram, layers))(state)


def test_each_epoch_is_handed_over_for_saving(trained):
    model, _, seen, _ = trained
    assert [epoch for epoch, _ in seen] == list(range(1, EPOCHS + 1))
    kernels = [weights["conv3_2"]["kernel"] for _, weights in seen]
    assert not np.array_equal(kernels[0], kernels[-1])
    np.testing.assert_array_equal(kernels[-1], fold(model)["conv3_2"]["kernel"])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [({"batch_size": 64}, "12 clips"), ({"windows": (32, 64), "batch_size": 4}, "32, 64 frames")],
)
def test_what_cannot_be_trained_on_is_refused(options, complaint):
    with pytest.raises(UserError, match=complaint):
        train(tiny_network(), two_classes(12), mean=0, std=1, recipe=Recipe(**options))


def test_an_epoch_shows_each_clip_once_in_a_window_of_its_own():
    mel_db = np.arange(10 * 3 * 50, dtype=np.float32).reshape(10, 3, 50)
    examples = Examples(mel_db, np.arange(10))
    options = {"seed": 0, "window": 20, "size": 5}
    first, again, second = (list(batches(examples, epoch=epoch, **options)) for epoch in (1, 1, 2))
    shown = np.concatenate([labels for _, _, labels in first])
    assert sorted(shown) == list(range(10)) and list(shown) != list(range(10))
    starts = set()
    for _, clips, labels in first:
        for clip, label in zip(clips, labels):
            start = int(clip[0, 0] - mel_db[label, 0, 0])
            np.testing.assert_array_equal(clip, mel_db[label, :, start : start + 20])
            starts.add(start)
    assert len(starts) > 3
    np.testing.assert_array_equal(first[0][1], again[0][1])
    assert not np.array_equal(first[0][1], second[0][1])


def test_statistics_are_those_of_all_cells():
    mel_db = np.random.default_rng(0).normal(-20, 15, (7, 12, 30)).astype(np.float16)
    expected = mel_db.astype(float).mean(), mel_db.astype(float).std()
    assert statistics(mel_db) == pytest.approx(expected)


def test_augmenting_hides_strips_and_shifts_the_rest_a_little():
    keys = jax.random.split(jax.random.key(0), 64)
    changed = np.asarray(jax.jit(jax.vmap(augment, (0, None)))(keys, np.full((128, 64), 5.0)))
    hidden = changed == 0
    assert 0.02 < hidden.mean() < 0.3
    assert hidden.all(2).any(1).mean() > 0.5 and hidden.all(1).any(1).mean() > 0.5
    assert np.abs(changed[~hidden] - 5).max() < 0.6
    assert changed[:, 64, :].std() > 0.1


def weights_of(number):
    model = tiny_network()
    model.output.bias[...] = model.output.bias[...] + number
    return fold(model)


def test_a_published_checkpoint_is_loaded_by_its_folder(tmp_path):
    publish(tmp_path / "tiny", weights_of(3), CARD)
    model = models.load(checkpoint=tmp_path / "tiny")
    assert model.card == models.Card(**{**_known(CARD), "classes": ("low", "high")})
    np.testing.assert_array_equal(nnx.merge(*model.network).output.bias[...], [3, 3])
    page = (tmp_path / "tiny/README.md").read_text()
    assert "| low | 100.0 % |" in page and "| all | 75.0 % |" in page and CARD["rebuild"] in page


@pytest.mark.parametrize("step", ["save", "model_card", "_replace"])
def test_a_killed_write_leaves_the_old_checkpoint_whole(tmp_path, monkeypatch, step):
    publish(tmp_path / "tiny", weights_of(1), CARD)
    with monkeypatch.context() as killed:
        killed.setattr(publishing.ocp if step == "save" else publishing, step, _die_halfway)
        with pytest.raises(KeyboardInterrupt):
            publish(tmp_path / "tiny", weights_of(2), CARD)
    assert ocp.load(tmp_path / "tiny/weights")["output"]["bias"].tolist() == [1, 1]
    assert json.loads((tmp_path / "tiny/card.json").read_text()) == CARD
    publish(tmp_path / "tiny", weights_of(2), CARD)
    assert ocp.load(tmp_path / "tiny/weights")["output"]["bias"].tolist() == [2, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def _die_halfway(path, *_):
    if hasattr(path, "mkdir") and path.name == "weights":
        path.mkdir()
    raise KeyboardInterrupt


def test_a_first_write_that_is_killed_leaves_no_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(publishing.ocp, "save", _die_halfway)
    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path / "tiny", weights_of(1), CARD)
    assert not (tmp_path / "tiny").exists()
