"""HMP as one of several features of a clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .clips import Clip, Picture
from .hmp import STEP, MotionPatterns, Variant
from .release_text import format_hmp
from .spec import Collector, FeatureSpec


@dataclass(frozen=True)
class HmpSpec(FeatureSpec):
    """The released feature, or its paper's; see `videomem_hf.features.hmp`."""

    variant: Variant = "released"

    def frames(self, clip: Clip) -> Sequence[int]:
        """See the base class."""
        return range(0, clip.frames, STEP)

    def collector(self, clip: Clip) -> Collector:
        """See the base class."""
        return _HmpOfClip(self.variant)

    def encode(self, value: Any) -> bytes:
        """See the base class."""
        return format_hmp(value)


class _HmpOfClip:
    def __init__(self, variant: Variant) -> None:
        self.patterns = MotionPatterns(variant)

    def add(self, place: int, picture: Picture) -> None:
        """See `Collector`."""
        self.patterns.add(picture.luma)

    def values(self) -> list[np.ndarray]:
        """See `Collector`."""
        return [self.patterns.frequencies()]
