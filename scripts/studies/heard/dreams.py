"""Dreams on each input towards each class, writes the dreams, and finds those of an earlier run."""

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from tqdm import tqdm

from dreamsound_jax.audio.files import Recording, read_recording
from dreamsound_jax.dreaming.ascent import describe_fault
from dreamsound_jax.dreaming.batch import dream_batch
from dreamsound_jax.objectives import Objective
from dreamsound_jax.run.batches import fill_batch, place_clips, place_settings
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.plan import ClipPlan
from dreamsound_jax.run.presets import make_options
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.run.sources import make_source
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.storage import write_whole
from studies.heard.inputs import Input
from studies.heard.networks import Named
from studies.written import write_dream

DEFAULT_AIM = "probability"
DONE = "done.json"  # It is written last, so a batch that has it is whole.

log = logging.getLogger("dreamsound_jax")  # The log of scripts is that of the package.


class Variant(NamedTuple):
    """A way to dream.

    Attributes:
      dreamer: The network.
      domain: "sound" or "mel".
      classes: The classes of the study that are dreamed towards.
      settings: {option: value}.
      batch_size: How many dreams are dreamed at once.
      aim: What they raise, one of `aims.AIMS`.
      objectives: {class: the same as a value}.
    """

    dreamer: Named
    domain: str
    classes: Sequence[str]
    settings: Mapping[str, Any]
    batch_size: int
    aim: str
    objectives: Mapping[str, Objective]


class Batch(NamedTuple):
    """The dreams of one input towards each class.

    Attributes:
      input: The input.
      files: The written sounds, one for each class.
      seconds: The time of a dream, written and all; the first batch of a run also compiles.
      faults: {class: why its dream stopped}; such a dream is like its input.
    """

    input: Input
    files: list[Path]
    seconds: float
    faults: dict[str, str]

    def read(self) -> list[Recording]:
        """Reads the written sounds."""
        return [read_recording(str(path)) for path in self.files]


def make_plan(variant: Variant) -> ClipPlan:
    """Returns how clips are dreamed.

    Raises:
      UserError: A setting is not possible, or no class is dreamed of.
    """
    card = variant.dreamer.model.card
    first = card.classes[variant.dreamer.outputs[variant.classes[0]][0]]
    given = {"seed": 0, **variant.settings, "domain": variant.domain, "target_class": first}
    (plan,) = resolve(make_options(given), card).clips
    if variant.aim != DEFAULT_AIM:
        first = variant.objectives[variant.classes[0]]
        return dataclasses.replace(plan, given_objective=first)
    if not plan.dreams_of_class:
        raise UserError(
            f"layers_to_use must include {card.architecture.class_layer}, by which "
            f"{variant.dreamer.label} dreams of classes, and is {'+'.join(plan.layers)}"
        )
    return plan


def dream_all(variant: Variant, inputs: Sequence[Input], folder: Path) -> list[Batch]:
    """Dreams on all inputs towards all classes; what lies in the folder is not dreamed again.

    Raises:
      UserError: A setting is not possible for a network or an input.
    """
    plan, batches = make_plan(variant), []
    title = f"{variant.dreamer.label}, {variant.domain}"
    for number, given in enumerate(tqdm(inputs, title, disable=None)):
        place = folder / variant.dreamer.label / variant.domain / _name_batch(variant, plan, given)
        if not (place / DONE).is_file():
            done = _dream_batch(variant, plan, number, given, place)
            log.info("%s, %s: %.2f s a dream", title, given.name, done["seconds"])
            for name, fault in done["faults"].items():
                log.warning("%s, %s towards %s: it %s", title, given.name, name, fault)
        done = json.loads((place / DONE).read_text())
        files = [_file_of(place, name) for name in variant.classes]
        batches.append(Batch(given, files, done["seconds"], done["faults"]))
    return batches


def _name_batch(variant, plan, given):
    """Names the folder of a batch after its input, and all that its dreams depend on."""
    settings = sorted(variant.settings.items())
    facts = repr((variant.dreamer.digest, [*variant.classes], settings, variant.aim))
    sound = hashlib.sha256(given.recording.channels.tobytes()).hexdigest()
    digest = hashlib.sha256(f"{facts} {plan} {sound}".encode()).hexdigest()
    return f"{given.name}-{digest[:10]}"


def _file_of(place, name):
    return place / f"{name.replace('/', '_')}.wav"


def _dream_batch(variant, plan, number, given, place):
    """Dreams and writes a batch; returns what is noted of it."""
    start, faults = time.perf_counter(), {}
    place.mkdir(parents=True, exist_ok=True)
    source = make_source(Job(number, given.name, number, plan), given.recording)
    for first in range(0, len(variant.classes), variant.batch_size):
        names = variant.classes[first : first + variant.batch_size]
        wanted = [_aim_at(variant, source, name) for name in names]
        sounds, stopped = _dream(variant, plan, wanted)
        for name, sound, fault in zip(names, sounds, stopped):
            wav, _ = write_dream(source.mix_with_input(sound), source)
            write_whole(_file_of(place, name), wav)
            faults |= {name: fault} if fault else {}
    seconds = (time.perf_counter() - start) / len(variant.classes)
    done = {"seconds": seconds, "faults": faults, "settings": dict(variant.settings)}
    write_whole(place / DONE, json.dumps(done, indent=1).encode())
    return done


def _aim_at(variant, source, name):
    """Returns the source of a dream towards a class."""
    if variant.aim == DEFAULT_AIM:
        return source._replace(target=variant.dreamer.outputs[name][0])
    plan = dataclasses.replace(source.plan, given_objective=variant.objectives[name])
    return source._replace(job=source.job._replace(plan=plan))


def _dream(variant, plan, wanted):
    """Returns the sounds (channels, samples) of a batch, and why each stopped or None."""
    size = min(variant.batch_size, len(variant.classes))
    full = fill_batch(wanted, size)
    clips, input_db = place_clips(full)
    dreamed = dream_batch(
        variant.dreamer.model,
        clips,
        place_settings(full),
        input_db=input_db,
        program=plan.program(),
        distances_db=[plan.distance_db] * size,
    )
    sounds = np.asarray(dreamed.rendered.sound)[: len(wanted)]
    climb = jax.device_get(dreamed.climb)
    climbs = [jax.tree.map(lambda leaf, row=row: leaf[row], climb) for row in range(len(wanted))]
    return sounds, [describe_fault(climb, plan.asked_layers) for climb in climbs]
