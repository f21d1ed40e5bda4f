"""Names of videos and of the files made from them, as the release writes them."""

import re
from typing import NamedTuple

_VIDEO = re.compile(r"(?:video)?0*([1-9][0-9]*)(?:\.[a-z][a-z0-9]{0,4}|\.0)?", re.IGNORECASE | re.ASCII)
_FILE = re.compile(r"video0*([1-9][0-9]*)(?:-([0-9]+))?(?:\.webm|\.mp4)?\.([a-z0-9]+)", re.IGNORECASE | re.ASCII)


def parse_video_id(name: str) -> str | None:
    """Return the id (`video10`) of `video10.webm`, `video10.txt`, `video10` or a bare `10`; None for anything else.

    The course copies write bare numbers; a spreadsheet may have turned them into `10.0`.
    """
    match = _VIDEO.fullmatch(name.strip())
    return f"video{match[1]}" if match else None


def video_number(video_id: str) -> int:
    """Return the number in an id, the key of the numeric order (video2 before video10)."""
    return int(video_id.removeprefix("video"))


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Return the key of the order in which numbers within names count as such: `clip2` before `clip10`."""
    parts = re.split(r"([0-9]+)", name)
    return tuple((0, int(part), "") if part.isascii() and part.isdecimal() else (1, 0, part) for part in parts)


class VideoFile(NamedTuple):
    """A file that belongs to one video: its id, the frame it describes (None: the whole video), its ending."""

    video_id: str
    frame: int | None
    suffix: str


def parse_video_file(name: str) -> VideoFile | None:
    """Read a file name such as `video10.webm`, `video10.txt` or `video10-56.txt`; None for any other name."""
    match = _FILE.fullmatch(name)
    if match is None:
        return None
    return VideoFile(f"video{match[1]}", None if match[2] is None else int(match[2]), f".{match[3].lower()}")
