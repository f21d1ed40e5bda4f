"""What lies under a user's `data_dir`: found once, without listing the folders that hold one file per video."""

import os
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from videomem_hf.schema import InputError, is_system_file
from videomem_hf.system import os_cause

from .names import parse_video_file

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".txt", ".json"})
ARCHIVE_SUFFIXES = frozenset({".zip", ".tar", ".gz", ".tgz", ".rar", ".7z"})
FEATURE_SUFFIXES = frozenset({".txt", ".csv", ".p", ".pkl", ".pickle"})

_PEEK = 32
"""Entries read to see that a folder holds one file per video and need not be listed to find the tables."""
_BULK = re.compile(r"sources|videos|images|c3d|hmp|lbp|hog|orb|inception.*|color_?hist.*|aesthetic.*", re.IGNORECASE)
_TEST_AREA = re.compile(r"test[-_ ]?set", re.IGNORECASE)


@dataclass(frozen=True)
class Folder:
    """One folder of the copy, its path resolved; `names` are its sorted files, the first few if not `complete`."""

    path: Path
    names: tuple[str, ...]
    complete: bool

    def listing(self) -> tuple[str, ...]:
        """Return all file names, reading the folder now if it had only been peeked at."""
        if self.complete:
            return self.names
        with os.scandir(self.path) as entries:
            return tuple(sorted(entry.name for entry in entries if not is_ignored(entry.name)))

    def holds(self, suffixes: Container[str]) -> bool:
        """Whether it holds files with such endings that are named after videos, as in the release."""
        return any((file := parse_video_file(name)) and file.suffix in suffixes for name in self.names)


@dataclass(frozen=True)
class Inventory:
    """Every folder under `root` that may matter, and the loose files that may be tables or lists."""

    root: Path
    folders: tuple[Folder, ...]

    def tables(self) -> Iterator[Path]:
        """Return the files that may be a ground truth, captions or a list: text that is not named after one video."""
        for folder in self.folders:
            for name in folder.names if folder.complete else ():
                if Path(name).suffix.lower() in TABLE_SUFFIXES and parse_video_file(name) is None:
                    yield folder.path / name

    def unpacking_hint(self) -> str:
        """Return a sentence that names the first archive, for errors where nothing usable is found; "" without one."""
        files = (folder.path / name for folder in self.folders for name in folder.names)
        archive = next((file for file in files if file.suffix.lower() in ARCHIVE_SUFFIXES), None)
        return f" Unpack {archive} first." if archive else ""

    def in_test_area(self, path: Path) -> bool:
        """Whether a file or folder belongs to the test set by its own name or by a folder's (testset, test-set)."""
        parts = path.relative_to(self.root).parts
        root_is_test = re.fullmatch(r"(me\d+me-)?test[-_ ]?set", self.root.name, re.IGNORECASE) is not None
        return root_is_test or any(_TEST_AREA.search(part) for part in parts)


def scan(data_dir: str | Path, *, allow_links: bool = False, deep: bool = False) -> Inventory:
    """Walk a copy of a release.

    Folders that by their name and first entries hold one file per video are not listed, so that a copy with 100,000
    feature files is walked in milliseconds.

    Args:
        data_dir: The copy: the release's root, a folder above it, or a part of it such as `dev-set`.
        allow_links: Follow links that lead out of `data_dir`.
        deep: List every folder whole.

    Raises:
        InputError: No such folder, a folder that cannot be read, or a link out of it while `allow_links` is False.
    """
    root = Path(data_dir).expanduser()
    if not root.is_dir():
        if root.suffix.lower() in ARCHIVE_SUFFIXES and root.exists():
            raise InputError(f"{root} is an archive; unpack it and give its folder.")
        kind = "is a file" if root.exists() else "does not exist"
        raise InputError(f"{root} {kind}; give the folder of an unpacked copy of the data.")
    root = root.resolve()
    folders: list[Folder] = []
    seen: set[Path] = set()
    waiting = [root]
    while waiting:
        path = waiting.pop()
        if (real := path.resolve()) not in seen:
            seen.add(real)
            folder, below = _read_folder(path, root, allow_links, deep)
            folders.append(folder)
            waiting.extend(reversed(below))
    return Inventory(root, tuple(folders))


def _read_folder(path: Path, root: Path, allow_links: bool, deep: bool) -> tuple[Folder, list[Path]]:
    """Read one folder: its files, and the folders below it in order of name."""
    names: list[str] = []
    below: list[Path] = []
    complete = True
    bulk = not deep and (_BULK.match(path.name) is not None or path.parent.name.lower() == "features")
    try:
        with os.scandir(path) as entries:
            for entry in (visible := (entry for entry in entries if not is_ignored(entry.name))):
                if entry.is_symlink() and not allow_links:
                    _refuse_link_out(entry, root)
                if entry.is_dir():
                    below.append(path / entry.name)
                else:
                    names.append(entry.name)
                if bulk and not below and len(names) == _PEEK and all(map(parse_video_file, names)):
                    complete = next(islice(visible, 1), None) is None
                    break
    except OSError as error:
        raise InputError(f"{path} cannot be read ({os_cause(error)}); check its permissions.") from None
    return Folder(path, tuple(sorted(names)), complete), sorted(below)


def _refuse_link_out(entry: os.DirEntry[str], root: Path) -> None:
    target = Path(entry.path).resolve()
    if not target.is_relative_to(root):
        raise InputError(
            f"{entry.path} is a link that leads out of {root}, to {target}; paths that leave the folder are refused. "
            "Pass allow_links=True (--allow-links) if the link is your own, or give a folder that contains both."
        )


def is_ignored(name: str) -> bool:
    """Whether a name is hidden, the operating system's or an editor's own (x~), never the release's."""
    return name.startswith(".") or name.endswith("~") or is_system_file(name)
