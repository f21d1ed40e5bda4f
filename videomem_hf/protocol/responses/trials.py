"""Trials as they are read from rows: who saw what, and what they pressed."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from videomem_hf.protocol.responses.columns import Columns, ImportOptions, matches, plain, read_pair
from videomem_hf.protocol.responses.items import item_path, short_names
from videomem_hf.protocol.responses.keys import NEW_WORDS, SEEN_WORDS, key_name
from videomem_hf.protocol.responses.rows import Row, is_nothing
from videomem_hf.schema import InputError

_LONGEST_RT_MS: Final = 600_000.0
_SHORTEST_RT_MS: Final = 100.0
"""The longest response time of a table is not shorter."""
_ORDER: Final = ("trial_index", "trial_number", "trialnumber", "trial_nr", "trialnr", "trial_num", "trialnum")
"""Columns that number a participant's trials."""
_TRUE: Final = frozenset({"1", "old", "repeat", "repeated", "seen", "target", "yes"})
_FALSE: Final = frozenset({"0", "new", "first", "unseen", "lure", "foil", "filler", "no", "distractor", "novel"})


@dataclass
class Trial:
    """A showing of an item.

    Attributes:
        press: Name of the key or button; None without a press.
        rt_ms: NaN without a press or where unknown.
        old, correct: As the table's columns say it; None where they do not.
        right: The key that would have been correct; None where unknown or none.
        step: 1, or 2 for a second session.
        study: Whether the item was to be learned, and no response asked.
        repeat: Whether the participant had seen it before.
    """

    row: Row
    participant: str
    item: str
    press: str | None
    rt_ms: float
    old: bool | None
    correct: bool | None
    right: str | None
    step: int
    study: bool = False
    repeat: bool = False

    @property
    def was_right(self) -> bool | None:
        """Whether the press was correct, as the table says it or by its key that would have been; None if unknown."""
        if self.correct is None and self.press is not None and self.right is not None:
            return self.press == self.right
        return self.correct


def read_trials(
    rows: Sequence[Row], columns: Columns, options: ImportOptions, study: Sequence[tuple[str, str]]
) -> list[Trial]:
    """Read the trials that show an item, those that match one of the pairs `study` as showings to be learned.

    Raises:
        InputError: A cell that cannot be read, with file and trial; or no trial shows an item.
    """
    second = None if options.second is None else read_pair(options.second, rows)
    code = (columns.response or "").lower() == "key_press"
    assert columns.item is not None
    paths = [item_path(row.cells[columns.item]) if columns.item in row.cells else None for row in rows]
    names = short_names({path for path in paths if path is not None})
    trials = []
    for row, path in zip(rows, paths, strict=True):
        if path is None:
            continue
        learned = any(matches(row, pair) for pair in study)
        press = _press(row, columns, code)
        trials.append(
            Trial(
                row=row,
                participant=_participant(row, columns),
                item=names[path],
                press=press,
                rt_ms=_rt_ms(row, columns, options) if press is not None else float("nan"),
                old=_old(row, columns) if columns.old else None,
                correct=_truth(row.cells.get(columns.correct)) if columns.correct else None,
                right=_right(row, columns, code),
                step=2 if second is not None and matches(row, second) else 1,
                study=learned,
            )
        )
    if not trials:
        raise InputError(f"{rows[0].file}: no trial shows an item in column {columns.item!r}; name it with --item.")
    _check_unit(trials, columns)
    if columns.position is not None:
        trials.sort(key=lambda trial: _position(trial.row, columns.position or ""))
        _check_positions(trials, columns.position)
    elif (found := order_column(rows)) and _out_of_order(trials, found):
        trials.sort(key=lambda trial: _position(trial.row, found))
        columns.notes.append(f"order: column {found!r}, as the rows are in another; --position names another column")
    return trials


def _check_unit(trials: Sequence[Trial], columns: Columns) -> None:
    """Refuse response times that can only be seconds read as milliseconds."""
    known = [trial for trial in trials if trial.rt_ms == trial.rt_ms]
    if known and max(trial.rt_ms for trial in known) < _SHORTEST_RT_MS:
        raise known[0].row.error(
            f"a response time of {known[0].rt_ms:g} ms in column {columns.rt!r}, and none of {_SHORTEST_RT_MS:g} ms or "
            "more; give --seconds if times are seconds"
        )


def order_column(rows: Sequence[Row]) -> str | None:
    """The column that numbers the trials, by its name; None without one."""
    names = {name.lower(): name for row in rows for name in row.cells}
    return next((names[name] for name in _ORDER if name in names), None)


def _out_of_order(trials: Sequence[Trial], column: str) -> bool:
    """Whether every participant's numbers differ, and some do not rise."""
    numbers: dict[tuple[str, int], list[float]] = defaultdict(list)
    for trial in trials:
        try:
            numbers[trial.participant, trial.step].append(float(trial.row.cells[column]))
        except (KeyError, ValueError, TypeError):
            return False
    if any(len(set(each)) < len(each) for each in numbers.values()):
        return False
    return any(before > after for each in numbers.values() for before, after in pairwise(each))


def _check_positions(trials: Sequence[Trial], column: str) -> None:
    """Refuse numbers that start anew: trials of two runs would be mixed."""
    known: set[tuple[str, int, float]] = set()
    for trial in trials:
        key = trial.participant, trial.step, _position(trial.row, column)
        if key in known:
            raise trial.row.error(
                f"participant {trial.participant!r} has {key[2]:g} in column {column!r} twice; leave --position out if "
                "the rows are in order, or name a second session with --second COLUMN=VALUE"
            )
        known.add(key)


def _position(row: Row, column: str) -> float:
    try:
        return float(row.cells[column])
    except (KeyError, ValueError, TypeError):
        raise row.error(f"{row.cells.get(column)!r} in column {column!r} is not a position, a number") from None


def _participant(row: Row, columns: Columns) -> str:
    if columns.participant is None:
        return f"{row.file.stem}-{row.part}" if row.part else row.file.stem
    value = row.cells.get(columns.participant)
    if value is None:
        raise row.error(f"no participant in column {columns.participant!r}; name another with --participant")
    return plain(value) if not isinstance(value, str) else value.strip()


def _press(row: Row, columns: Columns, code: bool) -> str | None:
    if columns.response is None:
        return "any" if columns.rt in row.cells else None
    value = row.cells.get(columns.response)
    if is_nothing(value):
        return None
    if isinstance(value, dict | list):
        raise row.error(
            f"{str(value)[:60]!r} in column {columns.response!r} is no key; leave the trial out (--without)"
        )
    name = key_name(value, code)
    return None if name in ("", "-1") else name


def _rt_ms(row: Row, columns: Columns, options: ImportOptions) -> float:
    value = row.cells.get(columns.rt) if columns.rt else None
    if value is None:
        return float("nan")
    try:
        rt_ms = float(str(value).replace(",", ".")) * (1000 if options.seconds else 1)
    except ValueError:
        raise row.error(f"{str(value)[:40]!r} in column {columns.rt!r} is not a response time") from None
    if rt_ms > _LONGEST_RT_MS:
        raise row.error(f"a response time of {rt_ms:g} ms, over 10 minutes; give --seconds only if times are seconds")
    return rt_ms if rt_ms > 0 else float("nan")


def _truth(value: Any) -> bool | None:
    text = plain(value) if value is not None else ""
    return (
        True if text in ("1", "correct", "yes", "hit") else False if text in ("0", "incorrect", "wrong", "no") else None
    )


def _right(row: Row, columns: Columns, code: bool) -> str | None:
    value = row.cells.get(columns.right_key) if columns.right_key else None
    return None if value is None or isinstance(value, dict | list) else key_name(value, code) or None


def _old(row: Row, columns: Columns) -> bool | None:
    text = plain(row.cells.get(columns.old or "")) if columns.old in row.cells else ""
    if text in _TRUE | SEEN_WORDS:
        return True
    if text in _FALSE | NEW_WORDS:
        return False
    return None
