"""Maps of frames as a fixed network gives them, computed once and kept on disk beside the frames."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final

import numpy as np

from .clip_cache import ClipCache
from .frame_cache import FrameCache
from .sources import Source

_FORMAT: Final = 1
_FRAMES_AT_ONCE: Final = 16
_MOST_HALF: Final = float(np.finfo(np.float16).max)


class MapCache(ClipCache):
    """Maps of clips, `(frames, channels, height, width)` each: float16, or float32 where a value is too large for that.

    Half precision is a relative error of at most 1/2048 and half the room: for VideoMem's 8,000 clips of 7 frames, the
    7 x 12 maps of 64 channels of the small frame network take 0.6 GB, the 13 x 13 ones of 2,048 of a ResNet 39 GB.

    Folder and limit of size are those of the frames' cache.

    Args:
        frames: Holds the clips' frames whenever `fill` is called.
        network: Tells the network and what is done to its input from any other.
        compute: Maps frames `(n, 3, height, width)` uint8 to `(n, channels, height', width')` float32.
    """

    holds: ClassVar[str] = "frame_maps"
    work: ClassVar[str] = "computing maps"

    def __init__(self, frames: FrameCache, network: str, compute: Callable[[np.ndarray], np.ndarray]) -> None:
        made_of = {"maps": _FORMAT, "network": network, "frames": frames.folder.name}
        super().__init__(frames.root, made_of, frames.limit_gb)
        self._frames, self._compute = frames, compute

    def fill(self, sources: Sequence[Source], *, workers: int | None = 1, progress: bool = True) -> None:
        """Compute what is missing; one clip at a time by default, as a network uses all CPUs."""
        super().fill(sources, workers=workers, progress=progress)

    def needed_entries(self, sources: Sequence[Source]) -> list[Path]:
        return [entry for source in sources if (entry := self._frames.entry(source))]

    def pieces(self, source: Source) -> Iterator[np.ndarray]:
        """Compute the maps of a clip from its cached frames."""
        frames = self._frames.load(source)
        for start in range(0, len(frames), _FRAMES_AT_ONCE):
            maps = self._compute(np.array(frames[start : start + _FRAMES_AT_ONCE]))
            yield maps.astype(np.float16) if np.abs(maps).max() <= _MOST_HALF else maps
