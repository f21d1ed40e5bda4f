"""Which column of a table of trials is what: by name, or as the user says; and which trials count."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from videomem_hf.protocol.responses.rows import Row
from videomem_hf.schema import InputError

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "participant": (
        "participant", "participant_id", "subject", "subject_id", "subjectid", "participantid", "prolific_pid",
        "prolific_id", "workerid", "worker_id", "sona_id", "run_id", "user_id", "pid", "sub", "subj", "subj_id", "ppt",
        "ppt_id", "participant_number", "subject_number", "subject_nr", "participantnr", "person", "observer", "user",
    ),
    "item": (
        "item", "item_id", "item_name", "image", "image_name", "image_id", "video", "video_name", "video_id", "clip",
        "picture", "photo", "filename", "file_name", "file", "stim", "stim_name", "stimulus_name", "stimulus_id",
        "stimulus",
    ),
    "response": (
        "pressed", "said_old", "said_seen", "key_press", "response", "button_pressed", "resp", "answer", "key",
        "response_key", "choice",
    ),
    "rt": ("rt_ms", "rt", "reaction_time", "response_time", "latency"),
    "old": (
        "old", "is_old", "repeat", "is_repeat", "repeated", "isrepeat", "is_repeated", "old_new", "oldnew", "seen",
        "item_status", "item_type",
    ),
    "correct": ("correct", "accuracy", "acc", "is_correct", "cor_ans", "corr"),
    "right_key": ("correct_response", "correct_key", "correct_answer", "corr_resp", "right_key", "cresp"),
}  # fmt: skip
"""What columns are called, those to prefer first. Compared in lower case."""
PHASES: Final = ("phase", "test_part", "task", "part", "block_type", "block_name", "stage", "trial_part", "section")
"""Columns that name the part of an experiment."""
STUDY_WORDS: Final = re.compile(r"study|encod|learn|memori[sz]|exposure|familiari", re.IGNORECASE)
TEST_WORDS: Final = re.compile(r"test|recog|retriev|recall|old.?new|memory", re.IGNORECASE)
OTHER_WORDS: Final = re.compile(
    r"practi[cs]e|instruct|example|feedback|fixation|training|demo|consent|welcome|debrief|break|survey", re.IGNORECASE
)
_NO_TRIALS: Final = re.compile(r"^(instructions|preload|fullscreen|call-function|survey|browser-check|external-html)")
"""Types of jsPsych's trials that show no item."""


@dataclass(frozen=True)
class ImportOptions:
    """What the user says of the trials; None where the names of columns or the trials tell it.

    Attributes:
        participant: Column; without one, a file is a participant, or a list of trials in a file of several.
        item, response, rt, old, position: Columns: what was shown, what was pressed, after how long, whether it had
            been shown before, and the order of the trials.
        keys: Keys, buttons or words that mean "seen before".
        only, without: COLUMN=VALUE of the trials that count, and of those that do not.
        study: COLUMN=VALUE of the showings to be learned, at which no response was asked.
        second: COLUMN=VALUE of the trials of a second session, a day or more later.
        vigilance_lag: Repeats at this lag or less check attention.
        seconds: Whether response times are in seconds.
    """

    participant: str | None = None
    item: str | None = None
    response: str | None = None
    rt: str | None = None
    old: str | None = None
    position: str | None = None
    keys: Sequence[str] = ()
    only: Sequence[str] = ()
    without: Sequence[str] = ()
    study: str | None = None
    second: str | None = None
    vigilance_lag: int = 0
    seconds: bool = False


@dataclass
class Columns:
    """Columns by what they are; None where there is none."""

    participant: str | None = None
    item: str | None = None
    response: str | None = None
    rt: str | None = None
    old: str | None = None
    position: str | None = None
    correct: str | None = None
    right_key: str | None = None
    notes: list[str] = field(default_factory=list)


def find_columns(rows: Sequence[Row], options: ImportOptions) -> Columns:
    """Find the columns of what is shown, pressed and so on.

    Raises:
        InputError: A named column does not exist, or no column holds items or responses.
    """
    counts = Counter(name for row in rows for name in row.cells)
    by_lower = {name.lower(): name for name in counts}
    columns = Columns()
    for part in fields(Columns):
        if part.name == "notes":
            continue
        given = getattr(options, part.name, None)
        if given is not None and given not in counts:
            raise InputError(f"no column {given!r} in {rows[0].file}; there are {', '.join(sorted(counts))[:300]}.")
        known = [by_lower[name] for name in _NAMES.get(part.name, ()) if name in by_lower]
        found = given or (_names_before_numbers(known, rows) if part.name == "item" else next(iter(known), None))
        setattr(columns, part.name, found)
        if found is not None and given is None and part.name not in ("old", "correct", "right_key"):
            columns.notes.append(f"{part.name}: column {found!r}")
    if columns.participant is None and any(row.part for row in rows):
        columns.notes.append("participant: each list of trials in a file")
    if columns.item is None or (columns.response is None and columns.rt is None):
        kind, option = ("what was shown", "--item") if columns.item is None else ("responses", "--response")
        raise InputError(
            f"{rows[0].file}: no column of {kind} among {', '.join(sorted(counts))[:300]}; name it with {option} "
            "COLUMN."
        )
    return columns


def _names_before_numbers(columns: Sequence[str], rows: Sequence[Row]) -> str | None:
    """The first column whose first cell is a name and no number; else the first."""
    for column in columns:
        if not plain(next(row.cells[column] for row in rows if column in row.cells)).isdigit():
            return column
    return next(iter(columns), None)


def choose_rows(rows: Sequence[Row], options: ImportOptions) -> tuple[list[Row], list[str]]:
    """The trials that count by `only` and `without`, or else by the names of parts; and what was decided."""
    if options.only or options.without:
        only, without = ([read_pair(each, rows) for each in given] for given in (options.only, options.without))
        kept = [row for row in rows if all(matches(row, each) for each in only)]
        kept = [row for row in kept if not any(matches(row, each) for each in without)]
        if not kept:
            raise InputError(
                f"{rows[0].file}: no trial has {', '.join((*options.only, *options.without))}; name others."
            )
        return kept, [f"{len(kept):,} of {len(rows):,} trials chosen"]
    rows = [row for row in rows if not _NO_TRIALS.search(str(row.cells.get("trial_type", "")))]
    phases = phase_columns(rows)
    out = Counter(
        str(row.cells[name]) for row in rows for name in phases if OTHER_WORDS.search(str(row.cells.get(name, "")))
    )
    kept = [row for row in rows if not any(OTHER_WORDS.search(str(row.cells.get(name, ""))) for name in phases)]
    listed = ", ".join(f"{count:,} of {value!r}" for value, count in out.most_common(6))
    return kept, [f"trials left out by the name of their part: {listed}"] if out else []


def phase_columns(rows: Sequence[Row]) -> list[str]:
    """The columns that name parts of the experiment."""
    names = {name for row in rows for name in row.cells}
    return sorted(name for name in names if name.lower() in PHASES)


def read_pair(text: str, rows: Sequence[Row]) -> tuple[str, str]:
    """COLUMN=VALUE; raises InputError without either, or where no trial has the column."""
    column, equals, value = text.partition("=")
    if not equals or not column:
        raise InputError(f"{text!r} is not COLUMN=VALUE, such as task=practice.")
    if not any(column in row.cells for row in rows):
        names = sorted({name for row in rows for name in row.cells})
        raise InputError(f"no column {column!r} in {rows[0].file}; there are {', '.join(names)[:300]}.")
    return column, value


def matches(row: Row, pair: tuple[str, str]) -> bool:
    """Whether a trial has the value in the column; true and 1 are the same, and case does not count."""
    return plain(row.cells.get(pair[0])) == plain(pair[1])


def plain(value: Any) -> str:
    """A cell as it is compared: lower case, whole numbers without decimals, true and false as 1 and 0."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip().lower()
    text = re.sub(r"^(-?\d+)\.0+$", r"\1", text)
    return {"true": "1", "false": "0"}.get(text, text)
