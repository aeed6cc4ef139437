"""The pictures of a video: a page that is drawn once for each part, and a playhead that moves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate

import numpy as np

from dreamsound_jax.outputs.video import Video
from dreamsound_jax.outputs.video_layout import Place, Shape
from dreamsound_jax.outputs.video_page import Page

FRAMES_PER_SECOND = 25

_WHITE, _BLACK, _GREY = 235, 16, 128  # In the limited range of BT.709; grey is that of chroma.


def count_frames(video: Video) -> int:
    """Returns how many pictures a video has; the last one may outlast the sound."""
    return max(1, math.ceil(video.seconds * FRAMES_PER_SECOND - 1e-6))


def draw_frames(video: Video, shape: Shape) -> Iterator[np.ndarray]:
    """Yields the pictures of a video, as `Page.draw` returns them, with playheads."""
    page = Page(video, shape)
    ends = list(accumulate(part.seconds for part in video.parts))
    current, still = -1, np.empty(0, np.uint8)
    for number in range(count_frames(video)):
        time = number / FRAMES_PER_SECOND
        part = min(int(np.searchsorted(ends, time, side="right")), len(ends) - 1)
        if part != current:
            current, still = part, page.draw(part)
        begun = ends[part] - video.parts[part].seconds
        frame = still.copy()
        for place, share in page.find_playheads(part, time - begun, time):
            _draw_playhead(frame, place, share)
        yield frame


def _draw_playhead(frame, place, share):
    """Draws a white line with a black edge into a picture in the format yuv420p."""
    height = 2 * frame.shape[0] // 3
    luma, chroma = frame[:height], frame[height:].reshape(2, height // 2, -1)
    x = place.left + min(share, 1) * place.width
    for half_width, value in ((5.0, _BLACK), (2.5, _WHITE)):
        _draw_line(luma, place, x, half_width, value)
    half = Place(*(each // 2 for each in place))
    for plane in chroma:
        _draw_line(plane, half, x / 2, 2.5, _GREY)


def _draw_line(plane, place, x, half_width, value):
    """Blends an upright line into the rows of a panel, smoothly at its edges."""
    reach = math.ceil(half_width) + 1
    columns = np.arange(max(0, int(x) - reach), min(plane.shape[1], int(x) + reach + 1))
    weight = np.clip(half_width + 0.5 - np.abs(columns + 0.5 - x), 0, 1)
    where = np.s_[place.top : place.top + place.height, columns[0] : columns[-1] + 1]
    plane[where] = np.round(plane[where] * (1 - weight) + value * weight)
