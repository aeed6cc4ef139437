"""The whole way of a batch on the device, as `dreamsound` goes it: sound in, sound out."""

from dataclasses import replace

from dreamsound_jax.dreaming import batch
from dreamsound_jax.run import grid, sources


def noises(model, options, count):
    """So many clips of noise, each of its own, as `sources.Source`s."""
    jobs = grid.jobs(["noise"], replace(options, input=["noise"], num_clips=count))
    return [sources.read(job, options=options, card=model.card) for job in jobs]


def dream(model, clips, options):
    """The `batch.Dreams` of a batch of sources, waited for."""
    return batch.dream_batch(model, clips, options, clock=batch.Stopwatch())
