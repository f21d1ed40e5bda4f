"""Plays a whole study in memory: participants come, are assigned videos, answer, and come back a day or more later."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from videomem_hf.protocol.annotations import ARRAYS, FILLER, TARGET, Annotations
from videomem_hf.protocol.design import FirstStep, StudyDesign
from videomem_hf.protocol.schedule import choose_step1_videos, choose_step2_videos, step1_slots, step2_slots
from videomem_hf.protocol.screening import screen
from videomem_hf.protocol.simulate import (
    Floats,
    MemoryModel,
    People,
    SimulatedVideos,
    draw_people,
    draw_rt_ms,
    press_chance,
    remembered,
    strength_after,
    strength_at_lag,
)
from videomem_hf.schema import InputError

PAPER_PARTICIPANTS: Final = 9402
PAPER_RETURNING: Final = 3246
"""Participants who passed the controls of step 1 and of step 2 (Sec. 3.3)."""

_AT_ONCE: Final = 200
"""Participants who play at the same time: each is assigned videos while the others are still at it."""

_ORDERS: Final = 1000
"""Orders drawn beforehand and dealt out, as the original software does; a draw each would take longer than the rest."""

_DAY_MS: Final = 86_400_000
_OPENS: Final = np.datetime64("2026-01-05T08:00:00", "ms")
_OPEN_DAYS: Final = 60


@dataclass(frozen=True, eq=False)
class SimulatedStudy:
    """A study whose truth is known.

    Attributes:
        annotations: All answers, of participants who failed a control as well.
        videos: The videos and their strengths.
        people: The participants, in the order of `annotations.participants`.
        design: The design that was played.
    """

    annotations: Annotations
    videos: SimulatedVideos
    people: People
    design: StudyDesign


def simulate_study(
    videos: SimulatedVideos,
    design: StudyDesign | None = None,
    *,
    participants: int = PAPER_PARTICIPANTS,
    returning: int = PAPER_RETURNING,
    seed: int = 0,
    model: MemoryModel | None = None,
    progress: Callable[[int], object] | None = None,
) -> SimulatedStudy:
    """Play a study in memory until enough participants have passed each step.

    Args:
        videos: The collection; `simulate.draw_videos` gives one.
        design: The study's design; the paper's by default.
        participants: Participants who pass step 1.
        returning: How many of them pass step 2.
        seed: The study is a function of it and of the other arguments.
        model: How memory works.
        progress: Called with the number of participants who passed since the last call.

    Raises:
        InputError: The collection is too small for the design, more return than took part, or nobody passes.
    """
    design, model = design or StudyDesign(), model or MemoryModel()
    design.check_collection(len(videos.names))
    if not 0 <= returning <= participants or participants < 1:
        raise InputError(f"{participants} participants, {returning} return; at least 1 plays and no more return.")
    report = progress or (lambda _: None)
    play = _Play(videos, design, model, seed)
    while play.passed < participants:
        report(play.first_step(participants))
    for passed in play.second_step(returning):
        report(passed)
    return SimulatedStudy(play.annotations(), videos, play.people(), design)


class _Play:
    """A study in the course of being played."""

    def __init__(self, videos: SimulatedVideos, design: StudyDesign, model: MemoryModel, seed: int) -> None:
        self.videos, self.design, self.model, self.seed = videos, design, model, seed
        self.generator = np.random.default_rng([seed, 3])
        self.passed = 0
        self._short_counts = np.zeros(len(videos.names), dtype=np.int64)
        self._long_counts = np.zeros(len(videos.names), dtype=np.int64)
        self._orders = _Orders(design.step1, seed)
        self._people: list[People] = []
        self._chosen: list[NDArray[np.int64]] = []
        self._valid: list[NDArray[np.bool_]] = []
        self._first: list[Annotations] = []
        self._second: list[tuple[NDArray[np.int64], Annotations]] = []

    def first_step(self, wanted: int) -> int:
        """Let some participants play step 1 at the same time, up to the last who is wanted; gives how many passed."""
        start = sum(len(people) for people in self._people)
        people = draw_people(_AT_ONCE, self.generator, self.model)
        chosen = np.array([self._assign(start + number) for number in range(_AT_ONCE)])
        part = self._answer_first(people, chosen)
        valid = screen(part, self.design).step1.passed
        if not valid.any() and not self.passed and start >= 10 * _AT_ONCE:
            raise InputError("Nobody passes the controls of step 1; loosen them, or give a model that remembers more.")
        played = _AT_ONCE
        if self.passed + valid.sum() > wanted:
            played = int(np.searchsorted(np.cumsum(valid), wanted - self.passed)) + 1
        valid = valid & (np.arange(_AT_ONCE) < played)
        np.subtract.at(self._short_counts, chosen[~valid, : self.design.step1.targets], 1)
        self.passed += int(valid.sum())
        self._people.append(_some(people, slice(played)))
        self._chosen.append(chosen[:played])
        self._valid.append(valid[:played])
        self._first.append(part.select(part.participant < played))
        return int(valid.sum())

    def second_step(self, wanted: int) -> Iterator[int]:
        """Let those who passed come back in random order until enough have passed step 2; gives how many, by and by."""
        people, chosen = self.people(), np.concatenate(self._chosen)
        step1_ms = np.concatenate([part.time.reshape(-1, self.design.step1.showings)[:, -1] for part in self._first])
        valid = np.flatnonzero(np.concatenate(self._valid))
        order = valid[np.argsort(self.generator.random(len(valid)))]
        done = 0
        while done < wanted and len(order):
            who, order = np.split(order, [min(_AT_ONCE, wanted - done)])
            videos = np.array([self._assign_again(number, chosen[number]) for number in who.tolist()])
            part = self._answer_second(_some(people, who), videos, step1_ms[who])
            passed = screen(part, self.design).step2.passed
            np.subtract.at(self._long_counts, videos[~passed, : self.design.step2.targets], 1)
            self._second.append((who, part))
            done += int(passed.sum())
            yield int(passed.sum())

    def people(self) -> People:
        """Everybody who played step 1."""
        return People(*(np.concatenate([getattr(part, f.name) for part in self._people]) for f in fields(People)))

    def annotations(self) -> Annotations:
        """All answers so far."""
        starts = np.cumsum([0, *(len(people) for people in self._people)])
        parts = [
            replace(part, participant=part.participant + np.int32(start))
            for part, start in zip(self._first, starts, strict=False)
        ]
        parts += [replace(part, participant=who[part.participant].astype(np.int32)) for who, part in self._second]
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS}
        names = tuple(f"p{number:05d}" for number in range(1, int(starts[-1]) + 1))
        return Annotations(participants=names, videos=self.videos.names, **arrays)

    def _assign(self, number: int) -> list[int]:
        collection, seed = range(len(self.videos.names)), self.seed * 2**32 + number
        chosen = choose_step1_videos(self.design, collection, self._short_counts, seed)
        self._short_counts[chosen[: self.design.step1.targets]] += 1
        return chosen

    def _assign_again(self, number: int, step1_videos: NDArray[np.int64]) -> list[int]:
        collection, seed = range(len(self.videos.names)), self.seed * 2**32 + number
        chosen = choose_step2_videos(self.design, collection, step1_videos.tolist(), seed, self._long_counts)
        self._long_counts[chosen[: self.design.step2.targets]] += 1
        return chosen

    def _answer_first(self, people: People, chosen: NDArray[np.int64]) -> Annotations:
        number = self.generator.integers(0, _ORDERS, len(people))
        slots, lag = self._orders.slots[number], self._orders.lag[number]
        video, repeat = np.take_along_axis(chosen, slots, axis=1), lag > 0
        chance = self._chance(people, repeat, strength_at_lag(self.videos.short_term[video], lag, self.model))
        mean_ms = np.where(repeat, self.videos.short_rt_ms[video], self.model.short_false_rt_ms)
        begins = _OPENS + (self.generator.random(len(people)) * _OPEN_DAYS * _DAY_MS).astype("timedelta64[ms]")
        ends = np.cumsum([self.design.step1.targets, self.design.step1.vigilance_fillers])
        return self._answer(
            1, people, video, np.searchsorted(ends, slots, side="right"), repeat, chance, mean_ms, begins
        )

    def _answer_second(
        self, people: People, chosen: NDArray[np.int64], step1_ms: NDArray[np.datetime64]
    ) -> Annotations:
        step, count = self.design.step2, len(people)
        slots = np.array([step2_slots(step, int(self.generator.integers(2**62))) for _ in range(count)])
        video, repeat = np.take_along_axis(chosen, slots, axis=1), slots < step.targets
        hours = step.delay_min_h + self.generator.random(count) * (step.delay_max_h - step.delay_min_h)
        strength = strength_after(self.videos.long_term[video], hours[:, None], self.model)
        chance = self._chance(people, repeat, strength)
        mean_ms = np.where(repeat, self.videos.long_rt_ms[video], self.model.long_false_rt_ms)
        begins = step1_ms + (hours * _DAY_MS / 24).astype("timedelta64[ms]")
        return self._answer(2, people, video, np.where(repeat, TARGET, FILLER), repeat, chance, mean_ms, begins)

    def _chance(self, people: People, repeat: NDArray[np.bool_], strength: Floats) -> Floats:
        ability, attention, guessing = (
            values[:, None] for values in (people.ability, people.attention, people.guessing)
        )
        return np.where(repeat, press_chance(remembered(strength, ability), attention, guessing), guessing)

    def _answer(
        self,
        step: int,
        people: People,
        video: NDArray[np.int64],
        role: NDArray[np.int64],
        repeat: NDArray[np.bool_],
        chance: Floats,
        mean_ms: Floats,
        begins: NDArray[np.datetime64],
    ) -> Annotations:
        """Draw the answers; arrays are `(people, showings)`, `begins` is `(people,)`."""
        window_ms, gap_ms = self.design.presentation.window_s * 1000, self.design.presentation.gap_s * 1000
        count, showings = video.shape
        answered = self.generator.random(video.shape) < chance
        rt_ms = np.full(video.shape, np.nan)
        rt_ms[answered] = draw_rt_ms((people.pace[:, None] * mean_ms)[answered], window_ms, self.generator)
        lasted = np.where(answered, rt_ms, window_ms) + gap_ms
        since = (np.cumsum(lasted, axis=1) - lasted).astype("timedelta64[ms]")
        return Annotations(
            participants=tuple(map(str, range(count))),
            videos=self.videos.names,
            participant=np.repeat(np.arange(count, dtype=np.int32), showings),
            step=np.full(video.size, step, dtype=np.int8),
            position=np.tile(np.arange(1, showings + 1, dtype=np.int32), count),
            video=video.ravel().astype(np.int32),
            role=role.ravel().astype(np.int8),
            repeat=repeat.ravel(),
            answered=answered.ravel(),
            rt_ms=rt_ms.ravel().astype(np.float32),
            time=(begins[:, None] + since).ravel(),
        )


class _Orders:
    """Orders of step 1, `(orders, showings)`: the slot at each place, and the lag of a repeat (else 0)."""

    def __init__(self, step: FirstStep, seed: int) -> None:
        self.slots = np.array([step1_slots(step, seed * _ORDERS + number) for number in range(_ORDERS)])
        by_slot = np.argsort(self.slots, axis=1, kind="stable")
        again = np.diff(np.take_along_axis(self.slots, by_slot, axis=1), axis=1) == 0
        self.lag = np.zeros_like(self.slots)
        np.put_along_axis(self.lag, by_slot[:, 1:], np.where(again, np.diff(by_slot, axis=1), 0), axis=1)


def _some(people: People, which: NDArray[np.int64] | slice) -> People:
    return People(*(getattr(people, f.name)[which] for f in fields(People)))
