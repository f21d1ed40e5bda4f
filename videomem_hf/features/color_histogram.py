"""ColorHistogram: how many pixels of a frame have each of the 256 levels of each channel."""

import numpy as np
from numpy.typing import NDArray

from .grey import Order

LEVELS = 256


def color_histogram(rgb: NDArray[np.uint8], order: Order = "exchanged") -> NDArray[np.int64]:
    """Count the levels of each channel of a frame `(height, width, 3)`, red, green and blue; gives `(3, 256)`.

    With "exchanged" the rows are what the release labels red, green and blue, which are blue, green and red; with
    "true" they are red, green and blue.
    """
    channels = (0, 1, 2) if order == "true" else (2, 1, 0)
    return np.stack([_count(np.ascontiguousarray(rgb[..., channel]).ravel()) for channel in channels])


def _count(levels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count levels two pixels at a time, which halves the work."""
    even = levels.size // 2 * 2
    pairs = np.bincount(levels[:even].view(np.uint16), minlength=LEVELS * LEVELS).reshape(LEVELS, LEVELS)
    counts = pairs.sum(axis=0) + pairs.sum(axis=1)
    counts += np.bincount(levels[even:], minlength=LEVELS)
    return counts
