"""Many decimal numbers out of text at once, each equal to the bit to what `float()` gives.

The release's feature files hold some hundred million numbers; `float()` in a loop takes minutes for them. Two ways,
both exact: numbers all of the form `0.12345678` are read eight digits at a time with integer arithmetic; numbers of
any other form go through Arrow's cast from text.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

NUMBER_BYTES: Final = b"0123456789+-.eE"
SPACE_BYTES: Final = b" \t\r\n"

_IS_SEPARATOR = bytes(byte not in NUMBER_BYTES for byte in range(256))
_DECIMALS: Final = range(6, 9)
_ZEROS = np.uint64(0x3030303030303030)


@dataclass(frozen=True)
class Tokens:
    """The numbers in a text.

    Attributes:
        values: `(numbers,)` float64.
        starts, ends: `(numbers,)` the bytes of each, end exclusive.
    """

    values: NDArray[np.float64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


def read_numbers(text: bytes) -> Tokens:
    """Read every run of number characters as a number; what stands between them is not looked at.

    Raises:
        ValueError: A run that is no finite number as `float()` reads it, or text over 2 GiB.
    """
    if b"+-" in text:  # Arrow skips a plus and then reads a minus, float() does not
        raise ValueError("a sign after a sign")
    separator = np.frombuffer(b"\1" + text.translate(_IS_SEPARATOR) + b"\1", np.int8)
    edges = np.flatnonzero(separator[1:] != separator[:-1])
    count = len(edges) // 2
    if count == 0:
        return Tokens(np.empty(0), edges, edges)
    # Runs and what stands between them alternate; the latter are marked null, so that the cast skips them.
    validity = pa.py_buffer(b"\x55" * (len(edges) // 8 + 1))
    offsets = pa.py_buffer(edges.astype(np.int32))
    if len(text) > np.iinfo(np.int32).max:
        raise ValueError("text over 2 GiB")
    texts = pa.StringArray.from_buffers(len(edges) - 1, offsets, pa.py_buffer(text), validity)
    try:
        numbers = texts.cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise ValueError(str(error)) from None
    values = np.frombuffer(numbers.buffers()[1], np.float64, len(edges) - 1)[::2]
    if not np.isfinite(values).all():
        raise ValueError("a number too large")
    return Tokens(values, edges[::2], edges[1::2])


def read_fixed_point(text: bytes) -> NDArray[np.float64] | None:
    """Read numbers all of one form, a digit, a point and six to eight decimals, each followed by one space.

    Both the digits as an integer and the power of ten are exact in float64, so their quotient is the nearest float64 to
    the decimal number: what `float()` gives.

    Returns:
        `(numbers,)`, or None when the text has any other form.
    """
    width = text.find(b" ") + 1
    decimals = width - 3
    if decimals not in _DECIMALS or len(text) % width:
        return None
    characters = np.frombuffer(text, np.uint8).reshape(-1, width)
    whole = characters[:, 0] - np.uint8(ord("0"))  # characters: (numbers, width)
    if (characters[:, 1] != ord(".")).any() or (characters[:, -1] != ord(" ")).any() or (whole > 9).any():
        return None
    # The eight characters that end with the last decimal, in one word each; those before the decimals are made zeros.
    words = np.ndarray(len(characters), "<u8", text, offset=decimals - 6, strides=(width,))
    before = np.uint64((1 << 8 * (8 - decimals)) - 1)
    fraction = _eight_digits((words & ~before) | (_ZEROS & before))
    if fraction is None:
        return None
    return (whole * np.uint64(10**decimals) + fraction) / np.float64(10**decimals)


def _eight_digits(words: NDArray[np.uint64]) -> NDArray[np.uint64] | None:
    """Give the number that eight digit characters write, packed in a word with the first digit in the lowest byte.

    Neighbours are joined pairwise: digits to numbers below 100, those to numbers below 10,000, those to the whole. None
    when a character is no digit.
    """
    digits = words ^ _ZEROS
    high = np.uint64(0xF0F0F0F0F0F0F0F0)
    if ((digits | (digits + np.uint64(0x0606060606060606))) & high).any():
        return None
    pairs = (digits * np.uint64(10) + (digits >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    fours = (pairs * np.uint64(100) + (pairs >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    return (fours * np.uint64(10000) + (fours >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
