"""A strength becomes a distance, and a distance a strength."""

import json

import pytest

from dreamsound_jax.run.options import Options
from dreamsound_jax.run.options.defaults import DOMAIN_DEFAULTS, NEUTRAL_STRENGTH
from dreamsound_jax.run.strength import FULL_DISTANCE_DB, apply_strength, strength_of
from tests.helpers import tiny
from tests.helpers.commands import QUICK, dream


def test_the_neutral_strength_changes_no_setting():
    for domain, defaults in DOMAIN_DEFAULTS.items():
        plain = apply_strength(Options(domain=domain))
        neutral = apply_strength(Options(domain=domain, strength=NEUTRAL_STRENGTH))
        assert plain.lr == neutral.lr == defaults.lr
        assert (plain.gain_range, plain.num_iterations) == (24, 10)
        assert (neutral.gain_range, neutral.num_iterations) == (24, 10)


def test_more_strength_never_sets_less():
    settings = [apply_strength(Options(lr=0.1, strength=float(s))) for s in range(101)]
    for name in ("lr", "gain_range", "num_iterations"):
        values = [getattr(each, name) for each in settings]
        assert values == sorted(values)
        assert values[-1] > values[int(NEUTRAL_STRENGTH)] >= values[1]
    assert (settings[0].lr, settings[0].gain_range) == (0, 0)


def test_a_strength_is_the_distance_that_a_plan_wants():
    assert tiny.plan(strength=50.0).clips[0].distance_db == FULL_DISTANCE_DB / 2
    assert tiny.plan().clips[0].distance_db is None
    swept = tiny.plan(sweep={"strength": (25.0, 100.0)}).clips
    assert [strength_of(clip.distance_db) for clip in swept] == [25, 100]
    assert [clip.strength for clip in swept] == [25, 100]
    with pytest.raises(ValueError, match="--strength must be at most 100"):
        tiny.plan(strength=101.0)


@pytest.mark.slow
def test_written_dreams_are_as_far_as_their_strength_also_beside_others(tiny_checkpoint, tmp_path):
    flags = ("noise", f"--checkpoint={tiny_checkpoint}", *QUICK, "--seed=1", "--batch_size=3")
    sweep = ("--sweep=strength=0,20,40", "--num_iterations=6", "--output_dir=out")
    printed = dream(*flags, *sweep, cwd=tmp_path)
    facts = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("out/0*.json"))]
    wanted = [0, 0.2 * FULL_DISTANCE_DB, 0.4 * FULL_DISTANCE_DB]
    assert [each["distance_db"] for each in facts] == pytest.approx(wanted, abs=0.02)
    assert f"{wanted[1]:.1f} dB from the input" in printed
