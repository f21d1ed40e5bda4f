"""The places a scene is set in: sky, sea, mountains, a street, a room ..., drawn once per scene.

A place is drawn on a canvas larger than the frame by `MARGIN` on each side, so that the camera can pan.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image, ImageEnhance

from videomem_hf.sample.draws import Draws
from videomem_hf.sample.pen import SUPERSAMPLE, Colour, Pen, hsv, mix, shade

MARGIN: Final = 0.15
EXTENT: Final = 1.0 + 2 * MARGIN
LOW, HIGH = -MARGIN, 1.0 + MARGIN
_SATURATION: Final = 0.5
"""Places are paler than the things that stand out in them."""

_SKIES: Final[dict[str, tuple[Colour, Colour]]] = {
    "day": ((105, 150, 200), (195, 215, 230)), "sunset": ((95, 90, 130), (225, 175, 135)),
    "night": ((18, 21, 40), (52, 58, 88)), "overcast": ((140, 147, 156), (206, 209, 212)),
}  # fmt: skip
_LIGHT_ON_GROUND: Final[dict[str, tuple[float, Colour]]] = {
    "day": (1.0, (255, 255, 255)), "sunset": (0.85, (240, 160, 110)),
    "night": (0.38, (90, 110, 200)), "overcast": (0.85, (190, 195, 200)),
}  # fmt: skip


@dataclass
class Canvas:
    """What a place is drawn with: the pen, the draws, the light, and the picture for gradients."""

    picture: Image.Image
    pen: Pen
    draws: Draws
    light: str

    def lit(self, colour: Colour) -> Colour:
        """A surface's colour under this light."""
        strength, tint = _LIGHT_ON_GROUND[self.light]
        return shade(mix(colour, tint, 0.0 if self.light == "day" else 0.25), strength)

    def gradient(self, top: Colour, bottom: Colour, y0: float = LOW, y1: float = HIGH) -> None:
        """Fill the band from y0 to y1 with a vertical gradient."""
        rows = [round((y + MARGIN) / EXTENT * self.picture.height) for y in (y0, y1)]
        ramp = np.linspace(top, bottom, max(1, rows[1] - rows[0]))
        band = np.broadcast_to(np.round(ramp)[:, None].astype(np.uint8), (len(ramp), self.picture.width, 3))
        self.picture.paste(Image.fromarray(np.ascontiguousarray(band)), (0, rows[0]))

    def sky(self, horizon: float = HIGH) -> None:
        """The sky of this light, with stars or a few clouds, down to the horizon."""
        top, bottom = _SKIES[self.light]
        self.gradient(top, bottom, LOW, horizon)
        if self.light == "night":
            for x, y in self.draws.units(40, 2):
                self.pen.disc(x * EXTENT + LOW, LOW + y * (horizon - LOW) * 0.8, 0.003, (200, 205, 230))
            return
        for _ in range(self.draws.integer(0, 3)):
            x, y = self.draws.between(LOW, HIGH), self.draws.between(0.0, 0.6) * horizon
            for _ in range(5):  # a cloud is a heap of soft discs
                across, down = self.draws.between(-0.1, 0.1), self.draws.between(-0.02, 0.02)
                self.pen.disc(x + across, y + down, 0.07, mix(bottom, (255, 255, 255), 0.55), ry=0.035)

    def ridge(self, base: float, rise: float, colour: Colour, steps: int = 9) -> None:
        """A jagged or rolling line of hills from edge to edge, filled to the bottom."""
        heights = base - rise * self.draws.units(steps + 1)
        points = [(LOW + EXTENT * k / steps, float(height)) for k, height in enumerate(heights)]
        self.pen.shape([(LOW, HIGH), *points, (HIGH, HIGH)], colour)

    def hill(self, x: float, top: float, width: float, colour: Colour) -> None:
        """A round hill."""
        self.pen.disc(x, top + 0.5, width, colour, ry=0.5)


def _sky(canvas: Canvas) -> None:
    canvas.sky()
    if canvas.draws.chance(0.5):
        canvas.hill(canvas.draws.between(0.1, 0.9), 0.9, 0.9, canvas.lit((85, 125, 80)))


def _sea(canvas: Canvas) -> None:
    draws, horizon = canvas.draws, canvas.draws.between(0.4, 0.55)
    canvas.sky(horizon)
    if canvas.light == "sunset":
        canvas.pen.disc(draws.between(0.15, 0.85), horizon, 0.09, (255, 215, 130))
    near, far = canvas.lit((60, 100, 120)), canvas.lit((110, 150, 165))
    canvas.gradient(far, near, horizon, HIGH)
    for x, y in draws.units(26, 2):
        depth = horizon + 0.02 + (HIGH - horizon) * y * y
        left = LOW + EXTENT * x
        canvas.pen.stroke([(left, depth), (left + 0.03 + 0.1 * y, depth)], 0.006, mix(far, (255, 255, 255), 0.3))


def _beach(canvas: Canvas) -> None:
    _sea(canvas)
    tilt = canvas.draws.between(-0.05, 0.05)
    for y, colour in ((0.66, (235, 235, 230)), (0.68, (222, 198, 150))):
        canvas.pen.shape([(LOW, y - tilt), (HIGH, y + tilt), (HIGH, HIGH), (LOW, HIGH)], canvas.lit(colour))


def _mountains(canvas: Canvas) -> None:
    horizon = 0.6
    canvas.sky(horizon)
    haze = _SKIES[canvas.light][1]
    rock = canvas.lit((95, 100, 120))
    for k, (base, rise) in enumerate(((0.55, 0.35), (0.62, 0.28), (0.68, 0.2))):
        canvas.ridge(base, rise, mix(rock, haze, 0.5 - 0.2 * k), canvas.draws.integer(7, 12))
    canvas.gradient(canvas.lit((95, 125, 75)), canvas.lit((60, 90, 50)), 0.66, HIGH)


def _desert(canvas: Canvas) -> None:
    canvas.sky(0.6)
    sand = canvas.lit((215, 185, 145))
    canvas.gradient(sand, shade(sand, 0.82), 0.58, HIGH)
    for k in range(4):
        x, width = canvas.draws.unit(), canvas.draws.between(0.6, 1.1)
        canvas.hill(x, 0.5 + 0.12 * k, width, shade(sand, 1.0 - 0.06 * k))
    canvas.gradient(shade(sand, 0.82), shade(sand, 0.74), 0.97, HIGH)


def _meadow(canvas: Canvas) -> None:
    draws, horizon = canvas.draws, canvas.draws.between(0.48, 0.6)
    canvas.sky(horizon + 0.05)
    grass = canvas.lit(hsv(draws.between(0.2, 0.33), 0.4, 0.58))
    for k in range(3):
        colour = mix(grass, _SKIES[canvas.light][1], 0.4 - 0.15 * k)
        canvas.hill(draws.unit(), horizon - 0.06 + 0.03 * k, 0.7, colour)
    canvas.gradient(grass, shade(grass, 0.72), horizon + 0.03, HIGH)
    for x, y in draws.units(50, 2):
        foot = horizon + 0.06 + (HIGH - horizon) * y
        left = LOW + EXTENT * x
        canvas.pen.stroke([(left, foot), (left + 0.005, foot - 0.015 - 0.03 * y)], 0.005, shade(grass, 0.85))


def _city(canvas: Canvas) -> None:
    draws = canvas.draws
    canvas.sky(0.75)
    x = LOW
    while x < HIGH:
        width, top = draws.between(0.1, 0.2), draws.between(0.08, 0.45)
        wall = canvas.lit(hsv(draws.unit(), draws.between(0.03, 0.18), draws.between(0.45, 0.75)))
        canvas.pen.box(x, top, x + width, 0.78, wall)
        window = (245, 215, 130) if canvas.light == "night" else shade(wall, 0.75)
        for row in np.arange(top + 0.05, 0.66, 0.09):
            for column in np.arange(x + 0.02, x + width - 0.025, 0.036):
                if canvas.light != "night" or draws.chance(0.5):
                    canvas.pen.box(column, row, column + 0.018, row + 0.05, window)
        x += width
    road = canvas.lit((105, 105, 112))
    canvas.gradient(canvas.lit((150, 148, 145)), canvas.lit((140, 138, 135)), 0.74, 0.8)
    canvas.gradient(road, shade(road, 0.8), 0.8, HIGH)
    for k in range(7):
        canvas.pen.box(LOW + 0.2 * k, 0.93, LOW + 0.2 * k + 0.1, 0.945, shade(road, 1.35))


def _forest(canvas: Canvas) -> None:
    draws = canvas.draws
    leaf = canvas.lit(hsv(draws.between(0.2, 0.4), 0.35, 0.48))
    canvas.gradient(mix(leaf, _SKIES[canvas.light][1], 0.55), shade(leaf, 0.9), LOW, 0.8)
    for layer in range(3):
        bark = mix(canvas.lit((85, 62, 45)), leaf, 0.65 - 0.28 * layer)
        for _ in range(6 - layer):
            x, width = draws.between(LOW, HIGH), 0.015 + 0.014 * layer
            canvas.pen.box(x - width, LOW, x + width, 0.74 + 0.05 * layer, bark)
    canvas.gradient(shade(leaf, 0.8), shade(leaf, 0.55), 0.78, HIGH)


def _room(canvas: Canvas) -> None:
    draws = canvas.draws
    wall = canvas.lit(hsv(draws.unit(), draws.between(0.04, 0.25), draws.between(0.5, 0.92)))
    canvas.gradient(wall, shade(wall, 0.88), LOW, 0.72)
    x = draws.between(0.0, 0.75)
    if draws.chance(0.6):
        canvas.pen.box(x, 0.06, x + 0.22, 0.46, canvas.lit((240, 238, 230)))
        top, bottom = _SKIES[canvas.light]
        canvas.pen.box(x + 0.012, 0.08, x + 0.104, 0.44, mix(top, bottom, 0.4))
        canvas.pen.box(x + 0.116, 0.08, x + 0.208, 0.44, mix(top, bottom, 0.5))
    else:
        canvas.pen.box(x, 0.1, x + 0.16, 0.34, canvas.lit((90, 65, 45)))
        canvas.pen.box(x + 0.012, 0.12, x + 0.148, 0.32, canvas.lit(hsv(draws.unit(), 0.35, 0.75)))
    table = canvas.lit(hsv(draws.between(0.05, 0.11), 0.38, draws.between(0.4, 0.75)))
    canvas.gradient(table, shade(table, 0.8), 0.7, HIGH)
    canvas.pen.box(LOW, 0.7, HIGH, 0.715, shade(table, 1.2))


def _studio(canvas: Canvas) -> None:
    draws = canvas.draws
    wall = hsv(draws.unit(), draws.between(0.0, 0.3), draws.between(0.45, 0.9))
    canvas.gradient(shade(wall, 1.1), shade(wall, 0.85), LOW, 0.78)
    canvas.gradient(shade(wall, 0.8), shade(wall, 0.95), 0.78, HIGH)


def _underwater(canvas: Canvas) -> None:
    draws = canvas.draws
    water = canvas.lit(hsv(draws.between(0.47, 0.6), 0.45, 0.72))
    canvas.gradient(mix(water, (255, 255, 255), 0.25), shade(water, 0.45))
    beam = mix(water, (255, 255, 255), 0.12)
    for _ in range(4):
        x = draws.between(LOW, HIGH)
        canvas.pen.shape([(x, LOW), (x + 0.07, LOW), (x - 0.1, 0.7), (x - 0.24, 0.7)], beam)
    for _ in range(draws.integer(3, 6)):
        x, rise = draws.between(LOW, HIGH), draws.between(0.1, 0.22)
        canvas.pen.shape([(x, HIGH), (x + 0.02, 1.0 - rise), (x + 0.05, HIGH)], shade(water, 0.35))
    canvas.hill(draws.between(0.0, 1.0), 0.93, 1.1, canvas.lit((165, 155, 115)))


PLACES: Final[dict[str, Callable[[Canvas], None]]] = {
    drawing.__name__.removeprefix("_"): drawing
    for drawing in (_sky, _sea, _beach, _mountains, _desert, _meadow, _city, _forest, _room, _studio, _underwater)
}


def draw_place(place: str, light: str, clutter: float, size: tuple[int, int], draws: Draws) -> Image.Image:
    """Draw a place, a key of `PLACES`, with its side things, as many as `clutter` in [0, 1] says.

    The RGB picture is `EXTENT` times `size`: wider than the frame by `MARGIN` on each side.
    """
    width, height = (max(2, round(side * EXTENT)) * SUPERSAMPLE for side in size)
    picture = Image.new("RGB", (width, height))
    canvas = Canvas(picture, Pen(picture, (LOW, LOW), (EXTENT, EXTENT)), draws, light)
    PLACES[place](canvas)
    _scatter(canvas, place, clutter)
    return ImageEnhance.Color(picture.reduce(SUPERSAMPLE)).enhance(_SATURATION)


def _scatter(canvas: Canvas, place: str, clutter: float) -> None:
    """Scatter small side things, the farther ones first: on the ground, or anywhere in air and water."""
    draws = canvas.draws
    top = {"sky": 0.0, "underwater": 0.0, "sea": 0.6}.get(place, 0.56 if clutter > 0.6 else 0.74)
    for y in sorted(top + (1.05 - top) * draws.units(round(60 * clutter))):
        size = draws.between(0.02, 0.045) * (1.0 + 0.9 * (y - top) + (0.9 if clutter > 0.6 else 0.0))
        colour = canvas.lit(hsv(draws.unit(), draws.between(0.05, 0.3), draws.between(0.35, 0.75)))
        _side_thing(canvas, place, draws.between(LOW, HIGH), float(y), size, colour)


def _side_thing(canvas: Canvas, place: str, x: float, y: float, size: float, colour: Colour) -> None:
    pen, draws = canvas.pen, canvas.draws
    if place == "sky":
        pen.stroke([(x - size * 0.6, y - size * 0.4), (x, y), (x + size * 0.6, y - size * 0.4)], 0.01, (40, 40, 50))
    elif place == "underwater":
        pen.disc(x, y, size * 0.4, mix(colour, (200, 235, 240), 0.8))
    elif place in {"desert", "mountains", "sea"}:
        stone = canvas.lit((120, 110, 100))
        pen.disc(x, y, size * 0.6, shade(stone, draws.between(0.7, 1.2)), ry=size * 0.6)
    else:
        shape = draws.integer(0, 3)
        wide = size * draws.between(0.35, 0.7)
        if shape == 0:
            pen.box(x - wide, y - size, x + wide, y + size, colour)
        elif shape == 1:
            pen.disc(x, y, size, colour)
        elif shape == 2:
            pen.box(x - wide * 0.6, y - size, x + wide * 0.6, y + size, colour, radius=size * 0.5)
            pen.box(x - wide * 0.25, y - size * 1.6, x + wide * 0.25, y - size * 0.8, shade(colour, 0.7))
        else:
            pen.shape([(x - wide, y + size), (x + wide, y + size), (x, y - size)], colour)
