"""Draws confusion matrices."""

import io
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from dreamsound_jax.system.matplotlib_settings import new_figure

MOST_NUMBERED = 40  # Classes: with more, cells are too small for numbers.
LARGEST_SIDE = 24  # Inches.
LONGEST_LABEL = 24  # Characters of a class's name.


def draw_confusion_matrices(counts: Mapping[str, np.ndarray], classes: Sequence[str]) -> bytes:
    """Draws the confusion matrices of the held-out splits side by side.

    Args:
      counts: {split: counts (classes, classes)}, the true class down, the predicted class across.
      classes: the names of the classes, which are drawn as they are and not read as formulas.

    Returns:
      A PNG. It shows shares of the true class, so each row adds up to 100 %.
    """
    side = min(2.6 + 0.36 * len(classes), LARGEST_SIDE)
    size = (side * len(counts) + 0.8, side)
    figure = new_figure(size, 100, layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(counts), squeeze=False)[0]
    for axes, (split, matrix) in zip(panels, counts.items()):
        image = _draw_matrix(axes, split, matrix, classes)
    figure.colorbar(image, ax=panels, label="share of the true class (%)", aspect=40)
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file = io.BytesIO()
    with warnings.catch_warnings():
        # Letters that the font lacks are drawn as boxes; a warning for each helps nobody.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()


def _draw_matrix(axes, split, counts, classes):
    percentages = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    accuracy = 100 * np.trace(counts) / max(counts.sum(), 1)
    title = f"{_label(split)}: {accuracy:.1f} % of {counts.sum()} clips correct"
    axes.set_title(title.replace("_", " "), size=12, parse_math=False)
    size = min(10, 400 / len(classes))
    labels = [_label(name) for name in classes]
    axes.set_xticks(range(len(classes)), labels, rotation=90, size=size, parse_math=False)
    axes.set_yticks(range(len(classes)), labels, size=size, parse_math=False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    if len(classes) <= MOST_NUMBERED:
        _write_numbers(axes, percentages)
    return axes.imshow(percentages, cmap="Blues", vmin=0, vmax=100)


def _write_numbers(axes, percentages):
    for row, column in zip(*np.nonzero(percentages >= 0.5)):
        percentage = percentages[row, column]
        color = "white" if percentage > 55 else "black"
        text = f"{percentage:.0f}"
        axes.text(column, row, text, ha="center", va="center", size=8, color=color)


def _label(name):
    """Returns a name that can be drawn: short, and without control characters."""
    name = name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 3]}..."
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in name)
