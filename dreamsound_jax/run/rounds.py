"""Dreams the rounds of a batch of ouroboroses one after the other, and saves them on the way."""

import logging
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from dreamsound_jax.dreaming.ascent import (
    NON_FINITE_GRADIENT,
    ZERO_GRADIENT,
)
from dreamsound_jax.dreaming.ouroboros import State, begin_ouroboros, dream_round
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.outputs.saved_rounds import Rounds, SavedRounds
from dreamsound_jax.run.batches import fill_batch, place_clips, place_objectives, place_settings
from dreamsound_jax.run.plan import ClipPlan
from dreamsound_jax.run.sources import Source
from dreamsound_jax.system.errors import describe_error
from dreamsound_jax.system.stopping import check_stop

log = logging.getLogger(__name__)


class Reached(NamedTuple):
    """How far a batch has come.

    Attributes:
      state: after the last round that was fetched.
      rounds: how many rounds were fetched, now or before the batch was resumed.
      unsaved: those of them that are not saved yet.
    """

    state: Any
    rounds: int
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
        self._reached = Reached(state, rounds=int(state.number[0]))
        self._saved_at = time.monotonic()
        self._ended = np.zeros(len(sources), bool)
        if self._reached.rounds:
            log.info("%s: resuming after round %d", sources[0].job.name, self._reached.rounds)
            self._ended = np.array([self._has_ended(row) for row in range(len(sources))])

    def _begin(self):
        clips, mel_db = place_clips(self._full)
        keys = [source.keys.rolls for source in self._full]
        return begin_ouroboros(clips, mel_db, self._settings.rolls, keys)

    def dream(self, report: Callable) -> State:
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
            check_stop()
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
        count, length = self._reached.rounds, self._sources[0].plan.ouroboros.length
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
        kept = self._reached.rounds - len(self._reached.unsaved)
        if not kept:
            return ()
        clips = "clip" if len(self._sources) == 1 else f"{len(self._sources)} clips"
        return (f"{kept} {'round' if kept == 1 else 'rounds'} of the next {clips}",)

    def _has_ended(self, row):
        rounds = self._rounds.read_rounds(row, fields=("overcooked", "fault"))
        return count_rounds(rounds, self._sources[row].plan) < self._reached.rounds


def count_rounds(rounds: Rounds, plan: ClipPlan) -> int:
    """Returns how many rounds of a clip there are before it ends.

    It ends before a round whose gradient overflows or is zero, or that is overcooked. If it
    iterates over layers, a round of zero gradient is passed over: the next layer may respond.
    """
    worst = NON_FINITE_GRADIENT if plan.iterates else ZERO_GRADIENT
    over = np.asarray((rounds.fault >= worst).any((1, 2)))
    most = plan.ouroboros.stop_overcooked if plan.ouroboros else 0.0
    if most:
        over |= rounds.overcooked > most
    return int(np.argmax(over)) if over.any() else len(over)
