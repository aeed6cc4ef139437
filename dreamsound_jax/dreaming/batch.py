"""One batch of clips on the device: sounds, spectrograms, dream, classes, and sounds again."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.domains.domain import Domain, Rendered
from dreamsound_jax.domains.mel import mel_domains
from dreamsound_jax.domains.sound import sound_domains
from dreamsound_jax.dreaming import pyramid
from dreamsound_jax.dreaming.ascent import Climb
from dreamsound_jax.dreaming.distance import scale_to_distance
from dreamsound_jax.dreaming.dream import dream_clips, prepare_objective, respond, summarise
from dreamsound_jax.dreaming.growth import RENDERED_AT_ONCE, render_growth
from dreamsound_jax.dreaming.program import ClipSettings, Program
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.networks.network import Network
from dreamsound_jax.networks.windows import measure_response
from dreamsound_jax.objectives.measures import Logits
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.interpolate import repeat_time
from dreamsound_jax.system.devices import over_clips, shard_over_clips
from dreamsound_jax.system.programs import keep_traces


class DreamedBatch(NamedTuple):
    """A dreamed batch; arrays with a leading axis of clips.

    Attributes:
      input_db: (clips, mel bands, frames) of the inputs.
      rendered: the dreams as sounds.
      climb: arrays (clips, levels, steps).
      before: the response to the inputs.
      after: the response to the dreamed spectrograms.
      passes: the sounds after each pass of the pyramid before the last, if they were asked for.
    """

    input_db: jax.Array
    rendered: Rendered
    climb: Climb
    before: "Response"
    after: "Response"
    passes: Sequence[Rendered] = ()


class Response(NamedTuple):
    """How a network responds to spectrograms; arrays with a leading axis of clips.

    Attributes:
      objective: (clips,), what is raised.
      probabilities: (clips, classes).
    """

    objective: jax.Array
    probabilities: jax.Array


def dream_batch(
    model: Model,
    clips: Domain,
    settings: ClipSettings,
    *,
    input_db: jax.Array,
    program: Program,
    distances_db: Sequence[float | None] = (),
    amounts: Sequence[float] = (),
    keeps_passes: bool = False,
    after_level: Callable[[Climb], None] = lambda climb: None,
    after_stage: Callable[[str, Any], None] = lambda stage, result: None,
) -> DreamedBatch:
    """Dreams clips of one shape, and hears what came of them. Nothing leaves the device.

    Args:
      model: the network and its card.
      clips: a domain whose leaves have a leading axis of clips.
      settings: of each clip.
      input_db: (clips, mel bands, frames) of the inputs.
      program: what the compiled programs depend on.
      distances_db: how far each dream is to be from its input; None for as far as it goes.
      amounts: how much of each finished dream is kept; all of it if they are left out.
      keeps_passes: whether the sounds after each pass of the pyramid are returned, too.
      after_level: called with the `Climb` of each level as soon as its computation has begun.
      after_stage: called with the name and the result of each stage, when all are under way.

    Raises:
      UserError: the pyramid is too deep for the clips, or for a layer.
    """

    standardise = model.card.front_end.standardise

    def measure(mel_db):
        seen, originals = standardise(mel_db), standardise(input_db)
        return measure_clips(model.network, seen, originals, settings, program=program)

    before = measure(input_db)
    reached: list[jax.Array] = []
    parameters, climb = dream_clips(
        model.network,
        clips,
        settings,
        program=program,
        after_level=after_level,
        keep_reached=reached.append if keeps_passes else lambda parameters: None,
    )
    passes: Sequence[Rendered] = ()
    if keeps_passes or is_scaled(distances_db, amounts):
        sizes = _as_sizes(distances_db, amounts, len(parameters), parameters.dtype)
        parameters = scale_clips(clips, parameters, *sizes)
    if keeps_passes:
        detail = jnp.where(program.replace_detail, settings.detail_factor, 0)
        passes = render_growth(clips, reached, detail, *sizes)
    rendered = render_clips(clips, parameters)
    after = measure(rendered.mel_db)
    stages = {"dream": parameters, "resynthesis": rendered, "response": after}
    for stage, result in stages.items():
        after_stage(stage, result)
    return DreamedBatch(input_db, rendered, climb, before, after, passes)


def is_scaled(distances_db: Sequence[float | None], amounts: Sequence[float]) -> bool:
    """Whether finished dreams are made larger or smaller."""
    return any(wanted is not None for wanted in distances_db) or any(a != 1 for a in amounts)


def _as_sizes(distances_db, amounts, count, dtype):
    """Returns distances, NaN where none is wanted, and amounts, (clips,) each."""
    wanted = [np.nan if each is None else each for each in distances_db or [None] * count]
    sizes = np.array(wanted, dtype), np.array(amounts or [1] * count, dtype)
    return shard_over_clips(sizes)


def make_clips(
    front_end: FrontEnd,
    domain: str,
    sounds: np.ndarray,
    *,
    originals: np.ndarray,
    sample_rate: int,
    gain_ranges: Sequence[float],
    phase_keys: Sequence[jax.Array],
    masks: np.ndarray | None = None,
    heard_channel: int | None = None,
) -> tuple[Domain, jax.Array]:
    """Puts clips of one shape on the devices, in a domain.

    Args:
      front_end: of the network.
      domain: "sound" or "mel".
      sounds: (clips, samples) at the front end's sample rate, with a peak of 1.
      originals: (clips, channels, samples) at `sample_rate`; for the domain "sound".
      sample_rate: in Hz.
      gain_ranges: in dB, for each clip; for the domain "sound".
      phase_keys: a random key for each clip; for the domain "mel".
      masks: (clips, mel bands, frames), how much of the dream each cell takes; None for all of it.
      heard_channel: the only channel of `originals` that the network hears; None for their mean.

    Returns:
      The clips, a domain whose leaves have a leading axis of clips, and their mel dB (clips, mel
      bands, frames).
    """
    placed = shard_over_clips(sounds)
    mel_db = analyse_clips(placed, front_end=front_end)
    spectrograms = front_end.standardise(mel_db)
    placed_masks = None if masks is None else shard_over_clips(masks)
    clips: Domain
    if domain == "mel":
        clips = mel_domains(front_end, placed, spectrograms, phase_keys, masks=placed_masks)
    else:
        clips = sound_domains(
            front_end,
            placed,
            spectrograms,
            originals,
            gain_range=gain_ranges,
            sample_rate=sample_rate,
            masks=placed_masks,
            heard_channel=heard_channel,
        )
    return shard_over_clips((clips, mel_db))


@keep_traces
@functools.partial(jax.jit, static_argnames="program")
def measure_clips(
    network: Network,
    spectrograms: jax.Array,
    originals: jax.Array,
    settings: ClipSettings,
    *,
    program: Program,
) -> Response:
    """Measures the response to standardised spectrograms (clips, mel bands, frames) as they are.

    `originals` are those of the inputs, on which an objective may depend.

    The objective of a step is that of a pass at its own resolution, shifted in time; this one can
    be compared from the input to the dream.
    """

    def measure(network, spectrogram, original, settings):
        prepared = prepare_objective(network, original, settings, program=program)
        objective = respond(network, spectrogram, prepared, program=program)
        return summarise(objective, settings, frames=spectrogram.shape[1], program=program)

    objective = over_clips(measure, shared=1)(network, spectrograms, originals, settings)
    return Response(objective, classify(network, spectrograms))


def class_probabilities(model: Model, mel_db: jax.Array) -> jax.Array:
    """Returns the probability of each class, (clips, classes), of (clips, mel bands, frames) dB."""
    return classify(model.network, model.card.front_end.standardise(mel_db))


@keep_traces
@jax.jit
def classify(network: Network, spectrograms: jax.Array) -> jax.Array:
    """Returns class probabilities (clips, classes) of standardised (clips, mel bands, frames).

    A spectrogram too short for the network is heard as if it were repeated.
    """
    architecture = network.architecture
    frames = architecture.count_heard_frames(spectrograms.shape[-1], [architecture.class_layer])
    heard = repeat_time(spectrograms, frames=frames)
    measure = Logits(architecture.class_layer)

    def logits_of(clip):
        (logits,) = measure_response(network, clip, (measure,), ((),))
        return logits

    logits = jax.vmap(logits_of)(heard)
    return architecture.probabilities(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)))


@keep_traces
@functools.partial(jax.jit, static_argnames="front_end")
def analyse_clips(sounds: jax.Array, *, front_end: FrontEnd) -> jax.Array:
    """Converts sounds (clips, samples) to mel spectrograms (clips, mel bands, frames) in dB."""
    return over_clips(front_end.analyse)(sounds)


@keep_traces
@jax.jit
def render_clips(clips: Domain, parameters: jax.Array) -> Rendered:
    """Renders a batch; `clips` and `parameters` have a leading axis of clips."""

    def render(clip, parameters):
        return clip.render(parameters)

    return over_clips(render, at_once=RENDERED_AT_ONCE)(clips, parameters)


@keep_traces
@jax.jit
def scale_clips(
    clips: Domain, parameters: jax.Array, wanted_db: jax.Array, amounts: jax.Array
) -> jax.Array:
    """Applies `scale_to_distance`, and keeps amounts, (clips,), of what dreams then changed."""

    def scale(clip, parameters, wanted_db, amount):
        start, scaled = clip.initial(), scale_to_distance(clip, parameters, wanted_db)
        return jnp.where(amount == 1, scaled, start + amount * (scaled - start))

    return over_clips(scale)(clips, parameters, wanted_db, amounts)


@keep_traces
@functools.partial(jax.jit, static_argnames="size")
def draw_rolls(
    keys: Sequence[jax.Array], ratios: jax.Array, rolls: jax.Array, *, size: int
) -> jax.Array:
    """Applies `pyramid.draw_rolls` to each of a list of keys: (clips, levels)."""

    def draw(key, ratio, roll):
        return pyramid.draw_rolls(key, size=size, ratio=ratio, roll=roll)

    return jax.vmap(draw)(jnp.stack(keys), ratios, rolls)
