"""The things that stand out in a scene, drawn as pictures with a transparent ground.

Each drawing fills a canvas whose corners are (0, 0) and (1, 1); `ASPECTS` gives the canvas's width over its height.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from videomem_hf.sample.draws import Draws
from videomem_hf.sample.pen import SUPERSAMPLE, Colour, Pen, hsv, luminance, mix, shade

SKINS: Final[tuple[Colour, ...]] = ((245, 205, 175), (225, 175, 135), (175, 120, 80), (110, 70, 45))
HAIRS: Final[tuple[Colour, ...]] = ((35, 25, 20), (90, 55, 30), (215, 175, 95), (165, 70, 35), (190, 190, 195))
INK: Final[Colour] = (25, 22, 28)
WHITE: Final[Colour] = (250, 250, 248)


@dataclass(frozen=True)
class Paint:
    """Colours of one thing: its own colour, a darker and a lighter one, a second colour, skin and hair."""

    main: Colour
    dark: Colour
    light: Colour
    second: Colour
    skin: Colour
    hair: Colour


def paint_for(hue: float, draws: Draws, ground: Colour) -> Paint:
    """Colours of the given hue that contrast with the background: light on dark, dark on light."""
    if luminance(ground) < 0.5:
        main = hsv(hue, 0.9, 1.0)
        main = mix(main, WHITE, max(0.0, (0.66 - luminance(main)) / (1.0 - luminance(main))))
        skins, hairs = SKINS[:3], HAIRS[1:]
    else:
        main = hsv(hue, 0.95, 0.85)
        main = shade(main, min(1.0, 0.4 / luminance(main)))
        skins, hairs = SKINS, HAIRS[:4]
    second = hsv(hue + draws.between(0.35, 0.65), 0.6, 0.9)
    skin, hair = draws.choice(skins), draws.choice(hairs)
    return Paint(main, shade(main, 0.62), mix(main, WHITE, 0.5), second, skin, hair)


def _face(pen: Pen, paint: Paint, draws: Draws) -> None:
    long_hair, smile, beard = draws.chance(0.5), draws.chance(0.6), draws.chance(0.3)
    skin_dark = shade(paint.skin, 0.8)
    if long_hair:
        pen.box(0.2, 0.2, 0.8, 0.84, paint.hair, radius=0.22)
    pen.disc(0.5, 1.02, 0.5, paint.main, ry=0.26)
    pen.box(0.41, 0.62, 0.59, 0.86, skin_dark, radius=0.05)
    pen.disc(0.5, 0.36, 0.29, paint.hair, ry=0.36)
    for side in (-1, 1):
        pen.disc(0.5 + side * 0.26, 0.46, 0.045, skin_dark, ry=0.06)
    pen.disc(0.5, 0.44, 0.25, paint.skin, ry=0.31)
    pen.sector((0.24, 0.04, 0.76, 0.52), 195, 345, paint.hair)
    if beard and not long_hair:
        pen.sector((0.27, 0.36, 0.73, 0.77), 15, 165, paint.hair)
    for side in (-1, 1):
        pen.disc(0.5 + side * 0.105, 0.42, 0.055, WHITE, ry=0.034)
        pen.disc(0.5 + side * 0.105, 0.42, 0.026, INK, ry=0.032)
        pen.stroke([(0.5 + side * 0.055, 0.355), (0.5 + side * 0.16, 0.35)], 0.018, paint.hair)
    pen.stroke([(0.5, 0.43), (0.475, 0.53), (0.515, 0.535)], 0.012, skin_dark)
    if smile:
        pen.sector((0.4, 0.52, 0.6, 0.67), 10, 170, (150, 40, 45))
        pen.sector((0.42, 0.55, 0.58, 0.63), 10, 170, WHITE)
    else:
        pen.stroke([(0.42, 0.61), (0.5, 0.605), (0.58, 0.61)], 0.022, (150, 60, 60))


def _person(pen: Pen, paint: Paint, draws: Draws) -> None:
    stride, lift = draws.between(0.1, 0.22), draws.between(-0.06, 0.1)
    legs = paint.dark if draws.chance(0.5) else paint.second
    for side in (-1, 1):
        foot, hand = 0.5 + side * stride * 1.2, 0.5 + side * 0.36
        pen.stroke([(0.5, 0.55), (0.5 + side * stride, 0.76), (foot, 0.97)], 0.075, legs)
        pen.box(foot - 0.08, 0.95, foot + 0.14, 1.0, INK, radius=0.02)
        pen.stroke([(0.5 + side * 0.15, 0.25), (0.5 + side * 0.32, 0.4), (hand, 0.5 - lift)], 0.05, paint.main)
        pen.disc(hand, 0.51 - lift, 0.025, paint.skin)
    pen.box(0.32, 0.2, 0.68, 0.6, paint.main, radius=0.06)
    pen.box(0.44, 0.15, 0.56, 0.24, shade(paint.skin, 0.85))
    pen.disc(0.5, 0.085, 0.085, paint.hair)
    pen.disc(0.52, 0.1, 0.068, paint.skin)


def _cat(pen: Pen, paint: Paint, draws: Draws) -> None:
    pen.stroke([(0.78, 0.92), (0.93, 0.8), (0.9, 0.6), (0.97, 0.5)], 0.06, paint.dark)
    pen.disc(0.55, 0.74, 0.29, paint.main, ry=0.26)
    for x in (0.4, 0.68):
        pen.disc(x, 0.94, 0.11, paint.main, ry=0.06)
    for side in (-1, 1):
        pen.shape([(0.45 + side * 0.28, 0.02), (0.45 + side * 0.06, 0.16), (0.45 + side * 0.3, 0.3)], paint.main)
        pen.shape([(0.45 + side * 0.25, 0.08), (0.45 + side * 0.12, 0.17), (0.45 + side * 0.26, 0.25)], paint.second)
    pen.disc(0.45, 0.34, 0.31, paint.main, ry=0.24)
    for side in (-1, 1):
        pen.disc(0.45 + side * 0.13, 0.31, 0.065, WHITE, ry=0.055)
        pen.disc(0.45 + side * 0.13, 0.31, 0.028, INK, ry=0.05)
        for rise in (-0.03, 0.03):
            pen.stroke([(0.45 + side * 0.1, 0.43), (0.45 + side * 0.34, 0.43 + rise)], 0.01, paint.light)
    pen.shape([(0.41, 0.4), (0.49, 0.4), (0.45, 0.44)], INK)


def _bird(pen: Pen, paint: Paint, draws: Draws) -> None:
    wing = draws.between(0.02, 0.3)
    pen.shape([(0.02, 0.52), (0.3, 0.5), (0.28, 0.68), (0.0, 0.74)], paint.dark)
    pen.disc(0.5, 0.6, 0.28, paint.main, ry=0.2)
    pen.disc(0.76, 0.45, 0.13, paint.main, ry=0.16)
    pen.shape([(0.87, 0.4), (1.0, 0.48), (0.86, 0.53)], (245, 165, 40))
    pen.disc(0.79, 0.41, 0.03, WHITE, ry=0.04)
    pen.disc(0.8, 0.41, 0.015, INK, ry=0.022)
    pen.shape([(0.36, 0.54), (0.62, 0.52), (0.42, wing), (0.22, wing - 0.02)], paint.second)
    pen.stroke([(0.45, 0.78), (0.43, 0.98)], 0.03, (215, 140, 40))
    pen.stroke([(0.55, 0.78), (0.56, 0.98)], 0.03, (215, 140, 40))


def _fish(pen: Pen, paint: Paint, draws: Draws) -> None:
    pen.shape([(0.26, 0.5), (0.0, 0.12), (0.06, 0.5), (0.0, 0.88)], paint.second)
    pen.shape([(0.4, 0.2), (0.58, 0.0), (0.72, 0.22)], paint.second)
    pen.shape([(0.45, 0.8), (0.52, 1.0), (0.66, 0.78)], paint.second)
    pen.disc(0.59, 0.5, 0.4, paint.main, ry=0.36)
    bands = draws.integer(2, 4)
    for x in (0.36 + 0.3 * k / (bands - 1) for k in range(bands)):
        pen.box(x - 0.03, 0.24, x + 0.03, 0.76, paint.light, radius=0.05)
    pen.disc(0.84, 0.4, 0.055, WHITE, ry=0.09)
    pen.disc(0.85, 0.4, 0.028, INK, ry=0.05)
    pen.stroke([(0.97, 0.58), (0.88, 0.6)], 0.03, paint.dark)


def _butterfly(pen: Pen, paint: Paint, draws: Draws) -> None:
    spot = draws.between(0.05, 0.09)
    for side in (-1, 1):
        pen.disc(0.5 + side * 0.26, 0.32, 0.24, paint.main, ry=0.31)
        pen.disc(0.5 + side * 0.22, 0.74, 0.18, paint.dark, ry=0.25)
        pen.disc(0.5 + side * 0.3, 0.28, spot, paint.second, ry=spot * 1.2)
        pen.disc(0.5 + side * 0.24, 0.76, spot, paint.light, ry=spot)
        pen.stroke([(0.5, 0.2), (0.5 + side * 0.1, 0.02)], 0.02, INK)
    pen.box(0.46, 0.15, 0.54, 0.9, INK, radius=0.05)


def _car(pen: Pen, paint: Paint, draws: Draws) -> None:
    roof = draws.between(0.0, 0.12)
    pen.shape([(0.2, 0.5), (0.33, roof), (0.68, roof), (0.84, 0.5)], paint.main)
    pen.shape([(0.27, 0.47), (0.36, roof + 0.09), (0.49, roof + 0.09), (0.49, 0.47)], (200, 225, 235))
    pen.shape([(0.53, 0.47), (0.53, roof + 0.09), (0.65, roof + 0.09), (0.75, 0.47)], (200, 225, 235))
    pen.box(0.0, 0.42, 1.0, 0.8, paint.main, radius=0.14)
    pen.box(0.02, 0.66, 0.98, 0.72, paint.dark)
    pen.disc(0.96, 0.53, 0.035, (255, 240, 170), ry=0.06)
    for x in (0.22, 0.78):
        pen.disc(x, 0.8, 0.2, INK)
        pen.disc(x, 0.8, 0.1, (190, 190, 195))


def _boat(pen: Pen, paint: Paint, draws: Draws) -> None:
    pen.box(0.47, 0.0, 0.5, 0.8, (90, 65, 45))
    pen.shape([(0.52, 0.03), (0.52, 0.7), (0.95, 0.7)], WHITE if draws.chance(0.5) else paint.light)
    pen.shape([(0.45, 0.1), (0.45, 0.7), (0.1, 0.7)], paint.second)
    pen.shape([(0.0, 0.76), (1.0, 0.76), (0.82, 1.0), (0.16, 1.0)], paint.main)
    pen.shape([(0.0, 0.76), (1.0, 0.76), (0.97, 0.82), (0.03, 0.82)], paint.dark)


def _balloon(pen: Pen, paint: Paint, draws: Draws) -> None:
    pen.shape([(0.1, 0.5), (0.9, 0.5), (0.6, 0.82), (0.4, 0.82)], paint.main)
    pen.disc(0.5, 0.36, 0.48, paint.main, ry=0.36)
    for width in (0.3, 0.11):
        fill = paint.light if width > 0.2 else paint.main
        pen.disc(0.5, 0.36, width, fill, ry=0.36)
        pen.shape([(0.5 - width, 0.42), (0.5 + width, 0.42), (0.5 + width / 3, 0.82), (0.5 - width / 3, 0.82)], fill)
    for x in (0.42, 0.58):
        pen.stroke([(x, 0.8), (x * 0.8 + 0.1, 0.9)], 0.012, INK)
    pen.box(0.4, 0.89, 0.6, 1.0, (140, 95, 50), radius=0.015)


def _plane(pen: Pen, paint: Paint, draws: Draws) -> None:
    pen.shape([(0.0, 0.02), (0.14, 0.02), (0.26, 0.46), (0.06, 0.46)], paint.main)
    pen.shape([(0.02, 0.5), (0.16, 0.5), (0.08, 0.72), (0.0, 0.72)], paint.dark)
    pen.box(0.03, 0.4, 0.99, 0.72, paint.light, radius=0.16)
    pen.box(0.05, 0.56, 0.95, 0.63, paint.main)
    pen.shape([(0.42, 0.58), (0.62, 0.58), (0.42, 1.0), (0.3, 1.0)], paint.dark)
    for x in (0.3 + 0.08 * k for k in range(7)):
        pen.disc(x, 0.5, 0.035, (60, 80, 110))


def _ball(pen: Pen, paint: Paint, draws: Draws) -> None:
    pen.disc(0.5, 0.5, 0.5, paint.main)
    pen.sector((0.0, 0.0, 1.0, 1.0), 20, 100, paint.dark)
    pen.disc(0.5, 0.5, 0.2, paint.second, ry=0.5)
    pen.disc(0.5, 0.5, 0.07, paint.main, ry=0.5)
    pen.disc(0.3, 0.25, 0.1, paint.light, ry=0.08)


def _mug(pen: Pen, paint: Paint, draws: Draws) -> None:
    pen.disc(0.78, 0.56, 0.22, paint.dark, ry=0.25)
    hole = mix(paint.dark, INK, 0.6)
    pen.disc(0.78, 0.56, 0.13, hole, ry=0.15)
    pen.box(0.04, 0.14, 0.78, 1.0, paint.main, radius=0.08)
    pen.box(0.04, 0.45, 0.78, 0.6, paint.second)
    pen.disc(0.41, 0.14, 0.37, paint.light, ry=0.12)
    pen.disc(0.41, 0.15, 0.31, (75, 45, 25), ry=0.085)


def _flower(pen: Pen, paint: Paint, draws: Draws) -> None:
    green = (60, 150, 60)
    pen.stroke([(0.5, 0.4), (0.52, 1.0)], 0.05, green)
    pen.disc(0.7, 0.78, 0.2, green, ry=0.06)
    pen.disc(0.33, 0.88, 0.18, green, ry=0.055)
    petals = draws.integer(5, 8)
    for k in range(petals):
        angle = 2 * math.pi * k / petals
        pen.disc(0.5 + 0.3 * math.cos(angle), 0.3 + 0.185 * math.sin(angle), 0.19, paint.main, ry=0.112)
    pen.disc(0.5, 0.3, 0.19, paint.second, ry=0.11)


def _apple(pen: Pen, paint: Paint, draws: Draws) -> None:
    pen.stroke([(0.5, 0.24), (0.56, 0.02)], 0.05, (95, 65, 40))
    pen.disc(0.72, 0.1, 0.18, (80, 160, 60), ry=0.07)
    for side in (-1, 1):
        pen.disc(0.5 + side * 0.2, 0.58, 0.3, paint.main, ry=0.42)
    pen.disc(0.28, 0.42, 0.07, paint.light, ry=0.12)


def _clock(pen: Pen, paint: Paint, draws: Draws) -> None:
    pen.disc(0.5, 0.5, 0.5, paint.dark)
    pen.disc(0.5, 0.5, 0.46, paint.main)
    pen.disc(0.5, 0.5, 0.37, WHITE)
    for k in range(12):
        angle = 2 * math.pi * k / 12
        pen.disc(0.5 + 0.31 * math.cos(angle), 0.5 + 0.31 * math.sin(angle), 0.022, INK)
    for length, width in ((0.19, 0.045), (0.28, 0.03)):
        angle = draws.between(0.0, 2 * math.pi)
        pen.stroke([(0.5, 0.5), (0.5 + length * math.cos(angle), 0.5 + length * math.sin(angle))], width, INK)
    pen.disc(0.5, 0.5, 0.035, paint.dark)


def _umbrella(pen: Pen, paint: Paint, draws: Draws) -> None:
    pen.stroke([(0.5, 0.02), (0.5, 0.9), (0.54, 0.97), (0.62, 0.97), (0.66, 0.9)], 0.035, INK)
    pen.sector((0.0, 0.06, 1.0, 1.0), 180, 360, paint.main)
    pen.sector((0.3, 0.06, 0.7, 1.0), 180, 360, paint.second)


def _sign(pen: Pen, paint: Paint, draws: Draws) -> None:
    for x in (0.2, 0.8):
        pen.box(x - 0.02, 0.5, x + 0.02, 1.0, (110, 85, 60))
    pen.box(0.0, 0.0, 1.0, 0.78, paint.dark, radius=0.06)
    pen.box(0.025, 0.05, 0.975, 0.73, paint.main, radius=0.05)


_DRAWINGS: Final[dict[str, tuple[float, Callable[[Pen, Paint, Draws], None]]]] = {
    "face": (0.8, _face), "person": (0.42, _person), "cat": (0.85, _cat), "bird": (1.25, _bird), "fish": (1.6, _fish),
    "butterfly": (1.2, _butterfly), "car": (2.2, _car), "boat": (1.0, _boat), "balloon": (0.75, _balloon),
    "plane": (2.4, _plane), "ball": (1.0, _ball), "mug": (1.1, _mug), "flower": (0.6, _flower), "apple": (0.95, _apple),
    "clock": (1.0, _clock), "umbrella": (1.1, _umbrella), "sign": (1.7, _sign),
}  # fmt: skip

ASPECTS: Final[dict[str, float]] = {kind: aspect for kind, (aspect, _) in _DRAWINGS.items()}
"""Width over height of each thing's canvas."""


_RIM: Final = 0.014
_ROOM: Final = 0.02
"""Width of the rim round a thing, and the room left for it at the canvas's edges, as fractions of the height."""


def draw_thing(kind: str, height: int, paint: Paint, draws: Draws, *, odd: bool = False, word: str = "") -> Image.Image:
    """Draw one thing as an RGBA picture of `height` pixels and the kind's aspect; `draws` decides its details.

    An odd face has skin of the thing's own colour; any other odd thing has bold stripes. `word` is what a sign says.
    """
    aspect, drawing = _DRAWINGS[kind]
    size = (max(1, round(height * aspect)) * SUPERSAMPLE, height * SUPERSAMPLE)
    picture = Image.new("RGBA", size)
    if odd and kind == "face":
        paint = replace(paint, skin=paint.main, main=paint.second)
    drawing(Pen(picture, (-_ROOM, -_ROOM), (1.0 + 2 * _ROOM, 1.0 + 2 * _ROOM)), paint, draws)
    if word:
        _write(picture, word, (0.07, 0.1, 0.93, 0.68), WHITE if luminance(paint.main) < 0.5 else INK)
    if odd and kind != "face":
        _stripe(picture, paint.second)
    return _outline(picture.reduce(SUPERSAMPLE), INK if luminance(paint.main) > 0.45 else mix(paint.dark, INK, 0.7))


def _write(picture: Image.Image, word: str, within: tuple[float, float, float, float], fill: Colour) -> None:
    """Write a word as large as fits within a part of the picture (fractions of its width and height)."""
    room = ((within[2] - within[0]) * picture.width, (within[3] - within[1]) * picture.height)
    mask = word_mask(word, max(8, round(room[1])))
    scale = min(room[0] / mask.width, room[1] / mask.height)
    mask = mask.resize((max(1, round(mask.width * scale)), max(1, round(mask.height * scale))), Image.Resampling.BOX)
    left = round(within[0] * picture.width + (room[0] - mask.width) / 2)
    top = round(within[1] * picture.height + (room[1] - mask.height) / 2)
    picture.paste(fill, (left, top), mask)


def word_mask(word: str, height: int) -> Image.Image:
    """The word in Pillow's own typeface as a mask trimmed to its ink, about `height` pixels high."""
    font = ImageFont.load_default(size=height)
    left, top, right, bottom = font.getbbox(word)
    mask = Image.new("L", (max(1, round(right - left)), max(1, round(bottom - top))))
    ImageDraw.Draw(mask).text((-left, -top), word, fill=255, font=font)
    return mask


def _outline(picture: Image.Image, colour: Colour) -> Image.Image:
    """Draw a thin rim round the opaque part; the drawing leaves room for it."""
    width = max(1, round(_RIM * picture.height))
    alpha = picture.getchannel("A")
    wide = alpha.filter(ImageFilter.BoxBlur(width)).point([min(255, 5 * level) for level in range(256)])
    outlined = Image.new("RGBA", picture.size, (*colour, 255))
    outlined.paste(picture, (0, 0), alpha)
    outlined.putalpha(ImageChops.lighter(wide, alpha))
    return outlined


def _stripe(picture: Image.Image, fill: Colour) -> None:
    """Paint diagonal stripes over the opaque part of the picture."""
    stripes = Image.new("L", picture.size)
    pen = Pen(stripes, (0.0, 0.0), (1.0, 1.0))
    for k in range(9):
        x = 0.24 * k - 1.0
        pen.shape([(x, 1.0), (x + 0.1, 1.0), (x + 1.1, 0.0), (x + 1.0, 0.0)], 255)
    mask = ImageChops.multiply(stripes, picture.getchannel("A"))
    picture.paste(fill, (0, 0), mask)
