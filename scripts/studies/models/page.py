"""The table of what a network's layers and classes do to the inputs."""

from collections.abc import Mapping, Sequence

import numpy as np

from studies.first_dream.dreams import Input, compare_with_input, mix
from studies.models.dreams import Dream
from studies.models.texture import measure_texture
from studies.report import markdown_table

HEADS = (
    "dream",
    "distance (dB)",
    "tv (dB)",
    "tv / LSD",
    "onset r",
    "length (s)",
    "height (bands)",
    "treble (dB)",
    "probability (%)",
)


def format_dreams(dreams: Sequence[Dream], inputs: Mapping[str, Input]) -> str:
    """Formats a table with a row for each layer and class.

    Each cell has the medians over the inputs at each learning rate, in ascending order.

    Args:
      dreams: The dreams.
      inputs: The inputs of the dreams, by name.
    """
    rows = []
    for by in dict.fromkeys(dream.by for dream in dreams):
        chosen = [dream for dream in dreams if dream.by == by]
        rates = sorted({dream.lr for dream in chosen})
        at_rates = [[dream for dream in chosen if dream.lr == rate] for rate in rates]
        medians = zip(*(_measure(each, inputs) for each in at_rates))
        rows.append([by, *map(" / ".join, medians), _format_probabilities(chosen)])
    return markdown_table(HEADS, rows)


def _measure(dreams, inputs):
    """Returns the medians over dreams, as the columns of the table show them."""
    measured = []
    for dream in dreams:
        given, written = inputs[dream.input], dream.read()
        lsd, tv, onset_r = compare_with_input(given, mix(*written))
        texture = measure_texture(mix(*given), mix(*written))
        measured.append([dream.distance_db, tv, tv / lsd, onset_r, *texture])
    formats = ("{:.1f}", "{:.1f}", "{:.2f}", "{:.2f}", "{:.2f}", "{:.0f}")
    *medians, treble_db = np.median(measured, axis=0)
    cells = [each.format(value) for each, value in zip(formats, medians, strict=True)]
    return [*cells, f"{round(treble_db):+d}"]


def _format_probabilities(dreams):
    """Formats how the probability of the class changed for each input."""
    classes = [dream for dream in dreams if dream.before is not None]
    return ", ".join(format_change(dream) for dream in classes)


def format_change(dream: Dream) -> str:
    """Formats the probability of a class in percent before and after a dream, such as "3 → 98"."""
    return f"{100 * dream.before:.0f} → {100 * dream.after:.0f}"
