"""Checks of a table of annotations: that it does not contradict itself, and that it comes from a study of this design.

`find_contradiction` holds for every table: without it no score is defined. `check_annotations` holds a table against a
design; what one accepts all the same is named in its argument `ignore` (`videomem score --ignore NAME`).
"""

import re
import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from videomem_hf.protocol.annotations import FILLER, MISSING_REASONS, TARGET, VIGILANCE, Annotations
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.schedule import ROLES
from videomem_hf.protocol.time_checks import Found, find_copies, find_response_times, find_times, group_changes
from videomem_hf.recipes import nearest
from videomem_hf.schema import VIDEO_SUFFIXES, InputError

_NOT_SHOWN: Final = tuple(MISSING_REASONS.index(reason) for reason in ("interrupted", "unplayable", "ended_early"))


@dataclass(frozen=True)
class Check:
    """A check against the design: its meaning in words, what it finds, and what to do about it."""

    about: str
    find: Callable[[Annotations, StudyDesign], list[Found]]
    remedy: str


def check_annotations(annotations: Annotations, design: StudyDesign, ignore: Collection[str] = ()) -> dict[str, int]:
    """Hold annotations against the design of their study.

    Returns the number of participants with each problem that is ignored and occurs.

    Raises:
        InputError: A problem that is not ignored, with file, line and participant; or `ignore` has an unknown name.
    """
    for name in ignore:
        if name not in CHECKS:
            raise InputError(f"no check {name!r}{nearest(name, CHECKS)}; there are {', '.join(CHECKS)}")
    accepted: dict[str, int] = {}
    for name, check in CHECKS.items():
        if not design.controls.design_numbers and name not in _OF_ANY_DESIGN:
            continue
        found = [(rows, text) for rows, text in check.find(annotations, design) if len(rows)]
        if found and name in ignore:
            rows = np.concatenate([rows for rows, _ in found])
            accepted[name] = len(np.unique(annotations.participant[rows]))
        elif found:
            row, text = min(((int(rows.min()), text) for rows, text in found), key=lambda each: each[0])
            place = f"{annotations.locate(row)}: " if annotations.locate else ""
            who = annotations.participants[annotations.participant[row]]
            raise InputError(
                f"{place}participant {who!r}: {text(row)}; {check.remedy}, or accept this with --ignore {name}."
            )
    return accepted


def find_contradiction(annotations: Annotations) -> tuple[int, str] | None:
    """The first showing that contradicts others and what is wrong with it; None if there is none.

    The checks: each position once, a repeat only after a first showing (unless step 1 has none, as in a study-test
    design), fillers once, roles that the step allows, no response time without a press, no press at a clip that was not
    shown.
    """
    if twice := _duplicate_position(annotations):
        return twice
    order, again = annotations.by_video, np.r_[False, annotations.same_step_and_video]
    role, step, repeat = annotations.role[order], annotations.step[order], annotations.repeat[order]
    before = np.r_[order[:1], order[:-1]]
    third = again & np.r_[False, again[:-1]]
    shown_before = bool((again & (step == 1)).any())
    checks = {
        "a video's third showing in the step": third,
        "a role other than at the video's first showing": again & (role != annotations.role[before]),
        "a filler shown twice in the step": again & (role == FILLER),
        "a step-2 video shown twice": again & (step == 2) & (role != VIGILANCE),
        "not marked as a repeat, but shown before in the step": again & ~repeat,
        "marked as a repeat, but not shown before in the step": ~again & repeat & (step == 1) & shown_before,
        "a step-2 target not marked as a repeat": (step == 2) & (role == TARGET) & ~repeat,
        "a step-2 filler marked as a repeat": (step == 2) & (role == FILLER) & repeat,
        "a press at a clip that was not shown": annotations.pressed[order]
        & np.isin(annotations.missing[order], _NOT_SHOWN),
        "a response time without a press": ~annotations.pressed[order] & np.isfinite(annotations.rt_ms[order]),
    }
    found = [(int(order[wrong].min()), text) for text, wrong in checks.items() if wrong.any()]
    if not found:
        return None
    row, text = min(found)
    return row, f"participant {annotations.participants[annotations.participant[row]]!r}: {text}"


def _duplicate_position(annotations: Annotations) -> tuple[int, str] | None:
    order = annotations.by_position
    twice = order[1:][(group_changes(annotations, order) == 0) & (np.diff(annotations.position[order]) == 0)]
    if not len(twice):
        return None
    row = int(twice.min())
    name, step = annotations.participants[annotations.participant[row]], annotations.step[row]
    return row, f"participant {name!r} has position {annotations.position[row]} of step {step} twice"


def _showings(annotations: Annotations, design: StudyDesign) -> list[Found]:
    """More showings than the design has; or the most of all are fewer, and several people have just these.

    If only one has, people may have left at different showings before anybody finished.
    """
    found: list[Found] = []
    for step, wanted in ((1, design.step1.showings), (2, design.step2.showings)):
        here = annotations.step == step
        counts = np.bincount(annotations.participant[here])
        if not counts.any():
            continue
        many = counts > wanted
        most = counts == counts.max()
        who = many if many.any() or counts.max() >= wanted or most.sum() < 2 else most
        first = np.flatnonzero(here & who[np.minimum(annotations.participant, len(who) - 1)])

        def text(row: int, step: int = step, wanted: int = wanted, counts: Any = counts) -> str:
            most = "" if counts[annotations.participant[row]] > wanted else ", the most of all"
            return (
                f"{counts[annotations.participant[row]]} showings in step {step}{most}, where the design has {wanted}"
            )

        found.append((first, text))
    return found


def _positions(annotations: Annotations, _design: StudyDesign) -> list[Found]:
    order = annotations.by_position
    position = annotations.position[order]
    new = np.r_[True, group_changes(annotations, order) != 0]
    expected = np.where(new, 1, np.r_[0, position[:-1]] + 1)
    wrong = position != expected
    wanted = dict(zip(order[wrong].tolist(), expected[wrong].tolist(), strict=True))
    return [
        (
            order[wrong],
            lambda row: (
                f"position {annotations.position[row]} of step {annotations.step[row]} where {wanted[row]} should "
                "follow, so rows are lost"
            ),
        )
    ]


def _roles(annotations: Annotations, design: StudyDesign) -> list[Found]:
    """Numbers of videos of each role and of their repeats, of the participants who have all showings."""
    first, second = design.step1, design.step2
    expected = {
        (1, TARGET, False): first.targets,
        (1, TARGET, True): first.targets,
        (1, VIGILANCE, False): first.vigilance_fillers,
        (1, VIGILANCE, True): first.vigilance_fillers,
        (1, FILLER, False): first.fillers,
        (2, TARGET, True): second.targets,
        (2, FILLER, False): second.fillers,
    }
    size = len(annotations.participants)
    found: list[Found] = []
    for step, showings in ((1, first.showings), (2, second.showings)):
        complete = np.bincount(annotations.participant[annotations.step == step], minlength=size) == showings
        for (of_step, role, repeat), wanted in expected.items():
            if of_step != step:
                continue
            rows = (annotations.step == step) & (annotations.role == role) & (annotations.repeat == repeat)
            counts = np.bincount(annotations.participant[rows], minlength=size)
            wrong = complete & (counts != wanted)
            kind = f"{'repeats' if repeat and step == 1 else 'showings'} of the role {ROLES[role]}"

            def text(row: int, step: int = step, wanted: int = wanted, counts: Any = counts, kind: str = kind) -> str:
                return f"{counts[annotations.participant[row]]} {kind} in step {step}, where the design has {wanted}"

            found.append((np.flatnonzero((annotations.step == step) & wrong[annotations.participant]), text))
    return found


def _lags(annotations: Annotations, design: StudyDesign) -> list[Found]:
    step = design.step1
    found: list[Found] = []
    for role, low, high in (
        (TARGET, step.target_lag_min, step.target_lag_max),
        (VIGILANCE, step.vigilance_lag_min, step.vigilance_lag_max),
    ):
        repeats = (annotations.step == 1) & annotations.repeat & (annotations.role == role)
        wrong = repeats & ((annotations.lag < low) | (annotations.lag > high))

        def text(row: int, role: int = role, low: int = low, high: int = high) -> str:
            video = annotations.videos[annotations.video[row]]
            return (
                f"video {video!r}, a {ROLES[role]}, repeated at lag {annotations.lag[row]}, where the design has "
                f"{low} to {high}"
            )

        found.append((np.flatnonzero(wrong), text))
    return found


def _step2_targets(annotations: Annotations, _design: StudyDesign) -> list[Found]:
    first = annotations.step == 1
    if not first.any():
        return []
    targets = (annotations.step == 2) & (annotations.role == TARGET)
    wrong = np.flatnonzero(targets & (_step1_roles(annotations) != FILLER))

    def text(row: int) -> str:
        if not (annotations.participant[first] == annotations.participant[row]).any():
            return "a step 2 without a step 1"
        video = annotations.videos[annotations.video[row]]
        return f"video {video!r}, a target of step 2, was no filler of the participant's step 1"

    return [(wrong, text)]


def _step1_roles(annotations: Annotations) -> NDArray[np.int8]:
    """`(showings,)` the role that a step-2 video had in the participant's step 1; -1 for a new one."""
    order = annotations.by_video
    before, after = order[:-1], order[1:]
    same = (annotations.step[before] == 1) & (annotations.step[after] == 2)
    same &= annotations.participant[before] == annotations.participant[after]
    same &= annotations.video[before] == annotations.video[after]
    roles = np.full(len(annotations), -1, dtype=np.int8)
    roles[after[same]] = annotations.role[before[same]]
    return roles


def _step2_fillers(annotations: Annotations, _design: StudyDesign) -> list[Found]:
    fillers = (annotations.step == 2) & (annotations.role == FILLER)
    wrong = np.flatnonzero(fillers & (_step1_roles(annotations) >= 0))
    return [
        (
            wrong,
            lambda row: (
                f"video {annotations.videos[annotations.video[row]]!r}, new in step 2 by its role, was shown in step 1"
            ),
        )
    ]


def _names(annotations: Annotations, _design: StudyDesign) -> list[Found]:
    """Names that may be the same: they differ in case, spaces, Unicode forms, zeros or a suffix alone."""
    found: list[Found] = []
    for kind, names, column in (
        ("participants", annotations.participants, annotations.participant),
        ("videos", annotations.videos, annotations.video),
    ):
        first: dict[str, str] = {}
        twice: dict[int, str] = {}
        for index, name in enumerate(names):
            visible = "".join(c for c in unicodedata.normalize("NFKC", name) if unicodedata.category(c) != "Cf")
            plain = re.sub(r"(?<!\d)0+(?=\d)", "", " ".join(visible.split()).casefold())
            stem, dot, suffix = plain.rpartition(".")
            plain = stem if kind == "videos" and dot and f".{suffix}" in VIDEO_SUFFIXES else plain
            if first.setdefault(plain, name) != name:
                twice[index] = first[plain]

        def text(row: int, names: Any = names, column: Any = column, twice: Any = twice, kind: str = kind) -> str:
            return f"{kind} {twice[column[row]]!r} and {names[column[row]]!r}, which may be the same"

        found.append((np.flatnonzero(np.isin(column, list(twice))), text))
    return found


def _missing(annotations: Annotations, _design: StudyDesign) -> list[Found]:
    """Responses that are missing at repeats far more often than at first showings, as if misses were taken out."""
    missing, repeat = annotations.missing > 0, annotations.repeat
    of_repeats, of_first = (int((missing & rows).sum()) for rows in (repeat, ~repeat))
    share = of_first / max(int((~repeat).sum()), 1)
    rows = np.flatnonzero(missing & repeat)
    if of_repeats < _FEWEST_MISSING or of_repeats <= _MISSING_RATIO * share * int(repeat.sum()):
        return []

    def text(row: int) -> str:
        return (
            f"a missing response, as at {of_repeats:,} of {int(repeat.sum()):,} repeats but only {of_first:,} of "
            f"{int((~repeat).sum()):,} first showings, as if misses were taken for missing"
        )

    return [(rows, text)]


_FEWEST_MISSING: Final = 20
"""Missing responses at repeats below which chance explains them."""
_MISSING_RATIO: Final = 3.0
"""Times as often as at first showings: clips that fail to load do so at both."""
_GIVE_DESIGN: Final = "give the study's design with --design"
_EXPORT_AGAIN: Final = "correct the row or take the export again"
_OF_ANY_DESIGN: Final = frozenset({"names", "copies"})
"""Checks of tables that need not have the design's numbers, see `Controls.design_numbers`."""
CHECKS: Final = {
    "names": Check(
        "no two names differ only in case, spaces, Unicode forms, zeros before a number or a suffix",
        _names,
        "give both the same name",
    ),
    "copies": Check("no participant is a copy of another", find_copies, "remove one of the two"),
    "positions": Check("positions follow each other from 1", _positions, _EXPORT_AGAIN),
    "times": Check(
        "showings start in order, after the one before has ended, without long pauses", find_times, _EXPORT_AGAIN
    ),
    "response_times": Check(
        "response times from 100 ms to the end of the window, of every press, that differ",
        find_response_times,
        _EXPORT_AGAIN,
    ),
    "missing": Check("responses are missing at repeats as at first showings", _missing, _EXPORT_AGAIN),
    "showings": Check("nobody has more showings than the design, nor several the same fewer", _showings, _GIVE_DESIGN),
    "roles": Check("numbers of targets, vigilance fillers, fillers and repeats as in the design", _roles, _GIVE_DESIGN),
    "lags": Check("lags within the design's ranges", _lags, _GIVE_DESIGN),
    "step2_targets": Check("targets of step 2 were fillers of the participant's step 1", _step2_targets, _EXPORT_AGAIN),
    "step2_fillers": Check("fillers of step 2 were not in the participant's step 1", _step2_fillers, _EXPORT_AGAIN),
}
"""The checks by name, in the order in which they are made."""
