"""From trials to annotations: continuous recognition and study-test designs of other software.

In continuous recognition every showing asks whether the item was seen before: an item's first showing can be a false
alarm, its second a hit; its third and later showings are left out. In a study-test design items are learned first, and
a later part asks of each whether it was among them: the showings to be learned ask nothing and are left out, so such
annotations have no lags. A second session is step 2.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from videomem_hf.protocol.annotations import FILLER, TARGET, VIGILANCE, Annotations
from videomem_hf.protocol.checks import find_contradiction
from videomem_hf.protocol.design import Controls, FirstStep, Presentation, SecondStep, StudyDesign
from videomem_hf.protocol.responses.columns import (
    STUDY_WORDS,
    TEST_WORDS,
    Columns,
    ImportOptions,
    choose_rows,
    find_columns,
    phase_columns,
    read_pair,
)
from videomem_hf.protocol.responses.keys import own_keys, seen_keys
from videomem_hf.protocol.responses.rows import Row, read_rows
from videomem_hf.protocol.responses.runs import find_copied_trials, numbered_anew, played_again
from videomem_hf.protocol.responses.trials import Trial, read_trials
from videomem_hf.schema import InputError

_NO_CONTROL: Final = 1.0
_MOST_SHOWINGS: Final = 10
"""An item that one participant sees more often is no item."""
_MOST_FIXATIONS: Final = 8
"""Fixation marks, masks and the like; more items that come so often mean a wrong column."""
_OTHER_MEANING: Final = 0.05
"""A column that differs from what was shown at a larger share of the trials says something else than old or new."""


@dataclass(frozen=True, eq=False)
class ImportedStudy:
    """Annotations made of trials, the design that describes them, and what was decided, a sentence each."""

    annotations: Annotations
    design: StudyDesign
    notes: tuple[str, ...]


def import_responses(paths: Sequence[Path], options: ImportOptions | None = None) -> ImportedStudy:
    """Read files of trials into annotations.

    Args:
        paths: jsPsych's JSON or CSV, one file a participant or several in one; long tables; or folders of them.
        options: What the files do not say themselves.

    Raises:
        InputError: A damaged or ambiguous trial, with its file and number, or a column or key that must be named.
    """
    options = options or ImportOptions()
    rows = read_rows(paths)
    columns = find_columns(rows, options)
    rows, notes = choose_rows(rows, options)
    study, why_study = _study_pairs(rows, columns, options)
    trials = read_trials(rows, columns, options, study)
    _check_sessions(trials, columns)
    find_copied_trials(trials)
    learned = [trial for trial in trials if trial.study]
    asked = [trial for trial in trials if not trial.study]
    where = str(rows[0].file if len({row.file for row in rows}) == 1 else rows[0].file.parent)
    if not asked:
        raise InputError(f"{where}: no trial asks whether an item was seen before; say which are learned with --study.")
    asked, shown_often = _without_fixations(asked)
    if not asked:
        raise InputError(f"{where}: {shown_often[0]}; no trial is left, name the column of items with --item.")
    asked, more = _mark_repeats(asked, learned, columns, options)
    said, why = _said_seen(asked, columns, options, where)
    notes = [*columns.notes, *notes, *why_study, *shown_often, why, *more, *numbered_anew(trials)]
    notes += _about(asked, learned)
    annotations = _annotations(asked, said, options)
    notes.append(_rates(annotations))
    if annotations.pressed.all():
        raise InputError(
            f"{where}: every showing counts as recognised ({why}); give with --key only what means seen before, or "
            "name the column of responses with --response."
        )
    if contradiction := find_contradiction(annotations):
        raise InputError(f"{where}: {contradiction[1]}; choose the trials that count with --only or --without.")
    return ImportedStudy(annotations, _design(annotations, options), tuple(notes))


def _said_seen(trials: Sequence[Trial], columns: Columns, options: ImportOptions, where: str) -> tuple[list[bool], str]:
    """Whether each response means "seen before", and a note that says why."""
    presses, old = [trial.press for trial in trials], [trial.repeat for trial in trials]
    correct, right = [trial.correct for trial in trials], [trial.right for trial in trials]
    people = [trial.participant for trial in trials]
    own = None if options.keys else own_keys(people, presses, old, [trial.was_right for trial in trials])
    try:
        keys, why = seen_keys(columns.response, presses, old, correct, right, options.keys, where)
    except InputError:
        if own is None:
            raise
        return own
    said = [press in keys for press in presses]
    pressed, other = Counter(people), Counter[str]()
    if own is not None:
        other = Counter(who for who, mine, all_of_them in zip(people, own[0], said, strict=True) if mine != all_of_them)
    if own is not None and any(2 * count > pressed[who] for who, count in other.items()):
        return own  # a few with exchanged keys among many
    return said, why


def _study_pairs(
    rows: Sequence[Row], columns: Columns, options: ImportOptions
) -> tuple[list[tuple[str, str]], list[str]]:
    """The values that mark showings to be learned, and a note on them.

    As the user says; or parts of the experiment in which nobody responds while they do in others; or by their names.
    """
    if options.study is not None:
        return [read_pair(options.study, rows)], []
    for name in phase_columns(rows):
        shown, pressed = Counter[str](), Counter[str]()
        for row in rows:
            if name in row.cells and columns.item in row.cells:
                shown[str(row.cells[name])] += 1
                pressed[str(row.cells[name])] += columns.response in row.cells
        silent = {value for value in shown if not pressed[value]}
        if silent and len(silent) < len(shown):
            return _pairs(name, silent, "nobody responded there")
        study = {value for value in shown if STUDY_WORDS.search(value) and not TEST_WORDS.search(value)}
        if study and any(TEST_WORDS.search(value) for value in shown.keys() - study):
            return _pairs(name, study, "by its name")
    return [], []


def _pairs(name: str, values: set[str], why: str) -> tuple[list[tuple[str, str]], list[str]]:
    listed = ", ".join(f"{name}={value}" for value in sorted(values))
    return [(name, value) for value in sorted(values)], [f"showings to be learned: {listed}, {why}"]


def _without_fixations(asked: Sequence[Trial]) -> tuple[list[Trial], list[str]]:
    """The trials without items that someone sees again and again, such as the picture of a fixation cross."""
    counts = Counter((trial.participant, trial.item) for trial in asked)
    often = {item for (_, item), count in counts.items() if count > _MOST_SHOWINGS}
    if not often:
        return list(asked), []
    if len(often) > _MOST_FIXATIONS and 2 * len(often) > len({trial.item for trial in asked}):
        raise InputError(
            f"{asked[0].row.file}: {len(often)} items are shown over {_MOST_SHOWINGS} times to one participant, such "
            f"as {min(often)!r}; name the column of participants with --participant, or that of items with --item."
        )
    listed = ", ".join(repr(item) for item in sorted(often)[:4])
    kept = [trial for trial in asked if trial.item not in often]
    return kept, [f"shown over {_MOST_SHOWINGS} times to one participant, left out: {listed}"]


def _check_sessions(trials: Sequence[Trial], columns: Columns) -> None:
    """A participant's step lies in one file, so that positions and repeats are known."""
    files: dict[tuple[str, int], Row] = {}
    for trial in trials:
        first = files.setdefault((trial.participant, trial.step), trial.row)
        if first.file != trial.row.file:
            raise InputError(
                f"{trial.row.file}, trial {trial.row.number}: participant {trial.participant!r} is in {first.file} "
                f"too; name the column of participants with --participant (now {columns.participant!r}), or a second "
                "session with --second COLUMN=VALUE."
            )


def _mark_repeats(
    asked: Sequence[Trial], learned: Sequence[Trial], columns: Columns, options: ImportOptions
) -> tuple[list[Trial], list[str]]:
    """Say of each trial whether the item was shown before, and leave out third and later showings."""
    before = {(trial.participant, trial.item) for trial in learned}
    shown = {step: {(t.participant, t.item) for t in asked if t.step == step} for step in (1, 2)}
    came = {participant for participant, _ in before | shown[1]}
    continuous = not learned and _shown_twice(asked)
    times: Counter[tuple[str, str, int]] = Counter()
    kept, by_column = [], 0
    for trial in asked:
        key = trial.participant, trial.item
        times[*key, trial.step] += 1
        if times[*key, trial.step] > (2 if continuous and trial.step == 1 else 1):
            continue
        kept.append(trial)
        if trial.step == 2 and trial.participant in came:
            trial.repeat = key in before | shown[1]
        elif trial.step == 1 and (learned or continuous):
            trial.repeat = key in before or times[*key, 1] == 2
        elif columns.old is not None:
            trial.repeat = _by_column(trial, columns.old)
            by_column += 1
    if not any(trial.repeat for trial in kept):
        raise InputError(
            f"{kept[0].row.file}: no item is shown twice, and no column says which were learned; name it with --old, "
            "or the trials of the learning part with --study COLUMN=VALUE."
        )
    notes = [f"old: column {columns.old!r}"] if by_column else []
    notes += _check_old(kept, columns, options)
    left_out = len(asked) - len(kept)
    notes += [f"further showings of an item, left out: {left_out:,}"] if left_out else []
    again = played_again(asked, kept)
    if again and columns.participant is None and len({trial.participant for trial in kept}) == 1:
        raise InputError(
            f"{kept[0].row.file}: no column names participants, so all trials are of one, who sees most items again "
            "and again; name the column with --participant."
        )
    return kept, notes + again


def _by_column(trial: Trial, column: str) -> bool:
    if trial.old is None:
        raise trial.row.error(
            f"{trial.row.cells.get(column)!r} in column {column!r} says neither old nor new; name the column that does "
            "with --old"
        )
    return trial.old


def _shown_twice(asked: Sequence[Trial]) -> bool:
    counts = Counter((trial.participant, trial.item, trial.step) for trial in asked)
    return 2 * sum(count > 1 for count in counts.values()) > 0.1 * len(counts)


def _check_old(trials: Sequence[Trial], columns: Columns, options: ImportOptions) -> list[str]:
    """Hold the column of old and new items against what was shown; one that means something else is not used."""
    wrong = [trial for trial in trials if trial.old is not None and trial.old != trial.repeat]
    if not wrong:
        return []
    if options.old is None and len(wrong) > max(1, _OTHER_MEANING * len(trials)):
        return [
            f"column {columns.old!r} does not say what is old: it differs from what was shown at {len(wrong):,} trials"
        ]
    trial = wrong[0]
    said, found = ("old", "was not shown before") if trial.old else ("new", "was shown before")
    raise trial.row.error(
        f"column {columns.old!r} says that {trial.item!r} is {said}, but it {found} to participant "
        f"{trial.participant!r}; choose the trials that count with --only or --without, or name another column "
        "with --old"
    )


def _about(asked: Sequence[Trial], learned: Sequence[Trial]) -> list[str]:
    """What the design is, in sentences."""
    people = len({trial.participant for trial in asked})
    items, none = len({trial.item for trial in asked}), sum(trial.press is None for trial in asked)
    old = sum(trial.repeat for trial in asked)
    notes = [f"{people:,} participants, {items:,} items, {old:,} showings of old and {len(asked) - old:,} of new items"]
    if learned:
        notes.append(f"study-test design: {len(learned):,} showings to be learned are left out, so there are no lags")
    elif not _shown_twice(asked):
        notes.append("no first showings: old items are taken from the column that says so, so there are no lags")
    else:
        notes.append("continuous recognition: lags are differences of positions")
    if not any(trial.step == 2 for trial in asked):
        notes.append("no second session: there are no long-term scores")
    if none:
        notes.append(f"{none:,} showings without a press count as not recognised")
    return notes


def _rates(annotations: Annotations) -> str:
    """A note on hits and false alarms, with a doubt where they are as frequent."""
    repeat, pressed = annotations.repeat, annotations.pressed
    of_old, of_new = (float(pressed[rows].mean()) if rows.any() else 0.0 for rows in (repeat, ~repeat))
    doubt = "" if of_old > of_new or repeat.all() else ": check with --key which key means seen before"
    return f"recognised: {of_old:.0%} of the old and {of_new:.0%} of the new items{doubt}"


def _annotations(trials: Sequence[Trial], said: Sequence[bool], options: ImportOptions) -> Annotations:
    people = {name: index for index, name in enumerate(dict.fromkeys(trial.participant for trial in trials))}
    items = {name: index for index, name in enumerate(dict.fromkeys(trial.item for trial in trials))}
    positions: Counter[tuple[str, int]] = Counter()
    position = []
    for trial in trials:
        positions[trial.participant, trial.step] += 1
        position.append(positions[trial.participant, trial.step])
    role = _roles(trials, position, options.vigilance_lag)
    pressed = np.array(said, dtype=bool)
    return Annotations(
        participants=tuple(people),
        videos=tuple(items),
        participant=np.array([people[trial.participant] for trial in trials], np.int32),
        step=np.array([trial.step for trial in trials], np.int8),
        position=np.array(position, np.int32),
        video=np.array([items[trial.item] for trial in trials], np.int32),
        role=role,
        repeat=np.array([trial.repeat for trial in trials]),
        pressed=pressed,
        rt_ms=np.where(pressed, [trial.rt_ms for trial in trials], np.nan).astype(np.float32),
        time=np.full(len(trials), np.datetime64("NaT"), "datetime64[ms]"),
        missing=np.zeros(len(trials), np.int8),
    )


def _roles(trials: Sequence[Trial], position: Sequence[int], vigilance_lag: int) -> Any:
    """An item shown twice, or old, is a target; at a short lag it checks attention; one shown once is a filler."""
    first: dict[tuple[str, str, int], int] = {}
    roles: dict[tuple[str, str, int], int] = {}
    for trial, at in zip(trials, position, strict=True):
        key = trial.participant, trial.item, trial.step
        if key in first:
            roles[key] = VIGILANCE if at - first[key] <= vigilance_lag else TARGET
        else:
            first[key] = at
            roles[key] = TARGET if trial.repeat else FILLER
    return np.array([roles[trial.participant, trial.item, trial.step] for trial in trials], np.int8)


def _design(annotations: Annotations, options: ImportOptions) -> StudyDesign:
    """The design in the largest numbers that a participant has; the table is not held against it."""
    counts = {}
    for step in (1, 2):
        for role in (TARGET, VIGILANCE, FILLER):
            shown = annotations.participant[(annotations.step == step) & (annotations.role == role)]
            counts[step, role] = int(np.bincount(shown).max(initial=0))
    lags = annotations.lag[(annotations.role == TARGET) & (annotations.lag > 0)]
    vigilance = counts[1, VIGILANCE] // 2
    targets, fillers = max(1, counts[1, TARGET]), max(counts[1, FILLER], counts[2, TARGET], 1)
    showings = 2 * targets + 2 * vigilance + fillers
    longest = int(lags.max(initial=1))
    fillers += max(0, longest + 1 - showings)
    rt_s = float(np.nan_to_num(annotations.rt_ms).max(initial=0)) / 1000
    return StudyDesign(
        step1=FirstStep(
            targets=targets,
            target_lag_min=int(min(lags.min(initial=longest), targets + fillers)),
            target_lag_max=longest,
            vigilance_fillers=vigilance,
            vigilance_lag_min=1,
            vigilance_lag_max=max(1, options.vigilance_lag),
            fillers=fillers,
            candidates=max(targets + vigilance + fillers, len(annotations.videos)),
        ),
        step2=SecondStep(targets=max(1, counts[2, TARGET]), fillers=counts[2, FILLER]),
        presentation=Presentation(window_s=float(min(max(np.ceil(rt_s), 1), 600))),
        controls=Controls(
            step1_false_alarms_max=_NO_CONTROL,
            step2_false_alarms_max=_NO_CONTROL,
            step2_recognition_min=0.0,
            step2_recognition_above_false_alarms=False,
            design_numbers=False,
        ),
    )
