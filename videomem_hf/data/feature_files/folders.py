"""Which features a copy of the release has, in which folders, and what their files look like."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from videomem_hf.data.release.inventory import FEATURE_SUFFIXES, Folder, Inventory
from videomem_hf.data.release.names import parse_video_file
from videomem_hf.schema import HORIZONS, SPLITS, TITLE, VIDEO, VIDEO_ID, InputError

from .text import Separator

FRAMES: Final = (0, 56, 112)
"""The frames, of a clip's 168, that the release describes where a feature is one of frames."""

Form = Literal["dense", "pairs", "histogram", "orb"]


@dataclass(frozen=True)
class Feature:
    """What one feature's files hold.

    Attributes:
        form: `dense` numbers, `index:value` `pairs`, a colour `histogram`, or `orb` keypoints.
        length: Values of a dense feature where it is fixed; size of the vector that pairs fill, None if not known.
        shortest: Fewest values that a dense feature may have, where that varies.
        base: Index of the first value in pairs.
        frames: The frames described, one file each; empty where one file describes the video.
        sums_to_one: Whether the values of a file sum to 1.
        separator: What separates dense numbers.
        one_line: Whether a file is a single line.
    """

    form: Form
    length: int | None = None
    shortest: int = 1
    base: int = 0
    frames: tuple[int, ...] = ()
    sums_to_one: bool = False
    separator: Separator = "space"
    one_line: bool = False


KNOWN: Final = {
    "c3d": Feature("dense", 101, 101, sums_to_one=True),
    "hmp": Feature("pairs", 6075, base=1, sums_to_one=True),
    "lbp": Feature("dense", 122, frames=FRAMES, sums_to_one=True),
    "hog": Feature("dense", frames=FRAMES, one_line=True),
    "inceptionv3": Feature("pairs", 1000, frames=FRAMES),
    "colorhistogram": Feature("histogram", frames=FRAMES),
    "orb": Feature("orb", frames=FRAMES),
    "aesthetics": Feature("dense", 109, 109, separator="comma"),
}
"""The release's features by configuration name."""

_VARIANTS: Final = {
    "hmp-paper": KNOWN["hmp"],
    "lbp-opencv3": KNOWN["lbp"],
    "lbp-corrected": replace(KNOWN["lbp"], shortest=122),
    "colorhistogram-corrected": KNOWN["colorhistogram"],
    "inceptionv3-corrected": KNOWN["inceptionv3"],
}
"""What `videomem extract` writes beside the release's own, by folder name."""

_ALIASES: Final = {"inception": "inceptionv3", "colourhistogram": "colorhistogram", "colorhist": "colorhistogram"}
_FILLERS: Final = frozenset({"feature", "features", "feat", "feats", "dev", "test", "set", "devset", "testset"})
_SUFFIXES: Final = {"orb": frozenset({".p", ".pkl", ".pickle"})}
_TEXT_SUFFIXES: Final = frozenset({".txt", ".csv"})
PLAIN_CONFIGS: Final = ("scores", "videos")
"""Configurations without features."""
NO_FEATURES: Final = frozenset({*PLAIN_CONFIGS, "all", "default"})
"""Configuration names that no feature has."""
_RESERVED: Final = NO_FEATURES | {VIDEO, VIDEO_ID, TITLE, *HORIZONS, *SPLITS}
"""Names of configurations and columns that a folder cannot take."""


@dataclass
class FeatureFiles:
    """A column's name, what its files hold, and the file of each video and frame (None: the whole video)."""

    column: str
    feature: Feature
    paths: dict[tuple[str, int | None], str] = field(default_factory=dict, repr=False)

    def expected(self, videos: int) -> int:
        """Number of files that so many videos have in a whole copy."""
        return videos * max(1, len(self.feature.frames))

    def missing(self, ids: Iterable[str]) -> list[str]:
        """Name what has no file: videos (`video10`), or their frames (`video10-56`)."""
        return [
            video_id if frame is None else f"{video_id}-{frame}"
            for video_id in ids
            for frame in self.feature.frames or (None,)
            if (video_id, frame) not in self.paths
        ]

    def lacking(self, ids: Iterable[str]) -> set[str]:
        """Return the videos that lack a file, of themselves or of a frame."""
        frames = self.feature.frames or (None,)
        return {video_id for video_id in ids if any((video_id, frame) not in self.paths for frame in frames)}


def folder_column(path: Path) -> tuple[str, str]:
    """Tell the configuration and the column that a feature folder belongs to, by its name.

    Known features are found under their name in any case, with fillers (`C3D`, `dev-set_hmp_features`); the aesthetic
    features also by the folder above (`aesthetic_visual_features/aesthetic_feat_dev-set_mean`). Any other folder is a
    feature of its own name.
    """
    words = [word for word in re.split(r"[^a-z0-9]+", path.name.lower()) if word and word not in _FILLERS]
    statistic = next((word for word in words if word in {"mean", "median"}), None)
    words_above = re.split(r"[^a-z0-9]+", path.parent.name.lower())
    if any(word.startswith("aesthetic") for word in (*words, *(words_above if statistic else ()))):
        return "aesthetics", f"aesthetics_{statistic}" if statistic else "aesthetics"
    name = "".join(words)
    name = _ALIASES.get(name, name)
    if name in KNOWN:
        return name, name
    own = re.sub(r"[<>:/\\|?*.]", "_", path.name)
    return (own, own) if own.lower() not in _RESERVED else (f"{own}_features", f"{own}_features")


def feature_folders(inventory: Inventory) -> dict[str, list[Folder]]:
    """Return the feature folders of a copy by configuration name, the release's features first."""
    found: dict[str, list[Folder]] = {}
    for folder in inventory.folders:
        name = folder_column(folder.path)[0]
        suffixes = {Path(file).suffix.lower() for file in folder.names}
        if folder.holds(FEATURE_SUFFIXES) and suffixes & _suffixes(name):
            found.setdefault(name, []).append(folder)
    return {name: found[name] for name in sorted(found, key=lambda name: (name not in KNOWN, name))}


def find_feature_files(config: str, folders: Iterable[Folder]) -> list[FeatureFiles]:
    """List the files of one configuration: one entry per column.

    Raises InputError for two files of the same video and frame, or a frame that the feature does not have.
    """
    columns: dict[str, dict[tuple[str, int | None], str]] = {}
    for folder in folders:
        paths = columns.setdefault(folder_column(folder.path)[1], {})
        for name in folder.listing():
            file = parse_video_file(name)
            if file is None or file.suffix not in _suffixes(config):
                continue
            path = os.path.join(folder.path, name)  # noqa: PTH118 - a hundred thousand of them
            if other := paths.get((file.video_id, file.frame)):
                raise InputError(f"{path}: a second file for what {other} describes; keep one of them.")
            paths[file.video_id, file.frame] = path
    return [
        FeatureFiles(column, _check_frames(feature_of(config, paths, _read_heads(paths.values())), paths), paths)
        for column, paths in sorted(columns.items())
    ]


def _suffixes(config: str) -> frozenset[str]:
    return _SUFFIXES.get(config, _TEXT_SUFFIXES) & FEATURE_SUFFIXES


def _check_frames(feature: Feature, paths: dict[tuple[str, int | None], str]) -> Feature:
    allowed = feature.frames or (None,)
    for (_, frame), path in paths.items():
        if frame not in allowed:
            expected = f"frames {', '.join(map(str, feature.frames))}" if feature.frames else "whole videos"
            found = "a whole video" if frame is None else f"frame {frame}"
            raise InputError(
                f"{path}: the name says {found} where this feature describes {expected}; rename or remove it."
            )
    return feature


def feature_of(config: str, files: Iterable[tuple[str, int | None]], heads: Iterable[bytes]) -> Feature:
    """Return what a feature's files hold: by its name, or for an unknown one by the `heads` of some files."""
    if known := KNOWN.get(config) or _VARIANTS.get(config):
        return known
    frames = sorted({frame for _, frame in files if frame is not None})
    some = list(heads)
    form: Form = "pairs" if any(b":" in head for head in some) else "dense"
    separator: Separator = "comma" if any(b"," in head for head in some) else "space"
    return Feature(form, frames=tuple(frames), separator=separator)


def _read_heads(paths: Iterable[str]) -> Iterator[bytes]:
    for path in islice(paths, 3):
        with Path(path).open("rb") as file:
            yield file.read(4096)
