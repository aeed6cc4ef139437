"""Dreams a batch of ouroboroses, from their sounds to their files."""

import functools
import logging
from collections.abc import Callable

import numpy as np

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.dreaming.ascent import (
    HEALTHY,
    Climb,
    describe_fault,
)
from dreamsound_jax.dreaming.batch import class_probabilities
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.outputs.clip_files import ClipFiles, title_clip
from dreamsound_jax.outputs.ouroboros_picture import OuroborosPicture, draw_ouroboros
from dreamsound_jax.outputs.results import OuroborosResult
from dreamsound_jax.outputs.saved_rounds import Rounds, SavedRounds
from dreamsound_jax.outputs.thumbnail import draw_thumbnail
from dreamsound_jax.outputs.video import head_video, ouroboros_video
from dreamsound_jax.outputs.video_file import encode_video
from dreamsound_jax.run.clip_facts import (
    analyse_pieces,
    classify_recording,
    describe_aim,
    describe_encoding,
    describe_request,
    name_probabilities,
    scale_of,
)
from dreamsound_jax.run.dreams import Stopwatch
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.rounds import RoundDreamer, count_rounds
from dreamsound_jax.run.sources import Source, digest_sources
from dreamsound_jax.run.writers import PendingClips
from dreamsound_jax.system.errors import UserError

log = logging.getLogger(__name__)


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
        make = functools.partial(_make_files, model, source, *before, read, stopwatch.seconds, plan)
        makers.append(make)
    return PendingClips(makers, close=rounds.remove, seconds=stopwatch.seconds["rounds"])


def _describe_end(rounds, plan):
    """Returns why a clip ended before its last round, or None if it did not."""
    number = count_rounds(rounds, plan)
    if number == len(rounds.fault):
        return None
    climb = Climb(rounds.objective[number], rounds.fault[number])
    fault = describe_fault(climb, plan.layers_of_round(number))
    index = rounds.overcooked[number]
    most = plan.ouroboros.stop_overcooked
    overcooked = f"is overcooked: {index:.1f} dB, more than --stop_overcooked={most:g}"
    return f"round {number + 1} {fault or overcooked}"


def _describe_failure(rounds, plan):
    """Returns why a clip ended early, if that is a failure, or None: overcooking was foreseen."""
    end = _describe_end(rounds, plan)
    if not end:
        return None
    number = count_rounds(rounds, plan)
    message = f"{end}; the {number} rounds before it were written"
    if (rounds.fault[number] == HEALTHY).all():
        log.info("%s", message)
        return None
    return message


def _make_files(model, source, before_db, before_sound, read, seconds, plan):
    """Returns the `ClipFiles` of a clip; UserError if not even its first round came out."""
    rounds = read()
    count = count_rounds(rounds, source.plan)
    if not count:
        end = _describe_end(rounds, source.plan)
        raise UserError(f"{end}; nothing was written for this clip")
    failure = _describe_failure(rounds, source.plan)
    rounds = Rounds(*(array[:count] for array in rounds))
    sound = render_sound(
        np.concatenate([before_sound, *map(source.mix_with_input, rounds.sound)], axis=1).T,
        sample_rate=source.sample_rate,
        target_lufs=source.target_lufs,
        encoding=describe_encoding(source, plan, kind="Ouroboros"),
    )
    last = Recording(
        sound.recording.channels[-before_sound.shape[1] :], sound.recording.sample_rate
    )
    heard = [*class_probabilities(model, np.stack([before_db, rounds.mel_db[-1]]))]
    heard.append(classify_recording(model, last, source.plan.dtype))
    pieces_db = None
    if plan.draws_pictures or plan.video:
        pieces_db = analyse_pieces(sound.recording, source.plan.card.front_end, count + 1)
    draws = plan.draws_pictures
    return ClipFiles(
        request=describe_request(source),
        sound=sound,
        format=source.plan.format,
        arrays=(
            {"mel_db": np.concatenate([before_db[None], rounds.mel_db])}
            if plan.writes_arrays
            else None
        ),
        picture=_draw(rounds, source, sound, pieces_db) if draws else None,
        thumbnail=draw_thumbnail(np.concatenate(pieces_db, axis=1)) if draws else None,
        result=_describe_result(rounds, source.plan, failure),
        probabilities=name_probabilities(model.card, heard),
        timings=seconds,
        make_video=plan.video
        and functools.partial(
            make_ouroboros_video, source, plan, sound=sound.recording, pieces_db=pieces_db
        ),
    )


def _draw(rounds, source, sound, pieces_db):
    return draw_ouroboros_picture(
        source,
        sound=sound.recording,
        pieces_db=pieces_db,
        overcooked_db=rounds.overcooked,
        moved_db=rounds.moved_db,
        objective=rounds.objective[:, -1, -1],
    )


def _describe_result(rounds, plan, failure):
    settings = plan.ouroboros.round_settings
    return OuroborosResult(
        settings={
            "transforms": settings.chain,
            "crossfade": settings.crossfade,
            "stabilise": settings.stabilise,
        },
        layers=[plan.layers_of_round(number) for number in range(len(rounds.objective))],
        objective=rounds.objective[:, -1],
        overcooked_db=rounds.overcooked,
        moved_db=rounds.moved_db,
        ended_early=failure,
    )


def draw_ouroboros_picture(
    source: Source,
    *,
    sound: Recording,
    pieces_db: np.ndarray,
    overcooked_db: np.ndarray,
    moved_db: np.ndarray,
    objective: np.ndarray,
) -> bytes:
    """Draws the picture of an ouroboros.

    Args:
      source: the clip.
      sound: the whole sound, as it is written.
      pieces_db: (rounds + 1, mel bands, frames), the spectrograms of the input and of each round.
      overcooked_db, moved_db, objective: (rounds,), as in `OuroborosPicture`.

    Returns:
      A PNG.
    """
    picture = OuroborosPicture(
        title=title_clip(describe_request(source), kind="Ouroboros", aim=describe_aim(source)),
        band_centres=source.plan.card.front_end.band_centres,
        mel_db=np.concatenate(pieces_db, axis=1),
        seconds=len(sound.channels) / sound.sample_rate,
        overcooked_db=overcooked_db,
        moved_db=moved_db,
        objective=objective,
    )
    return draw_ouroboros(picture)


def make_ouroboros_video(
    source: Source, plan: Plan, *, sound: Recording, pieces_db: np.ndarray
) -> bytes:
    """Makes the video of an ouroboros.

    Args:
      source: the clip.
      plan: of the run.
      sound: the whole sound, as it is written.
      pieces_db: (rounds + 1, mel bands, frames), the spectrograms of the input and of each round.

    Returns:
      An MP4 file.
    """
    clip = source.plan
    heading, detail = head_video(
        describe_request(source),
        kind="Ouroboros",
        aim=describe_aim(source),
        iterates=clip.iterates,
    )
    video = ouroboros_video(
        heading,
        detail,
        scale=scale_of(clip.card.front_end),
        pieces_db=pieces_db,
        sound=sound,
        layers=clip.name_rounds(len(pieces_db) - 1) if clip.iterates else None,
    )
    tags = describe_encoding(source, plan, kind="Ouroboros").tags
    return encode_video(video, shape=plan.video, tags=tags)
