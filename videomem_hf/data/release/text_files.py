"""Reading the release's small text files, with errors that name file and line."""

import codecs
import re
from pathlib import Path

from videomem_hf.schema import InputError
from videomem_hf.system import os_cause

_ENCODINGS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""Encodings other than UTF-8 that are read: those that begin with a mark, as Excel's "Unicode text" does."""
_FOREIGN_MARKS = {
    b"PK\x03\x04": "a spreadsheet or zip file",
    b"\x1f\x8b": "a gzip file",
}
_OF_RELEASE = ("save it as UTF-8 text (CSV)", "take the file from the release again")
"""What to do about a file of the release: as UTF-8, and in place of a damaged one."""
SEPARATOR_LINE = re.compile(r"\"?sep=(.)\"?", re.IGNORECASE)
"""What Excel writes above a table to say how its cells are separated."""


def read_text(path: Path, own: bool = False) -> str:
    """Read a text file in UTF-8, with or without a byte-order mark, or in UTF-16 with one; else an InputError.

    Line ends stay as they are.

    Args:
        own: The file is one that the user wrote, and none of the release: errors say how to write it.
    """
    as_utf8, again = ("save it as UTF-8 text",) * 2 if own else _OF_RELEASE
    data = _read_bytes(path)
    if not data.strip():
        raise InputError(f"{path} is empty; {'write it, or leave it out' if own else again}.")
    for mark, kind in _FOREIGN_MARKS.items():
        if data.startswith(mark):
            raise InputError(f"{path} is {kind}, not plain UTF-8 text; {as_utf8}.")
    encoding = _encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise InputError(f"{path} is damaged UTF-16 text; {again}.") from None
        line = data.count(b"\n", 0, error.start) + 1
        excel = " (in Excel: CSV UTF-8)" if path.suffix.lower() == ".csv" else ""
        how = f"save the file as UTF-8{excel}" + ("" if own else ", or take it from the release again")
        raise InputError(f"{path}:{line}: byte 0x{data[error.start]:02x} is not UTF-8 text; {how}.") from None
    if (position := text.find("\0")) >= 0:
        line = text.count("\n", 0, position) + 1
        raise InputError(f"{path}:{line}: a zero byte in a text file; {again}.")
    return text.lstrip("\ufeff")


def decode_leniently(path: Path) -> tuple[str, list[str]]:
    """Return the text of a file, U+FFFD in place of what is none, and notes on its encoding, for repairs."""
    data = _read_bytes(path)
    encoding = _encoding(data)
    text = data.decode(encoding, "replace")
    notes = (
        ["UTF-16 made UTF-8"] if encoding != "utf-8" else ["byte-order mark removed"] if text[:1] == "\ufeff" else []
    )
    if re.search(r"\r(?!\n)", text):
        notes.append("line ends of old Macintoshes made new lines")
    return text.lstrip("\ufeff"), notes


def numbered_lines(text: str) -> list[tuple[int, str]]:
    """Return the non-blank lines with their numbers from 1; CRLF, LF and CR end a line."""
    lines = enumerate(re.split(r"\r\n|\n|\r", text), start=1)
    return [(number, line) for number, line in lines if line.strip()]


def first_line(path: Path, size: int = 4096) -> str:
    """Return the first line of content among a file's first bytes, to see what it is; undecodable bytes are replaced.

    Blank lines and Excel's `sep=;` are no content.
    """
    head = _read_bytes(path, size)
    lines = (line.strip() for line in head.decode(_encoding(head), "replace").lstrip("\ufeff").splitlines())
    return next((line for line in lines if line and not SEPARATOR_LINE.fullmatch(line)), "")


def _encoding(data: bytes) -> str:
    return next((name for mark, name in _ENCODINGS.items() if data.startswith(mark)), "utf-8")


def _read_bytes(path: Path, size: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({os_cause(error)}); check the file and its permissions.") from None
