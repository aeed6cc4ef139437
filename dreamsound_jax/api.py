"""DreamSound from Python: arrays in, arrays out.

import dreamsound_jax as ds

model = ds.load_model("gm")
sound, rate = ds.load_sound("loop.wav")
dream = ds.dream(sound, rate, model, objective=ds.layer("relu3_4"), lr=0.04, seed=1)
dream.save("dream.wav")
"""

import functools
from collections.abc import Callable
from typing import Any, overload

import jax
import numpy as np

from dreamsound_jax.api_results import Dream, Ouroboros
from dreamsound_jax.api_sounds import (
    SeveralSounds,
    Sound,
    is_several,
    shape_like,
    take_clips,
    take_sample_rate,
    to_recording,
)
from dreamsound_jax.audio.files import read_recording
from dreamsound_jax.dreaming.ascent import NON_FINITE_GRADIENT, describe_fault
from dreamsound_jax.dreaming.batch import dream_batch
from dreamsound_jax.dreaming.distance import measure_distance
from dreamsound_jax.dreaming.ouroboros import begin_ouroboros, dream_round
from dreamsound_jax.networks.catalogue import model_names
from dreamsound_jax.networks.loading import Model, load_model
from dreamsound_jax.objectives.grammar import parse_objective
from dreamsound_jax.objectives.interpolation import Interpolation
from dreamsound_jax.objectives.terms import Objective
from dreamsound_jax.run.batches import place_clips, place_objectives, place_settings
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.options import FIELDS
from dreamsound_jax.run.plan import ClipPlan
from dreamsound_jax.run.presets import list_presets as _list_presets
from dreamsound_jax.run.presets import make_options
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.run.sources import Source, make_source
from dreamsound_jax.system.errors import UserError, nearest_or_fail

OUROBOROS_OPTIONS = (
    *(name for name in FIELDS if name.startswith("ouroboros_")),
    "crossfade",
    "stabilise",
)
# Options of clips that the argument `model` stands for, or that only a run of the command has.
NOT_OF_DREAM = (
    *("model", "clip_length", "sine_freq", "stop_overcooked"),
    *("format", "bit_depth", "loudness"),
    "create_ouroboros",
    *OUROBOROS_OPTIONS,
)
# The options that say how a sound is dreamed, and not what a run of the command does.
DREAM_OPTIONS = tuple(
    name
    for name, field in FIELDS.items()
    if field.metadata["role"] != "run" and name not in NOT_OF_DREAM
)


def list_models() -> list[str]:
    """Returns the names of the models that `load_model` knows.

    Example:
      >>> "gm" in list_models()
      True
    """
    return model_names()


def list_presets() -> dict[str, str]:
    """Returns {name: what to expect} of the presets that the option `preset` takes.

    Example:
      >>> list_presets()["hits"]
      'A few hits or notes become much stronger, and what lies between them darker.'
    """
    return {preset.name: preset.summary for preset in _list_presets()}


def load_sound(path: str) -> tuple[Sound, int]:
    """Reads a sound file.

    Args:
      path: of a wav, flac, ogg, mp3, m4a or aiff file, a video, whose sound is read, or whatever
        else libsndfile or FFmpeg read; local, gs:// or s3://. Of a file that is cut short, what is
        there is read, with a warning.

    Returns:
      (sound, sample rate in Hz): float32 (samples,) of a mono file, else (channels, samples).

    Raises:
      UserError: the file is missing, or nothing of it can be read.

    Example:
      >>> sound, rate = load_sound("tests/data/loop_amen.flac")
      >>> sound.shape, rate
      ((2, 77321), 44100)
    """
    channels, rate = read_recording(path)
    return (channels[:, 0] if channels.shape[1] == 1 else channels.T), rate


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
    _check_names(options, DREAM_OPTIONS)
    model, clips, sources = _prepare(sound, sample_rate, model, objective, options)
    plan = sources[0].plan
    if plan.ouroboros:
        raise UserError(f"the preset {options['preset']} makes an ouroboros: use `ouroboros`")
    dreams: dict[int, Dream] = {}
    for rows in _rows_together(sources):
        dreamed = _dream_together(model, [sources[row] for row in rows], on_level)
        for place, row in enumerate(rows):
            of_clip = jax.tree.map(lambda array, place=place: array[place], dreamed)
            dreams[row] = _dream_of(sources[row], clips[row], sample_rate, of_clip)
    in_order = [dreams[row] for row in range(len(sources))]
    return in_order if is_several(sound) else _only(in_order)


def _rows_together(sources):
    """Returns the rows of the clips that are dreamed in one batch, and of those in the next ones.

    Of the clips of a batch, the network hears the same channel.
    """
    rows: dict[int | None, list[int]] = {}
    for row, source in enumerate(sources):
        rows.setdefault(source.heard_channel, []).append(row)
    return list(rows.values())


def _dream_together(model, sources, on_level):
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
    return jax.tree.map(np.asarray, dreamed)


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


@overload
def ouroboros(
    sound: Sound,
    sample_rate: int,
    model: Model | None = None,
    *,
    objective: Objective | str | None = None,
    **options: Any,
) -> Ouroboros: ...


@overload
def ouroboros(
    sound: SeveralSounds,
    sample_rate: int,
    model: Model | None = None,
    *,
    objective: Objective | str | None = None,
    **options: Any,
) -> list[Ouroboros]: ...


def ouroboros(
    sound: Sound | SeveralSounds,
    sample_rate: int,
    model: Model | None = None,
    *,
    objective: Objective | str | None = None,
    **options: Any,
) -> Ouroboros | list[Ouroboros]:
    """Dreams on a sound, and feeds the dream back into itself, round after round.

    Args:
      sound, sample_rate, model, objective: as in `dream`.
      **options: as in `dream`, and those of an ouroboros, such as `ouroboros_length` (10 rounds by
        default), `ouroboros_transform`, `crossfade` and `stabilise`.

    Returns:
      An `Ouroboros` of one sound, or a list of them, as in `dream`.

    Raises:
      UserError: as in `dream`.

    Example:
      >>> import numpy as np
      >>> tone = np.sin(2 * np.pi * 440 / 22050 * np.arange(11025)).astype(np.float32)
      >>> made = ouroboros(tone, 22050, pyramid_size=1, num_iterations=1, ouroboros_length=2)
      >>> made.sound.shape, made.spectrograms_db.shape
      ((33075,), (3, 128, 56))
    """
    _check_names(options, (*DREAM_OPTIONS, *OUROBOROS_OPTIONS))
    options = options | {"create_ouroboros": True}
    model, clips, sources = _prepare(sound, sample_rate, model, objective, options)
    made: dict[int, Ouroboros] = {}
    for rows in _rows_together(sources):
        state, rounds = _dream_rounds(model, [sources[row] for row in rows], sources[0].plan)
        for place, row in enumerate(rows):
            take = functools.partial(jax.tree.map, lambda array, place=place: array[place])
            before = np.asarray(state.last_db[place]), np.asarray(state.last_sound[place])
            made[row] = _ouroboros_of(sources[row], clips[row], before, [*map(take, rounds)])
    in_order = [made[row] for row in range(len(sources))]
    return in_order if is_several(sound) else _only(in_order)


def _dream_rounds(model, sources, plan):
    settings = place_settings(sources)
    placed, mel_db = place_clips(sources)
    keys = [source.keys.rolls for source in sources]
    first = state = begin_ouroboros(placed, mel_db, settings.rolls, keys)
    rounds = []
    for number in range(plan.ouroboros.length):
        settings = settings._replace(objective=place_objectives(sources, number))
        state, result = dream_round(
            model.network,
            state,
            settings,
            program=plan.program(number),
            round_settings=plan.ouroboros.round_settings,
        )
        rounds.append(jax.device_get(result))
    return first, rounds


def _ouroboros_of(source, given, before, rounds):
    before_db, before_sound = before
    mixed = [source.mix_with_input(each.sound) for each in rounds]
    sound = np.concatenate([before_sound, *mixed], axis=1)
    return Ouroboros(
        sound=shape_like(sound, given),
        sample_rate=source.sample_rate,
        spectrograms_db=np.stack([before_db, *(each.mel_db for each in rounds)]),
        overcooked_db=np.array([each.overcooked for each in rounds]),
        moved_db=np.array([each.moved_db for each in rounds]),
        climb=np.stack([each.climb.objective for each in rounds]),
        plan=source.plan,
        fault=_describe_first_fault(rounds, source.plan),
    )


def _describe_first_fault(rounds, plan):
    for number, each in enumerate(rounds):
        fault = describe_fault(each.climb, plan.layers_of_round(number))
        # If it iterates over layers, the next one may respond where this one does not.
        if fault and not (plan.iterates and np.max(each.climb.fault) < NON_FINITE_GRADIENT):
            return f"round {number + 1} {fault}"
    return None


def _prepare(sound, sample_rate, model, objective, options):
    """Checks what was given; returns the model, the clips as arrays, and their sources."""
    if model is None:
        model = load_model(make_options(options).model)
    if not isinstance(model, Model):
        raise UserError(f"the model must be what load_model returns, and is {model!r}")
    if isinstance(objective, str):
        objective = parse_objective(objective, card=model.card)
    stops = options.get("interpolate")
    if stops is not None and objective is not None:
        raise UserError("objective and interpolate must not both be given")
    if not isinstance(objective, Objective | None):
        raise UserError(
            f'the objective must be an Objective such as layer("relu3_4"), and is {objective!r}'
        )
    for name in ("layers_to_use", "target_class", "target_class_index"):
        if (objective is not None or stops is not None) and name in options:
            given = "objective" if stops is None else "interpolate"
            raise UserError(f"{given} and {name} must not both be given")
    sample_rate, clips = take_sample_rate(sample_rate), take_clips(sound)
    if not isinstance(stops, str | None):
        objective = _interpolate(stops, model.card)
        options = {name: value for name, value in options.items() if name != "interpolate"}
    return model, clips, _sources(clips, sample_rate, _plan(options, objective, model))


def _interpolate(stops, card):
    """Returns the interpolation of a sequence of objectives."""
    if isinstance(stops, list | tuple):
        parsed = tuple(
            parse_objective(each, card=card) if isinstance(each, str) else each for each in stops
        )
        if all(isinstance(each, Objective) for each in parsed):
            return Interpolation(parsed)
    raise UserError(
        "interpolate must be a list of objectives such as [layer('relu2_2'), layer('relu5_4')], or "
        f"text such as 'relu2_2 > relu5_4', and is {stops!r}"
    )


def _only(results):
    """Returns the only result; UserError if the clip stopped."""
    (result,) = results
    if result.fault:
        raise UserError(result.fault)
    return result


def _check_names(options, known):
    for name in options:
        nearest_or_fail("option", name, known)


def _plan(
    options: dict[str, Any], objective: Objective | Interpolation | None, model: Model
) -> ClipPlan:
    return resolve(make_options({"seed": 0, **options}), model.card, objective=objective).clips[0]


def _sources(clips: list[np.ndarray], sample_rate: int, plan: ClipPlan) -> list[Source]:
    sources = []
    for number, clip in enumerate(clips):
        recording = to_recording(clip, sample_rate)
        name = f"clip {number}" if len(clips) > 1 else "the sound"
        sources.append(make_source(Job(number, name, number, plan), recording))
    return sources
