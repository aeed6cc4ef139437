"""Pictures that lay several dreams side by side. Each is a PNG, as bytes."""

import io
import textwrap

import numpy as np

from dreamsound_jax.outputs.picture import draw_spectrogram, mark_frequencies, unbox
from dreamsound_jax.spectral import mel

_SECONDS = mel.HOP / mel.SAMPLE_RATE  # of a frame
_SHOWN_DB = 70  # below the loudest cell
_COLOURS = ("#1f3b5c", "#c8553d", "#8d99ae")


def layers_picture(title, dreams):
    """Draws what each layer makes of one input.

    Args:
      title: above all.
      dreams: {layer: (before_db, after_db, change_db)}, each (mel bands, frames); one input for
        all.

    Returns:
      The input, the dreams, and below each dream what it did; 1400 x 800 pixels.
    """
    figure = _figure(title, (14, 8))
    panels = figure.subplots(2, len(dreams) + 1)
    before = next(iter(dreams.values()))[0]
    top = max(max(before.max(), after.max()) for before, after, _ in dreams.values())
    colours = {"cmap": "magma", "vmin": top - 80, "vmax": top}
    draw_spectrogram(panels[0, 0], before, _SECONDS, "input", **colours)
    panels[1, 0].axis("off")
    for (layer, (_, after, change)), (above, below) in zip(dreams.items(), panels[:, 1:].T):
        level = draw_spectrogram(above, after, _SECONDS, layer, **colours)
        moved = f"{np.sqrt(np.mean(change**2)):.1f} dB rms"
        drawn = draw_spectrogram(below, change, _SECONDS, moved, cmap="RdBu_r", vmin=-20, vmax=20)
    mark_frequencies(panels[:, 0], len(before), mel.SAMPLE_RATE)
    mark_frequencies(panels[:, 1:].ravel(), len(before), mel.SAMPLE_RATE)
    _only_the_first_is_labelled(panels[:, 1:].ravel())
    figure.colorbar(level, ax=panels[0], aspect=30, label="level (dB)")
    figure.colorbar(drawn, ax=panels[1], aspect=30, extend="both", label="change (dB)")
    return _png(figure)


def sounds_picture(title, rows):
    """Draws sounds as mel spectrograms, each down to 70 dB below its own loudest cell.

    Args:
      title: above all.
      rows: a list of {name of a panel: (mel bands, frames) in dB}, one dictionary a row.
    """
    figure = _figure(title, (14, 3 * len(rows) + 0.5))
    panels = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for row, axes in zip(rows, panels):
        for (name, mel_db), place in zip(row.items(), axes):
            level_db = mel_db - mel_db.max()
            level = draw_spectrogram(
                place, level_db, _SECONDS, name, cmap="magma", vmin=-_SHOWN_DB, vmax=0
            )
        mark_frequencies(axes, len(mel_db), mel.SAMPLE_RATE)
        _only_the_first_is_labelled(axes[1:])
    for place in panels[:-1].ravel():
        place.set_xlabel("")
    figure.colorbar(level, ax=panels, aspect=40, label="below the loudest cell (dB)")
    return _png(figure)


def curves_picture(title, rows, *, x_label, from_zero=False):
    """Draws lines in panels; what is above 0 throughout, on a logarithmic scale, or `from_zero`.

    Args:
      title: above all.
      rows: a list of {title of a panel: {name of a line: (x, y)}}, one dictionary a row.
      x_label: of all panels.
      from_zero: whether all scales are linear and begin at 0.
    """
    figure = _figure(title, (14, 3 * len(rows) + 0.5))
    panels = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for row, axes in zip(rows, panels):
        for (name, lines), place in zip(row.items(), axes):
            for (label, (x, y)), colour in zip(lines.items(), _COLOURS):
                place.plot(x, y, label=label, color=colour, marker="o" if len(x) < 20 else None)
            place.set_title(name, loc="left", size=11)
            if from_zero:
                place.set_ylim(0, 1.05 * max(np.max(y) for _, y in lines.values()))
            elif all(np.min(y) > 0 for _, y in lines.values()):
                place.set_yscale("log")
            unbox(place)
    for place in panels[-1]:
        place.set_xlabel(x_label)
    panels[0, 0].legend(frameon=False)
    return _png(figure)


def journey_picture(*, title, mel_db, seconds, overcooked, moved_db, objective):
    """Draws an ouroboros from its beginning to its end, and what each round did.

    Args:
      title: above all.
      mel_db: (mel bands, frames) of the whole sound: the input, and as long again for each round.
      seconds: how long that is.
      overcooked, moved_db, objective: (rounds,), see `ouroboros.Round`; the objective at its end.

    Returns:
      A PNG of 1400 x 850 pixels.
    """
    figure, rounds = _figure(title, (14, 8.5)), len(overcooked)
    journey, curves = figure.subfigures(2, 1, height_ratios=(1.7, 1))
    above, below = journey.subplots(), curves.subplots(1, 3)
    level_db = mel_db - mel_db.max()
    colours = {"cmap": "magma", "vmin": -_SHOWN_DB, "vmax": 0}
    frame = seconds / level_db.shape[1]
    level = draw_spectrogram(
        above, level_db, frame, "The whole sound; a line for each round", **colours
    )
    journey.colorbar(level, ax=above, pad=0.01, aspect=30, label="below the loudest cell (dB)")
    mark_frequencies([above], len(mel_db), mel.SAMPLE_RATE)
    _mark_rounds(above, seconds, rounds)
    numbers = 1 + np.arange(rounds)
    lines = {
        "Overcooked index (dB)": overcooked,
        "Change since the round before (dB rms)": moved_db,
        "Objective at the end of the round": objective,
    }
    for axes, (name, values) in zip(below, lines.items()):
        axes.plot(numbers, values, color=_COLOURS[0], marker="o" if rounds <= 60 else None, ms=3)
        axes.set_title(name, loc="left", size=11)
        axes.set_xlabel("round")
        axes.locator_params(axis="x", integer=True)
        axes.set_ylim(1.1 * min(0, np.nanmin(values)), 1.1 * max(0, np.nanmax(values)) or 1)
        unbox(axes)
    return _png(figure)


def _mark_rounds(axes, seconds, rounds):
    """A line where each round begins, and numbers as there is room."""
    each = max(1, -(-rounds // 25))
    top = axes.secondary_xaxis("top")
    starts = np.arange(1, rounds + 1, each)
    top.set_xticks(starts * seconds / (rounds + 1), starts)
    top.tick_params(labelsize=8)
    for start in starts:
        axes.axvline(start * seconds / (rounds + 1), color="white", alpha=0.5, linewidth=0.6)


def _figure(title, inches):
    from matplotlib.figure import Figure

    figure = Figure(inches, 100, layout="constrained", facecolor="white")
    figure.suptitle(textwrap.fill(title, 110), x=0.01, ha="left", size=14, parse_math=False)
    return figure


def _png(figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)
    return file.getvalue()


def _only_the_first_is_labelled(panels):
    for axes in panels:
        axes.set_ylabel("")
        axes.tick_params(labelleft=False)
