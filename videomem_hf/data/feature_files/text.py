"""The release's feature files that are text: dense numbers, `index:value` pairs, and three-line colour histograms.

The release's files hold some hundred million numbers, for which `float()` in a loop takes minutes: Arrow casts those of
many files at a time. Where that fails, each file is read again by `parse_exactly`, which defines the formats: it
accepts a file, or names file and line.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from videomem_hf.schema import InputError
from videomem_hf.system import available_cpus

Integers = NDArray[np.int64]

CHANNELS: Final = 3
BINS: Final = 256
_UNIFORM: Final = 64
"""Numbers in a file that must be of one length for a shorter last one to mean that the file is cut off."""

_NUMBER = re.compile(rb"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
Separator = Literal["space", "comma"]
_SEPARATORS: Final[dict[Separator, bytes]] = {"space": b" ", "comma": b","}
_OTHER_WHITE: Final = b"\n\r\t\v\f"
_SUM_TOLERANCE: Final = 2e-6
_INDEX_DIGITS: Final = 8
_THREADS_FROM: Final = 8
"""Groups from which on starting threads costs less than it saves."""
_GROUP_BYTES: Final = 1 << 18
"""Text parsed at once: enough to be worth the calls, few enough for its arrays to stay in the processor's cache."""
_RETAKE = "take the file from the release again, or remove it to load its video without this feature"


class TextFiles(NamedTuple):
    """Several files: their paths, for errors, and their bytes."""

    paths: Sequence[str]
    data: Sequence[bytes]

    def groups(self) -> Iterator["TextFiles"]:
        """Cut into groups of some size."""
        start = size = 0
        for index, data in enumerate(self.data):
            size += len(data)
            if size > _GROUP_BYTES:
                yield TextFiles(self.paths[start : index + 1], self.data[start : index + 1])
                start, size = index + 1, 0
        if start < len(self.data):
            yield TextFiles(self.paths[start:], self.data[start:])

    def location(self, file: int, position: int = 0) -> str:
        """Name a file and the line of a position in it, as errors do."""
        if re.search(r":[0-9]+$", self.paths[file]):  # already a line of a file
            return self.paths[file]
        line = self.data[file].count(b"\n", 0, position) + 1
        return f"{self.paths[file]}:{line}"


class Pairs(NamedTuple):
    """`index:value` pairs of several files, one after another; `counts` has the number of pairs of each file."""

    indices: NDArray[np.int32]
    values: NDArray[np.float64]
    counts: Integers


class _OutOfOrdinaryError(ValueError):
    """The fast way does not apply; the plain one decides."""


def parse_dense(files: TextFiles, separator: Separator = "space") -> tuple[NDArray[np.float64], Integers]:
    """Parse numbers separated by white space, or by commas (with white space around them or not).

    Returns the numbers of all files, one file after another, and how many each file has. Raises InputError for a file
    that is empty, holds something else, or is cut off within a number.
    """
    plain = partial(parse_exactly, separator=separator, with_index=False)
    _, values, counts = _parse_groups(files, partial(_fast_dense, separator=separator), plain)
    return values, counts


def parse_pairs(files: TextFiles) -> Pairs:
    """Parse `index:value` pairs, split at white space; errors as `parse_dense`, also for indices that do not grow."""
    return Pairs(*_parse_groups(files, _fast_pairs, parse_exactly))


def _parse_groups(
    files: TextFiles, fast: Callable[[TextFiles], Pairs], plain: Callable[[TextFiles], Pairs]
) -> list[NDArray[Any]]:
    """Parse groups of files on all CPUs: nearly all the time is spent in NumPy, which lets other threads run."""

    def parse(group: TextFiles) -> Pairs:
        try:
            return fast(group)
        except _OutOfOrdinaryError:
            return plain(group)

    groups = list(files.groups())
    if len(groups) < _THREADS_FROM:
        parts = [parse(group) for group in groups] or [plain(files)]
    else:
        with ThreadPoolExecutor(min(len(groups), available_cpus())) as pool:
            parts = list(pool.map(parse, groups))
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def parse_histograms(files: TextFiles) -> NDArray[np.int32]:
    """Parse colour histograms: three lines of `bin:count`, bins 0 to 255; bins that are not listed are 0.

    Returns `(files, channels, bins)`, channels in the order of the lines. Raises InputError as `parse_pairs`; also for
    another number of lines, a bin over 255, a count that is no whole number.
    """
    paths: list[str] = []
    lines: list[bytes] = []
    for path, data in zip(*files, strict=True):
        found = [(number, line) for number, line in enumerate(data.splitlines(), start=1) if line.strip()]
        if len(found) != CHANNELS:
            raise InputError(f"{path}: {len(found)} lines where a colour histogram has {CHANNELS}; {_RETAKE}.")
        # Each line ends with a space in the release; a last line without it, below others that have it, is cut off.
        if not found[-1][1].endswith(b" ") and data[-1:] not in b"\r\n" and found[0][1].endswith(b" "):
            raise InputError(f"{path}:{found[-1][0]}: the file is cut off; {_RETAKE}.")
        paths.extend(f"{path}:{number}" for number, _ in found)
        lines.extend(line for _, line in found)
    channels = TextFiles(paths, lines)
    pairs = parse_pairs(channels)
    check_indices(pairs, channels, range(BINS))
    counts = pairs.values.astype(np.int32)
    if (wrong := np.flatnonzero((counts != pairs.values) | (counts < 0))).size:
        location = channels.location(_file_of(wrong[0], pairs.counts))
        raise InputError(f"{location}: {pairs.values[wrong[0]]:g} is not a number of pixels; {_RETAKE}.")
    histograms = np.zeros((len(lines), BINS), np.int32)
    histograms[np.repeat(np.arange(len(lines)), pairs.counts), pairs.indices] = counts
    pixels = histograms.sum(axis=1).reshape(-1, CHANNELS)  # (files, channels): all of a frame have as many
    cut_off = np.flatnonzero((pixels[:, 0] == pixels[:, 1]) & (pixels[:, 2] < pixels[:, 0]))
    if cut_off.size:
        at, (_, most, fewer) = channels.paths[CHANNELS * cut_off[0] + 2], pixels[cut_off[0]]
        raise InputError(f"{at}: {fewer} pixels where the other channels have {most}; the file is cut off, {_RETAKE}.")
    return histograms.reshape(len(files.data), CHANNELS, BINS)


def check_counts(counts: Integers, files: TextFiles, lengths: range) -> None:
    """Refuse a file with another number of values than a feature has."""
    outside = np.flatnonzero((counts < lengths.start) | (counts >= lengths.stop))
    if outside.size:
        allowed = f"{lengths.stop - 1}" if len(lengths) == 1 else f"{lengths.start} to {lengths.stop - 1}"
        location, found = files.location(int(outside[0])), counts[outside[0]]
        raise InputError(f"{location}: {found} values where this feature has {allowed}; {_RETAKE}.")


def check_indices(pairs: Pairs, files: TextFiles, allowed: range) -> None:
    """Refuse a file with an index outside the feature's."""
    outside = np.flatnonzero((pairs.indices < allowed.start) | (pairs.indices >= allowed.stop))
    if outside.size:
        location, found = files.location(_file_of(outside[0], pairs.counts)), pairs.indices[outside[0]]
        allowed_text = f"{allowed.start} to {allowed.stop - 1}"
        raise InputError(f"{location}: index {found} where this feature has {allowed_text}; {_RETAKE}.")


def check_one_line(files: TextFiles) -> None:
    for path, data in zip(*files, strict=True):
        if data.find(b"\n", 0, len(data.rstrip())) >= 0:
            raise InputError(f"{path}:2: a second line where this feature has one; {_RETAKE}.")


def check_sums(values: NDArray[np.float64], counts: Integers, files: TextFiles, decimals: int) -> None:
    """Refuse a file whose values do not sum to 1 within what their rounding to some decimals can explain.

    That is half a unit of the last decimal for each value: HMP's many equal ones are all rounded the same way. Real
    files of C3D and LBP, of 8 decimals, are within 1e-7.
    """
    ends = np.cumsum(counts)
    totals = np.add.reduceat(values, ends - counts)
    wrong = np.flatnonzero(np.abs(totals - 1) > _SUM_TOLERANCE + 0.5 * 10.0**-decimals * counts)
    if wrong.size:
        raise InputError(
            f"{files.location(int(wrong[0]))}: the values sum to {totals[wrong[0]]:.8g} where this feature sums to 1; "
            f"the file is damaged or cut off, {_RETAKE}."
        )


def _file_of(value: int, counts: Integers) -> int:
    """Return the file that one of the values of all files is in."""
    return int(np.searchsorted(np.cumsum(counts), value, side="right"))


def _fast_dense(files: TextFiles, separator: Separator) -> Pairs:
    text, starts, ends, counts = _split(files, _SEPARATORS[separator])
    if separator == "comma" and len(starts) != text.count(b","):  # a field is empty
        raise _OutOfOrdinaryError
    values = _cast_floats(text, starts, ends)
    _refuse_cut_off(files, ends - starts, counts)
    return Pairs(np.empty(0, np.int32), values, counts)


def _fast_pairs(files: TextFiles) -> Pairs:
    text, starts, ends, counts = _split(files, _SEPARATORS["space"])
    colons = np.flatnonzero(np.frombuffer(text, np.uint8) == ord(":"))
    if len(colons) != len(starts) or (colons >= ends - 1).any():
        raise _OutOfOrdinaryError
    lengths = colons - starts
    if lengths.min() < 1 or lengths.max() > _INDEX_DIGITS or b"x" in text or b"X" in text:  # Arrow reads 0x10 as 16
        raise _OutOfOrdinaryError
    indices = _cast(text, starts, colons, pa.int32())
    firsts = np.cumsum(counts) - counts
    steps = np.diff(indices, prepend=0)
    steps[firsts] = indices[firsts] + 1  # the first index of a file may be 0
    if (steps < 1).any():
        raise _OutOfOrdinaryError
    values = _cast_floats(text, colons + 1, ends)
    _refuse_cut_off(files, ends - colons - 1, counts)
    return Pairs(indices, values, counts)


def _split(files: TextFiles, separator: bytes) -> tuple[bytes, Integers, Integers, Integers]:
    """Split files at a separator; any white space counts as a space. Each file has at least one token.

    Returns the joined text, the first byte of each token, the byte after its last, and the number of tokens per file.
    """
    contents = [data.rstrip() for data in files.data]
    text = separator.join([*contents, b""])
    if separator == b" " and any(text.find(character) >= 0 for character in _OTHER_WHITE):
        text = text.translate(bytes.maketrans(_OTHER_WHITE, b" " * len(_OTHER_WHITE)))
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == ord(separator))
    starts = np.concatenate(([0], ends[:-1] + 1))
    if not (some := starts < ends).all():
        starts, ends = starts[some], ends[some]
    file_ends = np.cumsum(np.fromiter(map(len, contents), np.int64, len(contents)) + 1)
    counts = np.diff(np.searchsorted(starts, file_ends), prepend=0)
    if not counts.all():
        raise _OutOfOrdinaryError
    return text, starts, ends, counts


def _cast_floats(text: bytes, starts: Integers, ends: Integers) -> NDArray[np.float64]:
    """Cast tokens to finite float64, each equal to the bit to what `float()` gives."""
    if b"+-" in text:  # Arrow skips a plus and then reads a minus, float() does not
        raise _OutOfOrdinaryError
    values = _cast(text, starts, ends, pa.float64())
    if not np.isfinite(values).all():
        raise _OutOfOrdinaryError
    return values


def _cast(text: bytes, starts: Integers, ends: Integers, kind: pa.DataType) -> NDArray[Any]:
    """Cast tokens of a text, none of them adjoining another, to an Arrow type of numbers."""
    # Tokens and what stands between them alternate; the latter are marked null, so that the cast skips them.
    edges = np.stack([starts, ends], axis=1).ravel()
    validity = pa.py_buffer(b"\x55" * (len(edges) // 8 + 1))
    pieces = pa.LargeStringArray.from_buffers(len(edges) - 1, pa.py_buffer(edges), pa.py_buffer(text), validity)
    try:
        numbers = pieces.cast(kind)
    except pa.ArrowInvalid as error:
        raise _OutOfOrdinaryError from error
    return np.frombuffer(numbers.buffers()[1], kind.to_pandas_dtype(), len(pieces))[::2]


def _refuse_cut_off(files: TextFiles, lengths: Integers, counts: Integers) -> None:
    """Leave a file to the plain way that may end within a number: numbers all of one length but a shorter last one."""
    ends = np.cumsum(counts)
    shorter = (counts > _UNIFORM) & (lengths[ends - 1] < lengths[ends - counts])
    for file in np.flatnonzero(shorter).tolist():
        others = lengths[ends[file] - counts[file] : ends[file] - 1]
        if not files.data[file][-1:].isspace() and (others == others[0]).all():
            raise _OutOfOrdinaryError


def parse_exactly(files: TextFiles, separator: Separator = "space", with_index: bool = True) -> Pairs:
    """Define the formats: read pairs or numbers with `int()` and `float()`, naming the line of what is wrong."""
    pattern = rb"\S+" if separator == "space" else rb"(?<![^,])[^,]*"  # with commas a field may be empty: no number
    indices: list[int] = []
    values: list[float] = []
    counts: list[int] = []
    for file, data in enumerate(files.data):
        texts: list[bytes] = []
        last = -1
        for match in re.finditer(pattern, data) if data.strip() else ():
            token = match[0].strip()
            index, _, text = token.partition(b":") if with_index else (b"0", b"", token)
            if not re.fullmatch(rb"[0-9]{1,8}", index) or not _is_number(text):
                found, expected = token[:40].decode("latin1"), "an index:value pair" if with_index else "a number"
                raise InputError(f"{files.location(file, match.start())}: {found!a} is not {expected}; {_RETAKE}.")
            if with_index and int(index) <= last:
                raise InputError(f"{files.location(file, match.start())}: index {int(index)} after {last}; {_RETAKE}.")
            last = int(index)
            indices.append(last)
            texts.append(text)
        _refuse_incomplete(files, file, texts)
        values += map(float, texts)
        counts.append(len(texts))
    return Pairs(np.array(indices, np.int32), np.array(values, np.float64), np.array(counts, np.int64))


def _is_number(text: bytes) -> bool:
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _refuse_incomplete(files: TextFiles, file: int, texts: list[bytes]) -> None:
    if not texts:
        raise InputError(f"{files.paths[file]} is empty; {_RETAKE}.")
    if len(texts) <= _UNIFORM or files.data[file][-1:].isspace():
        return
    forms = {_form(text) for text in texts[:-1]}
    if len(forms) == 1 and len(_form(texts[-1])) < len(min(forms)):
        location = files.location(file, len(files.data[file]))
        raise InputError(f"{location}: the file is cut off within its last number; {_RETAKE}.")


def _form(text: bytes) -> bytes:
    """Return the shape of a number: its decimals and exponent as `d`s, whatever is before the point as one."""
    return re.sub(rb"[0-9]", b"d", re.sub(rb"^[+-]?[0-9]*", b"d", text)).replace(b"+", b"-")
