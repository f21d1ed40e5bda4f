"""The release's feature files that are text: dense numbers, `index:value` pairs, and three-line colour histograms.

Files are parsed many at a time (`decimals.py`). Where that meets anything out of the ordinary, each file is read again
by the plain functions at the end, which are the definition of the formats: they accept, or name file and line.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from videomem_hf.schema import InputError

from .decimals import NUMBER_BYTES, SPACE_BYTES, Tokens, read_fixed_point, read_numbers

CHANNELS: Final = 3
BINS: Final = 256
_INDEX_DIGITS: Final = 9
_UNIFORM: Final = 64
"""Numbers in a file that must be of one length for a shorter last one to mean that the file is cut off."""

_NUMBER = re.compile(rb"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_DENSE_BYTES = NUMBER_BYTES + SPACE_BYTES + b","
_PAIR_BYTES = NUMBER_BYTES + SPACE_BYTES + b":"
_RETAKE = "take the file from the release again, or remove it to load its video without this feature"


class TextFile(NamedTuple):
    """A file's path, for errors, and its bytes."""

    path: str
    data: bytes


class Pairs(NamedTuple):
    """`index:value` pairs of several files, one after another; `counts` has the number of pairs of each file."""

    indices: NDArray[np.int64]
    values: NDArray[np.float64]
    counts: NDArray[np.int64]


class _OutOfOrdinaryError(ValueError):
    """The fast way does not apply; the plain one decides."""


def parse_dense(files: Sequence[TextFile]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Parse numbers separated by white space or commas.

    Returns:
        The numbers of all files, one file after another, and how many each file has.

    Raises:
        InputError: A file that is empty, holds something else, or is cut off within a number.
    """
    try:
        return _fast_dense(files)
    except _OutOfOrdinaryError:
        rows = [_plain_dense(file) for file in files]
        return np.array([value for row in rows for value in row]), np.array([len(row) for row in rows], np.int64)


def parse_pairs(files: Sequence[TextFile]) -> Pairs:
    """Parse `index:value` pairs separated by white space.

    Raises:
        InputError: A file that is empty, holds something else, is cut off within a number, or whose indices do not
            increase.
    """
    try:
        return _fast_pairs(files)
    except _OutOfOrdinaryError:
        rows = [_plain_pairs(file) for file in files]
        indices = np.array([index for row in rows for index, _ in row], np.int64)
        values = np.array([value for row in rows for _, value in row], np.float64)
        return Pairs(indices, values, np.array([len(row) for row in rows], np.int64))


def parse_histograms(files: Sequence[TextFile]) -> NDArray[np.int32]:
    """Parse colour histograms: three lines of `bin:count`, bins 0 to 255; bins that are not listed are 0.

    Returns:
        `(files, channels, bins)`, channels in the order of the lines.

    Raises:
        InputError: As `parse_pairs`; also another number of lines, a bin over 255, a count that is no whole number.
    """
    lines: list[TextFile] = []
    for file in files:
        found = [(number, line) for number, line in enumerate(file.data.splitlines(), start=1) if line.strip()]
        if len(found) != CHANNELS:
            raise InputError(f"{file.path}: {len(found)} lines where a colour histogram has {CHANNELS}; {_RETAKE}.")
        # Each line ends with a space in the release; a last line without it, below others that have it, is cut off.
        if not found[-1][1].endswith(b" ") and file.data[-1:] not in b"\r\n" and found[0][1].endswith(b" "):
            raise InputError(f"{file.path}:{found[-1][0]}: the file is cut off; {_RETAKE}.")
        lines.extend(TextFile(f"{file.path}:{number}", line) for number, line in found)
    pairs = parse_pairs(lines)
    check_indices(pairs, lines, range(BINS))
    counts = pairs.values.astype(np.int32)
    if (wrong := np.flatnonzero((counts != pairs.values) | (counts < 0))).size:
        line = lines[np.searchsorted(np.cumsum(pairs.counts), wrong[0], side="right")]
        raise InputError(f"{line.path}: {pairs.values[wrong[0]]:g} is not a number of pixels; {_RETAKE}.")
    histograms = np.zeros((len(lines), BINS), np.int32)
    histograms[np.repeat(np.arange(len(lines)), pairs.counts), pairs.indices] = counts
    return histograms.reshape(len(files), CHANNELS, BINS)


def check_counts(counts: NDArray[np.int64], files: Sequence[TextFile], lengths: range) -> None:
    """Refuse a file with another number of values than a feature has."""
    outside = np.flatnonzero((counts < lengths.start) | (counts >= lengths.stop))
    if outside.size:
        allowed = f"{lengths.stop - 1}" if len(lengths) == 1 else f"{lengths.start} to {lengths.stop - 1}"
        first = outside[0]
        place = _place(files[first], 0)
        raise InputError(f"{place}: {counts[first]} values where this feature has {allowed}; {_RETAKE}.")


def check_indices(pairs: Pairs, files: Sequence[TextFile], allowed: range) -> None:
    """Refuse a file with an index outside the feature's."""
    outside = np.flatnonzero((pairs.indices < allowed.start) | (pairs.indices >= allowed.stop))
    if outside.size:
        file = files[np.searchsorted(np.cumsum(pairs.counts), outside[0], side="right")]
        raise InputError(
            f"{_place(file, 0)}: index {pairs.indices[outside[0]]} where this feature has {allowed.start} to "
            f"{allowed.stop - 1}; {_RETAKE}."
        )


def check_sums(values: NDArray[np.float64], counts: NDArray[np.int64], files: Sequence[TextFile]) -> None:
    """Refuse a file whose values do not sum to 1 within what rounding to the release's six decimals explains."""
    ends = np.cumsum(counts)
    totals = np.add.reduceat(values, ends - counts)
    wrong = np.flatnonzero(np.abs(totals - 1) > 1e-4 + 5e-7 * counts)
    if wrong.size:
        raise InputError(
            f"{files[wrong[0]].path}:1: the values sum to {totals[wrong[0]]:.6g} where this feature sums to 1; "
            f"the file is damaged or cut off, {_RETAKE}."
        )


def _fast_dense(files: Sequence[TextFile]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    # Every file then ends with one space, so that files follow one another like numbers do.
    texts = [file.data.rstrip() for file in files]
    joined = b" ".join(texts) + b" "
    sizes = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    values = read_fixed_point(joined)
    if values is not None:
        width = joined.find(b" ") + 1
        if (sizes % width).any():
            raise _OutOfOrdinaryError
        return values, sizes // width
    if joined.translate(None, _DENSE_BYTES):
        raise _OutOfOrdinaryError
    tokens, counts = _tokens(joined, sizes)
    _refuse_cut_off(files, tokens.ends - tokens.starts, counts)
    return tokens.values, counts


def _fast_pairs(files: Sequence[TextFile]) -> Pairs:
    texts = [file.data.rstrip() for file in files]
    joined = b" ".join(texts) + b" "
    if joined.translate(None, _PAIR_BYTES):
        raise _OutOfOrdinaryError
    tokens, counts = _tokens(joined, np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
    starts, ends = tokens.starts[::2], tokens.ends[::2]
    characters = np.frombuffer(joined, np.uint8)
    joined_by_colon = (
        len(tokens.values) % 2 == 0
        and not (counts % 2).any()
        and (characters[ends] == ord(":")).all()
        and (tokens.starts[1::2] == ends + 1).all()
        and joined.count(b":") == len(starts)
    )
    if not joined_by_colon:
        raise _OutOfOrdinaryError
    lengths = ends - starts
    if lengths.max(initial=0) > _INDEX_DIGITS:
        raise _OutOfOrdinaryError
    for place in range(int(lengths.max(initial=0))):
        character = characters[ends - 1 - np.minimum(place, lengths - 1)]
        if ((character < ord("0")) | (character > ord("9"))).any():
            raise _OutOfOrdinaryError
    indices, counts = tokens.values[::2].astype(np.int64), counts // 2
    steps = np.diff(indices)
    steps[np.cumsum(counts)[:-1] - 1] = 1  # from one file to the next
    if (steps < 1).any():
        raise _OutOfOrdinaryError
    _refuse_cut_off(files, tokens.ends[1::2] - tokens.starts[1::2], counts)
    return Pairs(indices, tokens.values[1::2], counts)


def _tokens(joined: bytes, sizes: NDArray[np.int64]) -> tuple[Tokens, NDArray[np.int64]]:
    """Read the numbers of files that were joined; `sizes` has the bytes of each. Gives tokens and numbers a file."""
    try:
        tokens = read_numbers(joined)
    except ValueError as error:
        raise _OutOfOrdinaryError from error
    limits = np.searchsorted(tokens.starts, np.concatenate(([0], np.cumsum(sizes))))
    counts = np.diff(limits)
    if (counts == 0).any():
        raise _OutOfOrdinaryError
    return tokens, counts


def _refuse_cut_off(files: Sequence[TextFile], lengths: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
    """Leave a file to the plain way that ends within a number, judged by numbers all of one length but the last."""
    ends = np.cumsum(counts)
    last = lengths[ends - 1]
    others = lengths.copy()
    others[ends - 1] = np.where(counts > 1, lengths[ends - counts], last)
    uniform = np.minimum.reduceat(others, ends - counts) == np.maximum.reduceat(others, ends - counts)
    for index in np.flatnonzero(uniform & (counts > _UNIFORM) & (last < lengths[ends - counts])).tolist():
        if files[index].data[-1:] not in SPACE_BYTES:
            raise _OutOfOrdinaryError


def _plain_dense(file: TextFile) -> list[float]:
    """Define the dense format: read one file with `float()`, naming the line of whatever is wrong."""
    matches = list(re.finditer(rb"[^\s,]+", file.data))
    values = [_number(file, match[0], match.start()) for match in matches]
    _refuse_incomplete(file, [match[0] for match in matches])
    return values


def _plain_pairs(file: TextFile) -> list[tuple[int, float]]:
    """Define the sparse format: read one file with `int()` and `float()`, naming the line of whatever is wrong."""
    pairs: list[tuple[int, float]] = []
    texts: list[bytes] = []
    for match in re.finditer(rb"\S+", file.data):
        index, colon, value = match[0].partition(b":")
        if not colon or not re.fullmatch(rb"[0-9]+", index) or len(index) > _INDEX_DIGITS:
            raise _not_a_number(file, match[0], match.start(), "an index:value pair")
        if pairs and int(index) <= pairs[-1][0]:
            raise InputError(f"{_place(file, match.start())}: index {int(index)} after {pairs[-1][0]}; {_RETAKE}.")
        pairs.append((int(index), _number(file, value, match.start())))
        texts.append(value)
    _refuse_incomplete(file, texts)
    return pairs


def _refuse_incomplete(file: TextFile, texts: list[bytes]) -> None:
    if not texts:
        raise InputError(f"{file.path} is empty; {_RETAKE}.")
    if len(texts) <= _UNIFORM or file.data[-1:] in SPACE_BYTES:
        return
    forms = {_form(text) for text in texts[:-1]}
    if len(forms) == 1 and len(_form(texts[-1])) < len(min(forms)):
        raise InputError(f"{_place(file, len(file.data))}: the file is cut off within its last number; {_RETAKE}.")


def _form(text: bytes) -> bytes:
    """Give the shape of a number: its decimals and exponent as `d`s, whatever stands before the point left out."""
    return re.sub(rb"[0-9]", b"d", re.sub(rb"^[+-]?[0-9]*", b"d", text)).replace(b"+", b"-")


def _number(file: TextFile, text: bytes, position: int) -> float:
    if not _NUMBER.fullmatch(text) or not np.isfinite(value := float(text)):
        raise _not_a_number(file, text, position, "a number")
    return value


def _not_a_number(file: TextFile, text: bytes, position: int, expected: str) -> InputError:
    found = text[:40].decode("ascii", "backslashreplace")
    return InputError(f"{_place(file, position)}: '{found}' is not {expected}; {_RETAKE}.")


def _place(file: TextFile, position: int) -> str:
    if re.search(r":[0-9]+$", file.path):
        return file.path
    line = file.data.count(b"\n", 0, position) + 1
    return f"{file.path}:{line}"
