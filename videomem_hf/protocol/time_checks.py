"""Checks of what participants did and when: times of showings, response times, responses that were copied."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from videomem_hf.protocol.annotations import Annotations
from videomem_hf.protocol.design import StudyDesign

Found = tuple[NDArray[np.integer[Any]], Callable[[int], str]]
"""The showings with a problem, and the problem of one of them in words."""

RT_MIN_MS: Final = 100.0
"""A faster press cannot be a response to the clip: a simple reaction to a light takes 150 ms or more."""
_CLOCK_MS: Final = 250.0
"""How far the clocks of page and server may differ."""
_LONGEST_PAUSE_MS: Final = 3_600_000
"""A step is played without a break; the server closes it after ten minutes."""
_COPIED_RESPONSES: Final = 5
"""Response times that two participants share, all in the same order, before one counts as a copy of the other."""
_EQUAL_RESPONSES: Final = 10
"""Response times of a person that are all equal to a tenth of a millisecond before they count as made."""
_CHANCE_SHOWINGS: Final = 20
"""A step of this many showings has so many orders that two participants do not get the same one."""


def group_changes(annotations: Annotations, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Differences between neighbours of the number of participant and step; 0 within a step."""
    return np.diff(annotations.participant[order].astype(np.int64) * 2 + annotations.step[order])


def find_times(annotations: Annotations, design: StudyDesign) -> list[Found]:
    """Showings that start before the one before them, before it can have ended, or more than an hour after it.

    A showing ends with its response, else with the window; of one that is missing nothing is known.
    """
    order = annotations.by_position
    order = order[~np.isnat(annotations.time[order])]
    if len(order) < 2:
        return []
    ms = annotations.time[order].astype("datetime64[ms]").astype(np.int64)
    same = np.diff(annotations.participant[order]) == 0
    back = same & (np.diff(ms) < 0)
    resolution = next((unit for unit in (60_000, 1000) if not (ms % unit).any()), _CLOCK_MS)
    starts = np.r_[True, group_changes(annotations, order) != 0]
    lasted = _durations_ms(annotations, design)[order]
    spent = np.cumsum(lasted) - lasted
    first = np.flatnonzero(starts)[np.cumsum(starts) - 1]
    passed, played = ms - ms[first], spent - spent[first]
    since = np.r_[0, np.diff(ms)]
    soon = (np.r_[False, same] & (since < np.r_[0, lasted[:-1]] - resolution)) & ~starts
    soon |= passed < played - 2 * resolution
    soon &= ~np.r_[False, back]
    late = ~starts & (since > _LONGEST_PAUSE_MS)
    hours = dict(zip(order[late].tolist(), (since[late] / 3_600_000).tolist(), strict=True))
    return [
        (order[1:][back], lambda row: f"position {annotations.position[row]} starts before the one that precedes it"),
        (
            order[soon],
            lambda row: (
                f"position {annotations.position[row]} starts before the showings that precede it can have ended"
            ),
        ),
        (
            order[late],
            lambda row: (
                f"position {annotations.position[row]} starts {hours[row]:.1f} h after the one that precedes it"
            ),
        ),
    ]


def _durations_ms(annotations: Annotations, design: StudyDesign) -> NDArray[np.float64]:
    """The shortest that each showing can have lasted, `(showings,)`."""
    rt_ms = np.nan_to_num(annotations.rt_ms.astype(np.float64))
    window_ms = design.presentation.window_s * 1000
    return np.where(annotations.missing > 0, 0.0, np.where(annotations.pressed, rt_ms, window_ms))


def find_response_times(annotations: Annotations, design: StudyDesign) -> list[Found]:
    """Response times that are too short, too long, lost where others are known, or all equal."""
    rt_ms, window_ms = annotations.rt_ms, design.presentation.window_s * 1000
    timed = np.isfinite(rt_ms)
    known = rt_ms[timed]
    seconds = len(known) > 0 and float(np.median(known)) < window_ms / 1000
    hint = ", so the column seems to be in seconds" if seconds else ""
    lost = annotations.pressed & ~timed & (annotations.missing == 0)
    people = len(annotations.participants)
    count = np.bincount(annotations.participant[timed], minlength=people)
    lowest, highest = np.full(people, np.inf), np.zeros(people)
    np.minimum.at(lowest, annotations.participant[timed], known)
    np.maximum.at(highest, annotations.participant[timed], known)
    equal = (count >= _EQUAL_RESPONSES) & (highest - lowest < 0.1)
    return [
        (
            np.flatnonzero(rt_ms < RT_MIN_MS),
            lambda row: f"a response after {rt_ms[row]:g} ms, faster than people can respond{hint}",
        ),
        (
            np.flatnonzero(rt_ms > window_ms + _CLOCK_MS),
            lambda row: f"a response after {rt_ms[row]:g} ms, where the design's window is {window_ms:g} ms",
        ),
        (
            np.flatnonzero(lost) if 2 * len(known) > annotations.pressed.sum() else np.zeros(0, dtype=np.int64),
            lambda _row: "a press without a response time, where others have one",
        ),
        (
            np.flatnonzero(timed & equal[annotations.participant]),
            lambda row: f"all {count[annotations.participant[row]]} responses after exactly {rt_ms[row]:g} ms",
        ),
    ]


def find_copies(annotations: Annotations, design: StudyDesign) -> list[Found]:
    """Two participants with the same videos in the same order, of a step too long for chance, or the same responses.

    In a study of other software all may have the same order: there only the responses tell.
    """
    order = annotations.by_position
    starts = np.flatnonzero(np.r_[True, group_changes(annotations, order) != 0])
    weights = np.random.default_rng(0).integers(1, 2**62, int(annotations.position.max(initial=0)) + 1, dtype=np.int64)
    tenths = np.nan_to_num(annotations.rt_ms.astype(np.float64) * 10).astype(np.int64)
    showings = np.diff(np.r_[starts, len(order)])
    presses = np.add.reduceat((tenths > 0)[order].astype(np.int64), starts)
    videos = annotations.video.astype(np.int64) + 1
    other: dict[int, tuple[int, str]] = {}
    for cells, enough, what in (
        (videos, (showings >= _CHANCE_SHOWINGS) & design.controls.design_numbers, "videos in the same order"),
        (tenths, presses >= _COPIED_RESPONSES, "response times at the same positions"),
    ):
        sums = np.add.reduceat((cells * weights[annotations.position])[order], starts)  # wraps around, as a hash does
        by_sum = np.argsort(sums, kind="stable")
        same = np.flatnonzero(np.r_[False, np.diff(sums[by_sum]) == 0] & enough[by_sum])
        for i in same.tolist():
            other.setdefault(int(order[starts[by_sum[i]]]), (int(order[starts[by_sum[i - 1]]]), what))

    def text(row: int) -> str:
        first, what = other[row]
        name = annotations.participants[annotations.participant[first]]
        return f"the same {what} in step {annotations.step[row]} as participant {name!r}"

    return [(np.array(list(other), dtype=np.int64), text)]
