"""PyTorch's dreams are this project's dreams, and are refused where they are not."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.dreams import dream_parameters, make_model, make_task
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny

WIDTH = 1 / 32
DREAM_LIMIT_DB = 1e-4


@pytest.fixture
def context(context):
    return context._replace(batch_sizes=(1, 2), torch_compile=False)


@pytest.fixture(scope="module")
def torch_peer():
    pytest.importorskip("torch")
    from benchmarks import torch_peer

    return torch_peer


# What follows conv2_1 would overwrite it, and linear1 reads its inputs in another order.
@pytest.mark.slow
@pytest.mark.parametrize(("layer", "levels"), [("conv2_1", 2), ("output", 1)])
def test_peers_dream_the_same(torch_peer, layer, levels, x64):
    """In float64, in which rounding decides nothing, so that correct programs stay together."""
    options = tiny.options(
        clip_length=6400 * levels, pyramid_size=levels, num_iterations=2, precision="float64"
    )
    model = make_model(WIDTH, "float64")
    task = make_task(model, options, layer=layer, size=2)
    own = np.asarray(dream_parameters(task))
    assert np.abs(own - task.clips.spectrogram).max() > 0.01
    ways = ({"as_reference": True}, {}, {"channels_last": True})
    for peer in (torch_peer.Peer(task, **way) for way in ways):
        difference = np.abs(peer.dream() - own).max() * model.card.front_end.std
        assert difference < DREAM_LIMIT_DB


@pytest.mark.parametrize("wrong", [lambda g: 1.01 * g, lambda g: g[::-1], lambda g: g * np.nan])
def test_a_peer_with_another_gradient_is_refused(torch_peer, wrong, context):
    task = make_task(make_model(WIDTH), context.options, layer="relu1_1", size=2)
    peer = torch_peer.Peer(task)
    other = SimpleNamespace(how="other", gradient=lambda images: wrong(peer.gradient(images)))
    peers.check_gradients(task, peer)
    with pytest.raises(peers.DisagreementError, match="gradient of relu1_1"):
        peers.check_gradients(task, other)


def test_a_row_for_each_batch_size(torch_peer, context):
    table = peers.measure(context)
    assert [row[:2] for row in table.rows] == [["relu1_1", 1], ["relu1_1", 2]]
    assert all(len(row) == len(table.columns) for row in table.rows)
    for _, _, own, reference, faster, best, faster_than_best, limit, share in table.rows:
        assert faster.median == pytest.approx(reference.median / own.median)
        assert faster_than_best.median == pytest.approx(best.median / own.median)
        assert share == pytest.approx(limit / own.median) and limit > 0
    assert table.rows[0][3] == table.rows[1][3]
    assert "relu1_1, 2 in a batch: eager" in table.notes[-1]


def test_clips_that_are_too_short_for_the_reference_are_refused(torch_peer, context):
    short = dataclasses.replace(context.options, pyramid_size=2)
    with pytest.raises(UserError, match="at least 32 mel bands and 32 frames"):
        peers.measure(context._replace(options=short))


def test_without_pytorch_this_project_is_measured_alone(context, monkeypatch):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    table = peers.measure(context)
    assert [row[3:7] for row in table.rows] == [[None] * 4] * 2
    assert all(row[2].median > 0 for row in table.rows)
    assert "pip install torch" in table.notes[-1]
