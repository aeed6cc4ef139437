"""Panels, colours and scales that pictures share. Times are in s, frequencies in Hz, levels in dB.

Figures are made without pyplot, which keeps figures in a global list: so nothing is shown, nothing
is left behind, and threads may draw pictures at the same time.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dreamsound_jax.system.matplotlib_settings import new_figure

if TYPE_CHECKING:  # The import takes half a second, and is of no use before a clip is dreamed.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

DPI = 100
INK = "#1f3b5c"
MAX_COLUMNS = 1200  # No panel has more pixels in a row.
LEVEL_COLOURS = "magma"
CHANGE_COLOURS = "RdBu_r"  # White where nothing changed.
CHANGE_LABEL = "quieter  ←  change (dB)  →  louder"
DYNAMIC_RANGE_DB = 80  # Colours end so far below the loudest cell, where the analysis ends, too.


class SpectrogramScale(NamedTuple):
    """Where the cells of a spectrogram lie.

    Attributes:
      band_centres: (bands,), the centre frequencies in Hz, ascending.
      seconds_per_frame: the time from one frame to the next. The first frame is at 0 s.
    """

    band_centres: np.ndarray
    seconds_per_frame: float


def make_figure(title: str, inches: tuple[float, float]) -> Figure:
    """Makes a figure of 100 pixels an inch whose panels find their places by themselves."""
    figure = new_figure(inches, DPI, layout="constrained", facecolor="white")
    figure.suptitle(textwrap.fill(title, 110), x=0.01, ha="left", size=14, parse_math=False)
    return figure


def encode_png(figure: Figure) -> bytes:
    """Draws a figure and encodes it as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file = io.BytesIO()
    # Level 1 is two to three times as fast as the default, for a tenth more bytes.
    FigureCanvasAgg(figure).print_png(file, pil_kwargs={"compress_level": 1})
    return file.getvalue()


def draw_spectrogram(
    axes: Axes,
    db: np.ndarray,
    title: str,
    *,
    seconds_per_frame: float,
    vmin: float,
    vmax: float,
    cmap: str = LEVEL_COLOURS,
) -> AxesImage:
    """Draws a spectrogram, each frame around its time and each band around its number.

    Args:
      axes: where to draw.
      db: (bands, frames) in dB.
      title: the title of the panel.
      seconds_per_frame: the time from one frame to the next.
      vmin, vmax: the values in dB where the colours end.
      cmap: `LEVEL_COLOURS` or `CHANGE_COLOURS`.
    """
    bands, frames = db.shape
    left, right = -seconds_per_frame / 2, (frames - 0.5) * seconds_per_frame
    axes.set_title(title, loc="left", size=13, parse_math=False)
    axes.set_xlabel("time (s)")
    return axes.imshow(
        average_columns(db),
        extent=(left, right, -0.5, bands - 0.5),
        origin="lower",
        aspect="auto",
        cmap=cmap,
        vmin=vmin,
        vmax=vmax,
    )


def label_frequencies(panels: Sequence[Axes], band_centres: np.ndarray) -> None:
    """Labels the octaves of panels that `draw_spectrogram` has drawn.

    The axis of the first panel has a label, too.

    Args:
      panels: the panels, side by side.
      band_centres: (bands,), the centre frequencies in Hz, ascending.
    """
    positions, names = frequency_ticks(band_centres)
    for axes in panels:
        axes.set_yticks(positions, names)
    panels[0].set_ylabel("frequency (Hz, mel scale)")


def frequency_ticks(band_centres: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Finds the octaves of 125 Hz between the first and the last band.

    Args:
      band_centres: (bands,), the centre frequencies in Hz, ascending.

    Returns:
      Their positions, as fractional numbers of bands from 0, and their names, such as "4k".
    """
    octaves = 125 * 2 ** np.arange(12)
    octaves = octaves[(band_centres[0] <= octaves) & (octaves <= band_centres[-1])]
    names = [f"{hz // 1000}k" if hz >= 1000 else str(hz) for hz in octaves]
    return np.interp(octaves, band_centres, np.arange(len(band_centres))), names


def average_columns(db: np.ndarray) -> np.ndarray:
    """Averages neighbouring frames of (bands, frames), so that at most `MAX_COLUMNS` are left."""
    step = -(-db.shape[1] // MAX_COLUMNS)
    if step == 1:
        return db
    starts = np.arange(0, db.shape[1], step)
    counts = np.diff(np.append(starts, db.shape[1]))
    return np.add.reduceat(db, starts, axis=1) / counts


def hide_box(axes: Axes) -> None:
    """Hides the upper and the right edge of a panel."""
    axes.spines[["top", "right"]].set_visible(False)
