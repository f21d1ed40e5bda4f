"""The true memorability of a scene: a fixed function of what is seen in it.

Memorability is a weighted sum of the causes. Short- and long-term memorability weight the same causes differently, so
that they correlate at about .7 over many scenes; their means and standard deviations are such that scores drawn from
them are distributed like the release's. The causes and weights are invented: they are no finding about people.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from videomem_hf.protocol.paper import PAPER
from videomem_hf.sample.render import Box, thing_box
from videomem_hf.sample.scene import DURATION_S, Scene

SECONDS: Final = tuple(range(int(DURATION_S)))
"""The times at which boxes are recorded: one per second, as predictors sample frames."""
WHOLE: Final[Box] = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Causes:
    """What makes a scene memorable, measured in its frames.

    Attributes:
        size: Mean over the seconds of the square root of the area of the thing's box, in frame heights. Bare scenery
            has 0, clutter `_HEAP`.
        contrast: Of the thing, in [0, 1]; as with the size.
        conspicuity: How much the thing catches the eye: grows with contrast and with size, in [0, 1].
        person: 1 for a face, 0.5 for a whole figure, else 0.
        animal: 1 for an animal.
        words: 1 for a sign with words.
        odd: 1 for an odd sight.
        clutter: Of side things, in [0, 1].
        openness: How open the place is, in [0, 1]: 1 for sky, sea and desert, 0 indoors.
        motion: Of the thing, in [0, 1].
        camera: 1 if the camera moves.
        cut: 1 if there is a second shot.
    """

    size: float
    contrast: float
    conspicuity: float
    person: float
    animal: float
    words: float
    odd: float
    clutter: float
    openness: float
    motion: float
    camera: float
    cut: float


_HEAP: Final = (0.35, 0.35)
"""Size and contrast of clutter: more than bare scenery, less than a thing that stands out."""

_OPENNESS: Final[dict[str, float]] = {
    "sky": 1.0, "sea": 1.0, "desert": 1.0, "mountains": 0.8, "beach": 0.8, "meadow": 0.7,
    "underwater": 0.5, "city": 0.3, "forest": 0.3, "room": 0.0, "studio": 0.0,
}  # fmt: skip

_SHORT_TERM: Final[dict[str, float]] = {
    "conspicuity": 3.4, "person": 0.5, "animal": 0.2, "words": 0.1, "odd": 0.15, "clutter": -0.25, "openness": -0.15,
    "motion": 0.15, "camera": -0.05, "cut": 0.0,
}  # fmt: skip
_LONG_TERM: Final[dict[str, float]] = {
    "conspicuity": 1.3, "person": 0.4, "animal": 0.8, "words": -0.7, "odd": 0.9, "clutter": 0.15, "openness": -0.9,
    "motion": 0.0, "camera": 0.15, "cut": -0.5,
}  # fmt: skip
_HIGHEST: Final = 0.99


def causes_of(scene: Scene, times_s: Sequence[float] = SECONDS, crop: Box = WHOLE, contrast: float = 1.0) -> Causes:
    """Measure a scene's causes, in a frame of 16:9.

    Args:
        scene: What is rendered.
        times_s: When it is shown; of an edited clip, the times that are left.
        crop: The part of the frame that is enlarged to all of it, of the frame's aspect.
        contrast: Factor on the distance of grey levels from their mean, and so on the difference between the thing and
            what is behind it; the thing's own colours, a contrast of 1, are the most there is.
    """
    thing = scene.thing
    size = 0.0
    if thing is not None:
        boxes = [_cut(thing_box(scene, float(time_s)), crop) for time_s in times_s]
        areas = [0.0 if box is None else (box[2] - box[0]) * (box[3] - box[1]) * 16 / 9 for box in boxes]
        size = sum(math.sqrt(area) for area in areas) / len(areas)
    contrast = 0.0 if thing is None else min(1.0, contrast * thing.contrast)
    if scene.kind == "clutter":
        size, contrast = _HEAP
    return Causes(
        size=size,
        contrast=contrast,
        conspicuity=conspicuity(size, contrast),
        person={"face": 1.0, "figure": 0.5}.get(scene.kind, 0.0),
        animal=float(scene.kind == "animal"),
        words=float(scene.kind == "text"),
        odd=float(thing is not None and thing.odd),
        clutter=scene.clutter,
        openness=_OPENNESS[scene.place],
        motion=0.0 if thing is None else min(1.0, thing.speed / 0.07),
        camera=float(scene.camera != "still"),
        cut=float(scene.cut_s is not None and min(times_s) < scene.cut_s - 1e-9 <= max(times_s)),
    )


def _cut(box: Box | None, crop: Box) -> Box | None:
    """A box as fractions of the part of the frame that is kept; None where nothing of it is in there."""
    if box is None:
        return None
    width, height = crop[2] - crop[0], crop[3] - crop[1]
    left, right = (min(1.0, max(0.0, (edge - crop[0]) / width)) for edge in (box[0], box[2]))
    top, bottom = (min(1.0, max(0.0, (edge - crop[1]) / height)) for edge in (box[1], box[3]))
    return (left, top, right, bottom) if right > left and bottom > top else None


def conspicuity(size: float, contrast: float) -> float:
    """How much a thing of this size (in frame heights) and contrast catches the eye, in [0, 1]."""
    return min(1.0, math.sqrt(contrast * size / 0.9))


def memorability(causes: Causes) -> tuple[float, float]:
    """True short- and long-term memorability: the recognition chance at lag 100, and after 24 to 72 h."""

    def scale(weights: dict[str, float], drive_mean: float, drive_sd: float, mean: float, sd: float) -> float:
        """Scale the weighted sum of causes from its mean and sd over scenes to those of true memorability."""
        drive = sum(weight * getattr(causes, name) for name, weight in weights.items())
        return round(min(_HIGHEST, mean + sd * (drive - drive_mean) / drive_sd), 6)

    return (
        scale(_SHORT_TERM, drive_mean=1.636, drive_sd=0.892, mean=PAPER["short_term_mean"].value, sd=0.064),
        scale(_LONG_TERM, drive_mean=0.468, drive_sd=0.744, mean=PAPER["long_term_mean"].value, sd=0.084),
    )


def stands_out(scene: Scene, causes: Causes) -> bool:
    """Whether one thing stands out: large and clear enough to be seen at once, with little clutter."""
    return scene.thing is not None and causes.size >= 0.2 and causes.contrast >= 0.45 and causes.clutter <= 0.3
