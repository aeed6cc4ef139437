"""The choice of learning rates."""

import numpy as np
import pytest

from studies.optimizers import choose


@pytest.mark.parametrize(
    ("moved", "lr", "next_lr"),
    [
        ({0.01: 1.0, 0.04: 4.0}, 0.02, None),
        ({0.04: 4.0, 0.01: 2.0, 0.02: 2.0}, 0.01, None),
        ({0.01: 0.5, 0.02: 1.0}, 0.02, 0.02 * 2.6),
        ({0.01: 0.5, 0.02: 1.9}, 0.02, 0.04),
        ({0.01: 1e-9, 0.02: 0.0}, 0.01, 0.02 * choose.MAX_FACTOR),
        ({0.01: 8.0, 0.02: 16.0}, 0.01, 0.01 / 4 / 1.3),
        ({0.01: 4.0, 0.02: 1.0}, 0.01, None),
    ],
)
def test_the_learning_rate_moves_clips_as_far_as_wanted(moved, lr, next_lr):
    choice = choose.choose_by_distance(moved, 2.0)
    assert choice.lr == pytest.approx(lr)
    assert choice.next_lr == (next_lr and pytest.approx(next_lr, rel=0.35))
    if next_lr:
        assert not min(moved) <= choice.next_lr <= max(moved)


@pytest.mark.parametrize(
    ("gains", "lr", "next_lr"),
    [
        ({0.01: 1.0, 0.02: 3.0, 0.04: 2.0}, 0.02, None),
        ({0.01: 1.0, 0.02: 2.0, 0.04: 3.0}, 0.04, 0.08),
        ({0.01: 3.0, 0.02: 2.0, 0.04: np.nan}, 0.01, 0.005),
        ({0.01: 3.0}, 0.01, None),
    ],
)
def test_the_learning_rate_has_the_highest_gain(gains, lr, next_lr):
    assert choose.choose_by_gain(gains) == (lr, next_lr and pytest.approx(next_lr))
