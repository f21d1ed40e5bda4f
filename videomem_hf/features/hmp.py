"""HMP: the histogram of motion patterns of a clip, in the release's variant and in that of its paper.

Jurandy Almeida, Neucimar J. Leite and Ricardo da S. Torres, "Comparison of video sequences with histograms of motion
patterns", ICIP 2011. VideoMem's second input of a perceptron (Sec. 5.2).

Frames 0, 3, 6, ... are reduced to the floored means of 8x8 blocks of their luma. Each macroblock of 2x2 of them gives a
spatial pattern (the order of its four values) and a temporal one (the order of each value among those of the same
block before and after); the histogram counts the pairs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from videomem_hf.data.feature_files.release_text import format_hmp
from videomem_hf.schema import InputError

from .clips import Clip, Picture
from .spec import Collector, FeatureSpec

BINS: Final = 6075
"""75 spatial patterns by 81 temporal ones."""
STEP: Final = 3
"""Every third frame is used."""

Variant = Literal["released", "paper"]

_BLOCK: Final = 8
_PAIRS: Final = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
_TEMPORAL: Final = 81
_POWERS: Final = np.array([1, 3, 9, 27], np.uint8)[:, None]


def hmp(luma_planes: Iterable[NDArray[np.uint8]], variant: Variant = "released") -> NDArray[np.float64]:
    """Describe a clip by its motion patterns.

    Args:
        luma_planes: Frames 0, 3, 6, ... of the clip: `(height, width)` uint8, the luma plane as decoded. Blocks that
            the frame does not fill count as 0, as do those that are missing to a multiple of 16.
        variant: "released", with the bitwise OR over a macroblock's blocks that the released files show and no paper
            states; or "paper", without it.

    Returns:
        `(6075,)`, sum 1. Bin 81 S + T (from 0) has the share of macroblocks with spatial pattern S and temporal pattern
        T among those that are not uniform and unchanged. All zeros if every macroblock is.

    Raises:
        InputError: Frames of different sizes.
        ValueError: No frame.
    """
    histogram = MotionPatterns(variant)
    for plane in luma_planes:
        histogram.add(plane)
    return histogram.frequencies()


class MotionPatterns:
    """Counts motion patterns of a stream of frames; holds three of them at a time."""

    def __init__(self, variant: Variant = "released") -> None:
        if variant not in ("released", "paper"):
            raise ValueError(f"variant is {variant!r}; it is 'released' or 'paper'")
        self.variant = variant
        self.counts = np.zeros(BINS, np.int64)
        self._previous: NDArray[np.uint8] | None = None
        self._current: NDArray[np.uint8] | None = None
        self._size: tuple[int, ...] = ()

    def add(self, luma: NDArray[np.uint8]) -> None:
        """Take the next of the frames 0, 3, 6, ...; `(height, width)` uint8."""
        if self._size and luma.shape != self._size:
            (height, width), (first_height, first_width) = luma.shape, self._size
            raise InputError(f"the frame size changes from {first_width}x{first_height} to {width}x{height}")
        self._size = luma.shape
        blocks = macroblocks(luma)
        if self._current is not None:
            self._count(blocks)
        self._previous, self._current = self._current, blocks

    def frequencies(self) -> NDArray[np.float64]:
        """Return the histogram `(6075,)` of the frames taken; no more can be added."""
        if self._current is None:
            raise ValueError("no frame was given")
        self._count(self._current)  # the last frame is its own next
        return self.counts / max(1, self.counts.sum())

    def _count(self, following: NDArray[np.uint8]) -> None:
        assert self._current is not None
        previous = self._current if self._previous is None else self._previous  # the first is its own previous
        self.counts += np.bincount(patterns(previous, self._current, following, self.variant), minlength=BINS)


def macroblocks(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Reduce a luma plane `(height, width)` to its macroblocks' four values `(4, macroblocks)`, each a block's mean.

    The order is top left, top right, bottom left, bottom right. Blocks that the frame does not fill are 0.
    """
    height, width = luma.shape
    means = _block_means(luma[: height // _BLOCK * _BLOCK, : width // _BLOCK * _BLOCK])
    rows, columns = (-(-side // (2 * _BLOCK)) for side in (height, width))
    padded = np.zeros((2 * rows, 2 * columns), np.uint8)
    padded[: means.shape[0], : means.shape[1]] = means
    return padded.reshape(rows, 2, columns, 2).transpose(1, 3, 0, 2).reshape(4, -1)


def _block_means(luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the floored means of 8x8 blocks, adding 8 pixels at once: a line of a block is one 64-bit word."""
    rows, columns = luma.shape[0] // _BLOCK, luma.shape[1] // _BLOCK
    if not rows or not columns:
        return np.zeros((rows, columns), np.uint8)
    words = np.ascontiguousarray(luma).view(np.uint64)
    every_other = np.uint64(0x00FF00FF00FF00FF)
    words = (words & every_other) + (words >> np.uint64(8) & every_other)  # four sums of two in 16 bits each
    sums = words.reshape(rows, _BLOCK, columns).sum(axis=1)
    # The product's top 16 bits have the sum of the four; // 64 with them.
    return (sums * np.uint64(0x0001000100010001) >> np.uint64(48 + 6)).astype(np.uint8)


def patterns(
    previous: NDArray[np.uint8], current: NDArray[np.uint8], following: NDArray[np.uint8], variant: Variant
) -> NDArray[np.int64]:
    """Return the bins, from 0, of the macroblocks that are counted; each argument is `(4, macroblocks)`."""
    still = (current == current[0]) & (previous == current) & (following == current)
    counted = ~still.all(axis=0)
    frames = [blocks[:, counted] for blocks in (previous, current, following)]
    spatial = _SPATIAL[_comparison_code(frames[1])]
    if variant == "released":
        frames = [np.bitwise_or.accumulate(blocks, axis=0) for blocks in frames]
    before, now, after = frames
    lower = before < now
    # The rank of `now` among the three: how many different values are below it.
    ranks = lower.astype(np.uint8) + ((after < now) & ~(lower & (before == after)))
    temporal = (ranks * _POWERS).sum(axis=0, dtype=np.uint8)
    return spatial.astype(np.int64) * _TEMPORAL + temporal


def _comparison_code(blocks: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Number the outcomes (below, equal, above) of comparing each two of four values: base 3, six digits."""
    code = np.zeros(blocks.shape[1], np.int64)
    for first, second in _PAIRS:
        code *= 3
        code += blocks[first] >= blocks[second]
        code += blocks[first] > blocks[second]
    return code


def _spatial_table() -> NDArray[np.uint8]:
    """Map outcomes of comparisons to the index among the 75 admissible codes r0 + 4 r1 + 16 r2 + 64 r3 of ranks."""
    ranks = np.array([r for r in product(range(4), repeat=4) if set(r) == set(range(max(r) + 1))], np.uint8)
    ordered = ranks[np.argsort(ranks @ np.array([1, 4, 16, 64]))]
    table = np.zeros(3 ** len(_PAIRS), np.uint8)
    table[_comparison_code(ordered.T)] = np.arange(len(ordered))
    return table


_SPATIAL: Final = _spatial_table()


@dataclass(frozen=True)
class HmpSpec(FeatureSpec):
    """The released feature, or its paper's; see `hmp`."""

    variant: Variant = "released"

    def frames(self, clip: Clip) -> Sequence[int]:
        return range(0, clip.frames, STEP)

    def collector(self, clip: Clip) -> Collector:
        return _HmpOfClip(self.variant)

    def encode(self, value: Any) -> bytes:
        return format_hmp(value)


class _HmpOfClip:
    def __init__(self, variant: Variant) -> None:
        self.patterns = MotionPatterns(variant)

    def add(self, picture: Picture) -> None:
        self.patterns.add(picture.luma)

    def values(self) -> list[NDArray[np.float64]]:
        return [self.patterns.frequencies()]
