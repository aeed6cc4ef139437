"""The picture of a network's dreams: inputs in rows, layers and classes in columns."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from dreamsound_jax.audio.files import read_sound
from dreamsound_jax.dreaming.batch import analyse_clips
from dreamsound_jax.outputs.panels import (
    DYNAMIC_RANGE_DB,
    draw_spectrogram,
    encode_png,
    frequency_ticks,
    make_figure,
)
from dreamsound_jax.run.clip_facts import scale_of
from dreamsound_jax.spectral.front_end import FrontEnd
from studies.models.dreams import Dream

# With few colours the picture is a small file. A step of 2 dB is hardly seen.
STEP_DB = 2
COLOURS = 96


def draw_dreams(
    title: str, dreams: Sequence[Dream], inputs: Mapping[str, Path], front_end: FrontEnd
) -> bytes:
    """Draws written sounds as the network hears them, each relative to its own loudest cell.

    Args:
      title: The title of the picture.
      dreams: The dreams; those of each input, in the same order, are a row.
      inputs: The files of the inputs, by name.
      front_end: Of the network.

    Returns:
      A PNG that is 1600 pixels wide.
    """
    rows = []
    for name, path in inputs.items():
        made = [dream for dream in dreams if dream.input == name]
        rows.append([(name, path), *((caption_dream(dream), dream.path) for dream in made)])
    figure = make_figure(title, (16, 2 * len(rows) + 0.7))
    panels = figure.subplots(len(rows), len(rows[0]), sharey=True, squeeze=False)
    for row, axes in zip(rows, panels):
        for (caption, path), place in zip(row, axes):
            image = _draw_sound(place, path, caption, front_end)
    _label_axes(panels, front_end)
    label = "level relative to the loudest cell (dB)"
    figure.colorbar(image, ax=panels, aspect=50, pad=0.01, label=label)
    return _reduce_colours(encode_png(figure))


def caption_dream(dream: Dream) -> str:
    """Captions a dream by its layer or class, its distance, and how the probability changed."""
    caption = f"{dream.by}\n{dream.distance_db:.1f} dB"
    if dream.before is None:
        return caption
    return f"{caption}, {100 * dream.before:.0f} → {100 * dream.after:.0f} %"


def _label_axes(panels, front_end):
    for place in panels[:-1].ravel():
        place.set_xlabel("")
    positions, names = frequency_ticks(front_end.band_centres)
    for place in panels[:, 0]:
        place.set_yticks(positions[::-2], names[::-2])  # There is no room for all of them.
        place.set_ylabel("frequency (Hz)")


def _draw_sound(axes, path, caption, front_end):
    sound = read_sound(str(path), sample_rate=front_end.sample_rate)
    mel_db = np.asarray(analyse_clips(sound[None], front_end=front_end)[0])
    image = draw_spectrogram(
        axes,
        STEP_DB * np.round((mel_db - mel_db.max()) / STEP_DB),
        caption,
        seconds_per_frame=scale_of(front_end).seconds_per_frame,
        vmin=-DYNAMIC_RANGE_DB,
        vmax=0,
    )
    axes.set_title(axes.get_title(loc="left"), loc="left", size=10)
    return image


def _reduce_colours(png):
    """Encodes a PNG again, with a palette, so that it takes a third of the bytes."""
    file = io.BytesIO()
    image = Image.open(io.BytesIO(png)).convert("RGB")
    few = image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(file, "png", optimize=True)
    return file.getvalue()
