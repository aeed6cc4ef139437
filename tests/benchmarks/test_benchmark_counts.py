import dataclasses

import pytest

from benchmarks import counts, random_network
from benchmarks.machine import Limits
from tests.helpers import tiny

CARD = random_network.card(1.0)


def test_vgg19_takes_as_many_products_as_is_known():
    """19.63 billion with three channels; the first layer has a third of its 86.7 million here."""
    imagenet = dataclasses.replace(CARD, classes=tuple(map(str, range(1000))))
    products = counts.forward(imagenet, "output", (224, 224)).flops / 2
    assert products + 2 / 3 * 86.7e6 == pytest.approx(19.632e9, rel=1e-3)
    weights = counts.forward(imagenet, "output", (224, 224), size=0).moved / 4
    assert weights == pytest.approx(143_667_240 - 2 * 9 * 64)


def test_a_dream_is_counted_level_by_level():
    settings = tiny.options(layers_to_use=["relu1_1"], num_iterations=7).settings()
    cells = 128 * 256 + 64 * 128 + 32 * 64
    found = counts.dream(CARD, settings, (128, 256), size=3)
    assert found.flops == 3 * 7 * cells * (2 * 9 * 64) * 2
    assert found.moved == 7 * 2 * 4 * (3 * 10 * 64 + 3 * cells * 65)


def test_short_clips_are_counted_as_they_are_heard():
    short, repeated = (counts.forward(CARD, "output", (128, frames)) for frames in (10, 40))
    assert short == repeated


def test_a_limit_is_the_longer_of_two():
    limits = Limits(flops=10.0, bandwidth=2.0)
    assert limits.seconds(flops=20, moved=3) == 2
    assert limits.seconds(flops=20, moved=6) == 3
