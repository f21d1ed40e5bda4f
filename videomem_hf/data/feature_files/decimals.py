"""Many decimal numbers out of text at once, each equal to the bit to what `float()` gives.

The release's feature files hold some hundred million numbers; `float()` in a loop takes minutes for them. Numbers of
the forms that the release uses (whole numbers, `0.123456`, `1.234560e-05`) are read eight digits at a time with integer
arithmetic; where that would not be exact, and for any other form, Arrow casts them from text, which is exact as well.
"""

from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .integers import WORD, read_digits, read_millionths, words_before

NUMBER_BYTES: Final = b"0123456789+-.eE"

_EXACT_POWER: Final = 22
"""Powers of ten up to this one are whole numbers that float64 represents exactly."""
_EXACT_DIGITS: Final = 15
"""Whole numbers of up to so many digits are exact in float64."""
_POWERS: Final = 10.0 ** np.arange(_EXACT_POWER + 1)
_MILLION: Final = np.array([1e6, -1e6])
"""For numbers without and with a minus."""


def read_numbers(text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.float64]:
    """Read the numbers that stand at some places of a text.

    Args:
        text: At least 8 bytes before the first number, and one after the last.
        starts, ends: `(numbers,)` the first byte of each number and the byte after it; increasing, none empty, none
            adjoining another.

    Raises:
        ValueError: A place with something else than a finite number as `float()` reads it.
    """
    if not len(starts):
        return np.empty(0)
    first = text[starts[0] : ends[0]]
    values = None
    if first.isdigit():
        whole = _whole(text, starts, ends)
        values = None if whole is None else whole.astype(np.float64)
    elif b"e" in first:
        values = _scientific(text, starts, ends)
    elif b"." in first:
        values = _fixed_point(text, starts, ends, len(first) - first.index(b".") - 1)
    return cast_numbers(text, starts, ends) if values is None else values


def read_unit_interval(text: bytes, first: int = 0) -> NDArray[np.float64] | None:
    """Read a text of nothing but numbers like `0.12345678`, all of one width, each followed by one space.

    Args:
        text: The numbers.
        first: Where the first of them begins.

    Returns:
        `(numbers,)`, or None when the text is of any other form.
    """
    width = text.find(b" ", first) + 1 - first
    if not 9 <= width <= 11 or (len(text) - first) % width:  # six to eight decimals: eight bytes within each number
        return None
    characters = np.frombuffer(text, np.uint8, offset=first).reshape(-1, width)
    if (characters[:, -1] != ord(" ")).any() or (characters[:, 1] != ord(".")).any():
        return None
    whole = _one_digit(characters[:, 0])
    fraction = read_digits(np.ndarray(len(characters), "<u8", text, first + width - 9, (width,)), width - 3)
    return None if whole is None or fraction is None else _quotient(whole, fraction, width - 3)


def read_millionths_between(
    text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Read numbers like `0.123456` and `-0.123456`; None when one is of another form. See `read_numbers`."""
    negative = np.frombuffer(text, np.uint8)[starts] == ord("-")
    if (ends - starts - negative != WORD).any():
        return None
    millionths = read_millionths(words_before(text, ends))
    # exact numbers both: see _quotient
    return None if millionths is None else millionths.view(np.int64) / _MILLION.take(negative.view(np.uint8))


def _whole(text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64] | None:
    """Read whole numbers of up to eight digits; None when they are not."""
    lengths = ends - starts
    return read_digits(words_before(text, ends), lengths) if lengths.max() <= WORD else None


def _one_digit(characters: NDArray[np.uint8]) -> NDArray[np.uint64] | None:
    digits = characters - np.uint8(ord("0"))
    return None if (digits > 9).any() else digits.astype(np.uint64)


def _fixed_point(
    text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64], decimals: int
) -> NDArray[np.float64] | None:
    """Read numbers with so many decimals, such as `0.123456` and `-12.345678`; None when they are not."""
    characters = np.frombuffer(text, np.uint8)
    points = ends - decimals - 1
    negative = characters[starts] == ord("-")
    lengths = points - starts - negative
    if not 1 <= decimals <= WORD or lengths.min() < 1 or lengths.max() + decimals > _EXACT_DIGITS:
        return None
    if (characters[points] != ord(".")).any():
        return None
    whole = _one_digit(characters[points - 1]) if lengths.max() == 1 else _whole(text, starts + negative, points)
    fraction = read_digits(words_before(text, ends), decimals)
    if whole is None or fraction is None:
        return None
    values = _quotient(whole, fraction, decimals)
    return np.where(negative, -values, values) if negative.any() else values


def _quotient(whole: NDArray[np.uint64], fraction: NDArray[np.uint64], decimals: int) -> NDArray[np.float64]:
    """Join what stands before and after the point.

    The digits as one integer and the power of ten are both exact in float64, so their quotient is the nearest float64
    to the decimal number, which is what `float()` gives.
    """
    return (whole * np.uint64(10**decimals) + fraction) / _POWERS[decimals]


def _scientific(text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Read numbers of the form `%e`, `1.234560e-05`; None when they are not."""
    characters = np.frombuffer(text, np.uint8)
    if (ends - starts != len("1.234560e-05")).any() or (characters[starts + WORD] != ord("e")).any():
        return None
    millionths = read_millionths(words_before(text, starts + WORD))
    below = characters[starts + WORD + 1] == ord("-")
    tens, ones = (characters[ends - place] - np.uint8(ord("0")) for place in (2, 1))
    if millionths is None or (tens > 9).any() or (ones > 9).any():
        return None
    if (characters[starts + WORD + 1][~below] != ord("+")).any():
        return None
    exponents = (tens * np.uint8(10) + ones).view(np.int8)
    places = np.where(below, exponents, -exponents) + np.int8(len("234560"))  # that the point moves to the left
    digits, powers = millionths.view(np.int64), _POWERS.take(np.abs(places), mode="clip")
    values = digits / powers  # exact numbers both: see _quotient
    if (large := places < 0).any():
        values[large] = digits[large] * powers[large]
    if (inexact := np.abs(places) > _EXACT_POWER).any():
        values[inexact] = cast_numbers(text, starts[inexact], ends[inexact])
    return values


def cast_numbers(text: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.float64]:
    """Read numbers of any form through Arrow."""
    if len(text) > np.iinfo(np.int32).max:
        raise ValueError("text over 2 GiB")
    if b"+-" in text:  # Arrow skips a plus and then reads a minus, float() does not
        raise ValueError("a sign after a sign")
    # Numbers and what stands between them alternate; the latter are marked null, so that the cast skips them.
    edges = np.stack([starts, ends], axis=1).ravel().astype(np.int32)
    validity = pa.py_buffer(b"\x55" * (len(edges) // 8 + 1))
    texts = pa.StringArray.from_buffers(max(len(edges) - 1, 0), pa.py_buffer(edges), pa.py_buffer(text), validity)
    try:
        numbers = texts.cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise ValueError(str(error)) from None
    values = np.frombuffer(numbers.buffers()[1], np.float64, len(texts))[::2]
    if not np.isfinite(values).all():
        raise ValueError("a number too large")
    return values
