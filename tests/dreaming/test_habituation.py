"""What an ouroboros turns away from, and how far it moves."""

import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.dreaming.habituation import (
    LARGEST_RATE_FACTOR,
    TARGET_MOVED_DB,
    Habituation,
    begin_habituation,
    habituate,
    turn_away,
)

RNG = np.random.default_rng(0)
MEL_DB = jnp.asarray(RNG.normal(-30, 8, (6, 10)), jnp.float32)
GRADIENT = jnp.asarray(RNG.normal(size=(6, 10)), jnp.float32)


def turn(familiar_db):
    transform = turn_away(familiar_db)
    return transform.update(GRADIENT, transform.init(GRADIENT))[0]


def test_what_has_stood_out_in_its_band_is_lowered():
    loud = MEL_DB.at[2, 4].add(60)
    used = habituate(begin_habituation(MEL_DB), loud, moved_db=TARGET_MOVED_DB, first=False)
    lowered = turn(used.familiar_db) - GRADIENT
    # Steps go down the gradient. A band that is louder than others does not stand out.
    assert jnp.argmax(lowered) == 2 * 10 + 4
    louder_band = habituate(
        begin_habituation(MEL_DB), loud.at[0].add(40), moved_db=TARGET_MOVED_DB, first=False
    )
    np.testing.assert_allclose(louder_band.familiar_db, used.familiar_db, atol=1e-4)


def test_where_nothing_is_familiar_a_gradient_stays_as_it_is():
    np.testing.assert_array_equal(turn(begin_habituation(MEL_DB).familiar_db), GRADIENT)


@pytest.mark.parametrize(
    ("rate", "moved_db", "first", "expected"),
    [
        (2.0, TARGET_MOVED_DB, False, 2.0),
        (1.0, TARGET_MOVED_DB / 4, False, 2.0),
        (3.0, TARGET_MOVED_DB * 4, False, 1.5),
        (1.0, 100.0, False, 1.0),
        (3.0, 0.0, False, LARGEST_RATE_FACTOR),
        (1.0, 0.5, True, 1.0),
    ],
)
def test_a_dream_that_moves_too_little_takes_longer_steps(rate, moved_db, first, expected):
    before = Habituation(jnp.zeros_like(MEL_DB), jnp.float32(rate))
    after = habituate(before, MEL_DB, moved_db=jnp.float32(moved_db), first=first)
    assert after.rate_factor == pytest.approx(expected)
