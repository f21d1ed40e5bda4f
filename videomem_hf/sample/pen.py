"""Anti-aliased drawing in coordinates that do not depend on the image's size."""

import colorsys
from collections.abc import Sequence

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Fill = Colour | int
"""A colour, or a level for a one-channel mask."""

Point = tuple[float, float]

SUPERSAMPLE = 2
"""Shapes are drawn this many times larger and averaged down: Pillow's own shapes have hard edges."""


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Colour from hue, saturation and value, all in [0, 1] (the hue wraps round)."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """`first` with `share` of it replaced by `second`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def shade(colour: Colour, factor: float) -> Colour:
    """`colour` made darker (factor below 1) or lighter (above 1)."""
    red, green, blue = (min(255, max(0, round(channel * factor))) for channel in colour)
    return red, green, blue


def luminance(colour: Colour) -> float:
    """Perceived lightness of a colour in [0, 1] (Rec. 601 weights)."""
    return (0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]) / 255


class Pen:
    """Draws on an image whose corners are `origin` and `origin + extent` in the caller's coordinates."""

    def __init__(self, image: Image.Image, origin: Point, extent: Point) -> None:
        self._draw = ImageDraw.Draw(image)
        self._origin = origin
        self._scale = (image.width / extent[0], image.height / extent[1])

    def _pixel(self, point: Point) -> Point:
        return (point[0] - self._origin[0]) * self._scale[0], (point[1] - self._origin[1]) * self._scale[1]

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: Fill, radius: float = 0.0) -> None:
        """A rectangle; `radius` rounds its corners."""
        corners = [self._pixel((min(x0, x1), min(y0, y1))), self._pixel((max(x0, x1), max(y0, y1)))]
        self._draw.rounded_rectangle(corners, radius * self._scale[1], fill=fill)

    def disc(self, x: float, y: float, rx: float, fill: Fill, ry: float | None = None) -> None:
        """An ellipse about (x, y); one radius, measured along y, makes a circle."""
        if ry is None:
            rx, ry = rx * self._scale[1] / self._scale[0], rx
        self._draw.ellipse([self._pixel((x - rx, y - ry)), self._pixel((x + rx, y + ry))], fill=fill)

    def sector(self, box: tuple[float, float, float, float], start: float, end: float, fill: Fill) -> None:
        """The part of an ellipse between two angles in degrees, clockwise from three o'clock, cut by its chord."""
        self._draw.chord([self._pixel(box[:2]), self._pixel(box[2:])], start, end, fill=fill)

    def shape(self, points: Sequence[Point], fill: Fill) -> None:
        self._draw.polygon([self._pixel(point) for point in points], fill=fill)

    def stroke(self, points: Sequence[Point], width: float, fill: Fill) -> None:
        """A line through the points, `width` measured along y."""
        pixels = max(1, round(width * self._scale[1]))
        self._draw.line([self._pixel(point) for point in points], fill=fill, width=pixels, joint="curve")
