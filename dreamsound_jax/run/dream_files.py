"""Makes the files of a dream: its sound, its picture, its video and its facts."""

import functools
from collections.abc import Mapping, Sequence

import jax
import numpy as np

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.audio.find import DIFFERENCE, INPUT
from dreamsound_jax.audio.rendering import (
    render_difference,
    render_input,
    render_input_alike,
    render_sound,
)
from dreamsound_jax.domains.domain import Rendered
from dreamsound_jax.domains.registry import DOMAINS
from dreamsound_jax.dreaming.ascent import describe_fault
from dreamsound_jax.dreaming.batch import DreamedBatch
from dreamsound_jax.dreaming.distance import measure_distance
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.outputs.clip_files import ClipFiles, title_clip
from dreamsound_jax.outputs.dream_picture import DreamPicture, draw_dream
from dreamsound_jax.outputs.page.suffixes import PICTURE, THUMBNAIL
from dreamsound_jax.outputs.results import DreamResult
from dreamsound_jax.outputs.thumbnail import draw_thumbnail
from dreamsound_jax.outputs.video import dream_video, head_video
from dreamsound_jax.outputs.video_file import encode_video
from dreamsound_jax.run.clip_facts import (
    analyse_recording,
    classify_recording,
    describe_aim,
    describe_encoding,
    describe_request,
    name_probabilities,
    scale_of,
)
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.sources import Source
from dreamsound_jax.system.errors import UserError


def make_files(
    model: Model,
    source: Source,
    dreamed: DreamedBatch,
    seconds: Mapping[str, float],
    plan: Plan,
) -> ClipFiles:
    """Makes the files of a clip; its pictures and its video are made when the sound is written.

    Args:
      model: the network and its card.
      source: the clip.
      dreamed: its dream, on the host.
      seconds: of each stage, for the whole batch of the clip.
      plan: of the run.

    Raises:
      UserError: the clip stopped.
    """
    fault = describe_fault(dreamed.climb, source.plan.asked_layers)
    if fault:
        raise UserError(f"{fault}; nothing was written for this clip")
    dreamed = _trim(dreamed, source.kept_share)
    mixed = source.mix_with_input(np.asarray(dreamed.rendered.sound)).T
    sound = _render_dream(source, mixed, plan)
    is_used = plan.writes_inputs or plan.video
    original = _render_original(source, mixed, sound, plan) if is_used else None
    return ClipFiles(
        request=describe_request(source),
        sound=sound,
        format=source.plan.format,
        compared=_render_compared(source, sound, original, plan) if plan.writes_inputs else {},
        arrays=_list_arrays(source, dreamed) if plan.writes_arrays else None,
        pictures=_prepare_pictures(source, dreamed, sound) if plan.draws_pictures else {},
        result=_describe_result(dreamed),
        probabilities=_find_probabilities(model, source, dreamed, sound),
        timings=seconds,
        make_video=_prepare_video(source, dreamed, sound, original, plan) if plan.video else None,
    )


def _render_dream(source, mixed, plan):
    """Returns the sound as it is written; `mixed` is (samples, channels)."""
    return render_sound(
        mixed,
        sample_rate=source.sample_rate,
        target_lufs=source.target_lufs,
        circular=source.plan.is_loop,
        encoding=describe_encoding(source, plan, kind="Dream"),
    )


def _list_arrays(source, dreamed):
    """Returns what the .npz holds."""
    arrays = {"mel_db": np.stack([dreamed.input_db, dreamed.rendered.mel_db])}
    if source.plan.keeps_original:
        arrays["gain_db"] = dreamed.rendered.change_db
    return arrays


def _prepare_pictures(source, dreamed, sound):
    """Returns what draws each picture, by suffix."""
    rendered = dreamed.rendered
    draw = functools.partial(
        draw_picture,
        source,
        input_db=dreamed.input_db,
        mel_db=rendered.mel_db,
        change_db=rendered.change_db,
        sound=sound.recording,
        objective=dreamed.climb.objective,
    )
    return {PICTURE: draw, THUMBNAIL: functools.partial(draw_thumbnail, rendered.mel_db)}


def _describe_result(dreamed):
    return DreamResult(
        objective=dreamed.climb.objective,
        first=float(dreamed.before.objective),
        last=float(dreamed.after.objective),
        distance_db=float(measure_distance(dreamed.input_db, dreamed.rendered.mel_db)),
    )


def _find_probabilities(model, source, dreamed, sound):
    heard = classify_recording(model, sound.recording, source.plan.dtype)
    before, after = dreamed.before.probabilities, dreamed.after.probabilities
    return name_probabilities(model.card, (before, after, heard))


def _prepare_video(source, dreamed, sound, original, plan):
    """Returns what makes the video."""
    return functools.partial(
        make_dream_video,
        source,
        plan,
        input_db=dreamed.input_db,
        original=original.recording,
        dream=sound.recording,
        passes=dreamed.passes,
    )


def _render_original(source, mixed, sound, plan):
    """Returns the input, as loud as the dream; with a mask, what both share is as loud."""
    given = {
        "dream": sound,
        "target_lufs": source.target_lufs,
        "circular": source.plan.is_loop,
        "encoding": describe_encoding(source, plan, kind="Dream", part="input"),
    }
    if source.mask is not None and source.plan.keeps_original:
        return render_input_alike(source.kept_recording, unscaled=mixed, **given)
    return render_input(source.kept_recording, **given)


def _render_compared(source, sound, original, plan):
    """Returns the files that are compared with the dream, {`INPUT` or `DIFFERENCE`: bytes}."""
    encoding = describe_encoding(source, plan, kind="Dream", part="difference")
    compared = {INPUT: original.content}
    if source.plan.keeps_original:
        compared[DIFFERENCE] = render_difference(sound, original, encoding=encoding)
    return compared


def make_dream_video(
    source: Source,
    plan: Plan,
    *,
    input_db: np.ndarray,
    original: Recording,
    dream: Recording,
    passes: Sequence[Rendered] = (),
) -> bytes:
    """Makes the video of a dream.

    Args:
      source: the clip.
      plan: of the run.
      input_db: (mel bands, frames), the spectrogram of the input in dB.
      original: the input, as loud as the dream.
      dream: as it is written.
      passes: the dream after each pass, if the video is to show how it grows.

    Returns:
      An MP4 file.
    """
    front_end = source.plan.card.front_end
    heading, detail = head_video(describe_request(source), kind="Dream", aim=describe_aim(source))
    video = dream_video(
        heading,
        detail,
        scale=scale_of(front_end),
        input_db=input_db,
        dream_db=analyse_recording(dream, front_end, source.plan.dtype),
        original=original,
        dream=dream,
        passes=[_render_pass(source, each) for each in passes],
    )
    tags = describe_encoding(source, plan, kind="Dream").tags
    return encode_video(video, shape=plan.video or "wide", tags=tags)


def _render_pass(source, rendered):
    """Returns (spectrogram in dB, sound) of a dream after a pass, as loud as the dream."""
    sound = render_sound(
        source.mix_with_input(rendered.sound).T,
        sample_rate=source.sample_rate,
        target_lufs=source.target_lufs,
        circular=source.plan.is_loop,
    ).recording
    return analyse_recording(sound, source.plan.card.front_end, source.plan.dtype), sound


def _trim(dreamed: DreamedBatch, share: float) -> DreamedBatch:
    """Returns the dream of a clip without its padding: the share of its sound and frames."""
    if share == 1:
        return dreamed

    def trim(array):
        return array[..., : max(1, round(share * array.shape[-1]))]

    return dreamed._replace(
        input_db=trim(dreamed.input_db),
        rendered=jax.tree.map(trim, dreamed.rendered),
        passes=jax.tree.map(trim, dreamed.passes),
    )


def draw_picture(
    source: Source,
    *,
    input_db: np.ndarray,
    mel_db: np.ndarray,
    change_db: np.ndarray,
    sound: Recording,
    objective: np.ndarray,
) -> bytes:
    """Draws the picture of a dream.

    Args:
      source: the clip.
      input_db, mel_db, change_db: (mel bands, frames), the spectrograms of input and dream, and
        what the dream changed, in dB.
      sound: as it is written.
      objective: (levels, steps), the objective at each step.

    Returns:
      A PNG.
    """
    plan, front_end = source.plan, source.plan.card.front_end
    picture = DreamPicture(
        title=title_clip(describe_request(source), kind="Dream", aim=describe_aim(source)),
        scale=scale_of(front_end),
        before_db=input_db,
        after_db=mel_db,
        change_db=change_db,
        change_label=DOMAINS[plan.domain].change_label,
        before=source.kept_recording,
        after=sound,
        is_mixed=plan.mix != 1,
        objective=objective,
        objective_label=plan.objective(source.target).label(plan.card),
        level_shapes=plan.program().level_shapes(input_db.shape, plan.card.architecture),
    )
    return draw_dream(picture)
