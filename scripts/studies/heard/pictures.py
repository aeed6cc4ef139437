"""The pictures of the study: which class is heard in dreams towards each, and how often it is."""

import math
from collections.abc import Sequence

import numpy as np

from dreamsound_jax.outputs.panels import INK, encode_png, hide_box, make_figure
from studies.heard.judging import Verdict
from studies.heard.page import describe

MOST_COLUMNS = 4
REAL, NOISE = "#c8553d", "#8d99ae"


def draw_matrices(verdicts: Sequence[Verdict]) -> bytes:
    """Draws which class is heard in dreams, and in real phrases: a panel for each verdict.

    Args:
      verdicts: Of any source; the undreamed inputs are left out.

    Returns:
      A PNG. Each row of a matrix adds up to 100 %.
    """
    shown = [verdict for verdict in verdicts if verdict.source != "undreamed"]
    columns = min(MOST_COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = make_figure("What judges hear", (4.6 * columns + 0.6, 4.6 * rows + 0.5))
    panels = figure.subplots(rows, columns, squeeze=False)
    for verdict, place in zip(shown, panels.flat):
        image = _draw_matrix(place, verdict)
    for place in panels.flat[len(shown) :]:
        place.axis("off")
    figure.colorbar(image, ax=panels, aspect=50, label="share of the sounds of a row (%)")
    return encode_png(figure)


def _draw_matrix(axes, verdict):
    shares = 100 * verdict.counts / np.maximum(verdict.counts.sum(axis=1, keepdims=True), 1)
    names = [name.replace("_", " ") for name in verdict.classes]
    positions = range(len(names))
    axes.set_xticks(positions, names, rotation=90, size=8)
    axes.set_yticks(positions, names, size=8)
    axes.set_xlabel("heard as")
    axes.set_ylabel("dreamt of" if verdict.source == "dreams" else "played")
    axes.set_title(describe(verdict), loc="left", size=9, parse_math=False)
    return axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)


def draw_rates(verdicts: Sequence[Verdict]) -> bytes:
    """Draws how often the class is heard first, with intervals: a panel for each judge.

    Real phrases, the ceiling, have another colour; a dashed line is chance, which is also what the
    undreamed inputs get, since each stands for a dream towards each class.
    """
    shown = [verdict for verdict in verdicts if verdict.source != "undreamed"]
    judges = list(dict.fromkeys(verdict.judge for verdict in shown))
    rows = [[verdict for verdict in shown if verdict.judge == judge] for judge in judges]
    height = sum(map(len, rows)) * 0.35 + 1.1 * len(rows) + 0.5
    figure = make_figure("How often the class is heard first", (10, height))
    panels = figure.subplots(
        len(rows), 1, squeeze=False, sharex=True, height_ratios=[len(row) + 1 for row in rows]
    )
    for judge, row, (place,) in zip(judges, rows, panels):
        _draw_bars(place, judge, row)
    panels[-1, 0].set_xlabel("sounds (%), with intervals of 95 %; dashed: chance and control")
    return encode_png(figure)


def _draw_bars(axes, judge, verdicts):
    rates = 100 * np.array([verdict.estimates["top1"] for verdict in verdicts])
    positions = np.arange(len(verdicts))[::-1]
    axes.barh(positions, rates[:, 0], color=[_choose_colour(verdict) for verdict in verdicts])
    for position, (_, low, high) in zip(positions, rates):
        axes.plot([low, high], [position, position], color="black", linewidth=1.5)
    axes.axvline(100 / len(verdicts[0].classes), color="black", linestyle="--", linewidth=1)
    names = [", ".join(part for part in (*v.of, v.kind) if part) for v in verdicts]
    axes.set_yticks(positions, names)
    axes.set_xlim(0, 100)
    axes.set_title(f"heard by {judge}", loc="left", size=11, parse_math=False)
    hide_box(axes)


def _choose_colour(verdict):
    if verdict.source == "real":
        return REAL
    return NOISE if verdict.kind == "noise" else INK
