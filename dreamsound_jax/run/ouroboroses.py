"""Dreams a batch of ouroboroses, from their sounds to their files; rounds are saved on the way."""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.dreaming.ascent import (
    HEALTHY,
    NON_FINITE_GRADIENT,
    ZERO_GRADIENT,
    Climb,
    describe_fault,
)
from dreamsound_jax.dreaming.batch import class_probabilities
from dreamsound_jax.dreaming.ouroboros import begin_ouroboros, dream_round
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.outputs.clip_files import ClipFiles, title_clip
from dreamsound_jax.outputs.ouroboros_picture import OuroborosPicture, draw_ouroboros
from dreamsound_jax.outputs.results import OuroborosResult
from dreamsound_jax.outputs.saved_rounds import Rounds, SavedRounds
from dreamsound_jax.outputs.thumbnail import draw_thumbnail
from dreamsound_jax.outputs.video import head_video, ouroboros_video
from dreamsound_jax.outputs.video_file import encode_video
from dreamsound_jax.run.batches import fill_batch, place_clips, place_objectives, place_settings
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
from dreamsound_jax.run.plan import ClipPlan, Plan
from dreamsound_jax.run.sources import Source, digest_sources
from dreamsound_jax.run.writers import PendingClips
from dreamsound_jax.system.errors import UserError, describe_error

log = logging.getLogger(__name__)


def dream_ouroboroses(
    model: Model, sources: list[Source], plan: Plan, *, size: int, report: Callable, folder
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


class Reached(NamedTuple):
    """How far a batch has come.

    Attributes:
      state: after the last round that was fetched.
      count: how many rounds were fetched, now or before the batch was resumed.
      unsaved: those of them that are not saved yet.
    """

    state: Any
    count: int
    unsaved: tuple[Rounds, ...] = ()


class RoundDreamer:
    """Dreams the rounds of a batch that are still to come, and saves them.

    Each round is fetched while the device dreams the next: no more than two are in memory, and the
    device never waits.

    Attributes:
      before: mel dB and sound of the clips before the first round.
    """

    def __init__(
        self,
        model: Model,
        sources: list[Source],
        rounds: SavedRounds,
        *,
        size: int,
        save_every: float,
    ):
        self._network, self._sources, self._rounds = model.network, sources, rounds
        self._full, self._save_every = fill_batch(sources, size), save_every
        self._settings = place_settings(self._full)
        first = self._begin()
        self.before = first.last_db, first.last_sound
        state = rounds.restore(first)
        # It is replaced as a whole, so that a stop at any moment finds rounds that fit their state.
        self._reached = Reached(state, count=int(state.number[0]))
        self._saved_at = time.monotonic()
        self._ended = np.zeros(len(sources), bool)
        if self._reached.count:
            log.info("%s: resuming after round %d", sources[0].job.name, self._reached.count)
            self._ended = np.array([self._has_ended(row) for row in range(len(sources))])

    def _begin(self):
        clips, mel_db = place_clips(self._full)
        keys = [source.keys.rolls for source in self._full]
        return begin_ouroboros(clips, mel_db, self._settings.rolls, keys)

    def dream(self, report: Callable):
        """Dreams up to the last round, or the last that a clip needs; returns the last state.

        If the user stops it, the rounds that were fetched are saved, and the `KeyboardInterrupt`
        says so.
        """
        try:
            self._dream_rounds(report)
        except KeyboardInterrupt as stop:
            stop.args = self._save_at_stop()
            raise
        return self._reached.state

    def _dream_rounds(self, report):
        plan, waiting = self._sources[0].plan, None
        state, number, _ = self._reached
        while number < plan.ouroboros.length and not self._ended.all():
            state, left = self._dream_round(state, number)
            if waiting:
                self._fetch(*waiting, report)
            else:
                self._report(report)  # Only now: the first round has been compiled.
            waiting, number = (state, left), number + 1
        if waiting and not self._ended.all():
            self._fetch(*waiting, report)
        self._save()

    def _dream_round(self, state, number):
        plan, settings = self._sources[0].plan, self._settings
        if plan.changes_by_round:
            settings = settings._replace(objective=place_objectives(self._full, number))
        return dream_round(
            self._network,
            state,
            settings,
            program=plan.program(number),
            round_settings=plan.ouroboros.round_settings,
        )

    def _fetch(self, state, left, report):
        """Fetches what a round left; `state` is the one after it."""
        left = jax.device_get(left)
        climb = left.climb
        rounds = Rounds(
            left.mel_db, left.sound, left.overcooked, left.moved_db, climb.objective, climb.fault
        )
        _, count, unsaved = self._reached
        self._reached = Reached(state, count + 1, (*unsaved, rounds))
        for row, source in enumerate(self._sources):
            of_clip = Rounds(*(array[None, row] for array in rounds))
            self._ended[row] |= count_rounds(of_clip, source.plan) == 0
        self._report(report)
        if time.monotonic() - self._saved_at > self._save_every:
            self._save()

    def _report(self, report):
        """Reports the rounds that are done, and the round that is dreamed now."""
        count, length = self._reached.count, self._sources[0].plan.ouroboros.length
        now = min(count + 1, length)
        report(count / length, f"round {now} of {length}", until=now / length)

    def _save(self):
        state, count, unsaved = self._reached
        if unsaved:
            self._rounds.save(count - len(unsaved), unsaved, jax.device_get(state))
        self._reached, self._saved_at = Reached(state, count), time.monotonic()

    def _save_at_stop(self):
        """Saves the rounds that are not saved; returns the words on it, if rounds are kept."""
        try:
            self._save()
        except Exception as error:  # The user has stopped the run, and is not to be held up.
            log.warning("the last rounds could not be saved: %s", describe_error(error))
        kept = self._reached.count - len(self._reached.unsaved)
        if not kept:
            return ()
        clips = "clip" if len(self._sources) == 1 else f"{len(self._sources)} clips"
        return (f"{kept} {'round' if kept == 1 else 'rounds'} of the next {clips}",)

    def _has_ended(self, row):
        rounds = self._rounds.read_rounds(row, fields=("overcooked", "fault"))
        return count_rounds(rounds, self._sources[row].plan) < self._reached.count


def count_rounds(rounds: Rounds, plan: ClipPlan) -> int:
    """Returns how many rounds of a clip there are before it ends.

    It ends before a round whose gradient overflows or is zero, or that is overcooked. If it
    iterates over layers, a round of zero gradient is passed over: the next layer may respond.
    """
    worst = NON_FINITE_GRADIENT if plan.iterates else ZERO_GRADIENT
    over = (rounds.fault >= worst).any((1, 2))
    if plan.ouroboros.stop_overcooked:
        over |= rounds.overcooked > plan.ouroboros.stop_overcooked
    return int(np.argmax(over)) if over.any() else len(over)


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
