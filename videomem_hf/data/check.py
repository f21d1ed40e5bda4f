"""`videomem describe --check`: every video, image and feature file of a copy is opened, in parallel."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from tqdm import tqdm

from videomem_hf.data.feature_files.columns import check_file
from videomem_hf.data.feature_files.folders import Feature, feature_folders, find_feature_files
from videomem_hf.data.identify import identify
from videomem_hf.data.lamem import find_images, find_split_files, read_split
from videomem_hf.data.release.inventory import scan
from videomem_hf.data.release.reader import find_video_files, open_release, read_records
from videomem_hf.data.tables.media import is_image
from videomem_hf.data.tables.opening import open_table
from videomem_hf.local_jobs import Died, run_jobs
from videomem_hf.schema import VIDEO, InputError, cause_of
from videomem_hf.system import available_cpus
from videomem_hf.video.video import open_video

if TYPE_CHECKING:
    from videomem_hf.models.video_decoding import VideoReader

_FILES_A_JOB: Final = 64
_FILES_WORTH_A_PROCESS: Final = 500
"""Starting a process takes as long as checking some hundred files."""


@dataclass(frozen=True)
class FileToCheck:
    """A file, and what it should be: `video`, `image`, or the name of a feature column with its `feature`."""

    path: str
    kind: str
    feature: Feature | None = None


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file, in one line."""

    path: str
    kind: str
    message: str


@dataclass(frozen=True)
class Holding:
    """What a configuration would hold: rows, rows with a score, and rows that have all of the configuration's files."""

    config: str
    rows: int
    scored: int
    whole: int


@dataclass(frozen=True)
class Contents:
    """The files of a copy, and what its configurations would hold."""

    files: list[FileToCheck]
    holdings: list[Holding]


def list_contents(
    data_dir: str | Path, options: Mapping[str, Any] | None = None, *, allow_links: bool = False
) -> Contents:
    """List the files of a copy of VideoMem, of a published set or of one's own table.

    Raises an InputError for a folder that is none of these, or whose tables cannot be read.
    """
    try:
        name, keywords = ("memorability", {}) if options else identify(data_dir, allow_links=allow_links)
    except InputError:
        if contents := _lamem_contents(data_dir, allow_links):
            return contents
        raise
    if name == "memorability":
        opened = open_table(data_dir, {**keywords, **(options or {})}, allow_links=allow_links)
        found = opened.find_media()
        files = [FileToCheck(str(path), "image" if is_image(path) else VIDEO) for path in found.values()]
        own: dict[str, Iterable[str]] = {"videos": found.keys()}
        ids = [record.video_id for record in opened.records]
        for config in opened.features:
            columns = opened.feature_files(config)
            files += [FileToCheck(path, each.column, each.feature) for each in columns for path in each.paths.values()]
            own[config] = set(ids).difference(*(each.lacking(ids) for each in columns))
        return Contents(files, _holdings(opened.records, own))
    release = open_release(data_dir, allow_links=allow_links)
    records, videos = read_records(release), find_video_files(release)
    files = [FileToCheck(str(path), VIDEO) for path in videos.values()]
    ids = [record.video_id for record in records]
    with_files: dict[str, Iterable[str]] = {"videos": videos.keys()} if videos else {}
    for config, folders in feature_folders(release.inventory).items():
        lacking: set[str] = set()
        for column in find_feature_files(config, folders):
            files += [FileToCheck(path, column.column, column.feature) for path in column.paths.values()]
            lacking.update(video_id.partition("-")[0] for video_id in column.missing(ids))
        with_files[config] = set(ids) - lacking
    return Contents(files, _holdings(records, with_files))


def _lamem_contents(data_dir: str | Path, allow_links: bool) -> Contents | None:
    """List the images of a copy of LaMem; None for a folder without its splits."""
    inventory = scan(data_dir, allow_links=allow_links)
    try:
        splits = find_split_files(inventory)
    except InputError:
        return None
    images = find_images(inventory)
    holdings = []
    for config, files in sorted(splits.items()):
        names = [score.file_name for path in files.values() for score in read_split(path)]
        holdings.append(Holding(config, len(names), len(names), sum(name.lower() in images for name in names)))
    return Contents([FileToCheck(str(path), "image") for path in images.values()], holdings)


def _holdings(records: Iterable[Any], with_files: Mapping[str, Iterable[str]]) -> list[Holding]:
    rows = list(records)
    scored = sum(any(row.value(horizon) is not None for horizon in row.horizons) for row in rows)
    whole = {config: set(ids) for config, ids in with_files.items()}
    return [
        Holding("scores", len(rows), scored, len(rows)),
        *(
            Holding(config, len(rows), scored, sum(row.video_id in ids for row in rows))
            for config, ids in whole.items()
        ),
    ]


def check_files(files: list[FileToCheck], processes: int | None = None, progress: bool = True) -> list[Problem]:
    """Open every file in several processes; gives what is wrong, in order of the paths.

    Of a video the first frame is decoded and all packets are read, to see that it does not end too early; an image is
    decoded, and a feature file is read whole.
    """
    batches = [files[start : start + _FILES_A_JOB] for start in range(0, len(files), _FILES_A_JOB)]
    workers = processes or min(available_cpus(), 1 + len(files) // _FILES_WORTH_A_PROCESS)
    problems: list[Problem] = []
    with tqdm(total=len(files), desc="Checking", unit="file", disable=not progress or not files) as bar:
        for batch, found in run_jobs(_check_batch, batches, workers):
            problems += list(_one_by_one(batch) if isinstance(found, Died) else found)
            bar.update(len(batch))
    return sorted(problems, key=lambda problem: problem.path)


def _one_by_one(batch: list[FileToCheck]) -> Iterator[Problem]:
    """Check the files of a batch in processes of their own, one of which a file has killed."""
    for (file,), found in run_jobs(_check_batch, [[file] for file in batch], 1, isolated=True):
        if isinstance(found, Died):
            yield Problem(file.path, file.kind, f"reading it ends the program (exit code {found.exit_code})")
        else:
            yield from found


def _check_batch(files: list[FileToCheck]) -> list[Problem]:
    problems = []
    for file in files:
        try:
            _check(file)
        except (InputError, OSError) as error:
            message = " ".join(cause_of(error).split()).removeprefix(file.path)
            problems.append(Problem(file.path, file.kind, re.sub(r"^(:[0-9]+)?: ", "", message)))
    return problems


def _check(file: FileToCheck) -> None:
    if file.feature is not None:
        check_file(file.feature, file.path)
    elif file.kind == "image":
        from videomem_hf.video.sources import read_image

        read_image(Path(file.path))
    else:
        with open_video(file.path, threads="NONE") as reader:
            _, frame = next(reader.frames(), (0.0, None))
            if frame is None or not np.prod(reader.size):
                raise InputError("no frame can be decoded")
        with open_video(file.path, threads="NONE") as reader:  # again: decoders take packets ahead of their first frame
            _check_end(reader)


def _check_end(reader: "VideoReader") -> None:
    """Raise an InputError for a video whose packets end well before the end that its header announces."""
    import av

    from videomem_hf.models.video_decoding import is_cut_short

    announced, rate = reader.duration_s, reader.frames_per_second
    if announced is None or reader.stream.time_base is None:
        return
    nominal = round(1 / (rate * float(reader.stream.time_base))) if rate else 0
    ends: list[int] = []
    try:
        for packet in reader.container.demux(reader.stream):
            if packet.pts is not None:
                both = [*ends, packet.pts, packet.pts + (packet.duration or nominal)]
                ends = [min(both), max(both)]
    except av.FFmpegError:  # of a file that is cut off within a packet
        pass
    seconds = float((ends[1] - ends[0]) * reader.stream.time_base) if ends else announced
    if is_cut_short(announced - seconds, announced):
        raise InputError(f"cut off: its frames end at {seconds:.1f} s, and its header says {announced:.1f} s")
