"""A small picture of a dream alone, for the table of clips."""

import functools
import io

import numpy as np

from dreamsound_jax.outputs.panels import DYNAMIC_RANGE_DB, LEVEL_COLOURS
from dreamsound_jax.system.matplotlib_settings import load_matplotlib

_WIDTH, _HEIGHT = 176, 108
_COLOURS = 32  # With 256 the files would be twice as large, and look the same.


def draw_thumbnail(mel_db: np.ndarray) -> bytes:
    """Draws a spectrogram without axes: a PNG of 176 x 108 pixels, of 4 to 9 kB.

    Args:
      mel_db: (bands, frames) in dB. Colours end 80 dB below the loudest cell.

    Example:
      >>> len(draw_thumbnail(np.zeros((128, 300)))) < 1000
      True
    """
    from PIL import Image

    levels = 1 + (mel_db - np.nanmax(mel_db)) / DYNAMIC_RANGE_DB
    drawn = Image.fromarray(np.nan_to_num(levels[::-1]).clip(0, 1).astype(np.float32))
    drawn = drawn.resize((_WIDTH, _HEIGHT), Image.Resampling.BOX)
    numbers = np.round(np.asarray(drawn) * (_COLOURS - 1)).astype(np.uint8)
    picture = Image.fromarray(numbers).convert("P")
    picture.putpalette(_palette())
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


@functools.cache
def _palette():
    load_matplotlib()
    import matplotlib

    colours = matplotlib.colormaps[LEVEL_COLOURS](np.linspace(0, 1, _COLOURS))
    return np.round(255 * colours[:, :3]).astype(np.uint8).tobytes()
