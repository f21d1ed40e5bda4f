"""LBP: the histogram of uniform local binary patterns of a frame, 120 points on a circle of radius 15.

Timo Ojala, Matti Pietikainen and Topi Maenpaa, "Multiresolution gray-scale and rotation invariant texture
classification with local binary patterns", IEEE TPAMI 24(7), 2002. The released files hold what
`skimage.feature.local_binary_pattern(grey, 120, 15, "uniform")` gives. So do these functions, to the last pixel: the
interpolated grey of a point is compared with the centre's, in flat areas the two differ by rounding alone, and the
arithmetic here is that of scikit-image operation by operation. With numba it runs compiled; without, NumPy works
on parts of the frame.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from .extras import numba_kernels

POINTS: Final = 120
RADIUS: Final = 15
PATTERNS: Final = POINTS + 2
"""Uniform patterns by their number of ones, 0 to 120, and one for all that are not uniform."""

Interpolation = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

_MARGIN: Final = RADIUS + 1
_TILE: Final = (64, 256)
"""Rows and columns worked on at once: their arrays stay in the processor's cache."""


def lbp(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Describe a frame, `(height, width)` uint8, by how often each uniform local binary pattern occurs in it.

    Returns `(122,)`, sum 1: the share of pixels whose pattern has 0, 1, ..., 120 ones, and of those with another
    pattern. Beyond the frame's edges grey counts as 0.
    """
    counts = pattern_counts(grey)
    return counts / counts.sum()


def pattern_counts(grey: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the pixels of each pattern; `(122,)`, see `lbp`."""
    height, width = grey.shape
    frame = np.zeros((height + 2 * _MARGIN, width + 2 * _MARGIN))
    frame[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = grey
    down, right = _interpolation(_DOWN, height), _interpolation(_RIGHT, width)
    if (code := numba_kernels()) is not None:
        return code.count_patterns(frame, _MARGIN, down, right)
    counts = np.zeros(PATTERNS, np.int64)
    for top in range(0, height, _TILE[0]):
        for left in range(0, width, _TILE[1]):
            rows, columns = slice(top, min(top + _TILE[0], height)), slice(left, min(left + _TILE[1], width))
            counts += _count_tile(frame, rows, columns, down, right)
    return counts


def _interpolation(shifts: NDArray[np.float64], count: int) -> Interpolation:
    """Return between which pixels `count` positions, each shifted by the distance of every point, lie.

    For each point: the pixel before position 0 and the one behind it, from the margin's edge, `(points,)` each; and the
    weight of the latter, `(points, count)`, which rounding can make differ from position to position.
    """
    positions = np.arange(count, dtype=np.float64) + shifts[:, None]
    below, behind = np.floor(positions), np.ceil(positions)
    near, far = ((edge[:, 0] + _MARGIN).astype(np.int64) for edge in (below, behind))
    return near, far, positions - below


def _circle() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points' distances down and to the right of the centre, rounded as scikit-image rounds them."""
    angles = 2 * np.pi * np.arange(POINTS, dtype=np.float64) / POINTS
    return np.round(-RADIUS * np.sin(angles), 5), np.round(RADIUS * np.cos(angles), 5)


_DOWN, _RIGHT = _circle()


def _count_tile(
    frame: NDArray[np.float64], rows: slice, columns: slice, down: Interpolation, right: Interpolation
) -> NDArray[np.int64]:
    """Count the patterns of the pixels in some rows and columns; see `compiled.count_patterns`."""
    height, width = rows.stop - rows.start, columns.stop - columns.start
    centre = frame[rows.start + _MARGIN :, columns.start + _MARGIN :][:height, :width]
    ones, changes = np.zeros(centre.shape, np.uint8), np.zeros(centre.shape, np.uint8)
    across, across_far = np.empty((height + 1, width)), np.empty((height + 1, width))
    near, far = np.empty(centre.shape), np.empty(centre.shape)
    last = np.zeros(centre.shape, np.uint8)
    for point in range(-1, POINTS):  # the last point first, to compare the first one with
        near_row, far_row, behind = down[0][point], down[1][point], down[2][point, rows, None]
        before_column, behind_column, weights = right[0][point], right[1][point], right[2][point, columns]
        band = frame[rows.start + near_row :, columns.start :][: height + 1]
        np.multiply(band[:, before_column : before_column + width], 1 - weights, out=across)
        np.multiply(band[:, behind_column : behind_column + width], weights, out=across_far)
        across += across_far
        np.multiply(across[:height], 1 - behind, out=near)
        np.multiply(across[far_row - near_row :][:height], behind, out=far)
        near += far
        bit = np.greater_equal(near, centre).view(np.uint8)
        if point >= 0:
            ones += bit
            changes += bit ^ last
        last = bit
    return np.bincount(np.where(changes <= 2, ones, PATTERNS - 1).ravel(), minlength=PATTERNS)
