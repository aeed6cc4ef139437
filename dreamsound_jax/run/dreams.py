"""Dreams a batch of clips, and makes the sound, the picture and the facts of each."""

import functools
import math
import time
from collections.abc import Callable, Sequence

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
from dreamsound_jax.dreaming.batch import DreamedBatch, dream_batch
from dreamsound_jax.dreaming.distance import measure_distance
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.outputs.clip_files import ClipFiles, title_clip
from dreamsound_jax.outputs.dream_picture import DreamPicture, draw_dream
from dreamsound_jax.outputs.results import DreamResult
from dreamsound_jax.outputs.thumbnail import draw_thumbnail
from dreamsound_jax.outputs.video import dream_video, head_video
from dreamsound_jax.outputs.video_file import encode_video
from dreamsound_jax.run.batches import fill_batch, place_clips, place_settings
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
from dreamsound_jax.run.writers import PendingClips
from dreamsound_jax.system.errors import UserError


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
        make = functools.partial(_make_files, model, source, of_clip, stopwatch.seconds, plan)
        makers.append(make)
    return PendingClips(makers, close=lambda: None, seconds=sum(stopwatch.seconds.values()))


def _work_of_levels(plan, shape):
    """Returns the share of each level in the work on a clip: it goes by the number of cells."""
    levels = plan.program().level_shapes(shape, plan.card.architecture)
    cells = [math.prod(level) for level in levels]
    return [each / sum(cells) for each in cells]


def _make_files(model, source, dreamed, seconds, plan):
    """Returns the `ClipFiles` of a clip; UserError if it stopped."""
    fault = describe_fault(dreamed.climb, source.plan.asked_layers)
    if fault:
        raise UserError(f"{fault}; nothing was written for this clip")
    dreamed = _trim(dreamed, source.kept_share)
    rendered = dreamed.rendered
    target_lufs = source.target_lufs
    mixed = source.mix_with_input(rendered.sound).T
    sound = render_sound(
        mixed,
        sample_rate=source.sample_rate,
        target_lufs=target_lufs,
        circular=source.plan.is_loop,
        encoding=describe_encoding(source, plan, kind="Dream"),
    )
    heard = classify_recording(model, sound.recording, source.plan.dtype)
    arrays = {"mel_db": np.stack([dreamed.input_db, rendered.mel_db])}
    if source.plan.keeps_original:
        arrays["gain_db"] = rendered.change_db
    draws = plan.draws_pictures
    is_used = plan.writes_inputs or plan.video
    original = _render_original(source, mixed, sound, plan) if is_used else None
    return ClipFiles(
        request=describe_request(source),
        sound=sound,
        format=source.plan.format,
        compared=_render_compared(source, sound, original, plan) if plan.writes_inputs else {},
        arrays=arrays if plan.writes_arrays else None,
        picture=_draw(source, dreamed, sound) if draws else None,
        thumbnail=draw_thumbnail(rendered.mel_db) if draws else None,
        result=DreamResult(
            objective=dreamed.climb.objective,
            first=float(dreamed.before.objective),
            last=float(dreamed.after.objective),
            distance_db=float(measure_distance(dreamed.input_db, rendered.mel_db)),
        ),
        probabilities=name_probabilities(
            model.card, (dreamed.before.probabilities, dreamed.after.probabilities, heard)
        ),
        timings=seconds,
        make_video=plan.video
        and functools.partial(
            make_dream_video,
            source,
            plan,
            input_db=dreamed.input_db,
            original=original.recording,
            dream=sound.recording,
            passes=dreamed.passes,
        ),
    )


def _draw(source, dreamed, sound):
    return draw_picture(
        source,
        input_db=dreamed.input_db,
        mel_db=dreamed.rendered.mel_db,
        change_db=dreamed.rendered.change_db,
        sound=sound.recording,
        objective=dreamed.climb.objective,
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
    return encode_video(video, shape=plan.video, tags=tags)


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
