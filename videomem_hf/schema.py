"""Names that everything shares: columns, splits, horizons, the score range, and the error for bad input."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Literal

Horizon = str
"""Name of what a score measures: `short_term`, `long_term`, or that of one's own data, such as `week`."""

HORIZONS: Final = ("short_term", "long_term")
"""VideoMem's, the default. Short-term: recognition a few minutes after the first view. Long-term: 24 to 72 hours after
(paper, Sec. 1)."""


class ByHorizon(dict[Horizon, str]):
    """A text for each horizon: those of VideoMem, and for one of another name what a rule makes of the name."""

    def __init__(self, known: dict[Horizon, str], rule: Callable[[Horizon], str]) -> None:
        super().__init__(known)
        self._rule = rule

    def __missing__(self, horizon: Horizon) -> str:
        return self._rule(horizon)


HORIZON_NAMES: Final = ByHorizon(
    {"short_term": "short-term", "long_term": "long-term"}, lambda name: name.replace("_", " ")
)
"""What a person reads, for a horizon of any name."""
Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""Number format in which a network predicts; "auto" takes what suits the model and the device."""
PRECISION_NAMES: Final = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Short names of number formats, which are accepted as well."""
ExportDtype = Literal["float32", "float16", "int8"]
"""Number format of an exported model."""
LEAST_RANK_CORRELATION: Final = 0.995
"""Of an exported model's scores in fewer bits with those in float32."""
SCORE_MIN: Final = 0.0
SCORE_MAX: Final = 1.0


@dataclass(frozen=True)
class ScoreMoments:
    """Mean, standard deviation, smallest and largest of the scores of one horizon."""

    mean: float
    std: float
    low: float
    high: float


RELEASED_SCORES: Final[dict[Horizon, ScoreMoments]] = {
    "short_term": ScoreMoments(0.8590, 0.0817, 0.388, 0.989),
    "long_term": ScoreMoments(0.7789, 0.1452, 0.0, 1.0),
}
"""Of the 8,000 scored videos of VideoMem's 2018 release, measured on it."""

VIDEO_ID: Final = "video_id"
TITLE: Final = "title"
VIDEO: Final = "video"
_COUNTS_END: Final = "_annotations"
ANNOTATION_COUNTS: Final = ByHorizon({h: h + _COUNTS_END for h in HORIZONS}, lambda name: name + _COUNTS_END)
"""Column that holds the number of participants behind a score, for a horizon of any name."""
_RESERVED: Final = frozenset({
    VIDEO_ID, TITLE, VIDEO, "image", "captions", "split", "group", "mean", "last", "sum", "epoch",
    "clip", "model", "model_version", "frames", "percentiles", "percentile_among", "among", "intervals",
    "interval_level", "typicality", "atypical", "caveats", "note", "notes", "error", "saliency", "time_s", "weight",
})  # fmt: skip
"""Names of columns and fields that stand beside scores in data, runs and predictions."""
_RESERVED_ENDS: Final = (_COUNTS_END, "_model", "_low", "_high", "_percentile", "_constant", "_mean_brightness")
"""Of columns that stand beside a horizon's in tables of predictions."""


def horizons_of(columns: Iterable[str]) -> tuple[Horizon, ...]:
    """Return the horizons of a data set by its columns: VideoMem's, and those with annotation counts beside them."""
    names = list(columns)
    return tuple(name for name in names if name in HORIZONS or ANNOTATION_COUNTS[name] in names)


def sort_horizons(horizons: Iterable[Horizon]) -> list[Horizon]:
    """Return horizons in the order in which they are shown: VideoMem's first. The first one ranks clips."""
    names = list(horizons)
    return [*(name for name in HORIZONS if name in names), *(name for name in names if name not in HORIZONS)]


def check_horizon(name: object) -> None:
    """Raise an InputError for what cannot name a horizon: it becomes part of the names of columns and files."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,39}", name):
        raise InputError(
            f"{name!r:.60} cannot name a horizon; take up to 40 letters, digits and underscores, a letter first"
        )
    if name in _RESERVED or name.endswith(_RESERVED_ENDS):
        raise InputError(f"{name!r} cannot name a horizon, as another column has or can have this name; take another")


Split = Literal["train", "validation", "test"]
SPLITS: Final[tuple[Split, Split, Split]] = ("train", "validation", "test")

VIDEO_SUFFIXES: Final = frozenset({
    ".webm", ".mp4", ".m4v", ".mov", ".mkv", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".ts", ".mts", ".m2ts",
    ".vob", ".mxf", ".asf", ".m2v", ".h264", ".264", ".hevc", ".265", ".webp", ".avif", ".apng", ".3gp", ".gif",
})  # fmt: skip
"""File name endings that count as a video when a folder is searched; a file named outright may have any ending."""

SYSTEM_FILES: Final = frozenset({".ds_store", "thumbs.db", "desktop.ini"})


def is_system_file(path: PurePath | str) -> bool:
    """Whether a file is an operating system's own (`._clip.mp4`, .DS_Store, Thumbs.db, in __MACOSX), and so no clip.

    So is what `atomic_write` leaves where its process is killed.
    """
    parts = PurePath(path).parts
    return bool(parts) and (
        parts[-1].startswith("._")
        or (parts[-1].startswith(".") and PurePath(parts[-1]).stem.endswith(".partial"))
        or parts[-1].lower() in SYSTEM_FILES
        or any(part == "__MACOSX" for part in parts)
    )


class InputError(ValueError):
    """Input from outside (file, folder, command line, Hub) that cannot be used.

    The message is one sentence or two for the person who gave the input: what was found and where, what is allowed,
    what to do. The command line prints it without a stack trace.
    """


def cause_of(error: Exception, name: object = None) -> str:
    """Say in one line why something failed: an InputError's message, else the kind of error and its first line.

    Args:
        error: What was raised.
        name: What failed; where the message begins with it and a colon, that is left out.
    """
    if isinstance(error, InputError):
        return str(error).removeprefix(f"{name}: ")
    message = short_message(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def short_message(error: BaseException) -> str:
    """Return the first line of an error's message, at most 300 characters: short enough for one sentence."""
    return str(error).strip().split("\n")[0][:300]
