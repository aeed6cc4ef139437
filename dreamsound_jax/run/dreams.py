"""Dreams a batch of clips."""

import functools
import math
import time
from collections.abc import Callable

import jax
import numpy as np

from dreamsound_jax.dreaming.batch import dream_batch
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.run.batches import fill_batch, place_clips, place_settings
from dreamsound_jax.run.dream_files import make_files
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.sources import Source
from dreamsound_jax.run.writers import PendingClips
from dreamsound_jax.system.stopping import check_stop


class Stopwatch:
    """Waits for results, and notes the seconds since the one before; `seconds` is {stage: s}."""

    def __init__(self):
        self.seconds, self._last = {}, time.perf_counter()

    def __call__(self, stage: str, result) -> None:
        """Waits for the result of a stage, and notes how long it took."""
        jax.block_until_ready(result)
        now = time.perf_counter()
        self.seconds[stage], self._last = round(now - self._last, 4), now


def dream_sources(
    model: Model, sources: list[Source], plan: Plan, *, size: int, report: Callable, folder=None
) -> PendingClips:
    """Dreams one batch; its clips are then on the host, to be finished.

    Args:
      model: the network and its card.
      sources: clips whose sounds have one shape, and whose plans have the same static part.
      plan: of the run.
      size: of the batch.
      report: called with the share of the work that is done, a few words on what is done now, and
        `until`, the share of the work that is done after that.
      folder: not used; an ouroboros saves its rounds there.
    """
    del folder
    stopwatch, begun = Stopwatch(), []
    clip_plan = sources[0].plan

    def after_level(climb):
        check_stop()
        # The next level is traced and compiled while this one is dreamed.
        jax.block_until_ready(begun[-1:])
        begun.append(climb)
        count = len(begun)
        # All levels but the last one, which has just begun, are done.
        words = f"level {count} of {clip_plan.pyramid_size}"
        report(sum(work[: count - 1]), words, until=sum(work[:count]))

    full = fill_batch(sources, size)
    clips, input_db = place_clips(full)
    stopwatch("analysis", input_db)
    work = _work_of_levels(clip_plan, input_db.shape[1:])
    dreamed = dream_batch(
        model,
        clips,
        place_settings(full),
        input_db=input_db,
        program=clip_plan.program(),
        distances_db=[source.plan.distance_db for source in full],
        amounts=[source.plan.amount for source in full],
        keeps_passes=bool(plan.video) and plan.video_growth,
        after_level=after_level,
        after_stage=stopwatch,
    )
    dreamed = jax.tree.map(np.asarray, dreamed)
    makers = []
    for row, source in enumerate(sources):
        of_clip = jax.tree.map(lambda array, row=row: array[row], dreamed)
        make = functools.partial(make_files, model, source, of_clip, stopwatch.seconds, plan)
        makers.append(make)
    return PendingClips(makers, close=lambda: None, seconds=sum(stopwatch.seconds.values()))


def _work_of_levels(plan, shape):
    """Returns the share of each level in the work on a clip: it goes by the number of cells."""
    levels = plan.program().level_shapes(shape, plan.card.architecture)
    cells = [math.prod(level) for level in levels]
    return [each / sum(cells) for each in cells]
