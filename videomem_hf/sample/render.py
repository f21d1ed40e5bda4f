"""Renders a scene's frames, and computes the box of its thing at a time.

The place and the thing are drawn once; a frame only crops, scales and composes them.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from videomem_hf.sample.draws import Draws
from videomem_hf.sample.pen import Colour
from videomem_hf.sample.places import EXTENT, MARGIN, draw_place
from videomem_hf.sample.scene import DURATION_S, Scene, Thing
from videomem_hf.sample.things import ASPECTS, draw_thing, paint_for

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as fractions of the frame's width and height."""

_PAN = 0.09
_ZOOM = 0.24
_CLOSER = 1.18
"""How far the camera pans to each side, how much it zooms, and the magnification of the second shot."""
_SOFT = 0.012
"""Radius, in frame heights, of the blur behind a salient thing."""


@dataclass(frozen=True)
class View:
    """The camera's view: the point of the scene at the frame's centre, and the magnification."""

    x: float
    y: float
    zoom: float


def view_at(scene: Scene, time_s: float) -> View:
    """The camera's view at a time in [0, 7] s."""
    progress = time_s / DURATION_S
    zoom = {"zoom-in": 1.0 + _ZOOM * progress, "zoom-out": 1.0 + _ZOOM * (1.0 - progress)}.get(scene.camera, 1.0)
    side = {"pan-left": -1.0, "pan-right": 1.0}.get(scene.camera, 0.0)
    x = 0.5 + side * _PAN * (2.0 * progress - 1.0)
    if _in_second_shot(scene, time_s):
        zoom *= _CLOSER
    return View(x, 0.5 + 0.5 * (1.0 - 1.0 / zoom) * 0.6, zoom)


def _in_second_shot(scene: Scene, time_s: float) -> bool:
    return scene.cut_s is not None and time_s >= scene.cut_s - 1e-9


def thing_box(scene: Scene, time_s: float, aspect: float = 16 / 9) -> Box | None:
    """The box of the scene's thing at a time in [0, 7] s, cut at the edges of a frame of `aspect` (width / height).

    None where there is no thing or nothing of it is in the frame.
    """
    if scene.thing is None:
        return None
    left, top, right, bottom = _canvas_box(scene, scene.thing, time_s, aspect)
    ink = _ink(scene.seed, scene.look, scene.thing.kind)
    if _is_mirrored(scene, scene.thing, time_s):
        ink = (1.0 - ink[2], ink[1], 1.0 - ink[0], ink[3])
    width, height = right - left, bottom - top
    box = (left + ink[0] * width, top + ink[1] * height, left + ink[2] * width, top + ink[3] * height)
    x0, y0, x1, y1 = (min(1.0, max(0.0, edge)) for edge in box)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _canvas_box(scene: Scene, thing: Thing, time_s: float, aspect: float) -> Box:
    """Box of the thing's whole canvas, not cut at the frame's edges."""
    view = view_at(scene, time_s)
    x = thing.x + thing.facing * thing.speed * (time_s - DURATION_S / 2)
    if _in_second_shot(scene, time_s):
        x = 1.0 - x
    x, y = 0.5 + (x - view.x) * view.zoom, 0.5 + (thing.y - view.y) * view.zoom
    height = thing.height * view.zoom
    width = height * ASPECTS[thing.kind] / aspect
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _is_mirrored(scene: Scene, thing: Thing, time_s: float) -> bool:
    """Things are drawn facing right; words are never mirrored."""
    return not thing.word and (thing.facing < 0) != _in_second_shot(scene, time_s)


@lru_cache(maxsize=4096)
def _ink(seed: int, look: int, kind: str) -> Box:
    """The drawn part of a thing's canvas."""
    draws = Draws(seed, look, "thing")
    picture = draw_thing(kind, 96, paint_for(0.0, draws, (0, 0, 0)), draws)
    box = picture.getchannel("A").getbbox()
    assert box is not None
    return box[0] / picture.width, box[1] / picture.height, box[2] / picture.width, box[3] / picture.height


class Shots:
    """One scene's pictures at one frame size, to be composed at any time."""

    def __init__(self, scene: Scene, size: tuple[int, int], *, with_thing: bool = True) -> None:
        """Draw the place and, unless `with_thing` is False, the thing, for frames of `size` in pixels."""
        self.scene = scene
        self.size = size
        place = draw_place(scene.place, scene.light, scene.clutter, size, Draws(scene.seed, scene.look, "place"))
        if scene.thing is not None:
            place = place.filter(ImageFilter.GaussianBlur(_SOFT * size[1]))
        self._place = _expose(place, scene.exposure)
        self._grounds: dict[tuple[bool, View], Image.Image] = {}
        self._pictures: dict[bool, Image.Image] = {}
        if scene.thing is not None and with_thing:
            self._draw_thing(scene.thing)

    def _draw_thing(self, thing: Thing) -> None:
        scene, aspect = self.scene, self.size[0] / self.size[1]
        box = thing_box(scene, DURATION_S / 2, aspect) or (0.4, 0.4, 0.6, 0.6)
        behind = self._mean_colour(
            self._ground(scene.cut_s is not None and scene.cut_s <= DURATION_S / 2, view_at(scene, DURATION_S / 2)), box
        )
        draws = Draws(scene.seed, scene.look, "thing")
        paint = paint_for(thing.hue, draws, behind)
        pixels = max(4, round(thing.height * self.size[1] * (1.0 + _ZOOM) * 1.05))
        picture = draw_thing(thing.kind, pixels, paint, draws, odd=thing.odd, word=thing.word)
        haze = Image.new("RGB", picture.size, behind)
        colours = Image.blend(haze, picture.convert("RGB"), thing.contrast)
        colours.putalpha(picture.getchannel("A"))
        self._pictures = {False: colours, True: ImageOps.mirror(colours)}

    def _mean_colour(self, ground: Image.Image, box: Box) -> Colour:
        width, height = self.size
        corners = (int(box[0] * width), int(box[1] * height), max(int(box[0] * width) + 1, int(box[2] * width)))
        part = ground.crop((*corners, max(corners[1] + 1, int(box[3] * height))))
        red, green, blue = (round(float(mean)) for mean in np.asarray(part).reshape(-1, 3).mean(axis=0))
        return red, green, blue

    def _ground(self, second_shot: bool, view: View) -> Image.Image:
        """The place as the camera sees it; cached while the camera rests."""
        key = (second_shot, view)
        if key not in self._grounds:
            place = ImageOps.mirror(self._place) if second_shot else self._place
            half = 0.5 / view.zoom
            edges = (view.x - half, view.y - half, view.x + half, view.y + half)
            scale = (place.width / EXTENT, place.height / EXTENT)
            left, top, right, bottom = ((edge + MARGIN) * scale[k % 2] for k, edge in enumerate(edges))
            self._grounds = {key: place.resize(self.size, Image.Resampling.BILINEAR, box=(left, top, right, bottom))}
        return self._grounds[key]

    def frame(self, time_s: float) -> Image.Image:
        """The frame at a time in [0, 7] s, RGB."""
        scene = self.scene
        frame = self._ground(_in_second_shot(scene, time_s), view_at(scene, time_s))
        if not self._pictures or scene.thing is None:
            return frame
        frame = frame.copy()
        picture = self._pictures[_is_mirrored(scene, scene.thing, time_s)]
        width, height = self.size
        canvas = _canvas_box(scene, scene.thing, time_s, width / height)
        left, top, right, bottom = canvas[0] * width, canvas[1] * height, canvas[2] * width, canvas[3] * height
        x, y = int(np.floor(left)), int(np.floor(top))
        cover = (int(np.ceil(right)) - x + 1, int(np.ceil(bottom)) - y + 1)
        step_x, step_y = picture.width / (right - left), picture.height / (bottom - top)
        matrix = (step_x, 0.0, (x - left) * step_x, 0.0, step_y, (y - top) * step_y)
        placed = picture.transform(cover, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)
        frame.paste(placed, (x, y), placed)
        return frame


def _expose(picture: Image.Image, lightness: float) -> Image.Image:
    """Scale a picture's brightness towards a mean lightness, as a camera's exposure does."""
    mean = float(np.asarray(picture.convert("L")).mean()) / 255
    factor = min(2.0, lightness / max(mean, 0.01))
    return picture.point([min(255, round(level * factor)) for level in range(256)] * 3)


def render_frame(scene: Scene, time_s: float, size: tuple[int, int], *, with_thing: bool = True) -> np.ndarray:
    """One frame at a time in [0, 7] s before encoding, `(height, width, 3)` uint8 RGB, with or without the thing."""
    return np.asarray(Shots(scene, size, with_thing=with_thing).frame(time_s))
