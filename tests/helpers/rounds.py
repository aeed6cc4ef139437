"""Sources as a run reads them, and the rounds of an ouroboros that a run would dream of them."""

import numpy as np

from dreamsound_jax.audio import files
from dreamsound_jax.audio.files import Recording
from dreamsound_jax.dreaming.keys import draw_keys
from dreamsound_jax.dreaming.ouroboros import begin_ouroboros, dream_round
from dreamsound_jax.run.batches import place_clips, place_objectives, place_settings
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.sources import Source
from tests.helpers.sounds import RATE, recording

# Options of a dream that compiles and ends soon.
SHORT = {"pyramid_size": 2, "num_iterations": 2, "lr": 0.1, "layers_to_use": ("relu2_2",)}
SAMPLES = 16000


def source_of(plan, sound, number=0, *, rate=RATE) -> Source:
    """A clip of mono samples (samples,), or of (samples, channels), to be dreamed by a plan."""
    channels = np.asarray(sound, np.float32)
    original = Recording(channels[:, None] if channels.ndim == 1 else channels, rate)
    heard = files.normalise_recording("a.wav", original, sample_rate=RATE)
    job = Job(number, "a.wav", number, plan.clips[0])
    keys = draw_keys(plan.seed, number)
    target = plan.clips[0].target or 0 if plan.clips[0].dreams_of_class else None
    return Source(job, heard, original, keys, target)


def pieces(plan, count=2) -> list[Source]:
    """Clips of one length: a piece of the drums, and one of the choir."""
    names = ("loop_amen", "ambi_choir")[:count]
    return [source_of(plan, recording(name)[:SAMPLES], number) for number, name in enumerate(names)]


def begin(sources):
    """The `State` before the first round of the ouroboros of some clips, and their settings."""
    clips, mel_db = place_clips(sources)
    settings = place_settings(sources)
    keys = [source.keys.rolls for source in sources]
    return begin_ouroboros(clips, mel_db, settings.rolls, keys), settings


def dream_next(network, state, settings, sources, number=0):
    """Dreams a round as a run does: (the next `State`, `RoundResult`)."""
    plan = sources[0].plan
    if plan.iterates:
        settings = settings._replace(objective=place_objectives(sources, number))
    return dream_round(
        network,
        state,
        settings,
        program=plan.program(number),
        round_settings=plan.ouroboros.round_settings,
    )


def dream_rounds(network, sources, rounds):
    """([`RoundResult`], the last `State`) of so many rounds."""
    state, settings = begin(sources)
    left = []
    for number in range(rounds):
        state, each = dream_next(network, state, settings, sources, number)
        left.append(each)
    return left, state
