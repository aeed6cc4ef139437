"""What a run says in the end: how long it took, what failed, and what to try next."""

import logging
import statistics
from collections.abc import Mapping, Sequence

from etils import epath

from dreamsound_jax.run.plan import ClipPlan, OuroborosPlan, Plan
from dreamsound_jax.run.strength import strength_of

log = logging.getLogger(__name__)

# So many failed clips are named in the end.
MOST_NAMED = 20
# A dream may miss the strength that was asked for by so much without a word.
MOST_MISSED = 5
# A stronger or a weaker dream is suggested by so much.
STRENGTH_STEP = 20


def log_failures(failed: Mapping[str, str]) -> None:
    """Logs which clips failed; `failed` is {name of a clip: why}, and may be empty."""
    if failed:
        names = ", ".join(sorted(failed)[:MOST_NAMED])
        more = ", ..." if len(failed) > MOST_NAMED else ""
        log.error("clips that failed, for the reasons above: %d (%s%s)", len(failed), names, more)


def log_speed(records: Sequence[Mapping], seconds: float, busy_seconds: float) -> None:
    """Logs how long the clips took that a run has dreamed now.

    Args:
      records: of these clips in the manifest; those that failed do not count.
      seconds: since the first of them was begun.
      busy_seconds: for which the device was busy.
    """
    lengths = [record.get("seconds") for record in records if "error" not in record]
    if len(lengths) == 1:
        what = "1 clip" if lengths[0] is None else f"{lengths[0]:.1f} s of sound"
        log.info("%s in %.0f s", what, seconds)
    elif lengths:
        log.info(
            "%d clips in %.0f s, %.3g a second; the device was busy for %.0f%% of the time",
            *(len(lengths), seconds, len(lengths) / seconds, 100 * busy_seconds / seconds),
        )


def describe_rest(left: int, count: int) -> str:
    """Says that other processes of a run still have clips to dream, or have ended before.

    Example:
      >>> describe_rest(3, 40)
      '3 of 40 clips are left, to other processes; if one has ended, give the same command again'
    """
    clips = f"{left} of {count} clips {'is' if left == 1 else 'are'} left"
    return f"{clips}, to other processes; if one has ended, give the same command again"


def describe_stop(done: int, count: int, *, kept: str, command: str) -> str:
    """Says how far a run has come that the user stopped, and how it goes on.

    Args:
      done: how many clips are done.
      count: how many clips there are.
      kept: what is kept of the clips that were being dreamed, such as "8 rounds of the next clip";
        "" for nothing.
      command: the command line that goes on.

    Example:
      >>> describe_stop(3, 40, kept="8 rounds of the next clip", command="dreamsound")
      '3 of 40 clips are done, and 8 rounds of the next clip are kept; to go on: dreamsound'
    """
    clips = f"{done} of {count} clips {'is' if done == 1 else 'are'} done"
    if kept:
        clips += f", and {kept} {'is' if kept.startswith('1 ') else 'are'} kept"
    return f"{clips}; to go on: {command}"


def suggest_next(records: Sequence[Mapping], plan: Plan, *, page: epath.Path) -> list[str]:
    """Says where the dreams can be heard, and how they come out differently; in lines.

    Args:
      records: of the clips that are done, in the manifest; there is at least one.
      plan: of the run.
      page: of the run.
    """
    if len(plan.clips) > 1:
        return [f"to compare the dreams by eye and ear, open {page} in a browser"]
    hint = suggest_change(records, plan.clips[0])
    return [f"to see and hear what was dreamed, open {page} in a browser", *filter(None, [hint])]


def suggest_change(records: Sequence[Mapping], clip: ClipPlan) -> str:
    """Suggests how the clips of one plan come out differently; "" if nothing makes sense."""
    if clip.ouroboros is not None:
        rounds = max(record.get("rounds", 0) for record in records)
        return suggest_rounds(clip.ouroboros, rounds=rounds)
    # An earlier version recorded no distances.
    distances_db = [record["distance_db"] for record in records if "distance_db" in record]
    if not distances_db:
        return ""
    asked = None if clip.distance_db is None else round(strength_of(clip.distance_db), 3)
    return suggest(strength_of(statistics.median(distances_db)), asked, clips=len(records))


def suggest_rounds(ouroboros: OuroborosPlan, *, rounds: int) -> str:
    """Says how an ouroboros comes out longer, or slows down; "" if neither makes sense.

    Args:
      ouroboros: its plan.
      rounds: how many rounds were dreamed; fewer than planned if it ended early.
    """
    ways = []
    if rounds == ouroboros.length:
        ways.append(f"for a longer ouroboros give --ouroboros_length={2 * rounds}")
    if not ouroboros.round_settings.chain:
        ways.append("for an ouroboros that slows down give --preset=slow_waves")
    return ", ".join(ways)


def suggest(reached: float, asked: float | None = None, *, clips: int = 1) -> str:
    """Says how strong dreams are, and how they come out stronger or weaker.

    Args:
      reached: their strength, from 0 to 100.
      asked: the strength that was asked for, if one was.
      clips: how many dreams there are.

    Returns:
      A sentence; "" if nothing was asked for and the dream did not move, since then the cause lies
      in another option.

    Example:
      >>> suggest(100)
      'the dream has a strength of about 100; for a weaker dream give --strength=80'
    """
    dreams, have, their = "the dream", "has", "its"
    if clips > 1:
        dreams, have, their = "the dreams", "have", "their"
    nearest = 10 * round(reached / 10)
    if asked is None:
        ways = [*_stronger(nearest), *_weaker(nearest)]
        says = f"{dreams} {have} a strength of about {nearest}"
        return "" if reached < 1 else f"{says}; {', '.join(ways)}"
    if asked - reached <= MOST_MISSED:
        ways = [*_stronger(asked), *_weaker(asked)]
        return f"{dreams} {have} a strength of {asked:g}; {', '.join(ways)}"
    says = f"{dreams} reached a strength of about {nearest} instead of {asked:g}"
    return "; ".join([f"{says}: {their} bounds allow no more", *_weaker(nearest)])


def _stronger(strength):
    if strength >= 100:
        return []
    return [f"for a stronger dream give --strength={min(100, strength + STRENGTH_STEP):g}"]


def _weaker(strength):
    if strength <= 0:
        return []
    return [f"for a weaker dream give --strength={max(0, strength - STRENGTH_STEP):g}"]
