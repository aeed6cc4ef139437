"""The picture of a dream: spectrograms and waveforms before and after, and its objective."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.outputs.panels import (
    CHANGE_COLOURS,
    CHANGE_LABEL,
    DPI,
    DYNAMIC_RANGE_DB,
    INK,
    MAX_COLUMNS,
    SpectrogramScale,
    draw_spectrogram,
    encode_png,
    hide_box,
    label_frequencies,
)
from dreamsound_jax.system.matplotlib_settings import new_figure

_INCHES = (14, 8.5)
_FAINT, _SHADE = "#666666", "#eef1f5"


@dataclass(frozen=True, kw_only=True)
class DreamPicture:
    """What is drawn of a dream.

    Attributes:
      title: the title of the page; a long one is wrapped.
      scale: where the cells of the spectrograms lie.
      before_db, after_db: (bands, frames), the spectrograms in dB.
      change_db: (bands, frames), what the dream did, in dB.
      change_label: what `change_db` is, such as "Gain on the sound".
      before, after: the input as it came, and the sound that is written, with all channels.
      objective: (levels, steps), the objective at each step of each pyramid level.
      objective_label: what the objective is, such as "mean squared activation of relu5_4".
      level_shapes: (bands, frames) of each pyramid level, if they are to be shown.
      is_mixed: whether `after` is a mix of the dream and the input; `after_db` is of the dream.
    """

    title: str
    scale: SpectrogramScale
    before_db: np.ndarray
    after_db: np.ndarray
    change_db: np.ndarray
    change_label: str
    before: Recording
    after: Recording
    objective: np.ndarray
    objective_label: str
    level_shapes: Sequence[tuple[int, int]] | None = None
    is_mixed: bool = False


def draw_dream(picture: DreamPicture) -> bytes:
    """Draws a dream on one page. Returns a PNG of 1400 x 850 pixels."""
    figure = new_figure(_INCHES, DPI, facecolor="white")
    label = textwrap.fill(f"Objective: {picture.objective_label}", 50, max_lines=3)
    spectrograms, (wave_before, wave_after, progress) = _place_panels(figure, picture.title, label)
    _draw_before_and_after(figure, spectrograms[:2], picture)
    _draw_change(figure, spectrograms[2], picture)
    label_frequencies(spectrograms, picture.scale.band_centres)
    _draw_waveform(wave_before, spectrograms[0], picture.before)
    _draw_waveform(wave_after, spectrograms[1], picture.after)
    if picture.is_mixed:
        wave_after.set_title("Waveform of the mix", loc="left", size=11)
    wave_before.set_ylabel("amplitude")
    _draw_progress(progress, np.atleast_2d(picture.objective), label, picture.level_shapes)
    return encode_png(figure)


def _place_panels(figure, title, label):
    """Makes the panels, (2, 3), below the lines of `title` and with room for those of `label`.

    The places are computed, because matplotlib takes longer to find them than to draw the picture.
    """
    title = textwrap.fill(title, 110)
    figure.suptitle(title, x=0.01, y=0.99, ha="left", size=15, weight="bold", parse_math=False)
    title_lines, label_lines = (1 + text.count("\n") for text in (title, label))
    # In pixels:
    height = figure.bbox.height
    top, bottom, between = height - 45 - 24 * title_lines, 55, 60 + 20 * label_lines
    row = (top - bottom - between) / 2
    rows = {"top": top / height, "bottom": bottom / height, "hspace": between / row}
    columns = {"left": 0.055, "right": 0.93, "wspace": 0.38}
    return figure.subplots(2, 3, height_ratios=(1.7, 1), gridspec_kw=rows | columns)


def _draw_before_and_after(figure, panels, picture):
    """Draws both spectrograms with the same colours."""
    pair = (picture.before_db, picture.after_db)
    highest = max(np.nanmax(db) for db in pair)
    lowest = max(min(np.nanmin(db) for db in pair), highest - DYNAMIC_RANGE_DB)
    titles = ("Before", "After, before the mix" if picture.is_mixed else "After")
    for axes, db, title in zip(panels, pair, titles):
        image = draw_spectrogram(
            axes,
            db,
            title,
            seconds_per_frame=picture.scale.seconds_per_frame,
            vmin=lowest,
            vmax=highest,
        )
    _draw_colour_bar(figure, image, panels[1], label="level (dB)")


def _draw_change(figure, axes, picture):
    """Draws what the dream did, with white where it did nothing."""
    most = max(1, np.nanpercentile(np.abs(picture.change_db), 99.5))
    image = draw_spectrogram(
        axes,
        picture.change_db,
        picture.change_label,
        seconds_per_frame=picture.scale.seconds_per_frame,
        cmap=CHANGE_COLOURS,
        vmin=-most,
        vmax=most,
    )
    _draw_colour_bar(figure, image, axes, extend="both", label=CHANGE_LABEL)


def _draw_colour_bar(figure, image, axes, **options):
    figure.colorbar(image, cax=axes.inset_axes((1.02, 0, 0.04, 1)), **options)


def _draw_waveform(axes, spectrogram, recording):
    """Draws a sound below its spectrogram: a line, or a band if there are many samples a pixel.

    Of several channels, the band reaches from the lowest to the highest, so its peak is the file's.
    """
    sound = recording.channels
    lowest, highest = zip(*map(envelope, sound.T))
    low, high = np.min(lowest, axis=0), np.max(highest, axis=0)
    times = np.arange(low.size) * (len(sound) / max(low.size, 1) / recording.sample_rate)
    if low.size < len(sound) or sound.shape[1] > 1:
        axes.fill_between(times, low, high, color=INK, linewidth=0.3)
    else:
        axes.plot(times, low, color=INK, linewidth=0.7)
    peak = np.abs(sound).max(initial=0)
    axes.set_ylim(-1.1 * (peak or 1), 1.1 * (peak or 1))
    label = f"peak {20 * np.log10(peak):z.1f} dBFS".replace("-", "−") if peak else "silent"
    axes.set_title(label, loc="right", size=10, color=_FAINT)
    axes.set_title("Waveform", loc="left", size=11)
    axes.set_xlabel("time (s)")
    hide_box(axes)
    axes.sharex(spectrogram)
    spectrogram.tick_params(labelbottom=False)
    spectrogram.set_xlabel("")


def _draw_progress(axes, objective, label, level_shapes):
    """Draws a line for each level; values of levels of different shapes cannot be compared."""
    levels, steps = objective.shape
    marker = "o" if objective.size <= 60 else None
    for level, values in enumerate(objective):
        start = level * steps + 0.5
        axes.axvspan(start, start + steps, color=_SHADE if level % 2 == 0 else "white", zorder=0)
        axes.plot(start + 0.5 + np.arange(steps), values, color=INK, marker=marker, markersize=3)
        _label_level(axes, start + steps / 2, _name_level(level, levels, level_shapes))
    axes.set_xlim(0.5, levels * steps + 0.5)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.3 * (high - low))  # The names of the levels need room.
    axes.locator_params(axis="x", integer=True)
    axes.set_title(label, loc="left", size=11, parse_math=False)
    axes.set_xlabel("step (compare values within a level only)")
    hide_box(axes)


def _label_level(axes, step, name):
    transform = axes.get_xaxis_transform()  # x in steps, y from 0 to 1
    axes.text(step, 0.97, name, transform=transform, ha="center", va="top", size=9, color=_FAINT)


def _name_level(level, levels, shapes):
    if levels > 6:
        return str(level + 1)
    shape = "\n{} × {}".format(*shapes[level]) if shapes is not None else ""
    return f"level {level + 1}{shape}"


def envelope(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds the lowest and the highest sample of each stretch of a sound that is long to draw.

    Args:
      sound: (samples,).

    Returns:
      (lowest, highest), each (stretches,); a short sound is returned as it is, twice.
    """
    step = len(sound) // MAX_COLUMNS
    if step < 4:
        return sound, sound
    starts = np.arange(0, len(sound), step)
    return np.minimum.reduceat(sound, starts), np.maximum.reduceat(sound, starts)
