"""Dreams each channel of a layer from noise, several channels at once by one compiled program."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from dreamsound_jax import objectives
from dreamsound_jax.audio import generated
from dreamsound_jax.audio.files import Recording
from dreamsound_jax.dreaming.batch import dream_batch
from dreamsound_jax.dreaming.keys import draw_keys
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.run.batches import fill_batch, place_clips, place_settings
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.presets import make_options
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.run.sources import make_source
from dreamsound_jax.system.storage import write_whole
from studies.written import write_dream

DRAWS = 2  # Dreams of each channel, from noise that differs.


def dream_channels(
    model: Model,
    layer: str,
    channels: Sequence[int],
    folder: Path,
    *,
    seconds: float,
    diversity: float,
    batch_size: int,
    options: Mapping[str, Any],
) -> dict[int, list[Path]]:
    """Dreams channels, and returns {channel: the files of its dreams}.

    Args:
      model: The network and its card.
      layer: The layer.
      channels: Their numbers.
      folder: The files lie there; those of an earlier run are kept.
      seconds: The length of a dream.
      diversity: The weight of `diversity(layer)` among the clips of a batch.
      batch_size: How many clips are dreamed at once; a multiple of DRAWS.
      options: Of the dreams.
    """
    files = {
        channel: [folder / f"{channel:04}-{draw}.wav" for draw in range(DRAWS)]
        for channel in channels
    }
    folder.mkdir(parents=True, exist_ok=True)
    at_once = max(1, batch_size // DRAWS)
    sources = _make_sources(model, layer, seconds, diversity, options)
    for first in tqdm(range(0, len(channels), at_once), "channels", disable=None):
        group = channels[first : first + at_once]
        # Clips of a batch depend on each other, so a batch is dreamed whole or not at all.
        if all(file.is_file() for channel in group for file in files[channel]):
            continue
        wanted = [source for channel in group for source in sources(channel)]
        places = [file for channel in group for file in files[channel]]
        for file, wav in zip(places, _dream(model, wanted, DRAWS * at_once)):
            write_whole(file, wav)
    return files


def _make_sources(model, layer, seconds, diversity, options):
    """Returns a function that makes the clips of one channel."""
    rate = model.card.front_end.sample_rate
    given = {"seed": 0, "input": ("noise",), **options}
    (plan,) = resolve(make_options(given), model.card, objective=objectives.layer(layer)).clips

    def make(channel):
        objective = objectives.channel(layer, channel)
        if diversity:
            objective = objective + diversity * objectives.diversity(layer)
        own = dataclasses.replace(plan, given_objective=objective)
        clips = []
        for draw in range(DRAWS):
            sound = generated.noise(draw_keys(0, draw).noise, samples=round(seconds * rate))
            job = Job(channel, "noise", draw, own)
            clips.append(make_source(job, Recording(np.asarray(sound)[:, None], rate)))
        return clips

    return make


def _dream(model, wanted, size):
    """Dreams clips by one program, and returns their WAV files."""
    full = fill_batch(wanted, size)
    clips, input_db = place_clips(full)
    plan = full[0].plan
    dreamed = dream_batch(
        model, clips, place_settings(full), input_db=input_db, program=plan.program()
    )
    sounds = np.asarray(dreamed.rendered.sound)[: len(wanted)]
    return [write_dream(sound, source)[0] for sound, source in zip(sounds, wanted)]
