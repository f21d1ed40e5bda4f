"""Titles of the videos (the release calls them captions), and lists of videos."""

import re
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from videomem_hf.schema import InputError

from .names import parse_video_id
from .text_files import first_line, numbered_lines, read_text

_CAPTION_LINE = re.compile(r"\s*\"?(video[0-9]+(?:\.[a-z0-9]+)?)\"?(?:\t|,|;| +)([^\t]*)", re.IGNORECASE | re.ASCII)
_HEADER = re.compile(r"\W*(video|name|file)\w*\W+(caption|title|text)", re.IGNORECASE)
SPREADSHEET_ERRORS = frozenset({"#NAME?", "#VALUE!", "#REF!", "#N/A", "#NUM!", "#DIV/0!", "#NULL!"})


@dataclass(frozen=True, slots=True)
class Caption:
    """A video's title as the file has it, words joined by hyphens; None where the file holds no title any more."""

    video_id: str
    title: str | None
    line: int


def is_captions(path: Path) -> bool:
    """Recognise a captions file by its name, or by a first line of a video's name, a tab and words."""
    if path.suffix.lower() not in {".txt", ".tsv", ".csv"}:
        return False
    if "caption" in path.name.lower():
        return True
    match = re.fullmatch(r"(video[0-9]+\.[a-z0-9]+)\t([^\t]*[A-Za-z][^\t]*|#NAME\?)", first_line(path), re.ASCII)
    return match is not None


def read_captions(path: Path) -> list[Caption]:
    """Read `video10.webm<TAB>words-joined-by-hyphens` lines, CRLF or LF, with or without a newline at the end.

    A title that a spreadsheet replaced by an error value (`#NAME?`, for titles that begin with a hyphen) is None.
    Raises InputError, with file and line, for a line that is no caption, or a video with two titles.
    """
    captions: dict[str, Caption] = {}
    for line, text in numbered_lines(read_text(path)):
        if line == 1 and _HEADER.match(text):
            continue
        match = _CAPTION_LINE.fullmatch(text)
        video_id = parse_video_id(match[1]) if match else None
        if match is None or video_id is None:
            raise InputError(f"{path}:{line}: '{text[:60]}' is not a video's name, a tab and its title.")
        title = match[2].strip().strip('"')
        caption = Caption(video_id, None if not title or title in SPREADSHEET_ERRORS else title, line)
        known = captions.setdefault(video_id, caption)
        if known.title != caption.title:
            other = f"'{title}', other than in line {known.line}"
            raise InputError(f"{path}:{line}: a second title for {video_id}, {other}; keep the right one.")
    return list(captions.values())


def read_titles(path: Path) -> dict[str, str]:
    """Read titles of any clips: lines `holiday.mp4<TAB>title` of a clip's name or path, or the release's captions.

    Raises InputError, with file and line, for a line without a tab or title, or a clip with two titles.
    """
    titles: dict[str, str] = {}
    for line, text in numbered_lines(read_text(path, own=True)):
        if line == 1 and _HEADER.match(text):
            continue
        match = _CAPTION_LINE.fullmatch(text)
        name, title = match.groups() if match else text.partition("\t")[::2]
        name, title = name.strip().strip('"'), title.strip().strip('"')
        if not name or not title:
            raise InputError(f"{path}:{line}: '{text[:60]}' is not a clip's name, a tab and its title.")
        if titles.get(name, title) != title:
            raise InputError(f"{path}:{line}: a second title for {name}, '{title}'; keep the right one.")
        if title not in SPREADSHEET_ERRORS:
            titles[name] = title
    return titles


def has_captions(path: Path) -> bool:
    """Whether a file that is named for captions begins with one, or with a header: else it is some other text."""
    line = first_line(path)
    return not line or _HEADER.match(line) is not None or _CAPTION_LINE.fullmatch(line) is not None


def is_caption_line(line: str) -> bool:
    """Whether a line is a video's name and its title."""
    match = _CAPTION_LINE.fullmatch(line)
    return match is not None and parse_video_id(match[1]) is not None


def is_video_list(path: Path) -> bool:
    """Recognise a list of videos (`test-set_list.txt`) by its name or by a first line that is one file name."""
    if path.suffix.lower() != ".txt":
        return False
    named = re.search(r"(^|[-_ ])list($|[-_ .])", path.stem, re.IGNORECASE) is not None
    return named or re.fullmatch(r"video[0-9]+\.[a-z0-9]+", first_line(path), re.ASCII) is not None


def read_video_list(path: Path, known: Container[str] = ()) -> list[tuple[str, int]]:
    """Read a list with one video's name per line, whatever its ending; gives ids and their lines.

    Ids in `known` may be other than VideoMem's. A wrong, repeated or incomplete name raises an InputError with file and
    line.
    """
    lines: dict[str, int] = {}
    numbered = [(line, text.strip()) for line, text in numbered_lines(read_text(path))]
    last_line, last = numbered[-1]
    endings = {Path(text).suffix for _, text in numbered[:-1]}
    if len(numbered) > 2 and len(endings) == 1 and Path(last).suffix not in endings:
        raise InputError(f"{path}:{last_line}: '{last[:60]}' ends unlike all names above; the file is cut off.")
    for line, text in numbered:
        own = next((name for name in (text, text.rpartition(".")[0]) if name in known), None)
        video_id = own or parse_video_id(text)
        if video_id is None:
            raise InputError(f"{path}:{line}: '{text[:60]}' is not a video's name such as video10.webm.")
        if video_id in lines:
            raise InputError(f"{path}:{line}: {video_id} is in line {lines[video_id]} as well; remove one of them.")
        lines[video_id] = line
    return list(lines.items())
