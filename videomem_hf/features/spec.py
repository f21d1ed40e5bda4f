"""Feature specs: which frames of a clip a feature is computed from, what it keeps of them, and what it writes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from videomem_hf.data.feature_files.folders import FRAMES
from videomem_hf.data.feature_files.release_text import format_digits
from videomem_hf.schema import InputError

from .clips import Clip, Picture
from .extras import library

WHOLE: Final = (".txt",)
"""Ending of the one file of a feature that describes a whole clip."""
MOST_FRAMES: Final = 64
"""Frames that a network is given of one clip, so that memory does not grow with its length."""

FrameTransform = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""Prepares a frame `(height, width, 3)`, red, green and blue, for a network."""


Network = Callable[[list[list[Any]]], list[list[np.ndarray]]]
"""A network in memory: from what collectors returned for several clips to each clip's features, one per file."""


class Collector(Protocol):
    """Takes the frames of one clip that a spec wants, and returns the feature or a network's input."""

    def add(self, picture: Picture) -> None:
        """Take the next frame."""

    def values(self) -> list[Any]:
        """Return the feature, one entry per file, or a network's input."""


@dataclass(frozen=True)
class FeatureSpec(ABC):
    """A feature; can be sent to another process.

    Attributes:
        name: As `--features` takes it.
        folder: Folder of its files.
        endings: What follows the clip's id in the name of each of its files.
    """

    name: str
    folder: str
    endings: tuple[str, ...]

    def check(self) -> None:  # noqa: B027 - most specs need nothing
        """Raise an InputError for what would fail for every clip: a library or weights that are missing."""

    def frames(self, clip: Clip) -> Sequence[int]:
        """Return the indices of the frames that it needs, increasing; the same one may occur twice.

        By default `thirds` where several files describe a clip, else `one_per_second`.
        """
        return thirds(clip) if len(self.endings) > 1 else one_per_second(clip)

    @abstractmethod
    def collector(self, clip: Clip) -> Collector:
        """Return what takes the frames of a clip."""

    def encode(self, value: Any) -> bytes:
        """Write the content of one file."""
        return format_digits(value)


class NetworkSpec(FeatureSpec):
    """A feature whose collectors return a network's input; the network runs once for several clips."""

    def collector(self, clip: Clip) -> Collector:
        transform = self.frame_transform()
        return FrameValues(lambda picture: transform(picture.rgb))

    def frame_transform(self) -> FrameTransform:
        """Return what prepares each frame."""
        raise NotImplementedError

    @abstractmethod
    def load(self, device: str) -> Network:
        """Load the network onto a device."""


def frame_endings(suffix: str = ".txt") -> tuple[str, ...]:
    """Return the endings of a feature of single frames: the release's -0, -56 and -112, whatever the clip's length."""
    return tuple(f"-{frame}{suffix}" for frame in FRAMES)


def thirds(clip: Clip) -> list[int]:
    """Return the frames that the release describes: 0, n // 3 and 2 n // 3, which are 0, 56 and 112 of its 168."""
    return [0, clip.frames // 3, 2 * clip.frames // 3]


def one_per_second(clip: Clip) -> list[int]:
    """Return evenly spread frames from the first on: one per second of the clip's nominal length, 1 to 64."""
    seconds = round(clip.frames / clip.frames_per_second)
    return evenly_spaced(clip, min(MOST_FRAMES, max(1, seconds)))


def evenly_spaced(clip: Clip, count: int) -> list[int]:
    """Return `count` frames at 0, n / count, 2 n / count, ..., floored."""
    return [index * clip.frames // count for index in range(count)]


def split_by_clip(rows: np.ndarray, clips: Sequence[Sequence[Any]]) -> list[np.ndarray]:
    """Cut rows, one per frame of several clips, into those of each clip."""
    return np.split(rows, np.cumsum([len(clip) for clip in clips])[:-1])


def compute_rows(compute: Callable[[Any], Any], inputs: Sequence[np.ndarray], device: Any) -> np.ndarray:
    """Apply a network to a batch of inputs of one shape; gives `(inputs, size)` float64."""
    import torch

    with torch.inference_mode():
        return compute(torch.from_numpy(np.stack(inputs)).to(device)).double().cpu().numpy()


@dataclass(frozen=True)
class FrameSpec(FeatureSpec):
    """A feature of single frames, computed where they are decoded.

    `describe` computes it, `write` returns the content of its file, `needs` is an optional library that it takes.
    """

    describe: Callable[[Picture], Any]
    write: Callable[[Any], bytes]
    needs: str | None = None

    def check(self) -> None:
        if self.needs:
            library(self.needs, self.name)

    def collector(self, clip: Clip) -> Collector:
        return FrameValues(self.describe)

    def encode(self, value: Any) -> bytes:
        return self.write(value)


class FrameValues:
    """Collects what a function returns for each frame; a frame that is wanted twice is computed once."""

    def __init__(self, function: Callable[[Picture], Any]) -> None:
        self.function = function
        self.kept: list[Any] = []
        self._last: tuple[int, Any] = (-1, None)

    def add(self, picture: Picture) -> None:
        if self._last[0] != picture.index:
            self._last = picture.index, self.function(picture)
        self.kept.append(self._last[1])

    def values(self) -> list[Any]:
        return self.kept


def folder_name(kind: str, model: str) -> str:
    """Name the folder of a model's features: `hf-org--model`; a model on disk goes by the name of its folder."""
    if not model:
        raise InputError(f"--features {kind}: names no model; write {kind}:MODEL")
    short = Path(model).expanduser().resolve().name if Path(model).expanduser().exists() else model
    return f"{kind}-" + "".join(c if c.isalnum() or c in "-_" else "_" for c in short.replace("/", "--"))
