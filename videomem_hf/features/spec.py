"""What every feature tells of itself: which frames of a clip it looks at, what it keeps of them, and what it writes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from videomem_hf.data.feature_files.folders import FRAMES
from videomem_hf.schema import InputError

from .clips import Clip, Picture

WHOLE: Final = (".txt",)
"""Ending of the one file of a feature that describes a whole clip."""
MOST_FRAMES: Final = 64
"""Frames that a network is given of one clip, so that memory does not grow with its length."""


class Collector(Protocol):
    """Takes the frames of one clip that a spec wants, and ends with the feature or a network's input."""

    def add(self, place: int, picture: Picture) -> None:
        """Take a frame; `place` is its position among those wanted."""

    def values(self) -> list[Any]:
        """Give the feature, one entry a file; or for a network its input, whatever it needs."""


@dataclass(frozen=True)
class FeatureSpec(ABC):
    """A feature; can be sent to another process.

    Attributes:
        name: As `--features` takes it.
        folder: Folder of its files.
        endings: What follows a clip's id in the names of its files, one of each.
    """

    name: str
    folder: str
    endings: tuple[str, ...]

    def check(self) -> None:  # noqa: B027 - most specs need nothing
        """Refuse with an InputError what would fail for every clip: a library or weights that are not there."""

    @abstractmethod
    def frames(self, clip: Clip) -> Sequence[int]:
        """Give the indices of the frames that it looks at, increasing; equal ones may follow each other."""

    @abstractmethod
    def collector(self, clip: Clip) -> Collector:
        """Begin a clip."""

    def encode(self, value: Any) -> bytes:
        """Write the content of one file."""
        raise NotImplementedError


class Network(Protocol):
    """A network in memory: from what collectors gave of several clips to each clip's features, one a file."""

    def __call__(self, clips: list[list[Any]]) -> list[list[np.ndarray]]:
        """Compute."""


class NetworkSpec(FeatureSpec):
    """A feature whose collectors give a network's input; the network runs once for several clips."""

    @abstractmethod
    def load(self, device: str) -> Network:
        """Load the network onto a device."""


def frame_endings(suffix: str = ".txt") -> tuple[str, ...]:
    """Give the endings of a feature of single frames: the release's -0, -56 and -112, whatever the clip's length."""
    return tuple(f"-{frame}{suffix}" for frame in FRAMES)


def thirds(clip: Clip) -> list[int]:
    """Give the frames that the release describes, of n: 0, n // 3 and 2 n // 3; of 168 they are 0, 56 and 112."""
    return [0, clip.frames // 3, 2 * clip.frames // 3]


def one_per_second(clip: Clip) -> list[int]:
    """Give evenly spread frames from the first on: one a second of the clip's nominal length, 1 to 64."""
    seconds = round(clip.frames / clip.frames_per_second)
    return evenly_spaced(clip, min(MOST_FRAMES, max(1, seconds)))


def evenly_spaced(clip: Clip, count: int) -> list[int]:
    """Give `count` frames at 0, n / count, 2 n / count, ..., floored."""
    return [place * clip.frames // count for place in range(count)]


@dataclass(frozen=True)
class FrameSpec(FeatureSpec):
    """A feature of single frames, computed where they are decoded.

    Attributes:
        describe: From a frame to the feature.
        write: From the feature to the content of its file.
        needs: Library that it needs and not everybody has.
    """

    describe: Callable[[Picture], Any]
    write: Callable[[Any], bytes]
    needs: str | None = None

    def check(self) -> None:
        """See the base class."""
        if self.needs:
            from .extras import library

            library(self.needs, self.name)

    def frames(self, clip: Clip) -> Sequence[int]:
        """See the base class."""
        return thirds(clip)

    def collector(self, clip: Clip) -> Collector:
        """See the base class."""
        return FrameValues(self.describe)

    def encode(self, value: Any) -> bytes:
        """See the base class."""
        return self.write(value)


class FrameValues:
    """Collects what a function makes of each frame, in the order of their places."""

    def __init__(self, function: Callable[[Picture], Any]) -> None:
        self.function = function
        self.kept: list[Any] = []
        self._last: tuple[int, Any] = (-1, None)

    def add(self, place: int, picture: Picture) -> None:
        """See `Collector`; a frame wanted twice is described once."""
        if self._last[0] != picture.index:
            self._last = picture.index, self.function(picture)
        self.kept.append(self._last[1])

    def values(self) -> list[Any]:
        """See `Collector`."""
        return self.kept


def folder_name(kind: str, model: str) -> str:
    """Name the folder of a model's features: `hf-org--model`; a model on disk goes by its last folder.

    Raises:
        InputError: No model is named.
    """
    if not model:
        raise InputError(f"--features {kind}: names no model; write {kind}:MODEL")
    short = Path(model).expanduser().resolve().name if Path(model).expanduser().exists() else model
    return f"{kind}-" + "".join(c if c.isalnum() or c in "-_" else "_" for c in short.replace("/", "--"))
