"""HOG: histograms of oriented gradients in cells of 32x32 pixels, and what the release made of them.

Navneet Dalal and Bill Triggs, "Histograms of Oriented Gradients for Human Detection", CVPR 2005. The descriptor is that
of `skimage.feature.hog(grey, 9, (32, 32), (1, 1), "L2-Hys")`, to the bit, in a fraction of its time. The release (by
the public code that extracts its features) counted how often each different number occurs in it, as it did with LBP's
patterns, where that makes sense: its files hold the shares of the different numbers in increasing order of the numbers,
but not the numbers. So their length varies from frame to frame, and positions carry no meaning.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from videomem_hf.schema import InputError

from .extras import numba_kernels

ORIENTATIONS: Final = 9
CELL: Final = 32
_EPSILON: Final = 1e-5
_CLIP: Final = 0.2
_LEVELS: Final = 256
_STEPS: Final = 2 * _LEVELS - 1
"""Differences of two levels run from -255 to 255."""


def hog(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Describe a frame, `(height, width)` uint8, by histograms of oriented gradients.

    Returns `(height // 32 * (width // 32) * 9,)`: cell after cell, in each nine orientations, normalised (L2-Hys). What
    is beyond a multiple of 32 is left out; a frame smaller than a cell raises an InputError.
    """
    rows, columns = grey.shape[0] // CELL, grey.shape[1] // CELL
    if not rows or not columns:
        raise InputError(f"HOG needs a frame of at least {CELL}x{CELL}, not {grey.shape[1]}x{grey.shape[0]}")
    histograms = _cell_histograms(grey, rows, columns)
    clipped = np.minimum(histograms / _norm(histograms), _CLIP)
    return (clipped / _norm(clipped)).ravel()


def hog_value_shares(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the released feature: the share of each different number in the descriptor, in increasing order; sum 1."""
    descriptor = hog(grey)
    _, counts = np.unique(descriptor, return_counts=True)
    return counts / len(descriptor)


def _cell_histograms(grey: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.float64]:
    """Return the mean magnitude of each orientation in each cell, `(cells, 9)`.

    scikit-image adds a cell's pixels one after another in single precision. So here; without numba, cells side by side.
    """
    orientation, magnitude = _gradient_tables()
    sums = np.zeros((rows * columns, ORIENTATIONS), np.float32)
    if (code := numba_kernels()) is not None:
        square = (_STEPS, _STEPS)
        code.add_magnitudes(grey, CELL, rows, columns, orientation.reshape(square), magnitude.reshape(square), sums)
    else:
        steps = _gradient_steps(grey)[: rows * CELL, : columns * CELL]
        flat, firsts = sums.ravel(), np.arange(len(sums)) * ORIENTATIONS
        for pixel in steps.reshape(rows, CELL, columns, CELL).transpose(1, 3, 0, 2).reshape(CELL * CELL, -1):
            bins = firsts + orientation[pixel]
            flat[bins] = flat[bins] + magnitude[pixel]  # added in double precision, kept in single
    return (sums / np.float32(CELL * CELL)).astype(np.float64)


def _norm(histograms: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.sum(histograms**2, axis=1, keepdims=True) + _EPSILON**2)


def _gradient_steps(grey: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Number the pair of central differences, down and right, of every pixel; they are 0 at the edges."""
    levels = grey.astype(np.int32)
    steps = np.full(grey.shape, (_LEVELS - 1) * _STEPS + _LEVELS - 1, np.int32)
    steps[1:-1] += (levels[2:] - levels[:-2]) * _STEPS
    steps[:, 1:-1] += levels[:, 2:] - levels[:, :-2]
    return steps


@cache
def _gradient_tables() -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Map a pair's number to its orientation, 0 to 8 for angles of 0 to 180 degrees, and to its magnitude."""
    differences = np.arange(1 - _LEVELS, _LEVELS, dtype=np.float64)
    down, right = np.meshgrid(differences, differences, indexing="ij")
    degrees = np.rad2deg(np.arctan2(down, right)) % 180
    orientation = np.minimum(degrees // (180 / ORIENTATIONS), ORIENTATIONS - 1).astype(np.int64)
    return orientation.ravel(), np.hypot(down, right).ravel()
