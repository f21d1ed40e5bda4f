"""Eight decimal digits at a time: whole numbers out of text with a few integer operations on 64-bit words."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

WORD: Final = 8
_ZEROS: Final = np.uint64(0x3030303030303030)
_CARRY: Final = np.uint64(0x0606060606060606)
_HIGH: Final = np.uint64(0xF0F0F0F0F0F0F0F0)
_ZERO_POINT_ZEROS: Final = np.uint64(0x3030303030302E30)
_POINT_CARRY: Final = np.uint64(0x0606060606060F06)
"""Sets a high bit of the point's byte unless the byte is 0."""


def words_before(text: bytes, ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Give the eight characters before each place as a word, the last in the highest byte; no place is below 8."""
    every_place = np.ndarray(len(text) - 7, "<u8", text, strides=(1,))
    return every_place[ends - WORD]


def read_digits(words: NDArray[np.uint64], lengths: NDArray[np.int64] | int) -> NDArray[np.uint64] | None:
    """Read the whole numbers that the last `lengths` (1 to 8) characters of each word write; None when one is no digit.

    Neighbours are joined pairwise: digits to numbers below 100, those to numbers below 10,000, those to the whole. Done
    in place: what costs is memory, not arithmetic.
    """
    digits = words ^ _ZEROS
    others = np.multiply(WORD - np.asarray(lengths), 8).astype(np.uint64)
    digits >>= others
    digits <<= others
    check = digits + _CARRY
    check |= digits
    check &= _HIGH
    return None if check.any() else _join_digits(digits, check)


def read_millionths(words: NDArray[np.uint64]) -> NDArray[np.uint64] | None:
    """Read words like `0.123456` in millionths; None when one is of another form."""
    characters = words ^ _ZERO_POINT_ZEROS
    check = characters + _POINT_CARRY
    check |= characters
    check &= _HIGH
    if check.any():
        return None
    first = characters & np.uint64(0xFF)
    first *= np.uint64(9_000_000)  # the point took a place: what it wrote counts ten times
    joined = _join_digits(characters, check)
    joined -= first
    return joined


def _join_digits(digits: NDArray[np.uint64], following: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Join the eight digits of each word to one number, within `digits`; `following` is scratch of the same shape."""
    for bits, factor, mask in ((8, 10, 0x00FF00FF00FF00FF), (16, 100, 0x0000FFFF0000FFFF), (32, 10000, 0xFFFFFFFF)):
        np.right_shift(digits, np.uint64(bits), out=following)
        digits *= np.uint64(factor)
        digits += following
        digits &= np.uint64(mask)
    return digits
