import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dreamsound_jax.networks import catalogue, loading
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped
from tests.helpers.tiny import CARD, random_weights, write_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"))


def message_of(call, *args, **options):
    with pytest.raises(UserError) as caught:
        call(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_checkpoint_comes_back_as_it_was(checkpoint, dtype):
    model = loading.load(checkpoint=checkpoint, dtype=dtype)
    assert model.card == CARD
    loaded = nnx.to_pure_dict(nnx.state(nnx.merge(*model.network), nnx.Param))
    written = jax.tree.map(lambda array: jnp.asarray(np.float32(array), dtype), random_weights())
    jax.tree.map(np.testing.assert_array_equal, loaded, written)


def test_weights_are_as_free_to_move_as_what_is_computed(checkpoint):
    """Were they tied to a device, so were dreams of them, and to hear these compiled twice."""
    _, state = loading.load(checkpoint=checkpoint).network
    assert not any(leaf.committed for leaf in jax.tree.leaves(state))


def test_the_embedded_model_is_the_default_and_plain_vgg19():
    model = loading.load()
    assert model.card.name == "gm"
    assert len(model.card.classes) == 16
    assert model.card.width == 0.25
    names = nnx.to_pure_dict(nnx.state(nnx.merge(*model.network), nnx.Param))
    assert set(names) == set(random_weights())


def test_every_shipped_card_is_readable_and_the_reference_has_its_statistics():
    cards = {name: read_card(shipped("checkpoints") / name) for name in catalogue.model_names()}
    assert set(cards) >= {"gm", "fma-small", "UrbanSounds8k"}
    assert (cards["fma-small"].mean, cards["fma-small"].std) == (-24.1847, 16.8729)
    assert (cards["UrbanSounds8k"].mean, cards["UrbanSounds8k"].std) == (-23.5891, 16.3979)
    assert cards["UrbanSounds8k"].classes[4] == "drilling"
    assert cards["fma-small"].classes[3] == "experimental"


def test_standardise_goes_round():
    db = np.linspace(-80, 30, 7)
    np.testing.assert_allclose(CARD.destandardise(CARD.standardise(db)), db)
    assert CARD.standardise(CARD.mean + CARD.std) == pytest.approx(1)


def test_classes_go_by_name_and_by_number():
    assert CARD.class_index("class_3") == CARD.class_index(3) == 3
    assert "did you mean class_3?" in message_of(CARD.class_index, "clas_3")
    assert "5 class_5" in message_of(CARD.class_index, 6)


def test_a_checkpoint_may_be_named_from_where_one_stands(checkpoint, monkeypatch):
    monkeypatch.chdir(checkpoint.parent)
    assert loading.load(checkpoint=checkpoint.name).card == CARD
    monkeypatch.setenv("HOME", str(checkpoint.parent))
    assert loading.load(checkpoint=f"~/{checkpoint.name}").card == CARD


@pytest.fixture
def copy(checkpoint, tmp_path):
    return shutil.copytree(checkpoint, tmp_path / "copy")


def test_weights_that_do_not_match_the_card_are_all_named(copy):
    wider = dataclasses.replace(CARD, width=1 / 8, hidden=16)
    (copy / "card.json").write_text(json.dumps(dataclasses.asdict(wider)))
    said = message_of(loading.load, checkpoint=copy)
    assert "conv1_1/kernel is (3, 3, 1, 4), not (3, 3, 1, 8)" in said
    assert "output/kernel" in said


def test_a_half_written_checkpoint_is_refused(copy):
    for path in (copy / "weights").rglob("*"):
        if path.is_file() and path.stat().st_size > 10000:
            path.write_bytes(path.read_bytes()[:500])
    assert "damaged" in message_of(loading.load, checkpoint=copy)
    shutil.rmtree(copy / "weights")
    assert "no weights" in message_of(loading.load, checkpoint=copy)
    (copy / "card.json").write_text('{"name": "x"}')
    assert "not a model card" in message_of(loading.load, checkpoint=copy)
    (copy / "card.json").unlink()
    assert "no card.json" in message_of(loading.load, checkpoint=copy)


def test_a_new_folder_with_a_card_is_a_new_model_and_a_broken_card_hides_no_other(
    tmp_path, monkeypatch
):
    write_checkpoint(tmp_path / "mine")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/card.json").write_text("{")
    for module in (catalogue, loading):
        monkeypatch.setattr(module, "shipped", lambda folder: tmp_path)
    assert loading.load("mine").card == CARD
    listed = catalogue.overview()
    assert f"checkpoint: {tmp_path / 'mine'}" in listed and "class_5" in listed
    assert "broken\n  cannot be used: " in listed
    assert "did you mean mine?" in message_of(loading.load, "mien")
