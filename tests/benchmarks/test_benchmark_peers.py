import dataclasses

import numpy as np
import pytest

from benchmarks import agreement, dreams, peers, random_network
from benchmarks.context import Context
from benchmarks.machine import Limits
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny

WIDTH = 1 / 32


def context(**changes):
    changed = {"clip_length": 63 * 200, "pyramid_size": 2, "num_iterations": 2, "pyramid_roll": 9}
    options = tiny.options(**changed | changes)
    sizes = {"batch_sizes": (1, 2), "rounds": 1, "layers": ("relu1_1",)}
    return Context(options, Limits(1e11, 1e10), width=WIDTH, torch_compile=False, **sizes)


@pytest.fixture(scope="module")
def torch_peer():
    pytest.importorskip("torch")
    from benchmarks import torch_peer

    return torch_peer


# What comes after conv2_1 would overwrite it, and the head reads its inputs in another order.
@pytest.mark.slow
@pytest.mark.parametrize("layer", ["conv2_1", "output"])
def test_peers_dream_the_same(torch_peer, layer):
    task = dreams.task(random_network.model(WIDTH), context().options, layer=layer, size=2)
    channels_last = torch_peer.frozen(task, channels_last=True)
    found = {"a": torch_peer.reference(task), "b": torch_peer.good(task, compiler=False)}
    agreement.check_gradients(task, {**found, "c": channels_last})
    builders = {"a": torch_peer.reference, "b": torch_peer.frozen}
    agreement.check_dreams(context(), layer, builders)


def lr(task):
    steps = task.clips.steps
    faster = steps._replace(learning_rate=steps.learning_rate * 1.001)
    return task._replace(clips=task.clips._replace(steps=faster))


def rolls(task):
    return task._replace(clips=task.clips._replace(rolls=task.clips.rolls[::-1]))


def detail(task):
    return task._replace(settings=dataclasses.replace(task.settings, replace_detail=False))


@pytest.mark.parametrize("change", [lr, rolls, detail])
def test_a_peer_that_dreams_otherwise_is_refused(torch_peer, change):
    def build(task):
        peer = torch_peer.frozen(task)
        return peer._replace(dream=lambda task: peer.dream(change(task)))

    with pytest.raises(agreement.DisagreementError, match="other and this project disagree by"):
        agreement.check_dreams(context(), "relu1_1", {"other": build})


@pytest.mark.parametrize("wrong", [lambda g: 1.01 * g, lambda g: g[::-1], lambda g: g * np.nan])
def test_a_peer_with_another_gradient_is_refused(torch_peer, wrong):
    task = dreams.task(random_network.model(WIDTH), context().options, layer="relu1_1", size=2)
    peer = torch_peer.frozen(task)
    other = peer._replace(gradient=lambda *arguments: wrong(peer.gradient(*arguments)))
    with pytest.raises(agreement.DisagreementError, match="gradient of relu1_1"):
        agreement.check_gradients(task, {"other": other})


def test_a_row_for_each_batch_size(torch_peer):
    table = peers.measure(context())
    assert [row[:2] for row in table.rows] == [["relu1_1", 1], ["relu1_1", 2]]
    assert all(len(row) == len(table.columns) for row in table.rows)
    for row in table.rows:
        own, reference, faster = row[2:5]
        assert faster.median == pytest.approx(reference.median / own.median)
        assert row[8] == pytest.approx(row[7] / own.median)
    assert table.rows[0][3] == table.rows[1][3]
    assert "relu1_1, 2 in a batch: eager" in table.notes[-1]


def test_without_pytorch_the_rest_is_measured(monkeypatch):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    table = peers.measure(context())
    assert [row[3:7] for row in table.rows] == [[None] * 4] * 2
    assert all(row[2].median > 0 for row in table.rows)
    assert "pip install torch" in table.notes[-1]


def test_clips_that_the_reference_cannot_dream_are_refused():
    with pytest.raises(UserError, match="accepted are 32 of both and more"):
        peers.measure(context(pyramid_size=3))
