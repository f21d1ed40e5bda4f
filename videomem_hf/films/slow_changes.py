"""Dissolves and fades, told from moving pictures: between the shots every frame is a mixture of the two."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

LENGTHS_S: Final = (1.0, 2.0)
"""Of the pieces of film that are looked at: a little longer than what is looked for, at either pace."""
_LEAST_CHANGE: Final = 12.0
"""Mean difference between before and after, of 255."""
_MOST_ALIKE: Final = 0.5
"""Correlation between before and after: what only moves, or becomes lighter, stays alike."""
_MOST_REST: Final = 0.28
_REST_PER_LIKENESS: Final = 0.4
_MOST_BACKWARDS: Final = 0.3
_MOST_AT_ONCE: Final = 0.6
"""More of the change between two frames is a cut."""
_MOST_CONTRAST: Final = 0.8
"""Variance half way, as a share of the mean of both ends: of a mixture of unlike pictures about half."""
_CHANNELS: Final = 3
_MIDDLE: Final = (0.2, 0.8)
"""Where in the piece the mixture has to be half and half."""
_EDGE: Final = 4
"""A picture may move by a quarter of its sides."""
_MOST_MOVED: Final = 0.45
"""What differs between two pictures after moving one over the other, as a share of what differs without."""
FLAT_SD: Final = 6.0
"""Below this spread of its levels a frame shows nothing: what a fade goes to, whatever its colour."""


@dataclass(frozen=True)
class SlowChange:
    """A dissolve, or one half of a fade.

    Attributes:
        time_s: When as much is seen of one shot as of the other.
        rest: How far frames are from a mixture, as a share of the change; lower is surer.
    """

    time_s: float
    rest: float


def find_slow_change(times_s: np.ndarray, frames: np.ndarray) -> SlowChange | None:
    """Look whether a piece of film goes over from its first frame to its last one.

    Each frame x between a and b is a + s (b - a) + rest. In a dissolve the share s rises from 0 to 1 and little
    remains, and half way the mixture has less contrast than either picture; in a picture that moves, frames between
    are no mixture of the ends, and their contrast stays.

    Args:
        times_s: `(frames,)` rising.
        frames: `(frames, size)` float32, levels of coarse pictures, 0 to 255, the colours of a point side by side.
    """
    first, change = frames[0], frames[-1] - frames[0]
    if len(frames) < 4 or not may_be_slow(first, frames[-1]):
        return None
    likeness = max(0.0, _correlation(first, frames[-1]))
    power = float(change @ change)
    moved = frames - first
    shares = moved @ change / power
    rest = float(np.sqrt(((moved - shares[:, None] * change) ** 2).sum(axis=1) / power).mean())
    steps = np.diff(shares)
    middle = int(np.argmax(shares >= 0.5))
    position = middle / (len(frames) - 1)
    is_mixture = rest < _MOST_REST - _REST_PER_LIKENESS * likeness
    is_slow = float(steps.max()) < _MOST_AT_ONCE and float(np.maximum(-steps, 0).sum()) < _MOST_BACKWARDS
    ends = (_contrast(first) + _contrast(frames[-1])) / 2
    is_paler = _contrast(frames[int(np.abs(shares - 0.5).argmin())]) < _MOST_CONTRAST * ends
    if is_mixture and is_slow and is_paler and _MIDDLE[0] < position < _MIDDLE[1]:
        return SlowChange(float(times_s[middle]), rest)
    return None


def may_be_slow(first: np.ndarray, last: np.ndarray) -> bool:
    """Whether two coarse pictures `(size,)` are so unlike that a piece of film between them may be a slow change."""
    return float(np.abs(last - first).mean()) >= _LEAST_CHANGE and _correlation(first, last) <= _MOST_ALIKE


def is_movement(pictures: Sequence[np.ndarray]) -> bool:
    """Whether small pictures `(height, width, 3)` uint8, at even times, are parts of one that moves before the camera.

    The middle of each is looked for in the one before it. What moves is found elsewhere; a mixture is not.
    """
    import cv2

    height, width = pictures[0].shape[:2]
    down, across = height // _EDGE, width // _EDGE
    moved = stayed = 0.0
    for before, after in pairwise(pictures):
        middle = after[down : height - down, across : width - across]
        costs = cv2.matchTemplate(before, middle, cv2.TM_SQDIFF)
        moved += float(np.sqrt(max(0.0, costs.min())))
        stayed += float(np.sqrt(max(0.0, costs[down, across])))
    return moved < _MOST_MOVED * stayed


def _contrast(frame: np.ndarray) -> float:
    """Spatial variance of a coarse picture, the sum over its colours."""
    return float(frame.reshape(-1, _CHANNELS).var(axis=0).sum())


def is_flat(frame: np.ndarray) -> bool:
    """Whether a coarse picture `(size,)` shows nothing."""
    return float(frame.std()) < FLAT_SD


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Of the levels of two frames; 0 with one that is flat."""
    if is_flat(a) or is_flat(b):
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
