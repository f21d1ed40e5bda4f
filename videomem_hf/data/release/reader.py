"""A raw copy of the VideoMem release, in any of the forms that circulate, as one record per video."""

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from videomem_hf.schema import VIDEO_SUFFIXES, InputError

from .captions import Caption, is_captions, is_video_list, read_captions, read_video_list
from .ground_truth import COLUMNS, GroundTruthRow, ReleaseName, ground_truth_release, read_ground_truth
from .inventory import Inventory, scan
from .names import parse_video_file, video_number
from .records import Part, VideoRecord

_ONE_COPY = "give a data_dir that holds one copy of the release"


@dataclass(frozen=True)
class Tables:
    """The files that say which videos there are and what is known of them."""

    ground_truths: tuple[Path, ...]
    captions: tuple[Path, ...]
    test_lists: tuple[Path, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        return self.ground_truths + self.captions + self.test_lists


@dataclass(frozen=True)
class Release:
    """A copy on disk: where everything is, not yet what it holds."""

    inventory: Inventory
    tables: Tables
    name: ReleaseName

    @property
    def root(self) -> Path:
        """The user's `data_dir`, resolved."""
        return self.inventory.root


def open_release(data_dir: str | Path, *, name: str | None = None, allow_links: bool = False) -> Release:
    """Find the tables of a copy of the release, wherever they are under `data_dir`.

    Args:
        data_dir: See `scan`.
        name: `2018` or `2022`; None for whichever is there.
        allow_links: Follow links that lead out of `data_dir`.

    Raises:
        InputError: No such folder, no tables in it, or both releases and no `name`.
    """
    if name not in {None, *COLUMNS}:
        raise InputError(f"release is '{name}'; it is one of {', '.join(COLUMNS)}.")
    for deep in (False, True):
        inventory = scan(data_dir, allow_links=allow_links, deep=deep)
        found, captions, test_lists = _classify(inventory)
        if found or test_lists:
            break
    releases = sorted(set(found.values()))
    if len(releases) > 1 and name is None:
        examples = " and ".join(f"{next(path for path in found if found[path] == r)} ({r})" for r in releases)
        raise InputError(f"Two releases under {inventory.root}: {examples}; say which with release='2018' or '2022'.")
    release: ReleaseName = "2022" if (name or "".join(releases)) == "2022" else "2018"
    ground_truths = tuple(path for path in found if found[path] == release)
    tables = Tables(ground_truths, captions, test_lists)
    test_captions = [path for path in captions if inventory.in_test_area(path)]
    test_set_alone = not found and len(test_captions) == len(captions) and (test_lists or test_captions)
    if ground_truths or test_set_alone:
        return Release(inventory, tables, release)
    raise InputError(
        f"No ground truth of VideoMem {release} under {inventory.root}: no CSV file there has the header "
        f"{','.join(COLUMNS[release])}. Give the folder of the release, one above it, or its dev-set."
        f"{inventory.unpacking_hint()}"
    )


def _classify(inventory: Inventory) -> tuple[dict[Path, ReleaseName], tuple[Path, ...], tuple[Path, ...]]:
    """Find the ground truths (with their release), captions and lists of test videos among the loose files."""
    ground_truths: dict[Path, ReleaseName] = {}
    captions, test_lists = [], []
    for path in inventory.tables():
        if release := ground_truth_release(path):
            ground_truths[path] = release
        elif is_captions(path):
            captions.append(path)
        elif inventory.in_test_area(path) and is_video_list(path):
            test_lists.append(path)
    return ground_truths, tuple(captions), tuple(test_lists)


def read_records(release: Release) -> list[VideoRecord]:
    """Read every video of the copy, in numeric order of their ids.

    Videos with a score are `dev`; those with an empty row, in a test list, or with a title in the test set's
    captions are `test`. Raises InputError for a file that cannot be read, or two that contradict each other.
    """
    records = _ground_truth_records(release)
    for path in release.tables.test_lists:
        _add_test_videos(records, path, read_video_list(path))
    titles: dict[str, tuple[str | None, Path, int]] = {}
    for path in release.tables.captions:
        captions = read_captions(path)
        if release.inventory.in_test_area(path):
            _add_test_videos(records, path, [(caption.video_id, caption.line) for caption in captions])
        _add_titles(titles, path, captions)
    _warn_of_lost_titles(titles, records)
    return [
        replace(record, title=titles[video_id][0]) if video_id in titles else record
        for video_id, record in sorted(records.items(), key=lambda item: video_number(item[0]))
    ]


def _ground_truth_records(release: Release) -> dict[str, VideoRecord]:
    rows_by_id: dict[str, tuple[Path, GroundTruthRow]] = {}
    records: dict[str, VideoRecord] = {}
    for path in release.tables.ground_truths:
        rows = read_ground_truth(path, release.name)
        for row in rows:
            other_path, other = rows_by_id.setdefault(row.video_id, (path, row))
            if other.values != row.values:
                where = f"{path}:{row.line}: {row.video_id} has other values than in {other_path}:{other.line}"
                raise InputError(f"{where}; keep one of them, or {_ONE_COPY}.")
            short, long, short_count, long_count = row.values
            part = _part(release, path) if row.labelled else "test"
            records[row.video_id] = VideoRecord(row.video_id, part, None, short, long, short_count, long_count)
        _warn_of_odd_rows(path, rows, release.name)
    return records


def _part(release: Release, path: Path) -> Part:
    """Say where the labelled videos of a ground truth belong: 2018's are to be divided, 2022's have their splits."""
    if release.inventory.in_test_area(path):
        return "test"
    if release.name == "2018":
        return "dev"
    words = re.split(r"[^a-z]+", f"{path.parent.name} {path.stem}".lower())
    if any(word.startswith("train") for word in words):
        return "train"
    return "validation" if {"dev", "val", "validation", "devset"} & set(words) else "dev"


def _warn_of_odd_rows(path: Path, rows: list[GroundTruthRow], release: ReleaseName) -> None:
    empty = [row.line for row in rows if not row.labelled]
    if 0 < len(empty) < len(rows):
        warnings.warn(
            f"{path}:{empty[0]}: {len(empty)} of {len(rows)} rows have no score; these videos are in the test split.",
            stacklevel=2,
        )
    if repeated := len(rows) - len({row.video_id for row in rows}):
        warnings.warn(f"{path}: {repeated} rows occur twice with the same values; read once.", stacklevel=2)
    odd = [row for row in rows if not row.is_proportion] if release == "2018" else []
    if odd == rows[-1:] and len(rows) > 1:
        raise InputError(
            f"{path}:{odd[0].line}: a long-term score of {odd[0].long_term} is no proportion of "
            f"{odd[0].long_term_annotations} annotations, in the last line alone; the file is cut off, take it from "
            "the release again."
        )
    if odd:
        warnings.warn(
            f"{path}:{odd[0].line}: {len(odd)} long-term scores are no proportion of their number of annotations (here "
            f"{odd[0].long_term} of {odd[0].long_term_annotations}), as all in the release are; may be damaged.",
            stacklevel=2,
        )


def _add_test_videos(records: dict[str, VideoRecord], path: Path, videos: Iterable[tuple[str, int]]) -> None:
    for video_id, line in videos:
        if records.setdefault(video_id, VideoRecord(video_id, "test")).part == "dev":
            where = f"{path}:{line}: {video_id} belongs to the test set here and has scores in the ground truth"
            raise InputError(f"{where}; {_ONE_COPY}.")


def _add_titles(titles: dict[str, tuple[str | None, Path, int]], path: Path, captions: list[Caption]) -> None:
    for caption in captions:
        title, other_path, line = titles.get(caption.video_id, (None, path, caption.line))
        if title and caption.title and title != caption.title:
            where = f"{path}:{caption.line}: another title for {caption.video_id} than in {other_path}:{line}"
            raise InputError(f"{where}; keep one of them, or {_ONE_COPY}.")
        if title is None:
            titles[caption.video_id] = (caption.title, path, caption.line)


def _warn_of_lost_titles(titles: dict[str, tuple[str | None, Path, int]], records: dict[str, VideoRecord]) -> None:
    lost = [(path, line) for title, path, line in titles.values() if title is None]
    if lost:
        warnings.warn(
            f"{lost[0][0]}:{lost[0][1]}: {len(lost)} titles were replaced by a spreadsheet's error value or are empty; "
            "these videos have no title.",
            stacklevel=3,
        )
    if unknown := titles.keys() - records.keys():
        first = min(unknown, key=video_number)
        warnings.warn(
            f"{titles[first][1]}:{titles[first][2]}: {len(unknown)} videos have a title but no row in a ground truth "
            "or test list; left out.",
            stacklevel=3,
        )


def find_video_files(release: Release) -> dict[str, Path]:
    """Find the video file of each id, wherever it is in the copy; raises an InputError if a video has two."""
    videos: dict[str, Path] = {}
    for folder in release.inventory.folders:
        for name in folder.listing() if folder.holds(VIDEO_SUFFIXES) else ():
            file = parse_video_file(name)
            if file is None or file.suffix not in VIDEO_SUFFIXES or file.frame is not None:
                continue
            if other := videos.get(file.video_id):
                raise InputError(f"{folder.path / name}: a second file for {file.video_id}, beside {other}; keep one.")
            videos[file.video_id] = folder.path / name
    return videos
