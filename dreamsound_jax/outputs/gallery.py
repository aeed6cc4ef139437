"""Pictures of several dreams, sounds or curves, for model cards and studies: PNGs, as bytes."""

from collections.abc import Mapping, Sequence

import numpy as np

from dreamsound_jax.outputs.panels import (
    CHANGE_COLOURS,
    CHANGE_LABEL,
    DYNAMIC_RANGE_DB,
    INK,
    SpectrogramScale,
    draw_spectrogram,
    encode_png,
    hide_box,
    label_frequencies,
    make_figure,
)

_COLOURS = (INK, "#c8553d", "#8d99ae")
_CHANGE_DB = 20  # Colours of a change end at so many dB up and down.


def draw_layers(
    title: str,
    dreams: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]],
    scale: SpectrogramScale,
) -> bytes:
    """Draws an input, what each layer makes of it and, below that, what the layer changed.

    Args:
      title: the title of the page.
      dreams: by layer, (before_db, after_db, change_db), each (bands, frames) in dB; `before_db`
        is the same for all.
      scale: where the cells of the spectrograms lie.

    Returns:
      A PNG of 1400 x 800 pixels.
    """
    figure = make_figure(title, (14, 8))
    panels = figure.subplots(2, len(dreams) + 1)
    before = next(iter(dreams.values()))[0]
    highest = max(max(before.max(), after.max()) for before, after, _ in dreams.values())
    levels = {"vmin": highest - DYNAMIC_RANGE_DB, "vmax": highest}
    changes = {"cmap": CHANGE_COLOURS, "vmin": -_CHANGE_DB, "vmax": _CHANGE_DB}
    frame = {"seconds_per_frame": scale.seconds_per_frame}
    draw_spectrogram(panels[0, 0], before, "input", **frame, **levels)
    panels[1, 0].axis("off")
    for (layer, (_, after, change)), (above, below) in zip(dreams.items(), panels[:, 1:].T):
        level = draw_spectrogram(above, after, layer, **frame, **levels)
        caption = f"change: {np.sqrt(np.mean(change**2)):.1f} dB rms"
        moved = draw_spectrogram(below, change, caption, **frame, **changes)
        above.set_xlabel("")
    label_frequencies(panels[0], scale.band_centres)
    label_frequencies(panels[1, 1:], scale.band_centres)
    figure.colorbar(level, ax=panels[0], aspect=30, label="level (dB)")
    figure.colorbar(moved, ax=panels[1], aspect=30, extend="both", label=CHANGE_LABEL)
    return encode_png(figure)


def draw_sounds(
    title: str, rows: Sequence[Mapping[str, np.ndarray]], scale: SpectrogramScale
) -> bytes:
    """Draws the spectrograms of sounds, each relative to its own loudest cell.

    Args:
      title: the title of the page.
      rows: for each row of panels, spectrograms (bands, frames) in dB by the panels' titles.
      scale: where the cells of the spectrograms lie.
    """
    figure = make_figure(title, (14, 3 * len(rows) + 0.5))
    panels = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for row, axes in zip(rows, panels):
        for (name, mel_db), place in zip(row.items(), axes):
            image = draw_spectrogram(
                place,
                mel_db - mel_db.max(),
                name,
                seconds_per_frame=scale.seconds_per_frame,
                vmin=-DYNAMIC_RANGE_DB,
                vmax=0,
            )
        label_frequencies(axes, scale.band_centres)
    for place in panels[:-1].ravel():
        place.set_xlabel("")
    figure.colorbar(image, ax=panels, aspect=40, label="level relative to the loudest cell (dB)")
    return encode_png(figure)


def draw_curves(
    title: str,
    rows: Sequence[Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]]],
    *,
    x_label: str,
    from_zero: bool = False,
) -> bytes:
    """Draws curves in panels; those that are positive throughout have a logarithmic scale.

    Args:
      title: the title of the page.
      rows: for each row of panels, by the panels' titles, curves (x, y) by their names.
      x_label: of all panels.
      from_zero: whether all scales are linear and begin at 0 instead.
    """
    figure = make_figure(title, (14, 3 * len(rows) + 0.5))
    panels = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for row, axes in zip(rows, panels):
        for (name, curves), place in zip(row.items(), axes):
            _draw_curves(place, name, curves, from_zero)
    for place in panels[-1]:
        place.set_xlabel(x_label)
    panels[0, 0].legend(frameon=False)
    return encode_png(figure)


def _draw_curves(axes, title, curves, from_zero):
    for (label, (x, y)), colour in zip(curves.items(), _COLOURS):
        axes.plot(x, y, label=label, color=colour, marker="o" if len(x) < 20 else None)
    axes.set_title(title, loc="left", size=11)
    if from_zero:
        axes.set_ylim(0, 1.05 * max(np.max(y) for _, y in curves.values()) or 1)
    elif all(np.min(y) > 0 for _, y in curves.values()):
        axes.set_yscale("log")
    hide_box(axes)
