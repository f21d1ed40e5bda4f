"""The true memorability of clips that are put together from scenes, and edited."""

from collections.abc import Sequence
from dataclasses import dataclass

from videomem_hf.sample.memorability import WHOLE, causes_of, memorability
from videomem_hf.sample.render import Box
from videomem_hf.sample.scene import Scene


@dataclass(frozen=True)
class ShownScene:
    """What an edited clip shows of a scene.

    Attributes:
        scene: The scene.
        times_s: When it is shown, at even distances, in seconds of the scene; a clip's seconds count alike.
        crop: The part of the frame that is enlarged to all of it.
        contrast: Factor on the distance of grey levels from their mean.
    """

    scene: Scene
    times_s: tuple[float, ...]
    crop: Box = WHOLE
    contrast: float = 1.0


def edited_memorability(shown: Sequence[ShownScene]) -> tuple[float, float]:
    """True short- and long-term memorability of a clip of several scenes: their mean, weighted by their times.

    Order and brightness do not count, as they are no causes of memorability in the generator.
    """
    frames = sum(len(each.times_s) for each in shown)
    truths = [memorability(causes_of(each.scene, each.times_s, each.crop, each.contrast)) for each in shown]
    short_term, long_term = (
        sum(truth[column] * len(each.times_s) for truth, each in zip(truths, shown, strict=True)) / frames
        for column in (0, 1)
    )
    return short_term, long_term
