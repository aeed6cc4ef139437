"""The picture of a confusion matrix: what is taken for what."""

import io

import numpy as np


def picture(counts, classes):
    """Draws a confusion matrix for each held-out split.

    Args:
      counts: {split: (classes, classes) counts, the true class down, the one named across}.
      classes: their names.

    Returns:
      A PNG; a row's shares add up to 100 %.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    side = 2.6 + 0.36 * len(classes)
    figure = Figure((side * len(counts) + 0.8, side), 100, layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(counts), squeeze=False)[0]
    for axes, (split, found) in zip(panels, counts.items()):
        image = _draw(axes, split, found, classes)
    figure.colorbar(image, ax=panels, label="share of the true class (%)", aspect=40)
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()


def _draw(axes, split, counts, classes):
    shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    right = 100 * np.trace(counts) / max(counts.sum(), 1)
    axes.set_title(f"{split.replace('_', ' ')}: {right:.1f} % of {counts.sum()} right", size=12)
    places = range(len(classes))
    axes.set_xticks(places, classes, rotation=90)
    axes.set_yticks(places, classes)
    axes.set_xlabel("what the network says")
    axes.set_ylabel("what it is")
    for row, column in zip(*np.nonzero(shares >= 0.5)):
        dark = shares[row, column] > 55
        text = f"{shares[row, column]:.0f}"
        axes.text(column, row, text, ha="center", va="center", size=8, color="wk"[not dark])
    return axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
