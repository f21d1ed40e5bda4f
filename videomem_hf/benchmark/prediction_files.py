"""Files of predictions in the usual forms: MediaEval's runs, two columns, tables of others, and the package's own."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from videomem_hf.benchmark.prediction_rows import read_rows
from videomem_hf.data.release.csv_tables import NUMBER, UNKNOWN, decimal_point
from videomem_hf.data.tables.media import without_ending
from videomem_hf.inference.score_table import clip_of_cell
from videomem_hf.models.configuration_multiview import MultiViewConfig
from videomem_hf.models.video_addresses import address_name
from videomem_hf.run_files import score_column
from videomem_hf.schema import InputError
from videomem_hf.system import printable

IDS: Final = (
    "video_id", "clip", "video", "filename", "file_name", "file", "video_name", "image", "image_name", "image_id",
    "path", "id", "name", "clip_id", "item", "vid", "video_path", "file_path", "videoid", "videoname", "clip_name",
)  # fmt: skip
"""Names of a column of clips, the likeliest first."""
PREDICTED: Final = (
    "pred", "preds", "prediction", "predictions", "predicted", "predicted_score", "pred_score", "score_pred", "score",
    "scores", "memorability", "memorability_score", "mem_score", "output",
)  # fmt: skip
"""Names of a table's only column of predictions, the likeliest first."""
_PREDICTED_WORDS: Final = frozenset({"pred", "preds", "prediction", "predictions", "predicted", "output"})
"""A word of a longer name of such a column."""
_BESIDE_WORDS: Final = frozenset(
    {"low", "high", "lower", "upper", "std", "sd", "error", "loss", "rank", "percentile", "time", "confidence"}
)
_SCORES: Final = tuple(name for name in PREDICTED if name not in _PREDICTED_WORDS)
_MEASURED: Final = ("gt", "ground_truth", "groundtruth", "target", "label", "true", "measured", "actual")
_MISSING: Final = UNKNOWN - {""}
_NOT_FINITE: Final = ("inf", "infinity", "nan")
_LEVEL: Final = MultiViewConfig().interval_level

Numbers = dict[str, float]
"""Clip id to number; a clip without one is missing."""


@dataclass(frozen=True)
class Predictions:
    """What one predictor says of clips.

    Attributes:
        name: The file or folder.
        predicted: Horizon to scores.
        measured: Horizon to the measured scores that came with them.
        intervals: Horizon to the ends of prediction intervals.
        level: What share of scores the intervals are meant to hold.
        digest: Of the file's content.
        twice: Ids that the file has more than once, with different scores or the same.
        trained_on: Ids of clips that the predictor was trained on, where that is known.
        fingerprint: Of the data that it was trained on, where that is known.
        notes: What was decided without being told, a sentence each.
    """

    name: str
    predicted: dict[str, Numbers]
    measured: dict[str, Numbers] = field(default_factory=dict)
    intervals: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    level: float = _LEVEL
    digest: str = ""
    twice: tuple[str, ...] = ()
    trained_on: frozenset[str] = frozenset()
    fingerprint: str | None = None
    notes: tuple[str, ...] = ()


def read_prediction_file(
    path: Path, horizons: Sequence[str], *, horizon: str | None = None, columns: Mapping[str, str] | None = None
) -> Predictions:
    """Read a file of predictions of any usual form.

    Args:
        path: Text with commas, semicolons, tabs or spaces, a spreadsheet, JSON, JSON lines or Parquet. Text without a
            header has the clip, its score, and perhaps a confidence.
        horizons: Those of the ground truth.
        horizon: Which one the file predicts, where neither its name nor a column says so.
        columns: `clip` or a horizon to the name of its column, where the usual names do not fit.

    Raises:
        InputError: The file cannot be read, no column fits, or which horizon it predicts is not known.
    """
    rows = read_rows(path, IDS[0])
    if horizon is not None and horizon not in horizons:
        raise InputError(f"--horizon {horizon}: the data have {', '.join(horizons)}; name one of them")
    named = _name_columns(path, rows, horizons, horizon, columns or {}) if _is_header(rows[0]) else None
    if named is None:
        if len(rows[0]) not in (2, 3):
            raise InputError(
                f"{path}: has no header and {len(rows[0])} columns; without one a row is clip,score or "
                "clip,score,confidence, so add a line with the columns' names"
            )
        if columns:
            raise InputError(f"{path}: has no header, so --column names nothing; add a line with the columns' names")
        named = _Columns(0, {_horizon_of_file(path, horizons, horizon): 1})
    else:
        rows = rows[1:]
    ids = [clip_key(row[named.clip]) for row in rows]
    counted = Counter(ids)
    return Predictions(
        str(path),
        {h: _numbers(path, ids, rows, column) for h, column in named.predicted.items()},
        {h: _numbers(path, ids, rows, column) for h, column in named.measured.items()},
        {h: _ends(path, ids, rows, *pair) for h, pair in named.intervals.items()},
        named.level,
        hashlib.sha256(path.read_bytes()).hexdigest()[:16],
        tuple(clip for clip, count in counted.items() if count > 1),
        notes=tuple(named.notes),
    )


def merge_runs(files: Sequence[Predictions], horizons: Sequence[str]) -> list[Predictions]:
    """Join the files of one predictor, a horizon each, whose names differ only in the horizon (MediaEval's runs)."""
    joined: dict[str, Predictions] = {}
    for each in files:
        key = _name_without_horizon(Path(each.name), horizons)
        other = joined.get(key)
        if other is None or set(other.predicted) & set(each.predicted):
            joined[key if other is None else each.name] = each
            continue
        merged: dict[str, Any] = {
            name: getattr(other, name) | getattr(each, name) for name in ("predicted", "measured", "intervals")
        }
        joined[key] = replace(
            other,
            name=f"{other.name} + {_beside(each.name, other.name)}",
            **merged,
            digest=hashlib.sha256(f"{other.digest}{each.digest}".encode()).hexdigest()[:16],
            twice=tuple(dict.fromkeys([*other.twice, *each.twice])),
            notes=(*other.notes, *each.notes),
        )
    return list(joined.values())


def _name_without_horizon(path: Path, horizons: Sequence[str]) -> str:
    """A path with a star for the horizon in its file's name, or else in its folder's; unchanged without one."""
    stem, folder = path.stem.lower(), path.parent.name.lower()
    for horizon in horizons:
        stem, folder = (re.sub(_pattern(horizon), "*", name) for name in (stem, folder))
    if "*" in stem:
        return str(path.with_name(stem))
    return str(path.parent.with_name(folder) / path.name) if "*" in folder else str(path)


def _beside(name: str, first: str) -> str:
    """The name of a file that is shown after another one: without its folder where that is the same."""
    return Path(name).name if Path(name).parent == Path(first).parent else name


@dataclass
class _Columns:
    """Indices of the columns."""

    clip: int
    predicted: dict[str, int]
    measured: dict[str, int] = field(default_factory=dict)
    intervals: dict[str, tuple[int, int]] = field(default_factory=dict)
    level: float = _LEVEL
    notes: list[str] = field(default_factory=list)


def _is_header(row: Sequence[str]) -> bool:
    cells = row[1:]
    return any(cells) and not any(_parse(cell) is not None or cell.lower() in _MISSING for cell in cells)


def _parse(cell: str) -> float | None:
    """A number with a decimal point or comma, or with a percent sign; None for what is none."""
    plain = decimal_point(cell.removesuffix("%").rstrip(), thousands=False)
    if not NUMBER.fullmatch(plain) and plain.lower().lstrip("+-") not in _NOT_FINITE:
        return None
    return float(plain) / (100 if cell.endswith("%") else 1)


def _simple(name: str, horizons: Sequence[str]) -> str:
    """A column's name in lower case with underscores, and horizons as the ground truth writes them."""
    simple = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    for horizon in horizons:
        simple = re.sub(_pattern(horizon), horizon.lower(), simple)
    return simple


def _pattern(horizon: str) -> str:
    """Matches a horizon in a name in lower case: short_term, short-term, shortterm, and the word short."""
    whole = horizon.lower()
    first = re.escape(whole.removesuffix("_term"))
    word = f"|(?<![a-z]){first}(?![a-z])" if whole.endswith("_term") else ""
    return re.sub(r"_", "[-_ ]?", re.escape(whole)) + word


def _name_columns(
    path: Path, rows: Sequence[Sequence[str]], horizons: Sequence[str], horizon: str | None, given: Mapping[str, str]
) -> _Columns:
    """Find the columns of a table by its header, the first of the rows."""
    header, rows = rows[0], rows[1:]
    names = [_simple(name, horizons) for name in header]
    for role, name in given.items():
        if role not in ("clip", *horizons) or name not in header:
            raise InputError(
                f"{path}: --column {role}={name} does not fit; there are the columns {_listed(header)}, and they can "
                f"be clip, {', '.join(horizons)}"
            )
    clip = header.index(given["clip"]) if "clip" in given else _clip_column(names, rows)
    if clip is None:
        raise InputError(f"{path}: no column of clips among {_listed(header)}; say which with --column clip=NAME")
    found = _Columns(clip, {h: header.index(name) for h, name in given.items() if h in horizons})
    with_measured = any(score_column(h).lower() in names for h in horizons)
    for each in horizons:
        low = each.lower()
        forms = [score_column(low), *(f"{low}_{end}" for end in PREDICTED), *(f"{end}_{low}" for end in PREDICTED)]
        forms += [] if with_measured else [low, f"{low}_memorability"]
        if each not in found.predicted and (form := next((form for form in forms if form in names), None)):
            found.predicted[each] = names.index(form)
        if each in found.predicted:
            _find_beside(found, each, names)
    if not found.predicted:
        more = f"; of several columns, here {_listed(header)}, say which with --column {horizons[0]}=NAME"
        _take_only_column(path, found, header, names, _horizon_of_file(path, horizons, horizon, more))
    for column in (found.clip, *found.predicted.values()):
        if names.count(names[column]) > 1:
            raise InputError(f"{path}: has two columns {printable(header[column])[:30]!r}; rename or remove one")
    return found


def _clip_column(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int | None:
    """The likeliest column of clips: one with names before one with numbers, which may be those of rows."""
    found = [names.index(name) for name in IDS if name in names]
    return next((each for each in found if not all(row[each].isdecimal() for row in rows)), found[0] if found else None)


def _find_beside(found: _Columns, horizon: str, names: Sequence[str]) -> None:
    """Find the measured scores and the intervals that stand beside a horizon's predictions."""
    column, low = found.predicted[horizon], horizon.lower()
    measured = [low, *(f"{low}_{end}" for end in _MEASURED), *(f"{end}_{low}" for end in _MEASURED)]
    if name := next((each for each in measured if each in names and names.index(each) != column), None):
        found.measured[horizon] = names.index(name)
    ends = {end: re.compile(rf"{re.escape(low)}_{end}(?:_(\d+(?:_\d+)?))?") for end in ("low", "high")}
    matches = {
        end: [(i, m) for i, name in enumerate(names) if (m := each.fullmatch(name))] for end, each in ends.items()
    }
    if matches["low"] and matches["high"]:
        found.intervals[horizon] = matches["low"][0][0], matches["high"][0][0]
        if level := matches["low"][0][1][1]:
            found.level = float(level.replace("_", ".")) / 100


def _take_only_column(path: Path, found: _Columns, header: Sequence[str], names: Sequence[str], horizon: str) -> None:
    exact = [each for each in PREDICTED if each in names and _has_word(each, _PREDICTED_WORDS)]
    worded = [each for each in names if _has_word(each, _PREDICTED_WORDS) and not _has_word(each, _BESIDE_WORDS)]
    if not exact and len(worded) > 1:
        listed = _listed([header[names.index(each)] for each in worded])
        raise InputError(f"{path}: {listed} can all be the predictions; say which with --column {horizon}=NAME")
    name = next((each for each in (*exact, *worded, *PREDICTED) if each in names), None)
    if name is None:
        raise InputError(
            f"{path}: no column of predictions among {_listed(header)}; say which with --column {horizon}=NAME"
        )
    found.predicted[horizon] = names.index(name)
    found.notes.append(f"The column {printable(header[names.index(name)])!r} is taken as predictions of {horizon}.")
    others = [each for each in names if each != name and (_has_word(each, set(_MEASURED)) or each in _SCORES)]
    if others:
        found.measured[horizon] = names.index(others[0])


def _has_word(name: str, words: Set[str]) -> bool:
    return name in words or not words.isdisjoint(name.split("_"))


def _horizon_of_file(path: Path, horizons: Sequence[str], horizon: str | None, more: str = "") -> str:
    """Which horizon a file of one score predicts; `more` is what the error says can be done besides."""
    if horizon is not None:
        return horizon
    for name in (path.stem, path.absolute().parent.name):
        if len(named := _named_horizons(name, horizons)) == 1:
            return named[0]
        if named:
            break
    if len(horizons) == 1:
        return horizons[0]
    raise InputError(
        f"{path}: does not say which of {', '.join(horizons)} it predicts; name it in the file's or its folder's name, "
        f"or with --horizon{more}"
    )


def _named_horizons(name: str, horizons: Sequence[str]) -> list[str]:
    """Horizons that a name says; `day_10` says no `day` and no `day_1`."""
    found = {each: [match.span() for match in re.finditer(_pattern(each), name.lower())] for each in horizons}
    every = [span for spans in found.values() for span in spans]
    return [
        each
        for each, spans in found.items()
        if any(
            not any(o[0] <= span[0] and span[1] <= o[1] and o[1] - o[0] > span[1] - span[0] for o in every)
            for span in spans
        )
    ]


def clip_key(cell: str) -> str:
    """What a clip is found by: the name of its file without folders and without a video's or picture's ending."""
    name = address_name(clip_of_cell(cell)).replace("\\", "/").rsplit("/", 1)[-1]
    return without_ending(name)


def _numbers(path: Path, ids: Sequence[str], rows: Sequence[Sequence[str]], column: int) -> Numbers:
    found: Numbers = {}
    for number, (clip, row) in enumerate(zip(ids, rows, strict=True), 1):
        cell = row[column]
        if cell.lower() in UNKNOWN:
            continue
        value = _parse(cell)
        if value is None:
            raise InputError(
                f"{path}: row {number} has {printable(cell)[:40]!r}, which is no number; mend it, or leave it empty"
            )
        if math.isfinite(value):
            found.setdefault(clip, value)
    return found


def _ends(
    path: Path, ids: Sequence[str], rows: Sequence[Sequence[str]], low: int, high: int
) -> dict[str, tuple[float, float]]:
    below, above = _numbers(path, ids, rows, low), _numbers(path, ids, rows, high)
    return {clip: (below[clip], above[clip]) for clip in below if clip in above}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(printable(name)[:30] for name in names[:12]) + (", ..." if len(names) > 12 else "")
