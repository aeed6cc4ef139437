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
    "lowest probability (%)",
)


def format_dreams(dreams: Sequence[Dream], inputs: Mapping[str, Input]) -> str:
    """Formats a table with a row for each layer and class.

    Each cell has the medians over the inputs at each learning rate, in ascending order; of the
    probabilities of a class in the written sounds, it has the lowest.

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
        rows.append([by, *map(" / ".join, medians), " / ".join(_find_lowest(at_rates))])
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


def _find_lowest(at_rates):
    """Returns the lowest probability of the class at each rate, in percent; none for a layer."""
    after = [[dream.after for dream in dreams if dream.after is not None] for dreams in at_rates]
    return [f"{100 * min(each):.0f}" for each in after if each]
