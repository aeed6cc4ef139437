"""Networks are loaded by name or from a checkpoint, and bad ones are refused."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.networks.loading import find_digest, load_model
from dreamsound_jax.networks.weights_digest import DIGEST_FILE
from dreamsound_jax.system import shipped as folders
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped
from dreamsound_jax.weights.checkpoint import write_checkpoint as write_whole_checkpoint
from tests.helpers.tiny import CARD, random_weights, write_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def copy(checkpoint, tmp_path):
    return shutil.copytree(checkpoint, tmp_path / "copy")


def message_of(**keywords):
    """The message of the UserError that loading raises, which must be one line."""
    with pytest.raises(UserError) as caught:
        load_model(**keywords)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def weights_of(network):
    return nnx.to_pure_dict(nnx.filter_state(network.weights, nnx.Param))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_a_checkpoint_comes_back_as_it_was(checkpoint, dtype):
    model = load_model(checkpoint=checkpoint, dtype=dtype)
    assert model.card == CARD
    written = jax.tree.map(lambda array: jnp.asarray(np.float32(array), dtype), random_weights())
    jax.tree.map(np.testing.assert_array_equal, weights_of(model.network), written)


def test_weights_are_not_tied_to_a_device(checkpoint):
    """Were they tied, so would dreams of them be, and to hear these would compile twice."""
    network = load_model(checkpoint=checkpoint).network
    assert not any(leaf.committed for leaf in jax.tree.leaves(network))


def test_the_embedded_model_is_the_default_and_a_plain_vgg19():
    model = load_model()
    assert model.card.name == "gm"
    assert len(model.card.classes) == 16
    assert model.card.size == {"width": 0.25, "hidden": 256}
    assert set(weights_of(model.network)) == set(random_weights())


def test_each_model_whose_card_names_no_other_source_is_included():
    """A clone of the repository lacks weights that git ignores."""
    places = {name: shipped("checkpoints") / name for name in folders.model_names()}
    included = [name for name, folder in places.items() if not read_card(folder).weights_from]
    assert {"gm", "gm_robust", "mtt", "msd"} <= set(included)
    for name in included:
        assert load_model(name).card.name == name


def test_a_relative_path_and_one_from_home_are_found(checkpoint, monkeypatch):
    monkeypatch.chdir(checkpoint.parent)
    assert load_model(checkpoint=checkpoint.name).card == CARD
    monkeypatch.setenv("HOME", str(checkpoint.parent))
    assert load_model(checkpoint=f"~/{checkpoint.name}").card == CARD


def test_all_weights_that_do_not_match_the_card_are_named(copy):
    wider = dataclasses.replace(CARD, size={"width": 1 / 8, "hidden": 16})
    (copy / "card.json").write_text(json.dumps(wider.entries()))
    message = message_of(checkpoint=copy)
    assert "conv1_1/kernel is (3, 3, 1, 4), not (3, 3, 1, 8)" in message
    assert "; copy or convert it again: " in message and " and 34 more" in message


def test_a_checkpoint_that_is_not_whole_is_refused(copy):
    for path in (copy / "weights").rglob("*"):
        if path.is_file() and path.stat().st_size > 10000:
            path.write_bytes(path.read_bytes()[:500])
    assert "damaged" in message_of(checkpoint=copy)
    shutil.rmtree(copy / "weights")
    assert "no weights" in message_of(checkpoint=copy)
    (copy / "card.json").unlink()
    assert "no card.json" in message_of(checkpoint=copy)


def test_a_new_folder_with_a_card_is_a_new_model(checkpoint, monkeypatch):
    for module in (folders, loading):
        monkeypatch.setattr(module, "shipped", lambda folder: checkpoint.parent)
    assert load_model(checkpoint.name).card == CARD
    assert f"did you mean {checkpoint.name}?" in message_of(name=checkpoint.name + "s")


def test_a_full_width_network_can_be_described_without_weights():
    card = dataclasses.replace(CARD, size={})
    shapes = loading.weight_shapes(card)
    assert shapes["conv1_1"]["kernel"].shape == (3, 3, 1, 64)
    assert shapes["output"]["kernel"].shape == (4096, 6)


def test_a_changed_bit_in_the_weights_is_noticed(tmp_path):
    folder, weights = tmp_path / "a", jax.tree.map(np.float32, random_weights())
    card = CARD.entries() | {"description": "For a test."}
    write_whole_checkpoint(folder, weights.items(), card, size=1)
    loading.load_model(checkpoint=folder)
    other = jax.tree.map(np.copy, weights)
    other["conv3_1"]["kernel"].view(np.uint32).ravel()[5] ^= 1
    digest = (folder / "weights" / DIGEST_FILE).read_bytes()
    write_whole_checkpoint(folder, other.items(), card, size=1)
    (folder / "weights" / DIGEST_FILE).write_bytes(digest)
    with pytest.raises(UserError, match="is damaged: its weights are not those that were written"):
        loading.load_model(checkpoint=folder)


def test_the_digest_of_a_network_changes_with_its_weights_alone(tmp_path, copy, checkpoint):
    assert find_digest("gm") == (shipped("checkpoints/gm/weights") / DIGEST_FILE).read_text()[:-1]
    entries = CARD.entries() | {"description": "A network with random weights."}
    for name, seed in (("a", 0), ("again", 0), ("b", 1)):
        layers = jax.tree.map(np.float32, random_weights(seed=seed))
        write_whole_checkpoint(tmp_path / name, layers.items(), entries, size=10**6)
    a, again, b = (find_digest(checkpoint=tmp_path / name) for name in ("a", "again", "b"))
    assert a == again != b
    # A checkpoint of an early version has no digest beside its weights.
    assert find_digest(checkpoint=copy) == find_digest(checkpoint=checkpoint)
    (file, *_) = (path for path in (copy / "weights").rglob("*") if path.is_file())
    file.write_bytes(file.read_bytes() + b"x")
    assert find_digest(checkpoint=copy) != find_digest(checkpoint=checkpoint)
    shutil.rmtree(copy / "weights")
    (copy / "weights").mkdir()
    (copy / "weights" / DIGEST_FILE).mkdir()
    assert find_digest(checkpoint=copy) is None
