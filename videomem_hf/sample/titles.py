"""Titles in the manner of the release: what is seen, as lower-case words joined by hyphens."""

from typing import Final

from videomem_hf.sample.draws import Draws
from videomem_hf.sample.scene import Scene, Thing, draw_scene

_HUES: Final = (
    (0.04, "red"), (0.11, "orange"), (0.19, "yellow"), (0.42, "green"), (0.52, "turquoise"),
    (0.69, "blue"), (0.8, "purple"), (0.94, "pink"), (1.01, "red"),
)  # fmt: skip
_NOUNS_AND_MOVES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "face": (("portrait-of-person", "face", "portrait", "person-looking-at-camera", "head-and-shoulders"), ()),
    "person": (("person", "pedestrian", "man-or-woman", "walker", "figure"), ("walking", "strolling", "passing-by")),
    "cat": (("cat", "kitten", "domestic-cat"), ()),
    "bird": (("bird", "songbird", "parrot"), ("flying", "flying-past")),
    "fish": (("fish", "tropical-fish", "reef-fish"), ("swimming", "gliding-past")),
    "butterfly": (("butterfly", "moth"), ("fluttering", "flying-slowly")),
    "car": (("car", "automobile", "vintage-car"), ("driving", "driving-past")),
    "boat": (("sailboat", "boat", "yacht"), ("sailing", "sailing-by")),
    "balloon": (("hot-air-balloon", "balloon"), ("floating", "drifting")),
    "plane": (("airplane", "passenger-plane", "jet"), ("flying", "crossing-the-frame")),
    "ball": (("ball", "beach-ball", "toy-ball"), ("rolling", "rolling-slowly")),
    "mug": (("mug", "cup-of-coffee", "coffee-mug"), ()),
    "flower": (("flower", "blossom", "daisy"), ()),
    "apple": (("apple", "ripe-apple", "fruit"), ()),
    "clock": (("clock", "wall-clock", "clock-face"), ()),
    "umbrella": (("umbrella", "parasol"), ()),
    "sign": (("sign", "billboard", "signboard"), ()),
}
"""What a thing is called, and what it does while it moves."""
_RESTS: Final[dict[str, tuple[str, ...]]] = {
    "face": ("smiling", "thinking", "looking-into-camera", "close-to-camera"),
    "person": ("standing", "waiting", "standing-still"),
    "cat": ("sitting", "watching"),
}
_PLACES: Final[dict[str, tuple[str, ...]]] = {
    "sky": ("in-the-sky", "against-sky", "above-the-clouds"),
    "sea": ("on-the-sea", "at-sea", "on-open-water", "on-the-ocean"),
    "beach": ("on-the-beach", "on-sandy-beach", "by-the-sea"),
    "mountains": ("in-the-mountains", "in-mountain-valley", "below-the-peaks"),
    "desert": ("in-the-desert", "among-sand-dunes", "on-sand"),
    "meadow": ("in-a-meadow", "on-green-grass", "in-the-countryside", "in-summer-field"),
    "city": ("in-the-city", "on-city-street", "downtown", "in-front-of-buildings"),
    "forest": ("in-the-forest", "in-the-woods", "among-trees"),
    "room": ("in-a-room", "at-home", "on-a-table-indoors", "in-living-room"),
    "studio": ("in-studio", "isolated-on-plain-background", "on-plain-background"),
    "underwater": ("underwater", "in-the-deep", "in-aquarium", "below-the-surface"),
}
_LIGHTS: Final[dict[str, tuple[str, ...]]] = {
    "day": ("", "", "", "on-a-sunny-day", "daytime"),
    "sunset": ("at-sunset", "at-dusk", "in-evening-light"),
    "night": ("at-night", "in-the-dark", "by-night"),
    "overcast": ("", "on-a-cloudy-day", "under-grey-sky"),
}
_CAMERAS: Final[dict[str, tuple[str, ...]]] = {
    "still": ("", "", "", "static-shot", "locked-shot"),
    "pan-left": ("", "pan-left", "camera-panning"),
    "pan-right": ("", "pan-right", "camera-panning"),
    "zoom-in": ("", "zoom-in", "slow-zoom-in"),
    "zoom-out": ("", "zoom-out", "slow-zoom-out"),
}
_SCENERY: Final = (
    "view", "landscape", "scenic-view", "beautiful-scenery", "panorama", "empty-scene", "establishing-shot",
)  # fmt: skip
_CLUTTER: Final = ("many-things", "colorful-objects", "jumble-of-toys", "flea-market", "pile-of-things", "messy-scene")
_TAGS: Final = (
    "hd", "footage", "stock", "slow-motion", "background", "outdoors", "nature", "people", "travel", "concept",
    "real-time", "lifestyle", "vacation", "beauty", "color", "nobody", "full-frame", "copy-space", "europe", "usa",
    "summer", "animation",
)  # fmt: skip
_MOST_WORDS: Final = 37


def title_of(scene: Scene) -> str:
    """The title of a video: lower-case ASCII words joined by hyphens; another take has the title of the first.

    About two in a thousand begin with a hyphen, where a leading number was stripped.
    """
    scene = draw_scene(scene.seed, scene.look)
    draws = Draws(scene.seed, scene.look, "title")
    sign = "-" if draws.chance(0.002) else ""
    if draws.chance(0.01):
        return sign + _noun(scene, draws)
    phrases = ((_PLACES[scene.place], 0.75), (_LIGHTS[scene.light], 0.6), (_CAMERAS[scene.camera], 0.6))
    parts = [*_subject(scene, draws), *(draws.choice(some) if draws.chance(share) else "" for some, share in phrases)]
    if scene.clutter > 0.25 and scene.kind != "clutter":
        parts.append(draws.choice(("among-other-things", "with-things-around", "", "", "")))
    tags = draws.choice((0, 1, 2, 3, 20), (0.52, 0.3, 0.13, 0.04, 0.01))
    parts += [draws.choice(_TAGS) for _ in range(tags)]
    words = [word for part in parts for word in part.split("-") if word]
    return sign + "-".join(words[:_MOST_WORDS])


def _noun(scene: Scene, draws: Draws) -> str:
    """The plain name of what a scene shows."""
    if scene.thing is None:
        return draws.choice(_CLUTTER if scene.kind == "clutter" else _SCENERY)
    return draws.choice(_NOUNS_AND_MOVES[scene.thing.kind][0])


def _subject(scene: Scene, draws: Draws) -> list[str]:
    noun, thing = _noun(scene, draws), scene.thing
    if thing is None:
        return [noun]
    shot = _shot(thing) if draws.chance(0.3) else ""
    colour = next(name for limit, name in _HUES if thing.hue < limit) if draws.chance(0.6) else ""
    parts = [shot, _odd(thing, draws), "" if thing.kind == "face" else colour, noun]
    if thing.kind == "face" and colour:
        parts.append(f"in-{colour}-shirt" if not thing.odd else "with-painted-skin")
    if thing.word:
        parts.append(draws.choice((f"saying-{thing.word.lower()}", f"with-word-{thing.word.lower()}")))
    moving = thing.speed > 0
    parts.append(draws.choice(_NOUNS_AND_MOVES[thing.kind][1] if moving else (*_RESTS.get(thing.kind, ()), "")))
    return parts


def _shot(thing: Thing) -> str:
    if thing.height > 0.6:
        return "close-up-of"
    return "medium-shot-of" if thing.height > 0.3 else "wide-shot-of-small"


def _odd(thing: Thing, draws: Draws) -> str:
    if not thing.odd:
        return "hazy" if thing.contrast < 0.4 and draws.chance(0.5) else ""
    return draws.choice(("strange", "painted", "unusual") if thing.kind == "face" else ("striped", "painted"))
