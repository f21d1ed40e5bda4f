"""A raw copy of the VideoMem release, in any of the forms that circulate, as one record per video."""

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from videomem_hf.data.score_tables import another_set, refuse_ambiguous
from videomem_hf.schema import VIDEO_SUFFIXES, InputError

from .captions import Caption, has_captions, is_captions, is_video_list, read_captions, read_video_list
from .csv_tables import known_tables
from .descriptions import is_descriptions, read_descriptions
from .ground_truth import (
    COLUMNS,
    GroundTruthRow,
    ReleaseName,
    another_tables_columns,
    ground_truth_release,
    read_ground_truth,
)
from .inventory import Inventory, scan
from .names import parse_video_file, parse_video_id, video_number
from .odd_rows import check_rows, first_three
from .records import Part, VideoRecord

_ONE_COPY = "give a folder that holds one copy of the release"


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
    if name not in (None, *COLUMNS):
        raise InputError(f"release is {name!r}; it is one of {', '.join(COLUMNS)}.")
    for deep in (False, True):
        inventory = scan(data_dir, allow_links=allow_links, deep=deep)
        found, captions, test_lists, foreign = _classify(inventory)
        if found or test_lists:
            break
    releases = sorted(set(found.values()))
    if len(releases) > 1 and name is None:
        examples = " and ".join(f"{next(path for path in found if found[path] == r)} ({r})" for r in releases)
        raise InputError(
            f"Two releases under {inventory.root}: {examples}; say which with release='2018' or '2022' (--release)."
        )
    release: ReleaseName = "2022" if (name or "".join(releases)) == "2022" else "2018"
    ground_truths = _leave_out_others([path for path in found if found[path] == release], release)
    if name is None and release == "2022":
        for path in ground_truths:
            refuse_ambiguous(path, known_tables(path))
    descriptions = tuple(path for path in captions if is_descriptions(path))
    own = descriptions if release == "2022" else ()  # a copy of 2018 may be beside it
    kept = own or tuple(path for path in captions if path not in descriptions)
    tables = Tables(ground_truths, kept, test_lists)
    test_captions = [path for path in kept if inventory.in_test_area(path)]
    test_set_alone = not found and len(test_captions) == len(kept) and (test_lists or test_captions)
    if ground_truths or test_set_alone:
        return Release(inventory, tables, release)
    if foreign:
        raise InputError(another_set(*next(iter(foreign.items()))))
    raise InputError(
        f"No ground truth of VideoMem {release} under {inventory.root}: no CSV file there has the header "
        f"{','.join(COLUMNS[release])}. Give the folder of the release, one above it, or its dev-set."
        f"{inventory.unpacking_hint()}"
    )


def _classify(
    inventory: Inventory,
) -> tuple[dict[Path, ReleaseName], tuple[Path, ...], tuple[Path, ...], dict[Path, list[str]]]:
    """Sort the loose files: ground truths with their release, captions, lists of test videos, tables of other sets."""
    ground_truths: dict[Path, ReleaseName] = {}
    foreign: dict[Path, list[str]] = {}
    captions, test_lists = [], []
    for path in inventory.tables():
        if release := ground_truth_release(path):
            ground_truths[path] = release
        elif tables := known_tables(path):
            foreign[path] = tables
        elif is_captions(path) or is_descriptions(path):
            captions.append(path)
        elif inventory.in_test_area(path) and is_video_list(path):
            test_lists.append(path)
    others = {path.parent.parent for path in foreign}  # copies of other sets: training_set/, dev_set/, ... below it
    kept = tuple(path for path in captions if not (is_descriptions(path) and path.parent.parent in others))
    return ground_truths, kept, tuple(test_lists), foreign


def _leave_out_others(paths: Sequence[Path], release: ReleaseName) -> tuple[Path, ...]:
    """Leave out tables that are named like a ground truth or have some of its columns, where there is a whole one."""
    reasons = {path: another_tables_columns(path, release) for path in paths}
    whole = tuple(path for path in paths if reasons[path] is None)
    for path, reason in reasons.items() if whole else ():
        if reason is not None:
            warnings.warn(f"{path} is not read, it has {reason}; the ground truth is {whole[0]}.", stacklevel=3)
    return whole or tuple(paths)


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
        captions = _read_captions(path)
        if release.inventory.in_test_area(path):
            _add_test_videos(records, path, [(caption.video_id, caption.line) for caption in captions])
        _add_titles(titles, path, captions)
    _warn_of_lost_titles(titles, records)
    if release.tables.ground_truths:
        without = sorted((video_id for video_id in records if video_id not in titles), key=video_number)
        if without:
            warnings.warn(
                f"{release.root}: {len(without)} of {len(records)} videos have no title ({first_three(without)}).",
                stacklevel=2,
            )
    return [
        replace(record, title=titles[video_id][0]) if video_id in titles else record
        for video_id, record in sorted(records.items(), key=lambda item: video_number(item[0]))
    ]


def _read_captions(path: Path) -> list[Caption]:
    if is_descriptions(path):
        return [
            Caption(video_id, texts[0][1] if texts else None, texts[0][0].line if texts else 1)
            for name, texts in read_descriptions(path).items()
            if (video_id := parse_video_id(name))
        ]
    if not has_captions(path):
        warnings.warn(f"{path} is not read: its first line is not a video's name, a tab and its title.", stacklevel=3)
        return []
    return read_captions(path)


def _ground_truth_records(release: Release) -> dict[str, VideoRecord]:
    rows_by_id: dict[str, tuple[Path, GroundTruthRow]] = {}
    records: dict[str, VideoRecord] = {}
    for path in release.tables.ground_truths:
        rows = read_ground_truth(path, release.name)
        part_of_labelled = _part(release, path)
        for row in rows:
            other_path, other = rows_by_id.setdefault(row.video_id, (path, row))
            if other.values != row.values:
                where = f"{path}:{row.line}: {row.video_id} has other values than in {other_path}:{other.line}"
                raise InputError(f"{where}; keep one of them, or {_ONE_COPY}.")
            short, long, short_count, long_count = row.values
            part = part_of_labelled if row.labelled else "test"
            records[row.video_id] = VideoRecord(row.video_id, part, None, short, long, short_count, long_count)
        check_rows(path, rows, release.name)
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
