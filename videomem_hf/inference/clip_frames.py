"""A clip while its frames are scored."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videomem_hf.inference.prediction import Intervals
from videomem_hf.inference.selection import EvenSelection
from videomem_hf.inference.sources import ClipSource, input_name
from videomem_hf.schema import Horizon
from videomem_hf.video.video import Frame


class ClipFrames:
    """A clip while its frames are scored: what is known of it, one entry per frame."""

    def __init__(self, source: ClipSource, selection: "EvenSelection[KeptFrame] | None" = None) -> None:
        self.source = source
        self.name = input_name(source)
        self.selection = selection or EvenSelection[KeptFrame](0)
        self.shape: tuple[int, int] = (0, 0)
        self.notes: list[str] = []
        self.error: Exception | None = None
        self.times: list[float] = []
        self.rows: list[np.ndarray] = []
        self.maps: list[np.ndarray] = []
        self.input_shape: tuple[int, int] = (0, 0)
        self._sums: dict[str, np.ndarray] = {}

    def describe(self, numbers: dict[str, np.ndarray]) -> None:
        """Take what describes a frame, groups of numbers `(size,)`."""
        for name, values in numbers.items():
            self._sums[name] = self._sums.get(name, 0.0) + values.astype(np.float64)

    def description(self) -> dict[str, np.ndarray]:
        """Give the mean over the clip's frames: groups of numbers `(1, size)`."""
        return {name: total[None] / len(self.rows) for name, total in self._sums.items()}

    def add(self, piece: "Piece", row: np.ndarray, saliency: np.ndarray | None, keep_map: bool) -> None:
        """Take a frame's score, or its features, and its saliency map."""
        self.times.append(piece.frame.time_s)
        self.rows.append(row)
        self.input_shape = piece.input_shape
        if saliency is not None and keep_map:
            self.maps.append(saliency)
        frame = piece.frame
        self.selection.offer(KeptFrame(len(self.rows) - 1, frame.time_s, frame.image, piece.input_shape, saliency))


@dataclass(frozen=True)
class Piece:
    """A frame at display size, and the resized frames of its segment, `(frames, height, width, 3)` uint8."""

    clip: ClipFrames
    frame: Frame
    frames: np.ndarray
    input_shape: tuple[int, int]


@dataclass(frozen=True)
class KeptFrame:
    index: int
    time_s: float
    image: np.ndarray
    input_shape: tuple[int, int]
    map: np.ndarray | None


@dataclass
class ClipOutput:
    """What a model gives for all frames of a clip.

    Attributes:
        frame_scores: `(frames, horizons)`.
        weights: `(frames,)`, which are made to sum to 1; None where all frames count alike.
        ends: `(horizons, 2)` of the prediction intervals; None for a model that gives none.
    """

    frame_scores: np.ndarray
    weights: np.ndarray | None = None
    ends: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.weights is not None:
            self.weights = self.weights / self.weights.sum()

    def intervals(self, horizons: Sequence[Horizon]) -> Intervals | None:
        """The prediction intervals by horizon."""
        if self.ends is None:
            return None
        return {horizon: (low, high) for horizon, (low, high) in zip(horizons, self.ends.tolist(), strict=True)}
