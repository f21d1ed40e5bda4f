"""A folder of feature files: which clip has which id in it, what is done, and files written whole or not at all."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

from videomem_hf.data.release.captions import is_captions
from videomem_hf.data.release.ground_truth import ground_truth_release
from videomem_hf.data.release.inventory import TABLE_SUFFIXES
from videomem_hf.data.release.names import parse_video_id, video_number
from videomem_hf.features.spec import FeatureSpec
from videomem_hf.schema import InputError
from videomem_hf.system import atomic_write, os_cause, printable

CLIPS_TABLE: Final = "clips.csv"
"""Says which clip each id stands for, and its size and time when it was extracted."""
VIDEO_LIST: Final = "test-set_list.txt"
"""The ids, as the release lists its test videos: with it the folder loads by itself, as videos without scores."""

_COLUMNS: Final = ("video_id", "clip", "bytes", "modified_ns")


@dataclass(frozen=True)
class Entry:
    """A clip as it was when its features were extracted."""

    clip: str
    size: int
    modified_ns: int

    @classmethod
    def of(cls, clip: Path) -> "Entry":
        """Describe a clip as it is now; raises an InputError if it cannot be opened."""
        try:
            status = clip.stat()
        except OSError as error:
            raise InputError(f"{clip}: cannot be opened ({os_cause(error)})") from None
        return cls(printable(clip.resolve()), status.st_size, status.st_mtime_ns)

    def same_content(self, other: "Entry") -> bool:
        """Whether size and time are equal; a clip may have been moved."""
        return (self.size, self.modified_ns) == (other.size, other.modified_ns)


class FeatureFolder:
    """The folder that `videomem extract` writes, laid out as the release's `features`; made if missing.

    Raises InputError if it cannot be a folder, or its table of clips cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            for partial in path.glob("*/.*.part*"):  # left by a process that was killed
                partial.unlink()
        except OSError as error:
            raise InputError(f"--out {path}: cannot be a folder ({os_cause(error)})") from None
        self.entries = _read_table(path / CLIPS_TABLE)

    def assign(self, clips: Iterable[Path]) -> dict[str, Path]:
        """Return clips by id: that of an earlier run, `video12` for `video12.mp4`, or else the next free number.

        New ids are written to the folder's table at once, so that an interrupted run can be continued. Raises
        InputError if two clips have the same id by their names, or a clip has that of another.
        """
        assigned: dict[str, Path] = {}
        unnamed: list[Path] = []
        earlier = {entry.clip: video_id for video_id, entry in self.entries.items()}
        for clip in clips:
            named = clip.stem.lower().startswith("video")  # as the release's are; a bare number is no such name
            video_id = earlier.get(printable(clip.resolve())) or (parse_video_id(clip.stem) if named else None)
            if video_id is None:
                unnamed.append(clip)
            elif (other := assigned.setdefault(video_id, clip)) != clip:
                raise InputError(f"{other} and {clip} are both {video_id} by their names; extract them to two folders")
        taken = map(video_number, (*assigned, *self.entries, *self._ids_of_files()))
        assigned |= {f"video{number}": clip for number, clip in enumerate(unnamed, start=1 + max(taken, default=0))}
        now = {video_id: Entry.of(clip) for video_id, clip in assigned.items()}
        for video_id in now.keys() & self.entries.keys():
            entry = self.entries[video_id]
            if entry.clip != now[video_id].clip and not entry.same_content(now[video_id]) and Path(entry.clip).exists():
                raise InputError(
                    f"{assigned[video_id]}: in {self.path}, {video_id} stands for {entry.clip}; rename the clip or "
                    "extract it to another folder"
                )
        if now.keys() - self.entries.keys():
            self._record({**now, **self.entries})
        return assigned

    def is_done(self, spec: FeatureSpec, video_id: str, clip: Path) -> bool:
        """Whether the clip has all files of a feature, and has not changed since."""
        entry = self.entries.get(video_id)
        unchanged = entry is None or entry.same_content(Entry.of(clip))
        return unchanged and all(path.exists() for path in self._paths(spec, video_id))

    def write(self, spec: FeatureSpec, video_id: str, contents: list[bytes]) -> None:
        """Write a feature's files of one clip; raises an InputError if that fails."""
        for path, content in zip(self._paths(spec, video_id), contents, strict=True):
            write_whole(path, content)

    def finish(self, video_id: str, clip: Path) -> None:
        entry = Entry.of(clip)
        if self.entries.get(video_id) != entry:
            self._record({video_id: entry})

    def write_list(self) -> None:
        """List the videos that have a feature, unless the folder is part of a copy of the release, which has lists."""
        ids = sorted(self._ids_of_files(), key=video_number)
        if ids and not _in_release(self.path):
            write_whole(self.path / VIDEO_LIST, "".join(f"{video_id}.txt\r\n" for video_id in ids).encode("ascii"))

    def _paths(self, spec: FeatureSpec, video_id: str) -> list[Path]:
        return [self.path / spec.folder / f"{video_id}{ending}" for ending in spec.endings]

    def _ids_of_files(self) -> set[str]:
        names = {path.stem.partition("-")[0] for path in self.path.glob("*/video*") if path.is_file()}
        return {video_id for name in names if (video_id := parse_video_id(name))}

    def _record(self, entries: dict[str, Entry]) -> None:
        self.entries |= entries
        text = io.StringIO()
        rows = [(video_id, *astuple(self.entries[video_id])) for video_id in sorted(self.entries, key=video_number)]
        csv.writer(text).writerows([_COLUMNS, *rows])
        write_whole(self.path / CLIPS_TABLE, text.getvalue().encode())


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; raises an InputError if that fails."""
    try:
        path.parent.mkdir(exist_ok=True)
        with atomic_write(path) as partial:
            partial.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({os_cause(error)})") from None


def _read_table(path: Path) -> dict[str, Entry]:
    if not path.exists():
        return {}
    entries: dict[str, Entry] = {}
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            for row in csv.DictReader(file):
                entries[row["video_id"]] = Entry(printable(row["clip"]), int(row["bytes"]), int(row["modified_ns"]))
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(
            f"{path}: is no table of clips as `videomem extract` writes it ({error}); name another folder, or remove "
            "the table to number the clips again"
        ) from None
    return entries


def _in_release(path: Path) -> bool:
    """Whether a folder is part of a copy of the release: a ground truth or captions beside it or a few levels above."""
    resolved = path.resolve()
    above = [resolved, *resolved.parents[:3]]  # from `features` up to the release's root
    folders = [folder for level in above for folder in (level, level / "ground-truth") if folder.is_dir()]
    files = [file for folder in folders for file in folder.iterdir() if file.suffix.lower() in TABLE_SUFFIXES]
    return any(file.is_file() and (is_captions(file) or ground_truth_release(file)) for file in files)
