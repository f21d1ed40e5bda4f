"""Which column of a table is what: by name, or as the user says."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

from videomem_hf.data.score_tables import KNOWN_TABLES, possible_tables
from videomem_hf.schema import (
    ANNOTATION_COUNTS,
    HORIZONS,
    TITLE,
    VIDEO,
    VIDEO_ID,
    Horizon,
    InputError,
    check_horizon,
)
from videomem_hf.system import printable

from .formats import Table
from .values import is_flag, is_score

CAPTIONS: Final = "captions"
SPLIT: Final = "split"
GROUP: Final = "group"
ROLES: Final = (VIDEO, *HORIZONS, *ANNOTATION_COUNTS.values(), TITLE, CAPTIONS, SPLIT, GROUP)
"""What a column can be, beside the score of a horizon of another name and its annotation count. All others are kept
under their own names."""

_SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    VIDEO: (
        "video", "video_id", "videoid", "video_name", "video_file", "clip", "clip_id", "clip_name", "file", "filename",
        "file_name", "file_path", "filepath", "path", "image", "image_id", "image_name", "image_file", "image_path",
        "photo", "photo_id", "photo_name", "picture", "picture_id", "picture_name", "stimulus", "stimulus_id",
        "stimulus_name", "stimulus_file", "stim", "stim_id", "stim_name", "stim_file", "item", "item_id", "item_name",
        "name", "media", "media_file", "id",
    ),
    "short_term": (
        "short_term", "short_term_memorability", "short_term_score", "scores_short_term", "score_short_term",
        "memorability_short_term", "st", "st_score", "short", "immediate", "memorability_st", "mem_st", "shortterm",
    ),
    "long_term": (
        "long_term", "long_term_memorability", "long_term_score", "scores_long_term", "score_long_term",
        "memorability_long_term", "lt", "lt_score", "long", "delayed", "memorability_lt", "mem_lt", "longterm",
    ),
    "short_term_annotations": (
        "short_term_annotations", "nb_short_term_annotations", "annotations_short_term", "n_short_term",
        "short_term_n", "short_term_count", "n_st", "st_n", "short_term_responses",
    ),
    "long_term_annotations": (
        "long_term_annotations", "nb_long_term_annotations", "annotations_long_term", "n_long_term",
        "long_term_n", "long_term_count", "n_lt", "lt_n", "long_term_responses",
    ),
    TITLE: ("title", "caption", "description", "text", "titre", "titel"),
    CAPTIONS: ("captions", "descriptions", "titles"),
    SPLIT: ("split", "set", "subset", "partition"),
    GROUP: ("group", "group_id", "cluster", "cluster_id"),
}  # fmt: skip
_LATITUDES: Final = frozenset({"lat", "latitude"})
"""Beside one of these `long` is a longitude."""
_ONE_SCORE: Final = (
    "memorability", "memorability_score", "mem_score", "mem", "score", "scores", "hit_rate", "hr", "recall_score",
)  # fmt: skip
"""Names of a table's only score, which do not say after how long."""
_ONE_COUNT: Final = (
    "n", "count", "annotations", "annotation_count", "nb_annotations", "n_annotations", "num_annotations", "responses",
    "n_responses", "raters", "n_raters", "participants", "n_participants",
)  # fmt: skip
_DELAY: Final = re.compile(
    r"(mem_|memorability_|score_|hit_rate_|hr_)?(after_)?(immediate|delayed|(same|next)_day"
    r"|(one_|two_|three_|[0-9]+_?)?(minutes?|hours?|days?|weeks?|months?|years?)(_later)?"
    r"|[0-9]+_?(s|sec|seconds?|min|h|hrs?|d|w|m|y)|(hour|day|week|month)_?[0-9]+)"
    r"(_memorability|_mem|_score|_hit_rate|_hr)?"
)
"""Names of scores that say after how long they were measured."""
_FALSE_ALARMS: Final = re.compile(r"(fa|false_alarms?)(_rate)?")
_COUNT_FORMS: Final = (
    "{}_annotations", "nb_{}_annotations", "annotations_{}", "n_{}", "{}_n", "{}_count", "{}_responses",
)  # fmt: skip
_PARTICIPANT: Final = re.compile(r"(participant|subject|worker|rater|observer)(_?id)?")
_NUMBERED: Final = re.compile(r"(title|caption|description)_?[0-9]+")

Columns = dict[str, str | list[str]]
"""A role and the column, or for captions the columns, that it is."""


def simple(name: str) -> str:
    """Return a column's name as synonyms are compared: lower case, no accents, all but letters and digits as `_`."""
    plain = unicodedata.normalize("NFKD", re.sub(r"\(.*?\)|%", "", name)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")


def find_columns(table: Table, given: Mapping[str, Any] | None = None) -> tuple[Columns, list[str]]:
    """Say what the columns of a table are.

    Args:
        table: The table.
        given: Role (see `ROLES`) to column, where the user says; they come before the names that are known.

    Returns:
        The columns by role, and notes on what was decided without being said, a sentence each. Horizons of names other
        than VideoMem's are roles of their own: those that the user gives, or columns whose names say a delay.

    Raises:
        InputError: A role or column that does not exist, no column of videos or of scores, or several of one role.
    """
    columns = _given_columns(table, given or {})
    taken = {name for value in columns.values() for name in (value if isinstance(value, list) else [value])}
    free = {name: simple(name) for name in table.columns if name not in taken}
    longitude = _longitude(table, free)
    notes = _take_delays(table, columns, free)
    has_own = any(horizon not in HORIZONS for horizon in horizons_in(columns))
    for role in ROLES:
        names = {
            name: key
            for name, key in free.items()
            if key != longitude and not (has_own and role in HORIZONS and _DELAY.fullmatch(key))
        }
        if role not in columns and (found := _by_synonym(table, role, names, columns)):
            columns[role] = found
            free.pop(found)
    if CAPTIONS not in columns and (numbered := [name for name in free if _NUMBERED.fullmatch(free[name])]):
        columns[CAPTIONS] = numbered
    for horizon in horizons_in(columns):
        _take_counts(columns, free, horizon)
    notes += _take_one_score(table, columns, free)
    _refuse_responses(table, columns)
    missing = "videos" if VIDEO not in columns else None if horizons_in(columns) else "scores"
    if missing:
        example = f'columns={{"{VIDEO if missing == "videos" else "short_term"}": "..."}}'
        raise InputError(
            f"{table.path}: no column of {missing} among {_listed(table.columns)}; say which with {example} (--column "
            f"{VIDEO if missing == 'videos' else 'short_term'}=...)"
            f"{'' if missing == 'videos' else ', or with another name in place of short_term'}{_known_as(table)}"
        )
    return columns, notes


def _longitude(table: Table, free: Mapping[str, str]) -> str | None:
    """The key of the column `long` where it is a longitude; raises an InputError where it can be a score as well."""
    name = next((name for name, key in free.items() if key == "long"), None)
    latitude = next((name for name, key in free.items() if key in _LATITUDES), None)
    if name is None or latitude is None:
        return None
    if "short" in free.values() and is_score(table, name):
        raise InputError(
            f"{table.path}: '{printable(name)}' can be a long-term score or, beside '{printable(latitude)}', a "
            "longitude; rename it"
        )
    return "long"


def _known_as(table: Table) -> str:
    """Which published sets have such columns, as an error says it; empty for none."""
    known = [KNOWN_TABLES[name] for name in possible_tables([name.lower() for name in table.columns])]
    titles = " or ".join(each.title for each in known)
    return f"; they are those of {titles}, whose files have other names" if known else ""


def _refuse_responses(table: Table, columns: Columns) -> None:
    """Raise an InputError for a table with a row for each response, by its column of participants."""
    people = [name for name in table.columns if _PARTICIPANT.fullmatch(simple(name))]
    if people and VIDEO in columns and not _all_differ(table, str(columns[VIDEO])):
        raise InputError(
            f"{table.path}: a row for each response, by its column '{printable(people[0])}', and not for each video; "
            "compute scores from it with `videomem study import` and `videomem score`"
        )


def _given_columns(table: Table, given: Mapping[str, Any]) -> Columns:
    columns: Columns = {}
    if not isinstance(given, Mapping):
        raise InputError(f'columns is {given!r:.60}; it must be a dictionary such as {{"short_term": "mem_score"}}')
    for role, value in given.items():
        if role == VIDEO_ID:
            role = VIDEO
        if role not in ROLES:
            _check_own_role(role, given)
        names = value if isinstance(value, list | tuple) and role == CAPTIONS else [value]
        for name in names:
            if name not in table.columns:
                raise InputError(f"{table.path}: no column {name!r:.60} for {role}; there are {_listed(table.columns)}")
        columns[role] = list(names) if role == CAPTIONS else value
    return columns


def _check_own_role(role: Any, given: Mapping[str, Any]) -> None:
    """Raise an InputError for a role that is neither a horizon's name nor that of its counts, or is nearly another."""
    own = [name for name in given if isinstance(name, str) and name not in ROLES]
    if role in [ANNOTATION_COUNTS[name] for name in own]:
        return
    if isinstance(role, str) and role in _ONE_COUNT:
        raise InputError(
            f"columns: {role!r} does not say of which score it is the number of annotations; name it with the score, "
            "such as short_term_annotations"
        )
    close = get_close_matches(str(role), ROLES, n=1, cutoff=0.8)
    if close or not isinstance(role, str):
        meant = f"; did you mean {close[0]}" if close else ""
        raise InputError(
            f"columns: {role!r:.60} is nothing that a column can be; it can be {', '.join(ROLES)}, or the name of a "
            f"horizon of yours{meant}"
        )
    check_horizon(role)


def horizons_in(columns: Iterable[str]) -> tuple[Horizon, ...]:
    """Return the horizons among the roles of columns: VideoMem's first, then those of other names."""
    roles = list(columns)
    own = [role for role in roles if role not in ROLES]
    counts = {ANNOTATION_COUNTS[role] for role in own}
    return (*(name for name in HORIZONS if name in roles), *(role for role in own if role not in counts))


def _take_delays(table: Table, columns: Columns, free: dict[str, str]) -> list[str]:
    """Take columns of scores whose names say a delay, where no column has a name of VideoMem's; gives a note.

    A name such as `immediate` alone is a synonym of `short_term`; beside `day` and `week` it is a horizon of its own,
    and so are false alarms.
    """
    synonyms = {key for horizon in HORIZONS for key in _SYNONYMS[horizon]}
    known = {key for key in free.values() if key in synonyms | set(_ONE_SCORE) and not _DELAY.fullmatch(key)}
    found = {name: key for name, key in free.items() if _DELAY.fullmatch(key) or _FALSE_ALARMS.fullmatch(key)}
    found = {name: key for name, key in found.items() if is_score(table, name)}
    if (
        horizons_in(columns)
        or known
        or not any(
            _DELAY.fullmatch(key) and key not in synonyms and not is_flag(table, name) for name, key in found.items()
        )
    ):
        return []
    for name, key in found.items():
        horizon = key if key[0].isalpha() else f"after_{key}"
        check_horizon(horizon)
        if horizon in columns:
            raise InputError(f"{table.path}: {printable(name)} and another column are both {horizon}; rename one")
        columns[horizon] = name
        free.pop(name)
    taken = ", ".join(printable(name) for name in found)
    return [
        f"{table.path}: {taken} are taken as scores of horizons of their own names; say otherwise with "
        f'columns={{"NAME": "COLUMN"}} (--column NAME=COLUMN).'
    ]


def _take_counts(columns: Columns, free: dict[str, str], horizon: Horizon) -> None:
    """Take the column of a horizon's annotation counts, by its name."""
    role = ANNOTATION_COUNTS[horizon]
    names = {form.format(base) for form in _COUNT_FORMS for base in (horizon, simple(str(columns[horizon])))}
    found = [name for name, key in free.items() if key in names]
    if role not in columns and len(found) == 1:
        columns[role] = found[0]
        free.pop(found[0])


def _by_synonym(table: Table, role: str, free: Mapping[str, str], columns: Columns) -> str | None:
    """Find the one column whose name is a synonym of a role; of several, the role's own name or an exact one."""
    found = [name for name, key in free.items() if key in _SYNONYMS[role]]
    own = [name for name in found if free[name] == role or (role == VIDEO and free[name] == VIDEO_ID)]
    if len(found) > 1 and role == VIDEO:
        own = own or [name for name in found if free[name] != "id" and _all_differ(table, name)]
    if len(found) > 1 and len(own) != 1:
        raise InputError(
            f"{table.path}: {_listed(found)} can all be the column of {role}; say which with "
            f'columns={{"{role}": "{found[0]}"}} (--column {role}={found[0]})'
        )
    return (own or found or [None])[0] if found else None  # type: ignore[list-item]


def _all_differ(table: Table, column: str) -> bool:
    values = [str(value) for value in table.cells(column)]
    return len(set(values)) == len(values)


def _take_one_score(table: Table, columns: Columns, free: dict[str, str]) -> list[str]:
    """Take the only score of a table as short-term, where no column says a horizon; gives a note that says so."""
    notes = []
    if not horizons_in(columns):
        found = [name for name, key in free.items() if key in _ONE_SCORE]
        if len(found) > 1:
            raise InputError(
                f"{table.path}: {_listed(found)} can all be the score; say which with "
                f'columns={{"short_term": "{found[0]}"}} or "long_term" (--column short_term={found[0]})'
            )
        if found:
            columns["short_term"] = found[0]
            free.pop(found[0])
            notes.append(
                f"{table.path}: the column '{printable(found[0])}' does not say after how long; it is taken as "
                f'short_term. Say so, or long_term, with columns={{"long_term": "{printable(found[0])}"}} (--column '
                f"long_term={printable(found[0])})."
            )
    counts = [name for name, key in free.items() if key in _ONE_COUNT and not _is_row_number(table, name)]
    scored = horizons_in(columns)
    if len(scored) == 1 and ANNOTATION_COUNTS[scored[0]] not in columns and len(counts) == 1:
        columns[ANNOTATION_COUNTS[scored[0]]] = counts[0]
        free.pop(counts[0])
    return notes


def _is_row_number(table: Table, column: str) -> bool:
    """Whether a column counts the rows, from 0 or 1."""
    cells = [str(value) for value in table.cells(column)]
    return len(cells) > 2 and any(
        cells == [str(number) for number in range(first, first + len(cells))] for first in (0, 1)
    )


def extra_columns(table: Table, columns: Columns) -> list[str]:
    """Names of the columns that have no role."""
    taken = {name for value in columns.values() for name in (value if isinstance(value, list) else [value])}
    return [name for name in table.columns if name not in taken]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(printable(name[:40]) for name in names[:12])
    return shown + (", ..." if len(names) > 12 else "")
