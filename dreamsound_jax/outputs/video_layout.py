"""Where things stand in the pictures of a video, in pixels."""

from typing import NamedTuple

BETWEEN = 0.5  # Between a panel and the words above the next one, in heights of the font.


class Shape(NamedTuple):
    """A shape of videos.

    Attributes:
      width, height: in pixels.
      font: the height of the small font, which can be read on a phone.
      top, bottom: what is left free above and below.
    """

    width: int
    height: int
    font: int
    top: int
    bottom: int


# Applications lay their own buttons over the lower end of an upright video.
SHAPES = {
    "wide": Shape(1920, 1080, font=48, top=28, bottom=20),
    "square": Shape(1080, 1080, font=33, top=28, bottom=20),
    "upright": Shape(1080, 1920, font=38, top=150, bottom=320),
}


class Place(NamedTuple):
    """Where a panel stands, in pixels from the upper left corner; all are even."""

    left: int
    top: int
    width: int
    height: int


def place_panels(shape: Shape, *, lines: int, shows_all: bool) -> list[Place]:
    """Places the panels of a picture below each other.

    Args:
      shape: of the video.
      lines: of small text below the heading.
      shows_all: whether there is a third panel, which is half as high as the others.
    """
    font = shape.font
    weights = (2, 2, 1) if shows_all else (1, 1)
    left, right = 3.9 * font, 1.7 * font
    top = shape.top + head_height(shape, lines)
    axis = 2.9 * font
    free = shape.height - shape.bottom - axis - top - len(weights) * label_height(shape)
    free -= (len(weights) - 1) * BETWEEN * font
    places = []
    for weight in weights:
        top += label_height(shape)
        height = free * weight / sum(weights)
        width = shape.width - left - right
        places.append(Place(*(2 * round(each / 2) for each in (left, top, width, height))))
        top += height + BETWEEN * font
    return places


def head_height(shape: Shape, lines: int) -> float:
    """Returns the height of the heading and of so many lines of small text below it."""
    return (1.9 + 1.3 * lines) * shape.font


def label_height(shape: Shape) -> float:
    """Returns the height of the words above a panel."""
    return 1.75 * shape.font
