"""The log of an adaptive study, from which every decision can be recomputed, as JSON lines.

The first line has the design and the videos by number. Each other line is an event, in the order in which they
happened: `assigned`, a decision with its seed, what was chosen, and the reliability of the scores by then; or
`changed`, annotations that were given, released or withdrawn. Participants of whom nothing is kept have no name.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from videomem_hf.protocol.assignment.policy import Tally, assign_step1, assign_step2, empty_tally, reliability
from videomem_hf.protocol.design import StudyDesign, build_design
from videomem_hf.protocol.schedule import step1_filler_slots
from videomem_hf.schema import HORIZONS, Horizon, InputError

ASSIGNED: Final = "assigned"
CHANGED: Final = "changed"
_ROUNDED: Final = 2e-4
"""Reliabilities are stored with four digits."""


@dataclass(frozen=True)
class Decision:
    """A decision of the log beside what the policy decides at the same state.

    Attributes:
        number: Of the line in the log, the first event is 1.
        participant: Empty where nothing of the participant is kept.
        stored, recomputed: Numbers of the videos of each slot.
        as_stored: Whether the videos and the reliability of the scores by then are those that were stored.
    """

    number: int
    participant: str
    step: int
    stored: tuple[int, ...]
    recomputed: tuple[int, ...]
    as_stored: bool


class _State:
    """The tallies while events are replayed; videos are kept by their position in the collection."""

    def __init__(self, design: StudyDesign, videos: list[int]) -> None:
        self.design, self.videos = design, videos
        self.index = {video: index for index, video in enumerate(videos)}
        self.tallies: dict[Horizon, Tally] = {horizon: empty_tally(len(videos)) for horizon in HORIZONS}

    def decide(self, event: dict[str, Any]) -> tuple[list[int], bool]:
        """What the policy chooses at this state, and whether the reliabilities are those of the event."""
        known = self.videos[: event["collection"]]
        tallies = {
            horizon: Tally(*(each[: len(known)] for each in vars(tally).values()))
            for horizon, tally in self.tallies.items()
        }
        agree = all(
            abs(reliability(tallies[horizon]) - event["reliability"][horizon]) < _ROUNDED for horizon in tallies
        )
        seed = int(event["seed"])
        if event["step"] == 1:
            return assign_step1(self.design, known, tallies, seed), agree
        return assign_step2(self.design, known, tallies, event["step1"], seed, set(event["unseen"])), agree

    def add(self, event: dict[str, Any]) -> None:
        """Apply an event to the tallies."""
        tally, waiting = self.tallies[HORIZONS[event["step"] - 1]], self.tallies["long_term"].waiting
        if event["kind"] == ASSIGNED:
            first = event["step"] == 1
            step, before = (self.design.step1, event["chosen"]) if first else (self.design.step2, event["step1"])
            np.add.at(tally.counts, self._indices(event["chosen"][: step.targets]), 1)
            fillers = [before[slot] for slot in step1_filler_slots(self.design.step1)]
            np.add.at(waiting, self._indices(fillers), 1 if first else -1)
            return
        np.subtract.at(waiting, self._indices(event["gone"]), 1)
        np.subtract.at(tally.counts, self._indices(event["released"]), 1)
        np.add.at(tally.given, self._indices(event["given"]), event["sign"])
        np.add.at(tally.hits, self._indices(event["hits"]), event["sign"])

    def _indices(self, videos: list[int]) -> list[int]:
        return [self.index[video] for video in videos]


def replay(lines: Iterable[str]) -> Iterator[Decision]:
    """Recompute the decisions of a log.

    Raises:
        InputError: It is no such log, or damaged; the message says in which line.
    """
    state, number, rest = None, -1, iter(lines)
    while True:
        number += 1
        try:
            if (line := next(rest, None)) is None:
                return
            content = json.loads(line)
            if state is None:
                state = _State(build_design(content["design"], "the log"), sorted(map(int, content["videos"])))
                continue
            if content["kind"] not in (ASSIGNED, CHANGED):
                raise ValueError(content["kind"])
            if content["kind"] == CHANGED and "gone" not in content:
                earlier = number + 1
                break
            if content["kind"] == ASSIGNED:
                recomputed, agree = state.decide(content)
                who, chosen = str(content["participant"] or ""), tuple(content["chosen"])
                agree &= chosen == tuple(recomputed)
                yield Decision(number, who, int(content["step"]), chosen, tuple(recomputed), agree)
            state.add(content)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
            raise InputError(
                f"Line {number + 1} of the log: not an event of an adaptive study ({type(error).__name__}: {error}); "
                "write it anew with `videomem study export --decisions FILE`."
            ) from None
    raise InputError(
        f"Line {earlier} of the log: of an earlier version of this package, which assigned by another rule; replay its "
        "decisions with that version. The study itself goes on with this one."
    )
