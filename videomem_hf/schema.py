"""Names that everything shares: columns, splits, horizons, the score range, and the error for bad input."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Literal

Horizon = Literal["short_term", "long_term"]
"""Short-term: recognition a few minutes after the first view. Long-term: 24 to 72 hours after (paper, Sec. 1)."""

HORIZONS: Final[tuple[Horizon, Horizon]] = ("short_term", "long_term")
HORIZON_NAMES: Final[dict[Horizon, str]] = {"short_term": "short-term", "long_term": "long-term"}
"""What a person reads."""
Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""Number format in which a network predicts; "auto" takes what suits the model and the device."""
PRECISION_NAMES: Final = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Short names of number formats, which are accepted as well."""
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
ANNOTATION_COUNTS: Final[dict[Horizon, str]] = {
    "short_term": "short_term_annotations",
    "long_term": "long_term_annotations",
}
"""Column that holds the number of participants behind a score, for each horizon."""

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
