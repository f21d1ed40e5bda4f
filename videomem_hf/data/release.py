"""A raw copy of the VideoMem release, in any of the forms that circulate, as one record a video."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from videomem_hf.schema import VIDEO_SUFFIXES, InputError

from .captions import Caption, is_captions, is_video_list, read_captions, read_video_list
from .ground_truth import GroundTruthRow, is_ground_truth, read_ground_truth
from .inventory import Inventory, scan
from .names import parse_video_file, video_number


@dataclass(frozen=True, slots=True)
class VideoRecord:
    """What the release says of one video.

    Attributes:
        video_id: Such as `video10`.
        part: `dev`, or `test` where the release's test set has it.
        title: Words joined by hyphens; None where the copy has none.
        short_term, long_term: Scores in [0, 1]; None where the copy has none (the test set's were never released).
        short_term_annotations, long_term_annotations: Participants behind each score.
    """

    video_id: str
    part: Literal["dev", "test"]
    title: str | None = None
    short_term: float | None = None
    long_term: float | None = None
    short_term_annotations: int | None = None
    long_term_annotations: int | None = None


@dataclass(frozen=True)
class Tables:
    """The files that say which videos there are and what is known of them."""

    ground_truths: tuple[Path, ...]
    captions: tuple[Path, ...]
    test_lists: tuple[Path, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them."""
        return self.ground_truths + self.captions + self.test_lists


@dataclass(frozen=True)
class Release:
    """A copy on disk: where everything is, not yet what it holds."""

    inventory: Inventory
    tables: Tables

    @property
    def root(self) -> Path:
        """The user's `data_dir`, resolved."""
        return self.inventory.root


def open_release(data_dir: str | Path, *, allow_links: bool = False) -> Release:
    """Find the tables of a copy of the release, wherever they stand under `data_dir`.

    Raises:
        InputError: No such folder, or nothing in it that says which videos there are.
    """
    for deep in (False, True):
        inventory = scan(data_dir, allow_links=allow_links, deep=deep)
        tables = _classify(inventory)
        if tables.ground_truths or tables.test_lists:
            return Release(inventory, tables)
    if any(inventory.in_test_area(path) for path in tables.captions):
        return Release(inventory, tables)
    packed = f" Unpack {inventory.archives()[0]} first." if inventory.archives() else ""
    raise InputError(
        f"No ground truth of VideoMem under {inventory.root}: no CSV file there has the header "
        f"video,short-term_memorability,... Give the folder of the release, one above it, or its dev-set.{packed}"
    )


def _classify(inventory: Inventory) -> Tables:
    ground_truths, captions, test_lists = [], [], []
    for path in inventory.tables():
        if is_ground_truth(path):
            ground_truths.append(path)
        elif is_captions(path):
            captions.append(path)
        elif inventory.in_test_area(path) and is_video_list(path):
            test_lists.append(path)
    return Tables(tuple(ground_truths), tuple(captions), tuple(test_lists))


def read_records(release: Release) -> list[VideoRecord]:
    """Read every video of the copy, in numeric order of their ids.

    Videos with a score are `dev`; those with an empty row, in a test list, or with a title in the test set's
    captions are `test`.

    Raises:
        InputError: A file that cannot be read as what it is, or two files that contradict each other.
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
    places: dict[str, tuple[Path, GroundTruthRow]] = {}
    records: dict[str, VideoRecord] = {}
    for path in release.tables.ground_truths:
        rows = read_ground_truth(path)
        in_test_area = release.inventory.in_test_area(path)
        for row in rows:
            other_path, other = places.setdefault(row.video_id, (path, row))
            if other.values != row.values:
                raise InputError(
                    f"{path}:{row.line}: {row.video_id} has other values than in {other_path}:{other.line}; keep "
                    "one of them, or give a data_dir that holds one copy of the release."
                )
            short, long, short_count, long_count = row.values
            part: Literal["dev", "test"] = "dev" if row.labelled and not in_test_area else "test"
            records[row.video_id] = VideoRecord(row.video_id, part, None, short, long, short_count, long_count)  # type: ignore[arg-type]
        _warn_of_odd_rows(path, rows)
    return records


def _warn_of_odd_rows(path: Path, rows: list[GroundTruthRow]) -> None:
    empty = [row.line for row in rows if not row.labelled]
    if 0 < len(empty) < len(rows):
        warnings.warn(
            f"{path}:{empty[0]}: {len(empty)} of {len(rows)} rows have no score; these videos are in the test split.",
            stacklevel=2,
        )
    if repeated := len(rows) - len({row.video_id for row in rows}):
        warnings.warn(f"{path}: {repeated} rows stand there twice with the same values; read once.", stacklevel=2)


def _add_test_videos(records: dict[str, VideoRecord], path: Path, videos: Iterable[tuple[str, int]]) -> None:
    for video_id, line in videos:
        if records.setdefault(video_id, VideoRecord(video_id, "test")).part == "dev":
            raise InputError(
                f"{path}:{line}: {video_id} belongs to the test set here and has scores in the ground truth; give a "
                "data_dir that holds one copy of the release."
            )


def _add_titles(titles: dict[str, tuple[str | None, Path, int]], path: Path, captions: list[Caption]) -> None:
    for caption in captions:
        title, other_path, line = titles.get(caption.video_id, (None, path, caption.line))
        if title and caption.title and title != caption.title:
            raise InputError(
                f"{path}:{caption.line}: another title for {caption.video_id} than in {other_path}:{line}; keep one of "
                "them, or give a data_dir that holds one copy of the release."
            )
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


def find_videos(release: Release) -> dict[str, Path]:
    """Find the video file of each id, wherever it stands in the copy.

    Raises:
        InputError: Two files for one video.
    """
    videos: dict[str, Path] = {}
    for folder in release.inventory.folders:
        for name in folder.listing() if folder.holds_videos() else ():
            file = parse_video_file(name)
            if file is None or file.suffix not in VIDEO_SUFFIXES or file.frame is not None:
                continue
            if other := videos.get(file.video_id):
                raise InputError(f"{folder.path / name}: a second file for {file.video_id}, beside {other}; keep one.")
            videos[file.video_id] = folder.path / name
    return videos
