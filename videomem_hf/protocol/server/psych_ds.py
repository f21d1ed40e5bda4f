"""Writes a study's data to share, as a Psych-DS data set.

    OUT/
      dataset_description.json   what the set holds, every column described (JSON-LD, schema.org)
      data/study-NAME_description-....._data.csv
      materials/                 design and texts of the pages
      documentation/             rules of exclusion and analysis
      README.md, CHANGES.md

Nothing in it identifies a person: participants have new names, their times start in the year 2000, and ids of
platforms, codes, free answers and exact browsers are left out.

Specification: https://psychds-docs.readthedocs.io
"""

import csv
import hmac
import io
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from videomem_hf import __version__
from videomem_hf.protocol.design import save_design
from videomem_hf.protocol.server.export import (
    annotation_lines,
    format_utc,
    participant_lines,
    practice_lines,
    question_column,
)
from videomem_hf.protocol.server.preregistration import MARKDOWN, rules_text
from videomem_hf.protocol.server.study import Study
from videomem_hf.protocol.server.texts import load_texts
from videomem_hf.schema import InputError
from videomem_hf.system import os_cause

_START_MS: Final = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000)
_PEOPLE: Final = ("participant", "language", "withdrawn", "device", "os", "browser", "width", "height", "automation")
_STEP: Final = (
    "outcome",
    "passed",
    "showings",
    "missing",
    "hidden_ms",
    "interruptions",
    "failures",
    "started",
    "closed",
)
DICTIONARY: Final = {
    "participant": "Random name of a participant, the same in all files of this data set",
    "step": "Step of the game: 1 or 2",
    "position": "Position of the showing in the step, from 1",
    "video": "Name of the clip",
    "role": "Role of the clip for the participant: target, vigilance or filler",
    "repeat": "1 if the participant had seen the clip before in the study, else 0",
    "pressed": "1 if the participant pressed the key, else 0",
    "rt_ms": "Milliseconds from the first picture of the clip to the press; empty without one",
    "time": "Start of the showing (of the practice: arrival of the response), UTC, shifted so that the participant "
    "joined on 2000-01-01",
    "missing": "Why the response is missing: interrupted, unplayable, hidden, stalled, ended_early; empty if it counts",
    "hidden_ms": "Milliseconds during which the window was not visible",
    "stalled_ms": "Milliseconds during which the clip stood still",
    "frames": "Pictures of the clip that the browser decoded",
    "frames_dropped": "Decoded pictures that the browser did not show",
    "window_width": "Inner width of the window in CSS pixels",
    "window_height": "Inner height of the window in CSS pixels",
    "language": "Language of the pages",
    "withdrawn": "kept_out or deleted if the participant withdrew, else empty",
    "device": "Kind of device: computer, tablet or phone",
    "os": "Operating system",
    "browser": "Browser",
    "width": "Width of the window when joining, in CSS pixels",
    "height": "Height of the window when joining, in CSS pixels",
    "automation": "1 if the browser said that a program controls it",
    "round": "How often the practice was started, from 1",
    "clip": "Number of the practice clip, from 0",
    "note": "What went wrong with the practice clip; empty if nothing",
    "excluded": "1 if the step is left out of the scores, else 0",
    "reason": "Why it is left out: failed (the controls), abandoned, technical (failures of the equipment), withdrawn, "
    "playing; empty if it is not",
}  # fmt: skip
_STEP_DICTIONARY: Final = {
    "outcome": "How the step ended: passed, failed (the controls), abandoned, technical, withdrawn; empty while played",
    "passed": "1 if the controls were passed, else 0",
    "showings": "Number of showings that are over",
    "missing": "Number of showings that are missing",
    "hidden_ms": "Milliseconds during which the window was not visible, in all",
    "interruptions": "Number of showings cut short by a reload",
    "failures": "Number of showings that failed for technical reasons",
    "started": "Start of the step, UTC, shifted as the column time",
    "closed": "End of the step, UTC, shifted as the column time",
}


def write_psych_ds(connection: Connection, study: Study, out: Path) -> dict[str, int]:
    """Write the data set into a new or empty folder; nothing is left behind if that fails.

    Returns the number of rows of each table: participants, exclusions, annotations, practice. Raises InputError if the
    folder is in use or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists already; give a new folder.")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        (partial / "data").mkdir(parents=True)
        columns, counts = _write_tables(connection, study, partial / "data")
        _write_description(study, partial, columns)
        _write_papers(study, partial)
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except OSError as error:
        raise InputError(
            f"{error.filename or out}: cannot be written ({os_cause(error)}); give another folder."
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return counts


def _write_tables(connection: Connection, study: Study, folder: Path) -> tuple[list[str], dict[str, int]]:
    """Write the tables; returns the names of all columns, and the number of rows of each table."""
    people = list(_rows(participant_lines(connection, study.settings, study.key)))
    names = {person["participant"]: _new_name(study.key, person["participant"]) for person in people}
    joined = {person["participant"]: _ms(person["joined"]) for person in people}
    closed = [question_column(question.name) for question in study.settings.demographics if question.choices]
    tables = {
        "participants": (_person(person, names, joined, closed) for person in people),
        "exclusions": (row for person in people for row in _exclusions(person, names)),
        "annotations": (_shift(row, names, joined) for row in _rows(annotation_lines(connection))),
        "practice": (_shift(row, names, joined) for row in _rows(practice_lines(connection))),
    }
    steps = [f"step{step}_{column}" for step in (1, 2) for column in _STEP]
    empty = {
        "participants": [*_PEOPLE, *closed, *steps],
        "exclusions": ["participant", "step", "excluded", "reason"],
        "annotations": next(csv.reader(annotation_lines(connection))),
        "practice": next(csv.reader(practice_lines(connection))),
    }
    name, counts = _short_name(study), dict.fromkeys(tables, 0)
    for kind, rows in tables.items():
        path = folder / f"study-{name}_description-{kind}_data.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, empty[kind], lineterminator="\n")
            writer.writeheader()
            for row in rows:
                writer.writerow(row)
                counts[kind] += 1
    return list(dict.fromkeys(column for header in empty.values() for column in header)), counts


def _short_name(study: Study) -> str:
    """The folder's name in letters and digits, as names of data files have them."""
    return re.sub(r"[^A-Za-z0-9]", "", study.folder.resolve().name) or "study"


def _rows(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    # Lines end where the table's do: str.splitlines knows more ends, which an answer can hold.
    return csv.DictReader(line for text in lines for line in io.StringIO(text, newline=""))


def _new_name(key: str, participant: str) -> str:
    return "s" + hmac.digest(bytes.fromhex(key), f"shared {participant}".encode(), "sha256").hex()[:10]


def _person(
    person: dict[str, str], names: dict[str, str], joined: dict[str, int], questions: list[str]
) -> dict[str, str]:
    steps = [f"step{step}_{column}" for step in (1, 2) for column in _STEP]
    return _shift({column: person[column] for column in (*_PEOPLE, *questions, *steps)}, names, joined)


def _shift(row: dict[str, str], names: dict[str, str], joined: dict[str, int]) -> dict[str, str]:
    """A row with the participant's new name and times since they joined."""
    away = _START_MS - joined[row["participant"]]
    times = {
        column: format_utc(_ms(text) + away)
        for column, text in row.items()
        if text and (column == "time" or column.endswith(("_started", "_closed")))
    }
    return row | times | {"participant": names[row["participant"]]}


def _exclusions(person: dict[str, str], names: dict[str, str]) -> Iterator[dict[str, Any]]:
    name = names[person["participant"]]
    if person["withdrawn"] == "deleted":
        yield {"participant": name, "step": "", "excluded": 1, "reason": "withdrawn"}
        return
    for step in (1, 2):
        if not person[f"step{step}_state"]:
            continue
        outcome = person[f"step{step}_outcome"] or "playing"
        passed = outcome == "passed"
        yield {"participant": name, "step": step, "excluded": int(not passed), "reason": "" if passed else outcome}


def _write_description(study: Study, folder: Path, columns: list[str]) -> None:
    title = load_texts(study.folder, study.settings)[study.settings.languages[0]]["title"]
    questions = {question_column(question.name): question.question for question in study.settings.demographics}
    described = DICTIONARY | questions
    described |= {
        f"step{step}_{name}": f"Step {step}: {text}" for step in (1, 2) for name, text in _STEP_DICTIONARY.items()
    }
    description = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "name": title,
        "description": f"Responses of the two-step video memory game to {len(study.clips)} videos: every showing, the "
        "participants, the practice, and what is excluded from the scores.",
        "keywords": ["memorability", "video", "recognition memory"],
        "measurementTechnique": f"Video memory game, videomem_hf {__version__}",
        "variableMeasured": [
            {"@type": "PropertyValue", "name": column, "description": described[column]} for column in columns
        ],
    }
    text = json.dumps(description, indent=2, ensure_ascii=False) + "\n"
    (folder / "dataset_description.json").write_text(text, encoding="utf-8")


def _write_papers(study: Study, folder: Path) -> None:
    """Design, texts, rules and README."""
    materials, documentation = folder / "materials", folder / "documentation"
    (materials / "texts").mkdir(parents=True)
    documentation.mkdir()
    save_design(study.design, materials / "design.yaml")
    for language, texts in load_texts(study.folder, study.settings).items():
        content = json.dumps(texts, indent=2, ensure_ascii=False) + "\n"
        (materials / "texts" / f"{language}.json").write_text(content, encoding="utf-8")
    rules = rules_text(study.design, len(study.clips)).replace("# Preregistration: ", "# ", 1)
    (documentation / "procedure.md").write_text(rules, encoding="utf-8")
    readme = MARKDOWN.get_template("shared_readme.md.j2")
    content = readme.render(version=__version__, videos=len(study.clips), name=_short_name(study))
    (folder / "README.md").write_text(content, encoding="utf-8")
    (folder / "CHANGES.md").write_text("First version.\n", encoding="utf-8")


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text.replace(" ", "T")).timestamp() * 1000 + 0.5)
