"""The page that the pictures of a video share, drawn by matplotlib."""

from __future__ import annotations

import textwrap
from itertools import accumulate
from typing import Any

import numpy as np

from dreamsound_jax.outputs.panels import (
    DPI,
    DYNAMIC_RANGE_DB,
    draw_spectrogram,
    frequency_ticks,
)
from dreamsound_jax.outputs.video import Video
from dreamsound_jax.outputs.video_layout import Place, Shape, head_height, place_panels
from dreamsound_jax.system.matplotlib_settings import new_figure

_BACKGROUND, _TEXT, _FAINT, _ACCENT = "#101018", "#ffffff", "#b8b8c4", "#fe9f6d"
_QUIET_ALPHA = 0.55  # Of the panel that is not heard.
_MOST_LINES = 3
_MOST_MARKS = 60  # Of more rounds, the boundaries are not drawn.


class Page:
    """The page that all pictures of a video share; what differs is drawn over it."""

    def __init__(self, video: Video, shape: Shape):
        self._video, self._shape = video, shape
        size = (shape.width / DPI, shape.height / DPI)
        figure = new_figure(size, DPI, facecolor=_BACKGROUND)
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self._canvas = FigureCanvasAgg(figure)
        lines = self._write_head(figure)
        self._places = place_panels(shape, lines=lines, shows_all=video.shows_all)
        self._axes = [self._add_panel(figure, place) for place in self._places]
        self._span = max(part.span for part in video.parts)
        self._levels = _find_levels([part.db for part in video.parts])
        if video.shows_all:
            self._draw_all(self._axes[2])
        self._label_axes()
        self._moving = [self._add_moving(axes) for axes in self._axes[:2]]
        self._canvas.draw()
        self._empty = self._canvas.copy_from_bbox(figure.bbox)
        self._with_input: dict[bool, Any] = {}

    def draw(self, number: int) -> np.ndarray:
        """Returns the picture of a part, without a playhead.

        Returns:
          (height * 3 / 2, width) of uint8 in the format yuv420p: the luma, and below it both planes
          of chroma, each of a quarter of the size.
        """
        parts = self._video.parts
        heard = parts[number]
        self._draw_input(heard.is_input)
        lower = parts[number + 1] if heard.is_input else heard
        self._draw_part(1, lower, is_heard=lower is heard)
        return _to_yuv(np.asarray(self._canvas.buffer_rgba()))

    def _draw_input(self, is_heard):
        """Draws the page and the panel of the input, which looks the same in many parts."""
        if is_heard not in self._with_input:
            self._canvas.restore_region(self._empty)
            self._draw_part(0, self._video.parts[0], is_heard=is_heard)
            whole = self._canvas.figure.bbox
            self._with_input[is_heard] = self._canvas.copy_from_bbox(whole)
        self._canvas.restore_region(self._with_input[is_heard])

    def find_playheads(self, number: int, heard: float, time: float) -> list[tuple[Place, float]]:
        """Returns where playheads stand: panels, and the share of their width to the left of it.

        Args:
          number: of the part.
          heard: the seconds since it began.
          time: the seconds since the video began.
        """
        part = self._video.parts[number]
        found = [(self._places[0 if part.is_input else 1], heard / self._span)]
        if self._video.shows_all:
            found.append((self._places[2], time / self._video.seconds))
        return found

    def _write_head(self, figure):
        """Writes the heading and the lines below it; returns how many these are."""
        shape, font = self._shape, self._shape.font
        width = shape.width - 1.6 * font
        # Most characters are so wide; what is wider all the same is written smaller.
        heading = _cut(self._video.heading, int(width / (0.68 * 1.45 * font)))
        detail = _wrap(self._video.detail, int(width / (0.55 * font)))
        left = 0.8 * font
        self._write(figure, heading, left, shape.top, 1.45 * font, weight="bold")
        self._write(figure, detail, left, shape.top + head_height(shape, 0), font, color=_FAINT)
        return 1 + detail.count("\n")

    def _write(self, figure, text, left, top, font, **style):
        """Writes a text whose upper left corner is at a place in pixels."""
        x, y = left / self._shape.width, 1 - top / self._shape.height
        given: dict[str, Any] = {"size": _points(font), "color": _TEXT, "va": "top"}
        written = figure.text(x, y, text, parse_math=False, linespacing=1.15, **given | style)
        width = written.get_window_extent(self._canvas.get_renderer()).width
        room = self._shape.width - 2 * left
        if width > room:
            # Small letters are hinted, and a little wider than in proportion.
            written.set_size(0.95 * _points(font) * room / width)

    def _add_panel(self, figure, place):
        width, height = self._shape.width, self._shape.height
        bottom = height - place.top - place.height
        axes = figure.add_axes(
            (place.left / width, bottom / height, place.width / width, place.height / height)
        )
        axes.set_facecolor(_BACKGROUND)
        axes.tick_params(
            colors=_FAINT, labelsize=_points(0.85 * self._shape.font), length=8, width=2, pad=6
        )
        axes.spines[:].set_color(_FAINT)
        return axes

    def _label_axes(self):
        """Labels the frequencies of both upper panels, and the time below the lowest panel."""
        font, centres = self._shape.font, self._video.scale.band_centres
        for axes, place in zip(self._axes[:2], self._places):
            axes.set_ylim(-0.5, len(centres) - 0.5)
            axes.set_yticks(*_sparse_ticks(centres, place.height, 1.1 * font))
            axes.set_ylabel("Hz", color=_FAINT, size=_points(0.85 * font))
            axes.set_xlim(0, self._span)
            axes.tick_params(labelbottom=False, bottom=False)
        lowest = self._axes[-1]
        lowest.tick_params(labelbottom=True, bottom=True)
        lowest.locator_params(axis="x", nbins=7)
        lowest.set_xlabel("time (s)", color=_FAINT, size=_points(0.85 * font))

    def _draw_all(self, axes):
        """Draws the spectrograms of all parts in a row, and where each begins."""
        parts = self._video.parts
        whole = np.concatenate([part.db for part in parts], axis=1)
        seconds = sum(part.span for part in parts)
        self._show(axes, whole, seconds)
        axes.set_xlim(0, seconds)
        axes.set_yticks([])
        label = "the whole ouroboros"
        axes.set_title(label, loc="left", size=_points(self._shape.font), color=_FAINT, pad=10)
        if len(parts) <= _MOST_MARKS:
            for start in list(accumulate(part.span for part in parts))[:-1]:
                axes.axvline(start, color="white", alpha=0.6, linewidth=1.2)

    def _show(self, axes, db, span):
        lowest, highest = self._levels
        return draw_spectrogram(
            axes, db, "", seconds_per_frame=span / db.shape[1], vmin=lowest, vmax=highest
        )

    def _add_moving(self, axes):
        """Adds what differs from part to part, which the page itself is drawn without."""
        font = self._shape.font
        return axes.annotate(
            "",
            (0, 1),
            xycoords="axes fraction",
            xytext=(_points(0.25 * font), _points(0.38 * font)),
            textcoords="offset points",
            va="bottom",
            size=_points(1.1 * font),
            parse_math=False,
            animated=True,
        )

    def _draw_part(self, panel, part, *, is_heard):
        """Draws the spectrogram of a part and its label."""
        axes, label = self._axes[panel], self._moving[panel]
        limits = axes.get_xlim(), axes.get_ylim()
        image = self._show(axes, part.db, part.span)
        axes.set(xlim=limits[0], ylim=limits[1], xlabel="")
        image.set_alpha(1 if is_heard else _QUIET_ALPHA)
        axes.draw_artist(image)
        image.remove()
        _mark_label(label, part.label, is_heard=is_heard)
        axes.draw_artist(label)


def _mark_label(label, text, *, is_heard):
    box = {"boxstyle": "round,pad=0.18", "facecolor": _ACCENT if is_heard else _BACKGROUND}
    box["edgecolor"] = box["facecolor"]
    label.set(
        text=f"\N{BLACK RIGHT-POINTING TRIANGLE} {text}" if is_heard else text,
        color=_BACKGROUND if is_heard else _FAINT,
        weight="bold" if is_heard else "normal",
        bbox=box,
    )


def _points(pixels):
    return 72 * pixels / DPI


def _cut(text, most):
    """Returns a text in one line, and only its beginning if it has more than so many characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 2].rstrip()} …"


def _wrap(text, most):
    """Breaks a text into lines of so many characters, and leaves out what follows the last."""
    return textwrap.fill(text, most, max_lines=_MOST_LINES, placeholder=" …")


def _find_levels(spectrograms):
    """Returns the levels in dB where the colours end."""
    highest = max(np.nanmax(db) for db in spectrograms)
    lowest = min(np.nanmin(db) for db in spectrograms)
    return max(lowest, highest - DYNAMIC_RANGE_DB), highest


def _sparse_ticks(band_centres, height, spacing):
    """Returns the octaves that leave room for each other in a panel, from the highest down."""
    positions, names = frequency_ticks(band_centres)
    kept: list[tuple[float, str]] = []
    for position, name in zip(positions[::-1], names[::-1]):
        room = spacing * len(band_centres) / height
        if not kept or kept[-1][0] - position >= room:
            kept.append((position, name))
    return [position for position, _ in kept], [name for _, name in kept]


def _to_yuv(rgba):
    """Converts a picture (height, width, 4) to yuv420p, in the limited range of BT.709."""
    import av

    frame = av.VideoFrame.from_ndarray(rgba, format="rgba")
    return frame.reformat(format="yuv420p", dst_colorspace="ITU709").to_ndarray()
