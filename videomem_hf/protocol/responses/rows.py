"""Reads files of trials as rows: jsPsych's JSON or CSV (one file a participant, or several in one), and long tables.

Versions 6, 7 and 8 of jsPsych write an object per trial, with `trial_type`, `trial_index`, `time_elapsed`, `rt`,
`stimulus`, and `response` (6: `key_press` or `button_pressed`), and columns of the experiment's own.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from videomem_hf.schema import InputError, is_system_file

SUFFIXES: Final = (".csv", ".tsv", ".txt", ".json", ".jsonl")
_NOTHING: Final = frozenset({"", "null", "none", "nan", "na", "n/a", "undefined"})
"""Words for an empty cell."""
_PERSON: Final = re.compile(r"subject|participant|session|worker|user|prolific|sona|(^|_)p?id$", re.IGNORECASE)
"""Names of what an object of trials says of who responded."""


class Row(NamedTuple):
    """A trial: its file, its number in it from 1, and its cells by column, those that are empty left out.

    `part` is the number of the list that holds it, from 1, in a file of several lists, else 0.
    """

    file: Path
    number: int
    cells: dict[str, Any]
    part: int = 0

    def error(self, text: str) -> InputError:
        return InputError(f"{self.file}, trial {self.number}: {text}.")


def read_rows(paths: Sequence[Path]) -> list[Row]:
    """Read all trials of files and folders.

    Raises:
        InputError: No file, or a damaged one; the message names file and trial.
    """
    rows: list[Row] = []
    for file in _files(paths):
        before = len(rows)
        rows += _read_json(file) if file.suffix.lower() in (".json", ".jsonl") else _read_csv(file)
        if len(rows) == before:
            raise InputError(f"{file}: no trials; leave the file out, or take the data again.")
    return rows


def is_nothing(value: object) -> bool:
    """Whether a cell is empty: None, NaN, no text, or a word such as null; a single space is the space bar."""
    if isinstance(value, str):
        return value != " " and value.strip().lower() in _NOTHING
    return value is None or value in ([], {}) or value != value


def _files(paths: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = [each for each in sorted(path.rglob("*")) if each.suffix.lower() in SUFFIXES]
            found = [each for each in found if each.is_file() and not is_system_file(each.relative_to(path))]
            if not found:
                raise InputError(f"{path}: no file of trials ({', '.join(SUFFIXES)}) in this folder; give another.")
            files += found
        elif path.is_file():
            files.append(path)
        else:
            raise InputError(f"{path}: no such file; give files of trials, or their folder.")
    if len({file.resolve() for file in files}) < len(files):
        raise InputError("A file is given twice; give each once.")
    return files


def _text(file: Path) -> str:
    content = file.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{file}: not a text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8."
        ) from None


def _read_json(file: Path) -> Iterator[Row]:
    text = _text(file)
    try:
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            content = _json_lines(file, text, error)
        lists = list(_lists(content, {}))
        json.dumps(content, ensure_ascii=False).encode()
    except InputError:
        raise
    except UnicodeEncodeError:
        raise InputError(f"{file}: half a letter (a lone surrogate such as \\ud800); take the data again.") from None
    except (ValueError, RecursionError):  # numbers of thousands of digits, lists in lists in lists
        raise InputError(f"{file}: JSON that holds no trials; take the data again.") from None
    trials = ((part, trial) for part, each in enumerate(lists, start=1) for trial in each)
    for number, (part, trial) in enumerate(trials, start=1):
        if not isinstance(trial, dict):
            raise InputError(
                f"{file}, trial {number}: {str(trial)[:40]!r} is not a trial (an object with its cells); leave it out."
            )
        cells = {str(key): value for key, value in trial.items() if not is_nothing(value)}
        yield Row(file, number, cells, part if len(lists) > 1 else 0)


def _json_lines(file: Path, text: str, error: json.JSONDecodeError) -> list[Any]:
    """One JSON value a line, as servers append them."""
    content: list[Any] = []
    lines = [line for line in text.split("\n") if line.strip()]
    for number, line in enumerate(lines, start=1):
        try:
            content.append(json.loads(line))
        except json.JSONDecodeError:
            if number == 1 or len(lines) == 1:
                raise InputError(f"{file}:{error.lineno}: not JSON ({error.msg}); take the data again.") from None
            raise InputError(f"{file}:{number}: damaged or cut off; take the data again.") from None
    return content


def _lists(content: Any, person: dict[str, Any]) -> Iterator[list[Any]]:
    """The lists of trials, one a participant; an object that holds one says of its trials whose they are."""
    if isinstance(content, dict):
        name = next((name for name in ("trials", "data", "values") if isinstance(content.get(name), list)), None)
        if name is None:
            yield [person | content]
            return
        said = {key: value for key, value in content.items() if isinstance(value, str | int) and _PERSON.search(key)}
        content, person = content[name], person | said
    if not isinstance(content, list):
        yield [content]
    elif any(_holds_trials(each) for each in content):
        for each in content:
            yield from _lists(each, person)
    else:
        yield [person | each if isinstance(each, dict) else each for each in content]


def _holds_trials(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, dict) and isinstance(value.get("trials"), list))


def _delimiter(header: str) -> str:
    """What separates the cells: a comma, a semicolon or a tab, whichever there are most of; else spaces."""
    found = max(",;\t", key=header.count)
    return found if found in header else " "


def _read_csv(file: Path) -> Iterator[Row]:
    text = _text(file).lstrip("\r\n")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text.partition("\n")[0]), strict=True)
    header: list[str] = []
    number = 0
    try:
        for cells in reader:
            if not header:
                header = [name.strip() for name in cells]
                if twice := [name for name in header if name and header.count(name) > 1]:
                    raise InputError(f"{file}:1: duplicate column '{twice[0][:40]}'; rename one of them.")
                continue
            if not any(cells):
                continue
            number += 1
            if number == 1 and len(cells) == len(header) + 1:
                header = ["", *header]  # a column of row names without a name, as R writes it
            if len(cells) != len(header):
                raise InputError(
                    f"{file}, trial {number}: {len(cells)} cells where the header has {len(header)}; the line is "
                    "damaged or cut off, take the data again."
                )
            named = zip(header, cells, strict=True)
            cleaned = {name: cell.strip(" \t") or cell for name, cell in named if name and not is_nothing(cell)}
            yield Row(file, number, cleaned)
    except csv.Error as error:
        raise InputError(f"{file}, trial {number + 1}: not a CSV table ({error}); take the data again.") from None
