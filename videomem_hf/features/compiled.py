"""The inner loops of LBP and HOG as numba kernels: the same arithmetic, many times faster.

No `fastmath`: it would let the compiler round other than scikit-image does.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

_COLUMNS: Final = 1024
"""Worked on at once: what a row of them needs stays in the processor's cache."""


@njit(cache=True, nogil=True)
def _compare(centre: Any, upper: Any, lower: Any, below: float, weights: Any, bit: Any) -> None:
    """Write into `bit` whether a point, interpolated between two rows at two columns each, is as bright as the centre.

    `upper` and `lower` are the pixels left and right of the point in the rows above and below it, `(columns,)` each;
    `below` is the weight of the lower row, `weights` those of the pixels on the right.
    """
    (upper_left, upper_right), (lower_left, lower_right) = upper, lower
    above = 1 - below
    for c in range(len(centre)):
        behind = weights[c]
        before = 1 - behind
        top = before * upper_left[c] + behind * upper_right[c]
        bottom = before * lower_left[c] + behind * lower_right[c]
        bit[c] = above * top + below * bottom >= centre[c]


@njit(cache=True, nogil=True)
def _add_bits(bit: Any, last: Any, ones: Any, changes: Any, columns: int) -> None:
    """Count the ones, and the changes from the last point to this one, of `columns` pixels."""
    for c in range(columns):
        ones[c] += bit[c]
        changes[c] += bit[c] ^ last[c]
        last[c] = bit[c]


@njit(cache=True, nogil=True)
def count_patterns(
    frame: NDArray[np.float64],
    margin: int,
    down: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]],
    right: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]],
) -> Any:
    """Count the pixels of each pattern, `(points + 2,)`.

    Args:
        frame: Grey with a margin of zeros round it.
        margin: Its width.
        down: As `lbp` interpolates rows: for each point the row before it and the row behind, and the latter's weight
            for each row of pixels.
        right: The same for columns.
    """
    near_rows, far_rows, row_weights = down
    near_columns, far_columns, column_weights = right
    points, height = row_weights.shape
    width = column_weights.shape[1]
    counts = np.zeros(points + 2, np.int64)
    bit, last = np.zeros(_COLUMNS, np.uint8), np.zeros(_COLUMNS, np.uint8)
    ones, changes = np.zeros(_COLUMNS, np.uint8), np.zeros(_COLUMNS, np.uint8)
    for left in range(0, width, _COLUMNS):
        columns = min(_COLUMNS, width - left)
        for row in range(height):
            centre = frame[row + margin, left + margin : left + margin + columns]
            for turn in range(-1, points):  # the last point first, to compare the first one with
                point = points - 1 if turn < 0 else turn
                near, far = left + near_columns[point], left + far_columns[point]
                upper, lower = frame[row + near_rows[point]], frame[row + far_rows[point]]
                _compare(
                    centre,
                    (upper[near : near + columns], upper[far : far + columns]),
                    (lower[near : near + columns], lower[far : far + columns]),
                    row_weights[point, row],
                    column_weights[point, left : left + columns],
                    bit,
                )
                if turn < 0:
                    ones[:] = 0
                    changes[:] = 0
                    last[:] = bit
                    continue
                _add_bits(bit, last, ones, changes, columns)
            for c in range(columns):
                counts[ones[c] if changes[c] <= 2 else points + 1] += 1
    return counts


@njit(cache=True, nogil=True)
def add_magnitudes(
    grey: NDArray[np.uint8],
    cell: int,
    rows: int,
    columns: int,
    orientation: NDArray[np.int64],
    magnitude: NDArray[np.float64],
    sums: NDArray[np.float32],
) -> None:
    """Add every pixel's magnitude to its cell's orientation in `sums`, `(rows * columns, orientations)`.

    The cells are squares of side `cell`. `orientation` and `magnitude`, `(511, 511)`, are those of the central
    differences down and right, each plus 255.
    """
    height, width = grey.shape
    for row in range(rows * cell):
        for column in range(columns * cell):
            down, right = 255, 255  # none at the edges
            if 0 < row < height - 1:
                down += int(grey[row + 1, column]) - int(grey[row - 1, column])
            if 0 < column < width - 1:
                right += int(grey[row, column + 1]) - int(grey[row, column - 1])
            cell_index, angle = row // cell * columns + column // cell, orientation[down, right]
            sums[cell_index, angle] = np.float32(np.float64(sums[cell_index, angle]) + magnitude[down, right])
