"""Scores, counts and texts of a table's cells, whose columns may be in [0, 1] or in percent."""

import re
from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

from videomem_hf.data.release.csv_tables import NUMBER, decimal_point, parse_count
from videomem_hf.schema import InputError
from videomem_hf.system import printable

from .formats import Row, Table, Value

Scale = Literal["unit", "percent"]
SCALES: Final = get_args(Scale)
"""`unit` is [0, 1]."""
_ROUNDING: Final = 1e-9
"""What sums and divisions can add to a score of 1, or take from one of 0."""


def read_scores(
    table: Table, column: str, scale: Scale | None, below_zero: str = "refuse", above_one: str = "refuse"
) -> list[float | None]:
    """Read a column of scores as numbers in [0, 1], None where unknown.

    Args:
        table: The table.
        column: Its column.
        scale: Where the user says it; None takes [0, 1], or percent where the cells or the column's name say so (`%`).
        below_zero: `zero` counts negative scores as 0: hit rates minus false-alarm rates can be negative.
        above_one: `one` counts scores of up to 1.1 as 1, which a correction for the lag can give.

    Raises:
        InputError: A cell that is no number, a number out of range, or numbers above 1 and no word on the scale.
    """
    if scale is not None and scale not in SCALES:
        raise InputError(f"scale is {scale!r:.40}; it is one of {', '.join(SCALES)}")
    numbers = [_number(row, column, percent=scale != "unit") for row in table.rows]
    if above_one == "one":
        numbers = [(1.0 if number is not None and 1 < number <= 1.1 else number, sign) for number, sign in numbers]
    known = [number for number, _ in numbers if number is not None]
    signs = [percent for number, percent in numbers if number is not None]
    if any(signs) and not all(signs):
        location = next(
            r.location for r, (n, sign) in zip(table.rows, numbers, strict=True) if n is not None and not sign
        )
        raise InputError(f"{location}: no % in column {printable(column)}, where other rows have one; write all alike")
    said = any(signs) or "%" in column or "percent" in column.lower()
    if scale is None and not said and known and 1 < max(known) <= 100:
        location = next(row.location for row, (number, _) in zip(table.rows, numbers, strict=True) if (number or 0) > 1)
        raise InputError(
            f"{location}: the column '{printable(column)}' has scores above 1, up to {max(known):g}; if they are "
            "percent say so with scale='percent' (--scale percent)"
        )
    if scale is None and said and known and max(known) <= 1 and not any(signs):
        raise InputError(
            f"{table.path}: the column '{printable(column)}' says percent and has no score above 1; say which it is "
            "with scale='percent' or scale='unit' (--scale)"
        )
    if scale == "percent" and not said and known and max(known) <= 1:
        raise InputError(
            f"{table.path}: the column '{printable(column)}' has no score above 1, and the scale is percent; give all "
            "columns of scores one scale, or write % into the name of one that is in percent"
        )
    top = 100.0 if scale == "percent" or (scale is None and said) else 1.0
    return [
        None if number is None else _in_range(row, column, number, top, below_zero)
        for row, (number, _) in zip(table.rows, numbers, strict=True)
    ]


def is_score(table: Table, column: str) -> bool:
    """Whether a column can only be scores: numbers in [0, 1], or up to 100 with a percent sign, and some of them."""
    try:
        numbers = [_number(row, column, percent=True) for row in table.rows]
    except InputError:
        return False
    known = [(number, sign) for number, sign in numbers if number is not None]
    return bool(known) and all(0 <= number <= (100 if sign or "%" in column else 1) for number, sign in known)


def is_flag(table: Table, column: str) -> bool:
    """Whether a column has 0 and 1 alone, which say yes or no as often as a score."""
    return all(str(value) in ("0", "1") for value in table.cells(column) if value is not None)


def _without_rounding(number: float) -> float:
    return next((end for end in (0.0, 1.0) if abs(number - end) < _ROUNDING), number)


def _in_range(row: Row, column: str, number: float, top: float, below_zero: str) -> float:
    if number < 0 and below_zero == "zero":
        return 0.0
    if not 0 <= number <= top:
        raise InputError(
            f"{row.location}: {number:g} in column {printable(column)} is not a score, a number from 0 to {top:g}"
        )
    return number if top == 1 else number / top


def _number(row: Row, column: str, percent: bool) -> tuple[float | None, bool]:
    """Return a cell's number and whether it ends in a percent sign."""
    value = row.values.get(column)
    if value is None:
        return None, False
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _without_rounding(float(value)), False
    text = str(value)
    signed = text.endswith("%") and percent
    number = decimal_point(text.removesuffix("%").strip() if signed else text, thousands=False)
    if not NUMBER.fullmatch(number):
        raise InputError(f"{row.location}: '{printable(text[:60])}' in column {printable(column)} is not a number")
    return _without_rounding(float(number)), signed


def read_counts(table: Table, column: str) -> list[int | None]:
    """Read a column of annotation counts; raises an InputError for what is no whole number of 0 or more."""
    counts: list[int | None] = []
    for row in table.rows:
        value = row.values.get(column)
        try:
            counts.append(None if value is None else parse_count(str(value)))
        except ValueError as error:
            shown = printable(str(value)[:60])
            raise InputError(f"{row.location}: '{shown}' in column {printable(column)} is not {error}") from None
    return counts


def read_rate(table: Table, hits: str, misses: str) -> tuple[list[float | None], list[int | None]]:
    """Compute the share of hits from two columns of counts, and how many responses are behind it."""
    pairs = zip(read_counts(table, hits), read_counts(table, misses), strict=True)
    counts = [None if hit is None or miss is None else (hit, hit + miss) for hit, miss in pairs]
    rates = [None if count is None or not count[1] else count[0] / count[1] for count in counts]
    return rates, [None if count is None else count[1] for count in counts]


def read_texts(row: Row, columns: Sequence[str]) -> list[str]:
    """Return the texts of some columns of a row, of which one may hold a list."""
    texts: list[str] = []
    for column in columns:
        value = row.values.get(column)
        texts += [str(each) for each in value] if isinstance(value, list) else [] if value is None else [str(value)]
    return [text.strip() for text in texts if text.strip()]


def plain_column(values: Sequence[Value]) -> list[Any]:
    """Return a column of one type: numbers where all are, lists of texts where all are, else text."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, list) for value in known):
        return [None if value is None else [str(each) for each in value] for value in values]  # type: ignore[union-attr]
    if known and all(_is_plain_number(value) for value in known):
        return [None if value is None else float(decimal_point(str(value))) for value in values]
    return [None if value is None else str(value) for value in values]


def _is_plain_number(value: Value) -> bool:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return False
    # A number such as 007 or of twenty digits is a name.
    text = decimal_point(str(value))
    return NUMBER.fullmatch(text) is not None and not re.match(r"[+-]?0[0-9]", text) and len(text) < 19
