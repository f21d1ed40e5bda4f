"""The ground truth of a benchmark: the scored clips of the user's data, and which published version they are."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from videomem_hf.data.identify import identify
from videomem_hf.data.lamem import find_split_files, read_split
from videomem_hf.data.release.inventory import scan
from videomem_hf.data.release.names import natural_key
from videomem_hf.data.release.records import VideoRecord
from videomem_hf.data.release.splits import title_groups
from videomem_hf.data.scored_clips import is_divided, number_column, open_splits
from videomem_hf.schema import ANNOTATION_COUNTS, SPLITS, TITLE, VIDEO_ID, InputError, horizons_of
from videomem_hf.statistics import spearman

OWN_TABLE: Final = "own table"
_VERSIONS: Final = Path(__file__).with_name("versions.yaml")
_HASH_DIGITS: Final = 16

Division = tuple[list[str], list[str]]
"""Ids of training clips, and of the clips to evaluate on."""


@dataclass(frozen=True)
class Version:
    """Which published ground truth scores are.

    Attributes:
        name: Such as `videomem-2018`; "own table" for scores that are no known version.
        title: For people.
        evidence: What it was recognised by.
        verified: Whether statistics of the scores agree, and not only the number of clips.
    """

    name: str
    title: str
    evidence: str
    verified: bool


@dataclass(frozen=True)
class GroundTruth:
    """The scored clips of a data set, in natural order of their ids.

    Attributes:
        data: As the user named it.
        ids: `(clips,)`.
        horizons: Names of the scores.
        scores: `(clips, horizons)` float64; NaN where one horizon's score is missing.
        counts: `(clips, horizons)` annotation counts; NaN where unknown.
        titles: `(clips,)`; None where a clip has none.
        divisions: Divisions that the data set itself makes, by name.
        unscored: Ids of clips without any score, such as those of MediaEval's test folder.
    """

    data: str
    ids: list[str]
    horizons: tuple[str, ...]
    scores: np.ndarray
    counts: np.ndarray
    titles: list[str | None]
    divisions: dict[str, Division] = field(default_factory=dict)
    unscored: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def index(self) -> dict[str, int]:
        """Id to position."""
        return {clip: position for position, clip in enumerate(self.ids)}

    @cached_property
    def records(self) -> list[VideoRecord]:
        """The clips for the package's functions that divide them."""
        return [VideoRecord(clip, "dev", title) for clip, title in zip(self.ids, self.titles, strict=True)]

    @cached_property
    def title_group(self) -> np.ndarray:
        """`(clips,)`: clips of nearly the same title share a number."""
        found = np.zeros(len(self), np.int64)
        for number, group in enumerate(title_groups(self.records)):
            found[[self.index[clip] for clip in group]] = number
        return found

    @cached_property
    def content_hash(self) -> str:
        """A hash of ids and scores to four decimals: equal for every copy of the same data, however divided."""
        lines = [
            f"{clip} " + " ".join(f"{horizon}={score:.4f}" for horizon, score in zip(self.horizons, row, strict=True))
            for clip, row in sorted(zip(self.ids, self.scores, strict=True), key=lambda pair: pair[0])
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:_HASH_DIGITS]

    @cached_property
    def version(self) -> Version:
        """The published version, as far as its facts are known."""
        return recognise(self)


def read_ground_truth(data: str) -> GroundTruth:
    """Read the scored clips of a release, a table of one's own, a prepared folder, a Hub id, or LaMem.

    Raises:
        InputError: There are no such data, or they have no scored clips.
    """
    if (folder := Path(data)).is_dir() and (files := _lamem_files(folder)):
        return _read_lamem(data, files)
    tables = {name: _columns(table) for name, table in open_splits(data, "scores").items()}
    horizons = _horizons_of(tables)
    if not horizons:
        raise InputError(f"{data}: has no scored clip; name other data")
    rows: list[tuple[str, str, Any]] = []
    for name, columns in tables.items():
        values = np.column_stack([number_column(columns[h]) for h in horizons])
        unknown = [None] * len(values)
        counts = np.column_stack([number_column(columns.get(ANNOTATION_COUNTS[h], unknown)) for h in horizons])
        titles = columns.get(TITLE) or [None] * len(values)
        rows += [(clip, name, row) for clip, *row in zip(columns[VIDEO_ID], values, counts, titles, strict=True)]
    rows.sort(key=lambda row: natural_key(row[0]))
    scored = [row for row in rows if np.isfinite(row[2][0]).any()]
    if len(scored) < 2:
        raise InputError(f"{data}: has {len(scored)} scored clips; a benchmark needs 2 or more")
    return GroundTruth(
        data,
        [row[0] for row in scored],
        horizons,
        np.array([row[2][0] for row in scored]),
        np.array([row[2][1] for row in scored]),
        [row[2][2] for row in scored],
        _own_divisions(data, [row[:2] for row in scored]),
        [row[0] for row in rows if not np.isfinite(row[2][0]).any()],
    )


def _columns(table: Any) -> dict[str, list[Any]]:
    return {name: list(table.with_format(None)[name]) for name in table.column_names if name != "video"}


def _horizons_of(tables: Mapping[str, Mapping[str, list[Any]]]) -> tuple[str, ...]:
    """The horizons with a score in any part."""
    found = horizons_of(next(iter(tables.values())))
    return tuple(h for h in found if any(np.isfinite(number_column(t[h])).any() for t in tables.values()))


def _own_divisions(data: str, rows: Sequence[tuple[str, ...]]) -> dict[str, Division]:
    """The division that the data have of themselves; none where a seed makes it."""
    parts = {name: [clip for clip, part in rows if part == name] for name in SPLITS}
    if not is_divided(data) and parts["train"]:
        other = set(open_splits(data, "scores", {"seed": 1})["train"][VIDEO_ID])
        if other & {clip for clip, _ in rows} != set(parts["train"]):
            return {}
    return {f"own-{name}": (parts["train"], parts[name]) for name in ("validation", "test") if len(parts[name]) > 1}


def _lamem_files(folder: Path) -> dict[str, dict[str, Path]]:
    try:
        identify(folder)
    except InputError:
        try:
            return find_split_files(scan(folder))
        except InputError:
            return {}
    return {}


def _read_lamem(data: str, files: Mapping[str, Mapping[str, Path]]) -> GroundTruth:
    scores: dict[str, float] = {}
    divisions: dict[str, Division] = {}
    for name, parts in sorted(files.items()):
        read = {part: read_split(path) for part, path in parts.items()}
        scores |= {each.file_name: each.short_term for rows in read.values() for each in rows}
        if "test" in read:
            train = [each.file_name for each in read.get("train", [])]
            divisions[f"lamem-{name.removeprefix('split_')}"] = train, [each.file_name for each in read["test"]]
    ids = sorted(scores, key=natural_key)
    values = np.array([[scores[clip]] for clip in ids])
    return GroundTruth(data, ids, ("short_term",), values, np.full(values.shape, np.nan), [None] * len(ids), divisions)


def recognise(truth: GroundTruth) -> Version:
    """Say which published version scores are, by the facts in `versions.yaml`: statistics, else the number of clips."""
    for facts in yaml.safe_load(_VERSIONS.read_text(encoding="utf-8")):
        if sorted(facts["horizons"]) != sorted(truth.horizons) or not _has_size(truth, facts):
            continue
        known = {name: stats for name, stats in facts["horizons"].items() if stats}
        if not known:
            evidence = f"the number of clips and the scores' names; {facts['unknown']}"
            return Version(facts["name"], facts["title"], evidence, verified=False)
        if all(_agrees(truth, name, stats) for name, stats in known.items()) and _agree_together(truth, facts):
            return Version(facts["name"], facts["title"], "the statistics of its scores", verified=True)
    evidence = "its hash, as no known version has this number of clips and these statistics"
    return Version(OWN_TABLE, f"own table {truth.content_hash}", evidence, verified=False)


def _has_size(truth: GroundTruth, facts: Mapping[str, Any]) -> bool:
    if "clips" in facts:
        return len(truth) == facts["clips"]
    train, evaluated = truth.divisions.get("own-validation", ([], []))
    return [len(train), len(evaluated)] == [facts["parts"]["train"], facts["parts"]["validation"]]


def _agrees(truth: GroundTruth, horizon: str, stats: Mapping[str, float]) -> bool:
    values = truth.scores[:, truth.horizons.index(horizon)]
    values = values[np.isfinite(values)]
    found = {
        "mean": values.mean(),
        "median": np.median(values),
        "std": values.std(),
        "low": values.min(),
        "high": values.max(),
        "distinct": len(np.unique(values.round(6))),
    }
    return all(_equal_as_written(found[name], value) for name, value in stats.items())


def _agree_together(truth: GroundTruth, facts: Mapping[str, Any]) -> bool:
    if "spearman" not in facts:
        return True
    rows = truth.scores[np.isfinite(truth.scores).all(axis=1)]
    return _equal_as_written(spearman(rows[:, 0], rows[:, 1]), facts["spearman"])


def _equal_as_written(found: float, fact: float | str) -> bool:
    """Whether a value is a fact to the digits in which the fact is written."""
    digits = len(str(fact).partition(".")[2])
    return abs(found - float(fact)) <= 0.6 * 10**-digits if digits else found == float(fact)
