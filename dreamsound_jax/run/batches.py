"""Puts the clips of one batch on the devices: their sounds in a domain, and their settings."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from dreamsound_jax.domains.domain import Domain
from dreamsound_jax.dreaming.batch import draw_rolls, make_clips
from dreamsound_jax.dreaming.program import ClipSettings
from dreamsound_jax.objectives.terms import ObjectiveData
from dreamsound_jax.run.plan import ClipPlan
from dreamsound_jax.run.sources import Source
from dreamsound_jax.system.devices import shard_over_clips

MOST_FILLED = 64
"""Batches of up to so many clips are filled up, so that a clip comes out the same bit for bit."""


def bound_batch(asked: int, clips: int) -> int:
    """Returns how many clips a batch has, if so many are asked for and a run has so many alike.

    A larger one than `MOST_FILLED` is no larger than the run: nothing but copies would fill it.

    Example:
      >>> [bound_batch(asked, 100) for asked in (16, 80, 4096)], bound_batch(4096, 1)
      ([16, 80, 100], 64)
    """
    return min(asked, max(MOST_FILLED, clips))


def count_alike(plans: Sequence[ClipPlan], clips: int) -> int:
    """Returns how many clips of a run can be in one batch at most, if all have the same length.

    Args:
      plans: of the combinations of what is swept, which the clips take in turn.
      clips: how many clips the run has.
    """
    of_a_kind = max(Counter(plan.static for plan in plans).values())
    return min(clips, -(-clips // len(plans)) * of_a_kind)


def fill_batch(sources: list[Source], size: int) -> list[Source]:
    """Returns the sources, the last repeated until there are `size`.

    A batch is always full, so that a clip comes out the same whatever its neighbours are.
    """
    return [*sources, *[sources[-1]] * (size - len(sources))]


def place_clips(sources: list[Source]) -> tuple[Domain, jax.Array]:
    """Returns the clips of a batch in their domain, and their mel dB (clips, mel bands, frames)."""
    plan, dtype = sources[0].plan, sources[0].plan.dtype
    keeps = plan.keeps_original
    return make_clips(
        plan.card.front_end,
        plan.domain,
        np.stack([source.sound for source in sources]).astype(dtype),
        originals=np.stack([s.recording.channels.T for s in sources]) if keeps else None,
        sample_rate=sources[0].sample_rate,
        gain_ranges=[source.plan.gain_range for source in sources],
        phase_keys=[source.keys.phase for source in sources],
        masks=_stack_masks(sources),
        heard_channel=sources[0].heard_channel,
    )


def _stack_masks(sources):
    """Returns the masks of clips (clips, mel bands, frames); None if they have none."""
    if sources[0].mask is None:
        return None
    return np.stack([source.mask for source in sources]).astype(sources[0].plan.dtype)


def place_settings(sources: list[Source]) -> ClipSettings:
    """Returns the settings of the clips of a batch, in the first round of an ouroboros."""
    plans = [source.plan for source in sources]
    rolls = draw_rolls(
        [source.keys.rolls for source in sources],
        np.array([plan.pyramid_ratio for plan in plans]),
        np.array([plan.pyramid_roll for plan in plans]),
        size=plans[0].pyramid_size,
    )
    return shard_over_clips(stack_settings(sources, rolls))


def stack_settings(sources: list[Source], rolls: Any) -> ClipSettings:
    """Returns the settings of clips with these rolls (clips, levels), as NumPy arrays."""
    plans = [source.plan for source in sources]
    return ClipSettings(
        steps=_stack([plan.steps for plan in plans]),
        detail_factor=np.array([plan.detail_factor for plan in plans], plans[0].dtype),
        rolls=rolls,
        objective=_stack_objectives(sources),
        until_db=_stack_until(plans),
        jitter=_stack([source.plan.make_jitter(source.keys) for source in sources]),
    )


def _stack_until(plans):
    if plans[0].until_db is None:
        return None
    return np.array([plan.until_db for plan in plans], plans[0].dtype)


def place_objectives(sources: list[Source], number: int) -> ObjectiveData:
    """Returns the data of the clips' objectives in a round of an ouroboros."""
    return shard_over_clips(_stack_objectives(sources, number))


def _stack_objectives(sources, number=0):
    return _stack(
        [
            source.plan.objective_data(source.target, number, frames=source.frames)
            for source in sources
        ]
    )


def _stack(each: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *each)
