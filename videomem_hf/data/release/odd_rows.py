"""What is odd in a ground truth that can be read: warnings, or an error where the file is cut off."""

import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from videomem_hf.schema import ANNOTATION_COUNTS, HORIZON_NAMES, HORIZONS, Horizon, InputError

from .ground_truth import GroundTruthRow, ReleaseName
from .names import natural_key
from .text_files import read_text

MOST_ANNOTATIONS: Final = 10_000
"""More annotations of one video than any study had."""
_SORTED_FROM: Final = 20
"""Rows from which on a sorted column is no chance."""


def first_three(names: Sequence[object]) -> str:
    """Name the first three of several things: `video1, video2, video3, ...`."""
    return ", ".join(map(str, names[:3])) + (", ..." if len(names) > 3 else "")


def check_rows(path: Path, rows: list[GroundTruthRow], release: ReleaseName) -> None:
    """Warn of what is odd in a ground truth's rows.

    Raises:
        InputError: The last line is cut off.
    """
    empty = [row for row in rows if not row.labelled]
    if 0 < len(empty) < len(rows):
        _warn(
            f"{path}:{empty[0].line}: {len(empty)} of {len(rows)} rows have no score; these videos are in the test "
            "split."
        )
    if repeated := len(rows) - len({row.video_id for row in rows}):
        _warn(f"{path}: {repeated} rows occur twice with the same values; read once.")
    _refuse_cut_off(path, rows)
    odd = [row for row in rows if not row.is_proportion] if release == "2018" else []
    if odd == rows[-1:] and len(rows) > 1:
        raise InputError(
            f"{path}:{odd[0].line}: a long-term score of {odd[0].long_term} is no proportion of "
            f"{odd[0].long_term_annotations} annotations, in the last line alone; the file is cut off, take it from "
            "the release again."
        )
    if odd:
        _warn(
            f"{path}:{odd[0].line}: {len(odd)} long-term scores are no proportion of their number of annotations (here "
            f"{odd[0].long_term} of {odd[0].long_term_annotations}), as all in the release are; may be damaged."
        )
    labelled = [row for row in rows if row.labelled]
    for horizon in HORIZONS:
        _warn_of_missing(path, labelled, horizon)
        warn_of_counts(path, labelled, horizon)
        warn_if_sorted(path, labelled, horizon)


def _warn(message: str) -> None:
    warnings.warn(message, stacklevel=5)


def _refuse_cut_off(path: Path, rows: list[GroundTruthRow]) -> None:
    """Refuse a last line whose last number is cut: no line end follows, and it is unlike all numbers above it."""
    if len(rows) < 3 or read_text(path).endswith(("\n", "\r")):
        return
    last, before = rows[-1], rows[:-1]
    for horizon in HORIZONS:
        counts = [getattr(row, ANNOTATION_COUNTS[horizon]) for row in before]
        count = getattr(last, ANNOTATION_COUNTS[horizon])
        known = [value for value in counts if value is not None]
        lost = count is None and getattr(last, horizon) is not None and len(known) == len(before)
        if lost or (count is not None and known and count * 2 < min(known)):
            found = "no number" if count is None else f"only {count}"
            raise InputError(
                f"{path}:{last.line}: {found} of {HORIZON_NAMES[horizon]} annotations, in the last line alone (at "
                f"least {min(known)} above it), and no line end; the file is cut off, take it from the release again."
            )


def _warn_of_missing(path: Path, rows: Sequence[GroundTruthRow], horizon: Horizon) -> None:
    name = HORIZON_NAMES[horizon]
    scored = [row for row in rows if getattr(row, horizon) is not None]
    lost = [row.video_id for row in rows if getattr(row, horizon) is None]
    if lost:
        _warn(f"{path}: {len(lost)} of {len(rows)} videos have no {name} score ({first_three(lost)}).")
    uncounted = [row.video_id for row in scored if getattr(row, ANNOTATION_COUNTS[horizon]) is None]
    if uncounted:
        _warn(
            f"{path}: {len(uncounted)} of {len(scored)} {name} scores have no annotation count "
            f"({first_three(uncounted)})."
        )


def warn_of_counts(path: Path, rows: Sequence[Any], horizon: Horizon) -> None:
    """Warn of scores of no annotation, or of more than any study had; `rows` have `value` as a `VideoRecord` has."""
    name, column = HORIZON_NAMES[horizon], ANNOTATION_COUNTS[horizon]
    tests: dict[str, Callable[[int], bool]] = {"0": lambda n: n == 0, "over 10,000": lambda n: n > MOST_ANNOTATIONS}
    for what, test in tests.items():
        odd = [row for row in rows if (count := row.value(column)) is not None and test(count)]
        if odd := [row for row in odd if row.value(horizon) is not None]:
            videos = first_three([row.video_id for row in odd])
            line = f":{odd[0].line}" if hasattr(odd[0], "line") else ""
            _warn(f"{path}{line}: {len(odd)} {name} scores of {what} annotations ({videos}); may be damaged.")


def warn_if_sorted(path: Path, rows: Sequence[Any], horizon: Horizon) -> None:
    """Warn where a column is in order although the rows are in order of their ids: it was sorted on its own."""
    scores = [score for row in rows if (score := row.value(horizon)) is not None]
    if len(scores) < _SORTED_FROM or len(set(scores)) < _SORTED_FROM // 2:
        return
    ids = [row.video_id for row in rows]
    if is_sorted(scores) and (is_sorted(list(map(natural_key, ids))) or is_sorted(ids)):
        _warn(
            f"{path}: the {HORIZON_NAMES[horizon]} scores are sorted and so are the videos; if that column was sorted "
            "on its own, its scores belong to other videos."
        )


def is_sorted(values: Sequence[Any]) -> bool:
    """Whether values never fall, or never rise."""
    pairs = list(pairwise(values))
    return all(a <= b for a, b in pairs) or all(a >= b for a, b in pairs)
