"""Draws confusion matrices."""

import io
from collections.abc import Mapping, Sequence

import numpy as np


def draw_confusion_matrices(counts: Mapping[str, np.ndarray], classes: Sequence[str]) -> bytes:
    """Draws the confusion matrices of the held-out splits side by side.

    Args:
      counts: {split: counts (classes, classes)}, the true class down, the predicted class across.
      classes: the names of the classes.

    Returns:
      A PNG. It shows shares of the true class, so each row adds up to 100 %.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side = 2.6 + 0.36 * len(classes)
    figure = Figure((side * len(counts) + 0.8, side), 100, layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(counts), squeeze=False)[0]
    for axes, (split, matrix) in zip(panels, counts.items()):
        image = _draw_matrix(axes, split, matrix, classes)
    figure.colorbar(image, ax=panels, label="share of the true class (%)", aspect=40)
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()


def _draw_matrix(axes, split, counts, classes):
    percentages = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    accuracy = 100 * np.trace(counts) / max(counts.sum(), 1)
    axes.set_title(
        f"{split.replace('_', ' ')}: {accuracy:.1f} % of {counts.sum()} clips correct", size=12
    )
    positions = range(len(classes))
    axes.set_xticks(positions, classes, rotation=90)
    axes.set_yticks(positions, classes)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    for row, column in zip(*np.nonzero(percentages >= 0.5)):
        percentage = percentages[row, column]
        color = "white" if percentage > 55 else "black"
        text = f"{percentage:.0f}"
        axes.text(column, row, text, ha="center", va="center", size=8, color=color)
    return axes.imshow(percentages, cmap="Blues", vmin=0, vmax=100)
