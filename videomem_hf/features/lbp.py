"""LBP: the histogram of uniform local binary patterns of a frame, 120 points on a circle of radius 15.

Timo Ojala, Matti Pietikainen and Topi Maenpaa, "Multiresolution gray-scale and rotation invariant texture
classification with local binary patterns", IEEE TPAMI 24(7), 2002. The released files hold what
`skimage.feature.local_binary_pattern(grey, 120, 15, "uniform")` gives. So do these functions, to the last pixel: the
interpolated grey of a point is compared with the centre's, in flat areas the two differ by rounding alone, and the
arithmetic here is that of scikit-image operation by operation. With numba it runs compiled; without, NumPy works
on parts of the frame, and the points of a column share their interpolation across.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .extras import numba_kernels

POINTS: Final = 120
RADIUS: Final = 15
PATTERNS: Final = POINTS + 2
"""Uniform patterns by their number of ones, 0 to 120, and one for all that are not uniform."""

_MARGIN: Final = RADIUS + 1
_TILE: Final = (64, 256)
"""Rows and columns worked on at once: their arrays stay in the processor's cache."""


def lbp(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Describe a frame by how often each uniform local binary pattern occurs in it.

    Args:
        grey: `(height, width)` uint8, of any size; beyond its edges it counts as 0.

    Returns:
        `(122,)`, sum 1: the share of pixels whose pattern has 0, 1, ..., 120 ones, and of those with another pattern.
    """
    counts = pattern_counts(grey)
    return counts / counts.sum()


def pattern_counts(grey: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the pixels of each pattern; `(122,)`, see `lbp`."""
    height, width = grey.shape
    frame = np.zeros((height + 2 * _MARGIN, width + 2 * _MARGIN))
    frame[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = grey
    if (code := numba_kernels()) is not None:
        return code.count_patterns(frame, _MARGIN, _weights(_DOWN, height), _weights(_RIGHT, width))
    counts = np.zeros(PATTERNS, np.int64)
    for top in range(0, height, _TILE[0]):
        for left in range(0, width, _TILE[1]):
            rows, columns = min(_TILE[0], height - top), min(_TILE[1], width - left)
            around = frame[top : top + rows + 2 * _MARGIN, left : left + columns + 2 * _MARGIN]
            counts += _Tile(around, top, left).counts()
    return counts


def _weights(
    shifts: NDArray[np.float64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Give what `_interpolation` does for every point and `count` positions."""
    positions = np.arange(count, dtype=np.float64) + shifts[:, None]
    below, behind = np.floor(positions), np.ceil(positions)
    near, far = ((edge[:, 0] + _MARGIN).astype(np.int64) for edge in (below, behind))
    return near, far, positions - below


def _circle() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the points' distances down and to the right of the centre, rounded as scikit-image rounds them."""
    angles = 2 * np.pi * np.arange(POINTS, dtype=np.float64) / POINTS
    return np.round(-RADIUS * np.sin(angles), 5), np.round(RADIUS * np.cos(angles), 5)


_DOWN, _RIGHT = _circle()

Weight = float | NDArray[np.float64]


class _Tile:
    """A part of a frame with a margin round it, row after row: a shift of the part is a slice.

    What the slices hold in the columns of the margin means nothing; it is left out at the end.
    """

    def __init__(self, around: NDArray[np.float64], top: int, left: int) -> None:
        height, self.stride = around.shape
        self.rows, self.columns = height - 2 * _MARGIN, self.stride - 2 * _MARGIN
        self.top, self.left = top, left
        self.flat = np.concatenate([around.ravel(), np.zeros(2 * _MARGIN)])
        self.centre = self._shifted(_MARGIN)[_MARGIN:-_MARGIN]
        self.across, self.across_far = np.empty(around.shape), np.empty(around.shape)
        self.near, self.far = np.empty(self.centre.shape), np.empty(self.centre.shape)

    def _shifted(self, columns: int) -> NDArray[np.float64]:
        return self.flat[columns : columns + self.flat.size - 2 * _MARGIN].reshape(-1, self.stride)

    def counts(self) -> NDArray[np.int64]:
        """Count the tile's pixels by pattern."""
        ones, changes = np.zeros(self.centre.shape, np.uint8), np.zeros(self.centre.shape, np.uint8)
        before: tuple[NDArray[np.uint8], ...] = ()
        for bits in self._bits_in_pairs():
            for now, last in zip(bits, before, strict=False):
                changes += now ^ last
            for bit in bits[: 1 if bits[0] is bits[1] else 2]:
                ones += bit
            before = bits
        patterns = np.where(changes <= 2, ones, PATTERNS - 1)
        return np.bincount(patterns[:, : self.columns].ravel(), minlength=PATTERNS)

    def _bits_in_pairs(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
        """Yield the bits of points 0, 1 and 119, 2 and 118, ..., 60: the two of a pair lie in the same column."""
        for point in range(POINTS // 2 + 1):
            self._interpolate_across(_RIGHT[point])
            opposite = -point % POINTS
            bit = self._bit(_DOWN[point])
            yield bit, bit if opposite == point else self._bit(_DOWN[opposite])

    def _interpolate_across(self, right: float) -> None:
        near, far, weight = _interpolation(self.left, self.columns, right)
        if isinstance(weight, np.ndarray):
            weight = np.concatenate([weight, np.zeros(2 * _MARGIN)])
        np.multiply(self._shifted(near), 1 - weight, out=self.across)
        np.multiply(self._shifted(far), weight, out=self.across_far)
        np.add(self.across, self.across_far, out=self.across)

    def _bit(self, down: float) -> NDArray[np.uint8]:
        near, far, weight = _interpolation(self.top, self.rows, down)
        if isinstance(weight, np.ndarray):
            weight = weight[:, None]
        np.multiply(self.across[near : near + self.rows], 1 - weight, out=self.near)
        np.multiply(self.across[far : far + self.rows], weight, out=self.far)
        np.add(self.near, self.far, out=self.near)
        return np.greater_equal(self.near, self.centre).view(np.uint8)


@lru_cache(maxsize=1 << 14)
def _interpolation(first: int, count: int, shift: float) -> tuple[int, int, Weight]:
    """Tell where the pixels on both sides of shifted positions lie, from the margin's edge, and the farther's weight.

    The weight is the position minus the position before it. Rounded to what a double holds at that size it is the same
    for many positions, seldom for all: then there is one for each.
    """
    positions = np.arange(first, first + count, dtype=np.float64) + shift
    below = np.floor(positions)
    weights = positions - below
    near = int(below[0]) - first + _MARGIN
    far = int(np.ceil(positions[0])) - first + _MARGIN
    return near, far, float(weights[0]) if (weights == weights[0]).all() else weights
