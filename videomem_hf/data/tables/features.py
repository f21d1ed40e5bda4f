"""The features of one's own clips that `videomem extract` wrote below the folder of a table: which file is whose."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from videomem_hf.data.feature_files.folders import FeatureFiles, find_feature_files
from videomem_hf.data.release.inventory import Folder
from videomem_hf.data.release.names import parse_video_id
from videomem_hf.schema import InputError
from videomem_hf.system import printable

from .media import without_ending

CLIPS_TABLE: Final = "clips.csv"
"""Beside folders of features: the clip of each id in them, as `videomem extract` writes it."""


def own_feature_files(
    config: str, folders: Iterable[Folder], ids: Iterable[str], media: Mapping[str, Path]
) -> list[FeatureFiles]:
    """List the files of one configuration under the ids of a table.

    Args:
        config: Name of the configuration.
        folders: Those of the feature.
        ids: Of the table's rows.
        media: The file of each row that has one.

    Raises:
        InputError: A table of clips cannot be read, two files describe one clip, or a frame is not the feature's.
    """
    found: dict[str, FeatureFiles] = {}
    for folder in folders:
        names = _ids_of_clips(folder.path.parent / CLIPS_TABLE)
        own = {name: video_id for name in ids if (video_id := _file_id(name, media.get(name), names))}
        for files in find_feature_files(config, [folder]):
            frames = sorted({frame for _, frame in files.paths}, key=lambda frame: -1 if frame is None else frame)
            paths = {
                (name, frame): files.paths[video_id, frame]
                for name, video_id in own.items()
                for frame in frames
                if (video_id, frame) in files.paths
            }
            before = found.get(files.column)
            found[files.column] = replace(files, paths=paths | (before.paths if before else {}))
    return list(found.values())


def _ids_of_clips(path: Path) -> dict[str, str]:
    """The id of each clip in a folder of features: by its path, and by its name where only one has it."""
    if not path.is_file():
        return {}
    ids: dict[str, str] = {}
    twice: set[str] = set()
    try:
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            for row in csv.DictReader(file):
                ids[row["clip"]] = row["video_id"]
                name = _bare(row["clip"])
                if ids.setdefault(name, row["video_id"]) != row["video_id"]:
                    twice.add(name)
    except (OSError, KeyError, TypeError, csv.Error) as error:
        raise InputError(f"{path}: is no table of clips as `videomem extract` writes it ({error}); remove it") from None
    return {name: video_id for name, video_id in ids.items() if name not in twice}


def _bare(name: str) -> str:
    return without_ending(Path(name.replace("\\", "/")).name.lower())


def _file_id(name: str, clip: Path | None, names: Mapping[str, str]) -> str | None:
    """The id that the files of a row's clip have: by its path or name, or without a table of clips by its own id."""
    if not names:
        return parse_video_id(name) if name.lower().startswith("video") else None
    if clip is not None and (found := names.get(printable(clip.resolve()))):
        return found
    return names.get(_bare(str(clip or name)))
