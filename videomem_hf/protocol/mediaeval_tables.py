"""Reads the raw responses of MediaEval 2021 (TRECVid): `<part>_short_term_annotations.csv`, one row per annotation.

| column | content |
|---|---|
| video_id | the video; its name here is video<id> |
| video_position_first, video_position_second | positions of its two showings; their difference is the lag |
| key_press | 32, the code of the space bar, if the video was recognised; anything else is a miss |
| rt | response time in milliseconds; not read without a press |

The table has no participants and no first showings of other videos, so nobody can be screened, and standard errors and
p-values take each response as a person's only one. Other columns are ignored.
"""

import csv
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from videomem_hf.protocol.annotation_files import read_annotations, read_headers
from videomem_hf.protocol.annotations import COLUMNS, Annotations
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.scoring import LagChoice, StudyScores, TargetAnnotations, score_study, score_targets
from videomem_hf.protocol.screening import Screening, StepScreening
from videomem_hf.schema import InputError

_NEEDED: Final = ("video_id", "video_position_first", "video_position_second", "key_press", "rt")
_SPACE_BAR: Final = 32


def score_tables(
    paths: Sequence[Path],
    design: StudyDesign | None = None,
    *,
    ignore: Collection[str] = (),
    lag_correction: LagChoice = "significant",
) -> tuple[Annotations, StudyScores]:
    """Read and score tables of any kind: annotations (see `read_annotations`), or raw responses of MediaEval 2021.

    Returns the annotations too, which are empty for MediaEval's. Raises InputError as `read_annotations` and
    `score_study`.
    """
    headers = read_headers(paths)
    if all(set(_NEEDED) <= set(header) for header in headers.values()):
        videos, responses = _read_responses(list(headers))
        return _no_showings(videos), _score_responses(videos, responses, design or StudyDesign(), lag_correction)
    annotations = read_annotations(paths)
    return annotations, score_study(annotations, design, ignore=ignore, lag_correction=lag_correction)


def _read_responses(files: Sequence[Path]) -> tuple[tuple[str, ...], TargetAnnotations]:
    rows = [row for file in files for row in _rows(file)]
    if not rows:
        raise InputError(f"{files[0]}: a header and no rows; give the table with its responses.")
    names, lag, hit, rt_ms = zip(*rows, strict=True)
    videos, index = np.unique(names, return_inverse=True)
    return tuple(videos.tolist()), TargetAnnotations(
        participant=np.arange(len(rows)),
        video=index.astype(np.int64),
        hit=np.array(hit),
        interval=np.array(lag, dtype=np.float64),
        rt_ms=np.array(rt_ms, dtype=np.float64),
    )


def _rows(path: Path) -> Iterator[tuple[str, int, bool, float]]:
    """Video, lag, whether recognised, and response time (NaN without a press) of each row."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or []]
        for row in reader:
            try:
                first, second = int(row["video_position_first"]), int(row["video_position_second"])
                hit = row["key_press"].strip() != "" and float(row["key_press"]) == _SPACE_BAR
                rt_ms = float(row["rt"]) if hit and row["rt"].strip() else float("nan")
            except (ValueError, AttributeError, TypeError):
                raise InputError(
                    f"{path}:{reader.line_num}: {_said(row)}; positions, key and rt are numbers."
                ) from None
            if not second > first >= 0 or (hit and rt_ms <= 0) or not row["video_id"].strip():
                raise InputError(
                    f"{path}:{reader.line_num}: {_said(row)}; the second position is after the first, and a response "
                    "takes more than 0 ms."
                )
            name = row["video_id"].strip()
            yield f"video{name}" if name.isdigit() else name, second - first, hit, rt_ms


def _said(row: dict[str, str]) -> str:
    return ", ".join(f"{name} {str(row.get(name))[:30]!r}" for name in _NEEDED)


def _score_responses(
    videos: tuple[str, ...], responses: TargetAnnotations, design: StudyDesign, lag_correction: LagChoice
) -> StudyScores:
    none = TargetAnnotations(*(getattr(responses, name)[:0] for name in responses.__dataclass_fields__))
    people = len(responses)
    screening = Screening(
        tuple(f"response {number}" for number in range(1, people + 1)),
        _unscreened(1, np.ones(people, dtype=np.int64)),
        _unscreened(2, np.zeros(people, dtype=np.int64)),
    )
    return score_targets(
        videos, {"short_term": responses, "long_term": none}, screening, design, lag_correction=lag_correction
    )


def _unscreened(step: int, showings: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> StepScreening:
    unknown = np.full(len(showings), np.nan)
    return StepScreening(
        step=1 if step == 1 else 2,
        showings=showings,
        vigilance_hits=unknown,
        false_alarms=unknown,
        recognition=unknown,
        delay_h=unknown,
        missing=unknown,
        failures=(),
        passed=showings > 0,
    )


def _no_showings(videos: tuple[str, ...]) -> Annotations:
    kinds = dict.fromkeys(COLUMNS, "i4") | {"repeat": "?", "pressed": "?", "rt_ms": "f4", "time": "M8[ms]"}
    return Annotations((), videos, *(np.empty(0, dtype=kinds[name]) for name in COLUMNS))
