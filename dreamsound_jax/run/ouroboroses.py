"""Dreams a batch of ouroboroses, from their sounds to their files."""

import functools
from collections.abc import Callable

import numpy as np

from dreamsound_jax.networks.loading import Model
from dreamsound_jax.outputs.saved_rounds import SavedRounds
from dreamsound_jax.run.dreams import Stopwatch
from dreamsound_jax.run.ouroboros_files import make_files
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.rounds import RoundDreamer
from dreamsound_jax.run.sources import Source, digest_sources
from dreamsound_jax.run.writers import PendingClips


def dream_ouroboroses(
    model: Model, sources: list[Source], plan: Plan, *, size: int, report: Callable, folder: str
) -> PendingClips:
    """Dreams one batch, round after round; its clips are then ready to be finished.

    Args:
      model: the network and its card.
      sources: clips whose sounds have one shape, and whose plans have the same static part.
      plan: of the run.
      size: of the batch.
      report: called with the share of the work that is done, a few words on what is done now, and
        `until`, the share of the work that is done after that.
      folder: of the run; rounds are saved there, and a stopped batch is resumed from there.
    """
    stopwatch = Stopwatch()
    numbers = [source.job.number for source in sources]
    rounds = SavedRounds(folder, numbers, origin=digest_sources(sources))
    dreamer = RoundDreamer(model, sources, rounds, size=size, save_every=plan.save_every)
    stopwatch("rounds", dreamer.dream(report))
    makers = []
    for row, source in enumerate(sources):
        before = [np.asarray(each[row]) for each in dreamer.before]
        read = functools.partial(rounds.read_rounds, row)
        make = functools.partial(make_files, model, source, *before, read, stopwatch.seconds, plan)
        makers.append(make)
    return PendingClips(makers, close=rounds.remove, seconds=stopwatch.seconds["rounds"])
