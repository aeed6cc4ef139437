"""The picture of an ouroboros: the spectrogram of the whole sound, and a curve for each figure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamsound_jax.outputs.panels import (
    DYNAMIC_RANGE_DB,
    INK,
    draw_spectrogram,
    encode_png,
    hide_box,
    label_frequencies,
    make_figure,
)

_MOST_LABELS = 25  # Of more rounds, not each has a label.


@dataclass(frozen=True, kw_only=True)
class OuroborosPicture:
    """What is drawn of an ouroboros.

    Attributes:
      title: the title of the page; a long one is wrapped.
      band_centres: (bands,), the centre frequencies of the spectrogram's bands in Hz, ascending.
      mel_db: (bands, frames), the spectrogram of the whole sound in dB: of the input, and as long
        again for each round.
      seconds: the length of the whole sound.
      overcooked_db: (rounds,), the overcooked index in dB.
      moved_db: (rounds,), the root mean square change since the round before, in dB.
      objective: (rounds,), the objective at the end of each round.
    """

    title: str
    band_centres: np.ndarray
    mel_db: np.ndarray
    seconds: float
    overcooked_db: np.ndarray
    moved_db: np.ndarray
    objective: np.ndarray


def draw_ouroboros(picture: OuroborosPicture) -> bytes:
    """Draws an ouroboros on one page. Returns a PNG of 1400 x 850 pixels."""
    figure = make_figure(picture.title, (14, 8.5))
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.7, 1))
    _draw_whole_sound(upper, picture)
    curves = {
        "Overcooked index (dB)": picture.overcooked_db,
        "Change since the round before (dB rms)": picture.moved_db,
        "Objective at the end of the round": picture.objective,
    }
    for axes, (title, values) in zip(lower.subplots(1, 3), curves.items()):
        _draw_curve(axes, title, values)
    return encode_png(figure)


def _draw_whole_sound(figure, picture):
    axes = figure.subplots()
    image = draw_spectrogram(
        axes,
        picture.mel_db - np.nanmax(picture.mel_db),
        "The whole sound: the input, and what each round adds",
        seconds_per_frame=picture.seconds / picture.mel_db.shape[1],
        vmin=-DYNAMIC_RANGE_DB,
        vmax=0,
    )
    figure.colorbar(
        image, ax=axes, pad=0.01, aspect=30, label="level relative to the loudest cell (dB)"
    )
    label_frequencies([axes], picture.band_centres)
    _mark_rounds(axes, picture.seconds, len(picture.overcooked_db))


def _mark_rounds(axes, seconds, rounds):
    """Draws a line where a round begins, and writes its number above."""
    numbers = np.arange(1, rounds + 1, max(1, -(-rounds // _MOST_LABELS)))
    starts = numbers * seconds / (rounds + 1)
    top = axes.secondary_xaxis("top")
    top.set_xticks([0, *starts], ["input", f"round {numbers[0]}", *numbers[1:]])
    top.tick_params(labelsize=8)
    for label in top.get_xticklabels():
        label.set_ha("left")
    for start in starts:
        axes.axvline(start, color="white", alpha=0.5, linewidth=0.6)


def _draw_curve(axes, title, values):
    numbers = 1 + np.arange(len(values))
    axes.plot(numbers, values, color=INK, marker="o" if len(values) <= 60 else None, ms=3)
    axes.set_title(title, loc="left", size=11)
    axes.set_xlabel("round")
    axes.locator_params(axis="x", integer=True)
    axes.set_ylim(1.1 * min(0, np.nanmin(values)), 1.1 * max(0, np.nanmax(values)) or 1)
    hide_box(axes)
