"""The features' definitions, word for word and slow, to compare with; nothing here uses the package."""

from collections import Counter
from collections.abc import Sequence

import numpy as np


def dense_ranks(values: Sequence[int]) -> list[int]:
    """0 the smallest; equal values share a rank; no gaps."""
    return [sorted(set(values)).index(value) for value in values]


def block_values(plane: np.ndarray) -> list[list[int]]:
    """Floored means of 8x8 blocks; rows and columns of zeros up to whole macroblocks of 16x16."""
    height, width = plane.shape
    rows, columns = -(-height // 16) * 2, -(-width // 16) * 2
    values = [[0] * columns for _ in range(rows)]
    for row in range(height // 8):
        for column in range(width // 8):
            block = plane[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
            values[row][column] = sum(int(level) for line in block for level in line) // 64
    return values


def macroblock(values: list[list[int]], row: int, column: int) -> list[int]:
    """Top left, top right, bottom left, bottom right."""
    top, bottom = values[2 * row], values[2 * row + 1]
    return [top[2 * column], top[2 * column + 1], bottom[2 * column], bottom[2 * column + 1]]


def ored(blocks: list[int]) -> list[int]:
    """For block k the bitwise OR of blocks 0..k."""
    result, bits = [], 0
    for value in blocks:
        bits |= value
        result.append(bits)
    return result


def admissible_codes() -> list[int]:
    """The codes that dense ranks of four values can have, in increasing order."""
    quadruples = ((a, b, c, d) for a in range(4) for b in range(4) for c in range(4) for d in range(4))
    return sorted({spatial_code(values) for values in quadruples})


def spatial_code(values: Sequence[int]) -> int:
    """r0 + 4 r1 + 16 r2 + 64 r3."""
    r0, r1, r2, r3 = dense_ranks(values)
    return r0 + 4 * r1 + 16 * r2 + 64 * r3


def hmp(planes: Sequence[np.ndarray], with_or: bool) -> dict[int, float]:
    """Bins from 1 and their shares; `planes` are the frames 0, 3, 6, ..."""
    codes = admissible_codes()
    frames = [block_values(plane) for plane in planes]
    counts: Counter[int] = Counter()
    for index, current in enumerate(frames):
        previous, following = frames[max(index - 1, 0)], frames[min(index + 1, len(frames) - 1)]
        for row in range(len(current) // 2):
            for column in range(len(current[0]) // 2):
                now, before, after = (macroblock(values, row, column) for values in (current, previous, following))
                if len(set(now)) == 1 and now == before == after:
                    continue
                s = codes.index(spatial_code(now))
                if with_or:
                    now, before, after = ored(now), ored(before), ored(after)
                t = [dense_ranks([now[k], before[k], after[k]])[0] for k in range(4)]
                counts[81 * s + t[0] + 3 * t[1] + 9 * t[2] + 27 * t[3] + 1] += 1
    total = sum(counts.values())
    return {place: counts[place] / total for place in sorted(counts)}
