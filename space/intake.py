"""What a visitor may hand in: how large, how long, and by which name it is shown."""

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from videomem_hf.schema import InputError
from videomem_hf.video.video import Frame, probe

LONGEST_NAME = 60
FOR_TERMINALS = " (see --title and --titles)"
"""What the package says of options of its command line, which a page does not have."""


class TooLongError(InputError):
    """The clip is longer than what is scored at a time; `duration_s` is its length, None where no header says it."""

    def __init__(self, path: Path, limits: "Limits", duration_s: float | None) -> None:
        length = f"over {limits.seconds} s" if duration_s is None else f"{duration_s:.0f} s"
        super().__init__(f"{display_name(path)}: the clip lasts {length}; clips may have {limits}")
        self.duration_s = duration_s


@dataclass(frozen=True)
class Limits:
    """What one clip may be.

    Attributes:
        megabytes: Size of the file.
        seconds: Length of the clip.
        pixels: Width times height; both orientations of 4K by default.
        work_s: Time that its scoring may take: a file can be small and still be endless work.
    """

    megabytes: int = 200
    seconds: int = 60
    pixels: int = 3840 * 2160
    work_s: float = 180.0

    def __str__(self) -> str:
        return f"up to {self.megabytes} MB, {self.seconds} s and 4K"

    @property
    def with_parts(self) -> str:
        """What may be handed in where a part of a longer clip can be chosen."""
        return f"up to {self.megabytes} MB and 4K; {self.seconds} s of it are scored at a time"


def display_name(path: Path) -> str:
    """A file's name as it is shown: on one line and not too long; still to be escaped where it becomes HTML."""
    name = "".join(c if c.isprintable() else " " for c in path.name).strip() or "clip"
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 12]}…{name[-11:]}"


def check_clip(path: Path, limits: Limits) -> float | None:
    """Refuse what is over a limit by its size or its header; give the length in seconds that the header says.

    Raises:
        TooLongError: It is too long.
        InputError: Names the clip, what was found, and what is allowed.
        VideoError: FFmpeg cannot read it.
    """
    megabytes = path.stat().st_size / 1e6
    if megabytes > limits.megabytes:
        raise InputError(f"{display_name(path)}: the file has {megabytes:.0f} MB; clips may have {limits}")
    info = probe(path)
    if info.width * info.height > limits.pixels:
        raise InputError(f"{display_name(path)}: the picture is {info.width}x{info.height}; clips may have {limits}")
    if info.duration_s is not None and info.duration_s > limits.seconds + 1:
        raise TooLongError(path, limits, info.duration_s)
    return info.duration_s


def frame_checker(path: Path, limits: Limits, tell: Callable[[float], object]) -> Callable[[Frame], None]:
    """Give what checks each frame as it is decoded: headers may lie. `tell` hears each frame's time in seconds."""
    started = time.monotonic()

    def check_frame(frame: Frame) -> None:
        height, width = frame.image.shape[:2]
        if height * width > limits.pixels:
            raise InputError(f"{display_name(path)}: the picture becomes {width}x{height}; clips may have {limits}")
        if frame.time_s > limits.seconds + 1:
            raise TooLongError(path, limits, None)
        if time.monotonic() - started > limits.work_s:
            raise InputError(f"{display_name(path)}: not scored within {limits.work_s:.0f} s; give a shorter clip")
        tell(frame.time_s)

    return check_frame


def message(error: Exception, path: Path | None = None) -> str:
    """An error's sentence, without any file's path on this machine; of a fault of the program only its kind."""
    text = str(error) if isinstance(error, InputError) else f"This clip cannot be scored ({type(error).__name__})"
    text = text.replace(FOR_TERMINALS, "")
    if path is not None:
        text = text.replace(str(path), display_name(path))
    # each file lies in a folder of its own in it
    folder = re.escape(os.environ.get("GRADIO_TEMP_DIR", tempfile.gettempdir()))
    return re.sub(rf"{folder}/(?:[^/\s]+/)?", "", text)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, by which the same content is known again under another name."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
