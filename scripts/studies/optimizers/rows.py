"""What is known of the dreams of a comparison: a row (a dict) for each step, see `COLUMNS`.

A dream is the list of its rows, step by step. If it failed, the last one says why.
"""

import itertools

import numpy as np

# What a row holds, one for each step of a dream (of a tuning dream, only the last).
COLUMNS = {
    "setting": str,  # what is compared within it alone, such as "layers_to_use=relu3_4", or ""
    "optimizer": str,
    "phase": str,  # "tuning" at each learning rate tried, or "test" at the one chosen
    "lr": float,
    "seed": int,
    "input": str,
    "step": int,  # from 0, before the first
    "level": int,  # of the pyramid, from 0
    "evaluations": int,  # of the gradient, so far
    "objective": float,  # of the whole clip at its original scale
    "gain": float,  # the objective over that at step 0
    "moved_db": float,  # RMS change of the mel spectrogram
    "overcooked_db": float,
    "p_class": float,  # of the target class, by the spectrogram; None without a class
    # Of the last step alone, else None:
    "distance_db": float,  # log-spectral, from the input to the finished sound
    "p_written": float,  # of the target class, by the written sound
    "overcooked_written_db": float,
    "ended": str,  # why the dream failed; "" if it did not
}


def dreams(rows, *, phase):
    """{setting: {optimizer: [dream, ...]}} of "tuning" or "test", all sorted."""
    found = {}
    of_phase = sorted((row for row in rows if row["phase"] == phase), key=_place)
    for _, dream in itertools.groupby(of_phase, key=lambda row: _place(row)[:-1]):
        dream = list(dream)
        of = found.setdefault(dream[0]["setting"], {})
        of.setdefault(dream[0]["optimizer"], []).append(dream)
    return found


def counted_gains(dream):
    """The gain at each step (steps + 1,), as it counts: finite, and not above 0 if it failed."""
    gains = _line(dream, "gain")
    gains[~np.isfinite(gains)] = 0
    return np.minimum(gains, 0) if dream[-1]["ended"] else gains


def courses(dreams, *, name="gain"):
    """What `name` was at each step, (dreams, steps + 1); a dream that stopped stays as it was.

    Gains are as they count; what is not known is NaN.
    """
    lines = [counted_gains(dream) if name == "gain" else _line(dream, name) for dream in dreams]
    longest = max(line.size for line in lines)
    return np.stack([np.pad(line, (0, longest - line.size), mode="edge") for line in lines])


def median(values):
    """Of those that are known and finite; None if none is."""
    known = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.median(known)) if known else None


def _line(dream, name):
    return np.array([row[name] for row in dream], float)


def _place(row):
    """Rows of one dream lie side by side, in the order of its steps."""
    return tuple(row[key] for key in ("setting", "optimizer", "lr", "seed", "input", "step"))
