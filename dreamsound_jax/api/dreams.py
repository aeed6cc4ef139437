"""`dream`: dreams on sounds that are given as arrays."""

import operator
from collections.abc import Callable
from typing import Any, overload

import jax
import numpy as np

from dreamsound_jax.api.given import check_given
from dreamsound_jax.api.results import Dream
from dreamsound_jax.api.sounds import SeveralSounds, Sound, shape_like
from dreamsound_jax.dreaming.ascent import describe_fault
from dreamsound_jax.dreaming.batch import dream_batch
from dreamsound_jax.dreaming.distance import measure_distance
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.objectives.terms import Objective
from dreamsound_jax.run.batches import place_clips, place_settings
from dreamsound_jax.system.errors import UserError


@overload
def dream(
    sound: Sound,
    sample_rate: int,
    model: Model | None = None,
    *,
    objective: Objective | str | None = None,
    on_level: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Dream: ...


@overload
def dream(
    sound: SeveralSounds,
    sample_rate: int,
    model: Model | None = None,
    *,
    objective: Objective | str | None = None,
    on_level: Callable[[int, int], None] | None = None,
    **options: Any,
) -> list[Dream]: ...


def dream(
    sound: Sound | SeveralSounds,
    sample_rate: int,
    model: Model | None = None,
    *,
    objective: Objective | str | None = None,
    on_level: Callable[[int, int], None] | None = None,
    **options: Any,
) -> Dream | list[Dream]:
    """Dreams on a sound, or on several of one length in one compiled program.

    Args:
      sound: one sound, (samples,) or (channels, samples); or several of one shape, as a list or
        tuple of such arrays or as one array (clips, channels, samples).
      sample_rate: of the sound, in Hz.
      model: the network and its card; by default that of the preset, or `load_model("gm")`.
      objective: what is raised, such as `layer("relu3_4")` or `probability("organ")`, or the same
        as text, as the flag `--objective` takes it; by default that of the option `layers_to_use`.
      on_level: called with (number, levels) as each level of the pyramid begins, from (1, levels).
      **options: any field of `Options` that says how a sound is dreamed, such as `lr`, `loop`,
        `interpolate` (which also takes a list of objectives),
        `strength`, `preset`, `num_iterations`, `domain`, `optimizer` and `seed` (0 by default).

    Returns:
      A `Dream` of one sound. A list of them, one for each sound, if `sound` is a list or a tuple,
      even of one sound, or has an axis of clips.

    Raises:
      UserError: an option, the objective or the sound is not possible; or the one sound stopped,
        since its gradient was zero or overflowed. Of several, one that stopped has a `fault`.

    Example:
      >>> import numpy as np
      >>> tone = np.sin(2 * np.pi * 440 / 22050 * np.arange(22050)).astype(np.float32)
      >>> made = dream(tone, 22050, pyramid_size=1, num_iterations=1)
      >>> made.sound.shape, made.spectrogram_db.shape
      ((22050,), (128, 111))
    """
    given = check_given(sound, sample_rate, model, objective, options)
    if given.plan.ouroboros:
        raise UserError(f"the preset {options['preset']} makes an ouroboros: use `ouroboros`")

    def dream_together(sources, clips):
        dreamed = _dream_batch(given.model, sources, on_level)
        return [
            _dream_of(source, clip, sample_rate, of_clip)
            for source, clip, of_clip in zip(sources, clips, dreamed)
        ]

    return given.dream_in_batches(dream_together)


def _dream_batch(model, sources, on_level):
    """Returns what was dreamed of each source."""
    plan = sources[0].plan
    placed, input_db = place_clips(sources)
    dreamed = dream_batch(
        model,
        placed,
        place_settings(sources),
        input_db=input_db,
        program=plan.program(),
        distances_db=[source.plan.distance_db for source in sources],
        amounts=[source.plan.amount for source in sources],
        after_level=_count_levels(on_level, plan.pyramid_size),
    )
    arrays = jax.tree.map(np.asarray, dreamed)
    return [jax.tree.map(operator.itemgetter(place), arrays) for place in range(len(sources))]


def _count_levels(on_level, levels):
    """Returns what is called when the computation of a level is under way."""
    begun = []

    def after_level(climb):
        jax.block_until_ready(begun[-1:])  # The level before this one.
        begun.append(climb)
        on_level(len(begun), levels)

    return after_level if on_level else lambda climb: None


def _dream_of(source, given, given_rate, dreamed):
    before, after = (
        dict(zip(source.plan.card.classes, map(float, each.probabilities)))
        for each in (dreamed.before, dreamed.after)
    )
    rendered = dreamed.rendered
    return Dream(
        sound=shape_like(source.mix_with_input(rendered.sound), given),
        sample_rate=source.sample_rate,
        input=given,
        input_rate=given_rate,
        input_db=dreamed.input_db,
        spectrogram_db=rendered.mel_db,
        change_db=rendered.change_db,
        climb=dreamed.climb.objective,
        distance_db=float(measure_distance(dreamed.input_db, rendered.mel_db)),
        objective_before=float(dreamed.before.objective),
        objective_after=float(dreamed.after.objective),
        class_probabilities_before=before,
        class_probabilities=after,
        plan=source.plan,
        fault=describe_fault(dreamed.climb, source.plan.asked_layers),
    )
