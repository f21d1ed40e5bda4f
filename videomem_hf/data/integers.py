"""Eight decimal digits at a time: whole numbers out of text with a few integer operations on 64-bit words."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

WORD: Final = 8
_ZEROS: Final = np.uint64(0x3030303030303030)
_NINES_CARRY: Final = np.uint64(0x0606060606060606)
_HIGH: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_BEFORE: Final = np.array([(1 << 8 * (8 - length)) - 1 for length in range(9)], np.uint64)
"""By a number's length, the bytes of a word that stand before it."""


def words_before(text: bytes, ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Give the eight characters before each place as a word, the last in the highest byte; no place is below 8."""
    every_place = np.ndarray(len(text) - 7, "<u8", text, strides=(1,))
    return every_place[ends - 8]


def read_digits(words: NDArray[np.uint64], lengths: NDArray[np.int64] | int) -> NDArray[np.uint64] | None:
    """Read the whole numbers that the last `lengths` (1 to 8) characters of each word write; None when one is no digit.

    Neighbours are joined pairwise: digits to numbers below 100, those to numbers below 10,000, those to the whole.
    """
    before = _BEFORE[lengths]
    digits = ((words & ~before) | (_ZEROS & before)) ^ _ZEROS
    if ((digits | (digits + _NINES_CARRY)) & _HIGH).any():
        return None
    pairs = (digits * np.uint64(10) + (digits >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    fours = (pairs * np.uint64(100) + (pairs >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    return (fours * np.uint64(10000) + (fours >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
