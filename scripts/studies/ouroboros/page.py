"""The tables and the picture of the study of the ouroboros."""

import numpy as np

from dreamsound_jax.outputs.gallery import draw_curves
from studies.ouroboros.changes import measure_margins
from studies.ouroboros.runs import Run
from studies.report import markdown_table

SHOWN_ROUNDS = (1, 2, 5, 10, 20, 50, 100)


def format_changes(measured):
    """Formats what `changes.measure_changes` measured."""
    ranges = measured.groupby(["kind", "change"], sort=False)["index"].agg(["min", "max"])
    rows = [
        [kind, change, f"{of['min']:.1f} to {of['max']:.1f}"]
        for (kind, change), of in ranges.sort_index(level="kind", sort_remaining=False).iterrows()
    ]
    margins = measure_margins(measured)
    margin = (
        f"The mildest spoiling of a recording has an index {margins.min():.1f} to "
        f"{margins.max():.1f} dB above the hardest of its harmless changes."
    )
    headers = ["kind", "change of each recording", "overcooked index (dB)"]
    return f"{markdown_table(headers, rows, names=2)}\n\n{margin}"


def format_worst(courses):
    """Formats the worst input of each run.

    Args:
      courses: {`Run`: {name of an input: `Course`}}.
    """
    headers = [
        "domain",
        "layers",
        "flag",
        "highest index, over that of round 1",
        "change of a round at the end (dB)",
        "silent frames at the end",
        "share of energy above 6 kHz at the end, minus that of the input",
    ]
    rows = [
        [
            run.domain,
            run.layers,
            f"`{run.flag}`",
            f"{max(course.index.max() / course.index[0] for course in of.values()):.2f}",
            f"{min(np.median(course.moved[-10:]) for course in of.values()):.2f}",
            f"{max(course.silent[-1] for course in of.values()):.0%}",
            f"{max(course.high[-1] - course.high[0] for course in of.values()):+.0%}",
        ]
        for run, of in courses.items()
    ]
    table = markdown_table(headers, rows, names=3)
    return f"The worst of the inputs in each column:\n\n{table}"


def format_each(courses):
    """Formats the index of each ouroboros at some rounds; see `format_worst`."""
    length = len(next(iter(next(iter(courses.values())).values())).index)
    shown = [number for number in SHOWN_ROUNDS if number <= length]
    headers = ["domain", "layers", "flag", "input", *(f"round {number}" for number in shown)]
    rows = [
        [run.domain, run.layers, f"`{run.flag}`", name]
        + [f"{course.index[number - 1]:.1f}" for number in shown]
        for run, of in courses.items()
        for name, course in of.items()
    ]
    return f"The index (dB) of each:\n\n{markdown_table(headers, rows, names=4)}"


def draw_index(courses, layers):
    """Draws the index over rounds with both flags: a row for a domain, a panel for an input."""
    rows = []
    for domain in dict.fromkeys(run.domain for run in courses):
        stabilised, free = (
            courses[Run(domain, layers, flag)] for flag in ("--stabilise", "--nostabilise")
        )
        numbers = 1 + np.arange(len(next(iter(free.values())).index))
        rows.append(
            {
                f"{name}, {domain}": {
                    "with --stabilise": (numbers, stabilised[name].index),
                    "without": (numbers, free[name].index),
                }
                for name in free
            }
        )
    title = f"Overcooked index (dB) of ouroboroses by {layers}, with --stabilise and without"
    return draw_curves(title, rows, x_label="round", from_zero=True)
