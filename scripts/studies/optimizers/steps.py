"""The table of a comparison: one row for each step of each dream, as a pandas DataFrame.

A row of a tuning dream describes its last step; a test dream has a row for each of its steps.
"""

import io
from collections.abc import Iterable

import numpy as np
import pandas as pd

COLUMNS = {
    "setting": str,  # The options that are swept, such as "layers_to_use=relu3_4"; may be empty.
    "optimizer": str,
    "phase": str,  # "tuning" at each learning rate tried, or "test" at the chosen one.
    "lr": float,
    "seed": int,
    "input": str,
    "step": int,  # Step 0 is the state before the first step.
    "level": int,  # The level of the pyramid, from 0.
    "evaluations": int,  # How many gradients were evaluated so far.
    "objective": float,  # The objective of the whole clip at its original scale.
    "gain": float,  # The objective minus the objective at step 0.
    "moved_db": float,  # The RMS change of the mel spectrogram.
    "overcooked_db": float,
    "p_class": float,  # The probability of the target class on the spectrogram.
    # The following columns are known of the last step only.
    "distance_db": float,  # The log-spectral distance from the input to the written sound.
    "p_written": float,  # The probability of the target class on the written sound.
    "overcooked_written_db": float,
    "ended": str,  # Why the dream failed; empty if it did not fail.
}
DREAM = ["setting", "optimizer", "phase", "lr", "seed", "input"]  # These identify a dream.


def make_table(records: Iterable[dict]) -> pd.DataFrame:
    """Makes the sorted table of records; a missing text is empty, a missing number is NaN."""
    table = pd.DataFrame(records, columns=list(COLUMNS))
    table["ended"] = table["ended"].astype(object).fillna("")
    return table.astype(COLUMNS).sort_values([*DREAM, "step"], ignore_index=True)


def write_csv(table: pd.DataFrame) -> str:
    """Writes the table as CSV; numbers keep 9 digits, so that equal runs give equal text."""
    return table.to_csv(index=False, float_format="%.9g", lineterminator="\n")


def read_csv(text: str) -> pd.DataFrame:
    """Reads what `write_csv` wrote; each column has its fixed type, whatever it contains."""
    numbers = [name for name, kind in COLUMNS.items() if kind is float]
    return pd.read_csv(
        io.StringIO(text),
        dtype=COLUMNS,
        keep_default_na=False,  # An optimizer or an input may be called "NA".
        na_values=dict.fromkeys(numbers, [""]),
    )


def count_gains(table: pd.DataFrame) -> pd.DataFrame:
    """Replaces the gains by those that count: finite, and not above 0 if the dream failed."""
    ended = table.assign(failed=table["ended"] != "")
    failed = ended.groupby(DREAM)["failed"].transform("any")
    gain = table["gain"].where(np.isfinite(table["gain"]), 0.0)
    return table.assign(gain=gain.mask(failed, gain.clip(upper=0.0)))


def select_ends(table: pd.DataFrame, phase: str) -> pd.DataFrame:
    """Selects the last step of each dream of a phase, with the gain that counts."""
    of_phase = table[table["phase"] == phase].sort_values([*DREAM, "step"])
    ends = count_gains(of_phase).groupby(DREAM).tail(1)
    return ends.replace([np.inf, -np.inf], np.nan).reset_index(drop=True)


def pivot_courses(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the counted gain of each test dream (rows) at each step (columns).

    A dream that stopped early keeps its last gain.
    """
    tests = count_gains(table[table["phase"] == "test"])
    return tests.pivot(index=DREAM, columns="step", values="gain").ffill(axis=1)
