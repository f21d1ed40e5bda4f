"""The video or image that a name in a table means: with or without folders and ending, in any case."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from videomem_hf.data.lamem import IMAGE_SUFFIXES
from videomem_hf.data.release.inventory import scan
from videomem_hf.schema import VIDEO_SUFFIXES, InputError

MEDIA_SUFFIXES: Final = VIDEO_SUFFIXES | IMAGE_SUFFIXES | {".bmp", ".tif", ".tiff"}


def without_ending(name: str) -> str:
    """Return a name, which may have folders, without a media ending; `clip.v2` keeps what is no such ending."""
    path = PurePosixPath(name.replace("\\", "/"))
    return str(path.with_suffix("")) if path.suffix.lower() in MEDIA_SUFFIXES else str(path)


def is_image(path: Path) -> bool:
    """Whether a file is an image by its ending."""
    return path.suffix.lower() in MEDIA_SUFFIXES - VIDEO_SUFFIXES


class MediaFiles:
    """The videos and images below a folder, by every form of name that can mean one of them.

    Args:
        folder: Searched to any depth.
        allow_links: Follow links that lead out of it.

    Raises:
        InputError: No such folder, or one that cannot be read.
    """

    def __init__(self, folder: Path, allow_links: bool = False) -> None:
        self.folders: list[Path] = []
        self.paths: list[Path] = []
        self._by_name: dict[str, list[Path]] = {}
        inventory = scan(folder, allow_links=allow_links, deep=True)
        for found in inventory.folders:
            media = [found.path / name for name in found.names if Path(name).suffix.lower() in MEDIA_SUFFIXES]
            if media:
                self.folders.append(found.path)
            for path in media:
                self.paths.append(path)
                for key in _keys(path.relative_to(inventory.root).as_posix()):
                    self._by_name.setdefault(key, []).append(path)

    def find(self, name: str) -> Path | None:
        """Return the file that a name means, None if there is none.

        The most exact match counts: folders and ending, folders alone, the name with its ending, without, its number
        without leading zeros. A video comes before an image of the same name. Raises an InputError for a name that two
        files match equally well.
        """
        for key in _keys(name):
            if paths := self._by_name.get(key):
                videos = [path for path in paths if not is_image(path)]
                best = videos or paths
                if len(best) > 1:
                    raise InputError(
                        f"'{name}' can be {best[0]} or {best[1]}; give the folder of one of them, or names with folders"
                    )
                return best[0]
        return None

    def find_all(self, names: Iterable[str]) -> dict[str, Path]:
        """Return the files of those names that have one."""
        return {name: path for name in names if (path := self.find(name)) is not None}


def _keys(name: str) -> Sequence[str]:
    """Return the forms under which a file is known, the most exact first."""
    path = PurePosixPath(name.replace("\\", "/").lower())
    whole = str(path).lstrip("./")
    keys = [f"path:{whole}", f"stem:{without_ending(whole)}", f"name:{path.name}", f"bare:{without_ending(path.name)}"]
    stem = without_ending(path.name).removeprefix("video")
    if stem.isdecimal():
        keys.append(f"number:{int(stem)}")
    return keys
