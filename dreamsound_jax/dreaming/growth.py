"""How a dream grew: the sound after each pass of the pyramid."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from dreamsound_jax.domains.domain import Domain, Rendered
from dreamsound_jax.dreaming.distance import find_scale, scale_change
from dreamsound_jax.system.devices import over_clips
from dreamsound_jax.system.programs import keep_traces

# So many clips are inverted at once on a CPU: 1.3 times as fast as 16 at once on two cores.
RENDERED_AT_ONCE = 4


@keep_traces
@jax.jit
def render_growth(
    clips: Domain,
    reached: Sequence[jax.Array],
    detail_factors: jax.Array,
    wanted_db: jax.Array,
    amounts: jax.Array,
) -> list[Rendered]:
    """Renders what a dream had become at the end of each pass before the last.

    Each pass is made as many times as large as the finished dream was made to reach its distance,
    so that the passes are on the way to what is written.

    Args:
      clips: the domain; its leaves, and all other arrays, have a leading axis of clips.
      reached: the parameters that each level of the pyramid ended with, small to large.
      detail_factors: (clips,), how much of the detail that a level lacks is given back to it.
      wanted_db: (clips,), the distances of the finished dreams; NaN for as far as they went.
      amounts: (clips,), how much of the finished dreams is kept.

    Returns:
      A `Rendered` for each pass but the last.
    """

    def render(clip, passes, end, detail_factor, wanted_db, amount):
        times = find_scale(clip, end, wanted_db)
        return [_render_pass(clip, each, detail_factor, times, amount) for each in passes]

    *passes, end = reached
    return over_clips(render, at_once=RENDERED_AT_ONCE)(
        clips, passes, end, detail_factors, wanted_db, amounts
    )


def _render_pass(clip, parameters, detail_factor, times, amount):
    start = clip.initial()
    whole = clip.to_level(parameters, (parameters.shape, start.shape), 1, detail_factor)
    scaled = jnp.where(times == 1, whole, scale_change(clip, whole, times))
    return clip.render(start + amount * (scaled - start))
