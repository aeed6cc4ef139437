"""Makes the files of an ouroboros: its sound, its picture, its video and its facts."""

import functools
import logging
from collections.abc import Callable, Mapping

import numpy as np

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.dreaming.ascent import HEALTHY, Climb, describe_fault
from dreamsound_jax.dreaming.batch import class_probabilities
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.outputs.clip_files import ClipFiles, title_clip
from dreamsound_jax.outputs.ouroboros_picture import OuroborosPicture, draw_ouroboros
from dreamsound_jax.outputs.page.suffixes import PICTURE, THUMBNAIL
from dreamsound_jax.outputs.results import OuroborosResult
from dreamsound_jax.outputs.saved_rounds import Rounds
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
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.rounds import count_rounds
from dreamsound_jax.run.sources import Source
from dreamsound_jax.system.errors import UserError

log = logging.getLogger(__name__)


def make_files(
    model: Model,
    source: Source,
    before_db: np.ndarray,
    before_sound: np.ndarray,
    read: Callable[[], Rounds],
    seconds: Mapping[str, float],
    plan: Plan,
) -> ClipFiles:
    """Makes the files of a clip; its pictures and its video are made when the sound is written.

    Args:
      model: the network and its card.
      source: the clip.
      before_db: (mel bands, frames), the spectrogram of the input in dB.
      before_sound: (channels, samples), the input.
      read: returns the rounds of the clip.
      seconds: of each stage, for the whole batch of the clip.
      plan: of the run.

    Raises:
      UserError: not even the first round came out.
    """
    rounds = read()
    failure = _describe_failure(rounds, source.plan)
    rounds = Rounds(*(array[: count_rounds(rounds, source.plan)] for array in rounds))
    sound = _render_whole(source, before_sound, rounds, plan)
    analyse = _analyse_once(source, sound, len(rounds.sound) + 1)
    return ClipFiles(
        request=describe_request(source),
        sound=sound,
        format=source.plan.format,
        arrays=_list_arrays(before_db, rounds) if plan.writes_arrays else None,
        pictures=_prepare_pictures(source, rounds, sound, analyse) if plan.draws_pictures else {},
        result=_describe_result(rounds, source.plan, failure),
        probabilities=_find_probabilities(model, source, before_db, rounds, sound),
        timings=seconds,
        make_video=_prepare_video(source, sound, analyse, plan) if plan.video else None,
    )


def _render_whole(source, before_sound, rounds, plan):
    """Returns the input and all rounds as one sound, as it is written."""
    parts = [before_sound, *map(source.mix_with_input, rounds.sound)]
    return render_sound(
        np.concatenate(parts, axis=1).T,
        sample_rate=source.sample_rate,
        target_lufs=source.target_lufs,
        encoding=describe_encoding(source, plan, kind="Ouroboros"),
    )


def _analyse_once(source, sound, count):
    """Returns a function that returns the spectrograms of the pieces of a sound in dB."""
    front_end = source.plan.card.front_end
    return functools.cache(functools.partial(analyse_pieces, sound.recording, front_end, count))


def _list_arrays(before_db, rounds):
    """Returns what the .npz holds."""
    return {"mel_db": np.concatenate([before_db[None], rounds.mel_db])}


def _find_probabilities(model, source, before_db, rounds, sound):
    channels, sample_rate = sound.recording
    last = Recording(channels[-(len(channels) // (len(rounds.sound) + 1)) :], sample_rate)
    heard = [*class_probabilities(model, np.stack([before_db, rounds.mel_db[-1]]))]
    heard.append(classify_recording(model, last, source.plan.dtype))
    return name_probabilities(model.card, heard)


def _prepare_pictures(source, rounds, sound, analyse):
    """Returns what draws each picture, by suffix; `analyse` returns the spectrograms."""

    def draw():
        return draw_ouroboros_picture(
            source,
            sound=sound.recording,
            pieces_db=analyse(),
            overcooked_db=rounds.overcooked,
            moved_db=rounds.moved_db,
            objective=rounds.objective[:, -1, -1],
        )

    return {PICTURE: draw, THUMBNAIL: lambda: draw_thumbnail(np.concatenate(analyse(), axis=1))}


def _prepare_video(source, sound, analyse, plan):
    """Returns what makes the video; `analyse` returns the spectrograms."""

    def make():
        return make_ouroboros_video(source, plan, sound=sound.recording, pieces_db=analyse())

    return make


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
    """Returns why a clip ended early, if that is a failure, or None: overcooking was foreseen.

    UserError if not even its first round came out.
    """
    end = _describe_end(rounds, plan)
    if not end:
        return None
    number = count_rounds(rounds, plan)
    if not number:
        raise UserError(f"{end}; nothing was written for this clip")
    message = f"{end}; the {number} rounds before it were written"
    if (rounds.fault[number] == HEALTHY).all():
        log.info("%s", message)
        return None
    return message


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
    return encode_video(video, shape=plan.video or "wide", tags=tags)
