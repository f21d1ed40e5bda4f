"""What a generated video shows: the kinds of scene, and how one is drawn at random.

Coordinates are fractions of the frame: x to the right, y down, heights as fractions of the frame's height. Nothing here
draws a pixel; `places`, `things` and `render` do.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from videomem_hf.sample.draws import Draws

SceneKind = Literal["face", "figure", "animal", "vehicle", "object", "text", "scenery", "clutter"]
Light = Literal["day", "sunset", "night", "overcast"]
Camera = Literal["still", "pan-left", "pan-right", "zoom-in", "zoom-out"]

FPS: Final = 24
FRAMES: Final = 168
DURATION_S: Final = FRAMES / FPS
MISSING_IDS: Final = frozenset({110, 2821, 3613, 4710, 5650, 5975, 6175, 8524, 10009})
"""Numbers missing from the release."""

_KIND_WEIGHTS: Final[dict[SceneKind, float]] = {
    "face": 0.19, "figure": 0.15, "animal": 0.14, "vehicle": 0.13,
    "object": 0.15, "text": 0.05, "scenery": 0.11, "clutter": 0.08,
}  # fmt: skip

_EXPOSURES: Final[dict[Light, tuple[float, float]]] = {
    "day": (0.4, 0.64), "sunset": (0.3, 0.5), "night": (0.13, 0.24), "overcast": (0.36, 0.58),
}  # fmt: skip

_CLUTTERS: Final[dict[SceneKind, tuple[float, float]]] = {"clutter": (0.75, 1.0), "scenery": (-0.3, 0.15)}

_CAMERAS: Final[dict[Camera, float]] = {
    "still": 0.56, "pan-left": 0.12, "pan-right": 0.12, "zoom-in": 0.12, "zoom-out": 0.08,
}  # fmt: skip

_THINGS: Final[dict[str, tuple[str, ...]]] = {
    "face": ("face",),
    "figure": ("person",),
    "animal": ("cat", "bird", "fish", "butterfly"),
    "vehicle": ("car", "boat", "balloon", "plane"),
    "object": ("ball", "mug", "flower", "apple", "clock", "umbrella"),
    "text": ("sign",),
}

THING_PLACES: Final[dict[str, tuple[str, ...]]] = {
    "face": ("studio", "room", "city", "meadow", "beach", "forest", "studio"),
    "person": ("city", "meadow", "desert", "mountains", "room", "beach", "forest"),
    "cat": ("room", "meadow", "city", "studio"),
    "bird": ("sky", "forest", "meadow", "sea"),
    "fish": ("underwater",),
    "butterfly": ("meadow", "forest", "studio"),
    "car": ("city", "desert", "meadow", "mountains"),
    "boat": ("sea",),
    "balloon": ("sky", "mountains", "desert", "meadow"),
    "plane": ("sky", "mountains", "sea"),
    "ball": ("room", "meadow", "studio", "beach"),
    "mug": ("room", "studio"),
    "flower": ("meadow", "studio", "forest"),
    "apple": ("room", "studio"),
    "clock": ("room", "studio"),
    "umbrella": ("city", "beach", "beach", "studio"),
    "sign": ("city", "room", "studio", "desert"),
}
"""The places where each thing can appear."""

SCENERY_PLACES: Final = ("sky", "sea", "mountains", "desert", "meadow", "forest", "beach", "underwater")
CLUTTER_PLACES: Final = ("room", "city", "meadow", "beach")
FLYING: Final = frozenset({"bird", "fish", "butterfly", "balloon", "plane"})
MOVING: Final = frozenset({"person", "bird", "fish", "butterfly", "car", "boat", "balloon", "plane", "ball"})
SIGN_WORDS: Final = (
    "SALE", "OPEN", "STOP", "HOTEL", "TAXI", "MENU", "EXIT", "CAFE", "NEWS", "2018", "HELLO", "WELCOME",
)  # fmt: skip


@dataclass(frozen=True)
class Thing:
    """The main thing of a scene.

    Attributes:
        kind: A key of `things.ASPECTS`.
        height: Its height as a fraction of the frame's, without zoom.
        x: Its centre, as a fraction of the frame's width, at half time.
        y: Its centre, as a fraction of the frame's height, at half time.
        contrast: In (0, 1]; 1 shows its own colours, less is haze in the colour of what is behind it.
        hue: Of its own colour, in [0, 1).
        odd: Whether it looks odd: a face in an unnatural colour, any other thing in bold stripes.
        facing: 1 to the right, -1 to the left.
        speed: Its speed in the direction it faces, in frame widths per second.
        word: The word on a sign; else empty.
    """

    kind: str
    height: float
    x: float
    y: float
    contrast: float
    hue: float
    odd: bool
    facing: int
    speed: float
    word: str


@dataclass(frozen=True)
class Scene:
    """Everything that one video shows.

    Attributes:
        video_id: Number of the video.
        seed: Seed of the sample.
        look: Number of the video whose drawing details it shares: its own, or that of the video it is another take of.
        kind: What the scene is about.
        place: Where it is; a key of `places.PLACES`.
        light: Time of day.
        exposure: Mean lightness of the place in [0, 1]; random, and not a cause of memorability.
        thing: The main thing, if there is one.
        clutter: Density of small side things, from 0 (none) to 1.
        camera: Its motion.
        cut_s: When a second shot, closer and from the other side, begins; None: one shot.
        take_of: The video this is another take of (same title, other action), or None.
    """

    video_id: int
    seed: int
    look: int
    kind: SceneKind
    place: str
    light: Light
    exposure: float
    thing: Thing | None
    clutter: float
    camera: Camera
    cut_s: float | None
    take_of: int | None


def video_ids(count: int) -> list[int]:
    """The first `count` video numbers, in order, without those missing from the release."""
    last = count + len(MISSING_IDS)
    return [number for number in range(1, last + 1) if number not in MISSING_IDS][:count]


def draw_scene(seed: int, video_id: int) -> Scene:
    """The scene of one video: a pure function of the seed and its number.

    About one video in fourteen is another take of an earlier one, so that about one in seven shares its title.
    """
    original = _take_of(seed, video_id)
    if original is None:
        return _first_take(seed, video_id)
    return _another_take(_first_take(seed, original), seed, video_id)


def _take_of(seed: int, video_id: int) -> int | None:
    draws = Draws(seed, video_id, "take")
    original = video_id - draws.integer(1, 30) if draws.chance(0.074) else 0
    if original < 1 or original in MISSING_IDS or _take_of(seed, original) is not None:
        return None
    return original


def _first_take(seed: int, video_id: int) -> Scene:
    draws = Draws(seed, video_id, "scene")
    kind = draws.choice(list(_KIND_WEIGHTS), list(_KIND_WEIGHTS.values()))
    thing_kind = draws.choice(_THINGS[kind]) if kind in _THINGS else None
    places = CLUTTER_PLACES if kind == "clutter" else SCENERY_PLACES
    place = draws.choice(places if thing_kind is None else THING_PLACES[thing_kind])
    light = draws.choice(list(_EXPOSURES), (0.54, 0.18, 0.1, 0.18))
    return Scene(
        video_id=video_id,
        seed=seed,
        look=video_id,
        kind=kind,
        place=place,
        light=light,
        exposure=draws.between(*_EXPOSURES[light]),
        thing=None if thing_kind is None else _draw_thing(draws, thing_kind),
        clutter=max(0.0, draws.between(*_CLUTTERS.get(kind, (-0.5, 0.4)))),
        camera=draws.choice(list(_CAMERAS), list(_CAMERAS.values())),
        cut_s=round(draws.between(2.5, 5.5) * FPS) / FPS if draws.chance(0.12) else None,
        take_of=None,
    )


_HEIGHTS: Final[dict[str, tuple[float, float]]] = {
    "face": (0.42, 1.02), "person": (0.2, 0.86), "car": (0.1, 0.42), "plane": (0.1, 0.4), "fish": (0.12, 0.56),
    "sign": (0.22, 0.62), "boat": (0.16, 0.72), "balloon": (0.18, 0.78), "bird": (0.12, 0.6), "butterfly": (0.12, 0.62),
}  # fmt: skip


def _draw_thing(draws: Draws, kind: str) -> Thing:
    height = draws.between(*_HEIGHTS.get(kind, (0.14, 0.7)))
    if kind == "face":
        y = 1.03 - height / 2
    elif kind in FLYING:
        y = draws.between(0.06 + height / 2, 0.94 - height / 2) if height < 0.86 else 0.5
    else:
        y = draws.between(max(0.72, height + 0.04), 0.96) - height / 2
    moving = kind in MOVING and draws.chance(0.5)
    return Thing(
        kind=kind,
        height=height,
        x=draws.between(0.3, 0.7),
        y=y,
        contrast=draws.between(0.22, 1.0),
        hue=draws.unit(),
        odd=kind != "sign" and draws.chance(0.12),
        facing=draws.choice((-1, 1)),
        speed=draws.between(0.02, 0.07) if moving else 0.0,
        word=draws.choice(SIGN_WORDS) if kind == "sign" else "",
    )


def _another_take(scene: Scene, seed: int, video_id: int) -> Scene:
    """The same scene with variations: the thing's position and size, the camera, the exposure."""
    draws = Draws(seed, video_id, "another take")
    thing = scene.thing
    if thing is not None:
        height = thing.height * draws.between(0.9, 1.1)
        thing = replace(
            thing,
            height=height,
            y=thing.y + (thing.height - height) / 2,
            x=min(0.7, max(0.3, thing.x + draws.between(-0.15, 0.15))),
            facing=draws.choice((-1, 1)),
        )
    return replace(
        scene,
        video_id=video_id,
        thing=thing,
        camera=draws.choice([camera for camera in _CAMERAS if thing is not None or camera != scene.camera]),
        exposure=scene.exposure * draws.between(0.94, 1.06),
        take_of=scene.look,
    )
