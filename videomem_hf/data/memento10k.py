"""Memento10k, video memorability with decay (Newman et al., ECCV 2020), in its own form and in MediaEval's.

Read here: `memento_{train,val,test}_data.json`, or the tables `*_scores.csv`, `*_text_descriptions.csv` and
`*_video_urls.csv` of MediaEval 2021 and later. Short-term scores only. Memorability decays linearly with the lag:
m(t) = m(T) + alpha (t - T).
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Final

from videomem_hf.data.release import csv_tables
from videomem_hf.data.release.csv_tables import TableRow
from videomem_hf.data.release.descriptions import read_descriptions
from videomem_hf.data.release.inventory import Inventory
from videomem_hf.data.release.text_files import read_text
from videomem_hf.data.score_tables import another_set
from videomem_hf.schema import SCORE_MAX, SPLITS, VIDEO_SUFFIXES, InputError

_JSON_NAME = re.compile(r"memento_(train|val|test)_data\.json", re.IGNORECASE)
_TABLE_NAME = re.compile(
    r"(train|training|dev|val|validation|test)_(scores|text_descriptions|video_urls)\.csv", re.IGNORECASE
)
_HIGHEST_SCORE: Final = 1.1
_SPLITS: Final = {"training": "train", "dev": "validation", "val": "validation"} | {split: split for split in SPLITS}


@dataclass(frozen=True, slots=True)
class MementoRecord:
    """What is known of one video; None or empty where the copy has nothing.

    Attributes:
        video_id: The file name without its ending, or the number that MediaEval gives it.
        file_name: The name of its file, where the copy says.
        short_term: Score in [0, 1], normalised to one lag.
        short_term_raw: Proportion of participants who recognised it, whatever the lag (MediaEval's tables only).
        short_term_annotations: Participants behind the score (MediaEval's tables only).
        decay_alpha: Slope of the decay with the lag, in score per video in between.
        captions: What five people say is to be seen.
        url: Where the video came from.
    """

    video_id: str
    file_name: str | None = None
    short_term: float | None = None
    short_term_raw: float | None = None
    short_term_annotations: int | None = None
    decay_alpha: float | None = None
    captions: list[str] = field(default_factory=list)
    url: str | None = None


@dataclass(frozen=True)
class MementoFiles:
    """The files of a copy that hold records: by split, those of its own form or the tables of MediaEval's."""

    data: dict[str, Path]
    tables: dict[str, dict[str, Path]]

    @property
    def paths(self) -> list[Path]:
        return [*self.data.values(), *(path for tables in self.tables.values() for path in tables.values())]


def find_memento_files(inventory: Inventory) -> MementoFiles:
    """Find the files of either form; raises an InputError for none, two of one kind, or both forms in one copy."""
    data: dict[str, Path] = {}
    tables: dict[str, dict[str, Path]] = {}
    foreign = _other_sets(inventory)
    others = {path.parent.parent for path in foreign}
    for path in inventory.tables():
        if match := _JSON_NAME.fullmatch(path.name):
            _add(data, _SPLITS[match[1].lower()], path)
        elif (match := _TABLE_NAME.fullmatch(path.name)) and "video_id" in csv_tables.header_cells(path):
            kind = match[2].lower()
            if path not in foreign and (kind == "scores" or path.parent.parent not in others):
                _add(tables.setdefault(_SPLITS[match[1].lower()], {}), kind, path)
    if foreign and not data and not tables:
        raise InputError(another_set(*next(iter(foreign.items()))))
    if data and tables:
        both = f"{next(iter(data.values()))} and {next(iter(next(iter(tables.values())).values()))}"
        raise InputError(f"Two forms of Memento10k under {inventory.root}: {both}; give the folder of one of them.")
    if not data and not tables:
        raise InputError(
            f"No Memento10k under {inventory.root}: neither memento_train_data.json nor train_scores.csv is there."
            f"{inventory.unpacking_hint()}"
        )
    return MementoFiles(data, tables)


def _other_sets(inventory: Inventory) -> dict[Path, list[str]]:
    """Find score tables of MediaEval's that cannot be Memento10k's, with what they can be."""
    tables = [
        path for path in inventory.tables() if (match := _TABLE_NAME.fullmatch(path.name)) and match[2] == "scores"
    ]
    names = {path: csv_tables.known_tables(path) for path in tables}
    for path, found in names.items():
        if not found and "video_id" in csv_tables.header_cells(path):
            raise InputError(
                f"{path}: no column of scores; Memento10k's are scores_normalized_short_term and scores_raw_short_term."
            )
    return {path: found for path, found in names.items() if found and "memento10k" not in found}


def _add(found: dict[str, Path], key: str, path: Path) -> None:
    if key in found:
        raise InputError(f"{path}: a second file of its kind, beside {found[key]}; keep one of them.")
    found[key] = path


def read_memento(files: MementoFiles) -> dict[str, list[MementoRecord]]:
    """Read all records by split, in the order of the files; bad files and repeated videos raise an InputError."""
    splits: dict[str, list[MementoRecord]] = {}
    locations: dict[str, str] = {}
    for split in SPLITS:
        data, tables = files.data.get(split), files.tables.get(split, {})
        for location, record in _read_json(data) if data else _read_tables(tables):
            if other := locations.get(record.video_id):
                raise InputError(f"{location}: {record.video_id} is in {other} as well; remove one of them.")
            locations[record.video_id] = location
            splits.setdefault(split, []).append(record)
    return splits


def _read_json(path: Path) -> Iterator[tuple[str, MementoRecord]]:
    try:
        entries = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not JSON ({error.msg}); take it from the release again.") from None
    except RecursionError:
        raise InputError(f"{path}: not a list of videos; take the file from the release again.") from None
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: not a list of videos; take the file from the release again.")
    for number, entry in enumerate(entries, start=1):
        location = f"{path}: entry {number}"
        if not isinstance(entry, dict):
            raise InputError(f"{location}: not a video's data; take the file from the release again.")
        name = _plain_name(location, entry.get("filename"))
        captions = entry.get("captions") or []
        if not isinstance(captions, list) or not all(isinstance(caption, str) for caption in captions):
            raise InputError(f"{location}: 'captions' is not a list of texts; take the file from the release again.")
        url = entry.get("url")
        record = MementoRecord(
            video_id=PurePosixPath(name).stem,
            file_name=name,
            short_term=_json_score(location, entry),
            decay_alpha=_json_number(location, entry, "alpha", -math.inf, math.inf),
            captions=captions,
            url=url if isinstance(url, str) else None,
        )
        yield location, record


def _plain_name(location: str, name: Any) -> str:
    """Return the last part of a file name that stays below the folder of the videos."""
    if not isinstance(name, str) or not name or "\\" in name or "\0" in name:
        raise InputError(f"{location}: 'filename' is {str(name)[:60]!r}, not the name of a video file.")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise InputError(f"{location}: the file name '{name[:60]}' leads out of data_dir; such paths are refused.")
    return path.name


def _json_score(location: str, entry: dict[str, Any]) -> float | None:
    """Read a score; the lag correction takes a few of the released ones slightly above 1, which count as 1."""
    score = _json_number(location, entry, "mem_score", 0.0, _HIGHEST_SCORE)
    return None if score is None else min(score, SCORE_MAX)


def _json_number(location: str, entry: dict[str, Any], key: str, low: float, high: float) -> float | None:
    value = entry.get(key)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not is_number or not low <= value <= high:
        allowed = f"a number from {low:g} to {high:g}" if math.isfinite(low) else "a number"
        raise InputError(f"{location}: '{key}' is {str(value)[:40]}, not {allowed}.")
    return float(value)


def _read_tables(tables: dict[str, Path]) -> Iterator[tuple[str, MementoRecord]]:
    scores = _rows(tables.get("scores"))
    texts = read_descriptions(tables["text_descriptions"]) if "text_descriptions" in tables else {}
    urls = _rows(tables.get("video_urls"))
    for video_id in dict.fromkeys([*scores, *urls, *texts]):
        score, address = scores.get(video_id), urls.get(video_id)
        described = texts.get(video_id, [])
        location = next(row.location for row in (score, address, *(row for row, _ in described)) if row)
        url = next((row.cells["video_url"] for row in (score, address) if row and row.cells.get("video_url")), None)
        record = MementoRecord(video_id, captions=[text for _, text in described], url=url)
        if score:
            record = replace(
                record,
                short_term=score.read("scores_normalized_short_term", csv_tables.parse_score),
                short_term_raw=score.read("scores_raw_short_term", csv_tables.parse_score),
                short_term_annotations=score.read("annotations_short_term", csv_tables.parse_count),
                decay_alpha=score.read("decay_alpha", csv_tables.parse_number),
            )
        yield location, record


def _rows(path: Path | None) -> dict[str, TableRow]:
    if path is None:
        return {}
    rows: dict[str, TableRow] = {}
    for row in csv_tables.read_table(path, lambda header: None if "video_id" in header else "no column 'video_id'"):
        video_id = row.cells["video_id"]
        if not re.fullmatch(r"[\w-][\w.-]*", video_id):
            raise InputError(f"{row.location}: '{video_id[:60]}' is not a video's number or name.")
        if other := rows.get(video_id):
            raise InputError(f"{row.location}: {video_id} is in line {other.line} as well; remove one of them.")
        rows[video_id] = row
    return rows


def find_memento_videos(inventory: Inventory) -> dict[str, Path]:
    """Find the video files by name, and by number for MediaEval's `00001.mp4`."""
    videos: dict[str, Path] = {}
    for folder in inventory.folders:
        for name in folder.names:
            if Path(name).suffix.lower() in VIDEO_SUFFIXES:
                videos[name] = folder.path / name
                if Path(name).stem.isdecimal():
                    videos[str(int(Path(name).stem))] = folder.path / name
    return videos


def video_of(record: MementoRecord, videos: dict[str, Path]) -> Path | None:
    """Return the file of a record's video, None where the copy has none."""
    if record.file_name is not None:
        return videos.get(record.file_name)
    number = str(int(record.video_id)) if record.video_id.isdecimal() else f"{record.video_id}.mp4"
    return videos.get(number)
