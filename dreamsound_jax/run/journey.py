"""Ouroboroses: a batch from its sounds to its files, saved as it goes."""

import functools
import logging
import time
from dataclasses import replace

import jax
import numpy as np

from dreamsound_jax.audio import files
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.dreaming import ascent
from dreamsound_jax.dreaming.batch import Stopwatch, analyse, filled, hear
from dreamsound_jax.dreaming.ouroboros import begin, dream_round
from dreamsound_jax.outputs.clip_files import ClipFiles
from dreamsound_jax.outputs.ouroboros_picture import OuroborosPicture, draw_ouroboros
from dreamsound_jax.outputs.results import OuroborosResult
from dreamsound_jax.outputs.saved_rounds import Rounds, SavedRounds
from dreamsound_jax.run.finish import Dreamed
from dreamsound_jax.run.scale import SCALE
from dreamsound_jax.run.single import named_probabilities, request_of, title_of
from dreamsound_jax.spectral import mel
from dreamsound_jax.system.errors import UserError

log = logging.getLogger(__name__)


def dream(model, batch, options, *, folder, tell):
    """Dreams one batch, round after round; returns it as a `finish.Dreamed`.

    `tell` is called with a few words on how far it is.
    """
    clock, kept = Stopwatch(), SavedRounds(folder, [source.number for source in batch])
    beginning = begin(model.card, filled(batch, options.batch_size), options)
    recorder = Recorder(kept, kept.restore(beginning), batch, options)
    clock("rounds", recorder.dream(model.network, tell))
    makers = []
    for row, source in enumerate(batch):
        before = [np.asarray(each[row]) for each in (beginning.last_db, beginning.last_sound)]
        read = functools.partial(kept.read_rounds, row, recorder.count)
        own = replace(options, **source.changes)
        makers.append(functools.partial(_clip, model, source, *before, read, clock.seconds, own))
    return Dreamed(makers, close=kept.remove, busy=clock.seconds["rounds"])


class Recorder:
    """Dreams the rounds of a batch that are still to come, and keeps them on disk.

    Each round is fetched while the device is busy with the next: no more than two are there at a
    time, and the device never waits. `count` is how many rounds there are.
    """

    def __init__(self, kept, state, batch, options):
        self._kept, self._state, self._batch, self._options = kept, state, batch, options
        self.count = int(state.number[0])
        self._pending, self._saved_at = [], time.monotonic()
        self._ended = np.zeros(len(batch), bool)
        if self.count:
            log.info("%s: going on after round %d", batch[0].name, self.count)
            self._ended = np.array([self._has_ended(clip) for clip in range(len(batch))])

    def dream(self, network, tell):
        """Up to the last round, or the last that a clip needs; returns the last state."""
        state, number, waiting = self._state, self.count, None
        while number < self._options.ouroboros_length and not self._ended.all():
            state, left = dream_round(network, state, self._options, number=number)
            if waiting:
                self._take(*waiting, tell)
            waiting, number = (state, left), number + 1
        if waiting and not self._ended.all():
            self._take(*waiting, tell)
        self._save()
        return self._state

    def _take(self, state, left, tell):
        """Fetches what a round left; `state` is the one after it."""
        left = jax.device_get(left)
        climb = left.climb
        rounds = Rounds(
            left.mel_db, left.sound, left.overcooked, left.moved_db, climb.objective, climb.fault
        )
        self._pending.append(rounds)
        self._state, self.count = state, self.count + 1
        of_clip = (
            Rounds(*(array[None, clip] for array in rounds)) for clip in range(len(self._batch))
        )
        self._ended |= [lasting(each, self._options) == 0 for each in of_clip]
        tell(f"round {self.count} of {self._options.ouroboros_length}")
        if time.monotonic() - self._saved_at > self._options.save_every:
            self._save()

    def _save(self):
        if self._pending:
            first = self.count - len(self._pending)
            self._kept.save(first, self._pending, jax.device_get(self._state))
        self._pending, self._saved_at = [], time.monotonic()

    def _has_ended(self, clip):
        rounds = self._kept.read_rounds(clip, self.count, fields=("overcooked", "fault"))
        return lasting(rounds, self._options) < self.count


def lasting(rounds, options):
    """How many of one clip's `Rounds` there are before it ends: one that overflows, to which the
    network does not respond, or that is overcooked.

    With `iterate`, a round to which the network does not respond passes: the next layer may.
    """
    bad = ascent.NON_FINITE_GRADIENT if options.iterates else ascent.ZERO_GRADIENT
    over = (rounds.fault >= bad).any((1, 2))
    if options.stop_overcooked:
        over |= rounds.overcooked > options.stop_overcooked
    return int(np.argmax(over)) if over.any() else len(over)


def _end(rounds, options):
    """Why a clip ended before its last round; else None."""
    number = lasting(rounds, options)
    if number == len(rounds.fault):
        return None
    climb = ascent.Climb(rounds.objective[number], rounds.fault[number])
    stopped = ascent.why_stopped(climb, options.layers(number))
    index = rounds.overcooked[number]
    return f"round {number + 1} " + (
        stopped or f"is overcooked: {index:.1f} dB, over --stop_overcooked"
    )


def _failure(rounds, options):
    """Why a clip ended early, if that is a failure: to be overcooked was foreseen. Else None."""
    end = _end(rounds, options)
    if not end:
        return None
    number = lasting(rounds, options)
    told = f"{end}; the {number} rounds before it were written"
    if (rounds.fault[number] == ascent.HEALTHY).all():
        log.info("%s", told)
        return None
    return told


def _clip(model, source, before_db, before_sound, read, seconds, options):
    """The `ClipFiles` of one clip; UserError if not even its first round came out."""
    rounds = read()
    count = lasting(rounds, options)
    if not count:
        raise UserError(f"{_end(rounds, options)}; nothing was written for this clip")
    ended = _failure(rounds, options)
    rounds = Rounds(*(array[:count] for array in rounds))
    rate, card = source.sample_rate, model.card
    sound = render_sound(
        np.concatenate([before_sound, *rounds.sound], axis=1).T,
        sample_rate=rate,
        normalise=options.loudness != "none",
    )
    last = sound.recording.channels[-before_sound.shape[1] :]
    mono = files.to_mono(files.Recording(last, rate), sample_rate=mel.SAMPLE_RATE)
    heard = [*hear(model, np.stack([before_db, rounds.mel_db[-1]]))]
    heard += [*hear(model, analyse(mono[None].astype(options.dtype())))]
    picture = _picture(source, rounds, sound.recording, options, card) if options.plots else None
    return ClipFiles(
        request=request_of(source, options, card),
        sound=sound,
        arrays={"mel_db": np.concatenate([before_db[None], rounds.mel_db])},
        picture=picture and draw_ouroboros(picture),
        result=_result(rounds, options, ended),
        probabilities=named_probabilities(card, heard),
        timings=seconds,
    )


def _result(rounds, options, ended):
    return OuroborosResult(
        settings={
            "transforms": options.chain(),
            "crossfade": options.crossfade,
            "stabilise": options.stabilise,
        },
        layers=[options.layers(number) for number in range(len(rounds.objective))],
        objective=rounds.objective[:, -1],
        overcooked_db=rounds.overcooked,
        moved_db=rounds.moved_db,
        ended_early=ended,
    )


def _picture(source, rounds, recording, options, card):
    mono = files.to_mono(recording, sample_rate=mel.SAMPLE_RATE)
    count = len(rounds.overcooked)
    pieces = mono[: mono.size // (count + 1) * (count + 1)].reshape(count + 1, -1)
    return OuroborosPicture(
        title=title_of(source, options, card, "Ouroboros"),
        band_centres=SCALE.band_centres,
        mel_db=np.concatenate([_levels(piece) for piece in pieces], axis=1),
        seconds=mono.size / mel.SAMPLE_RATE,
        overcooked_db=rounds.overcooked,
        moved_db=rounds.moved_db,
        objective=rounds.objective[:, -1, -1],
    )


_levels = jax.jit(mel.sound_to_mel_db)
