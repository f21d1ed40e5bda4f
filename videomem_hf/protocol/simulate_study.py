"""Plays a whole study in memory: participants are assigned videos, respond, and return a day or more later.

Where assignments depend on responses, the first return while others still join, as in a study that is open for weeks.
Otherwise the order makes no difference, and all return after the last has joined.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from videomem_hf.protocol import simulate
from videomem_hf.protocol.annotations import COLUMNS, FILLER, TARGET, Annotations
from videomem_hf.protocol.assignment.policy import assign_step1, assign_step2, empty_tally, reliability
from videomem_hf.protocol.design import FirstStep, StudyDesign
from videomem_hf.protocol.paper import PARTICIPANTS, RETURNING
from videomem_hf.protocol.schedule import step1_filler_slots, step1_slots, step2_slots
from videomem_hf.protocol.screening import screen
from videomem_hf.protocol.simulate import MemoryModel, Participants, SimulatedVideos
from videomem_hf.schema import HORIZONS, Horizon, InputError
from videomem_hf.statistics import Floats

AT_ONCE: Final = 200
"""Participants who play at the same time: each is assigned videos before the others have finished."""

_ORDERS: Final = 1000
"""Different orders, which are reused, as in the original software; one draw per participant would dominate the time."""

_DAY_MS: Final = 86_400_000
_OPENS: Final = np.datetime64("2026-01-05T08:00:00", "ms")
_OPEN_DAYS: Final = 60


@dataclass(frozen=True, eq=False)
class SimulatedStudy:
    """A study with known strengths; its participants are in the annotations' order, those who failed included."""

    annotations: Annotations
    videos: SimulatedVideos
    participants: Participants
    design: StudyDesign


def simulate_study(
    videos: SimulatedVideos,
    design: StudyDesign | None = None,
    *,
    participants: int = PARTICIPANTS,
    returning: int = RETURNING,
    seed: int = 0,
    model: MemoryModel | None = None,
    at_once: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> SimulatedStudy:
    """Play a study in memory until enough participants have passed each step, or its design stops it.

    Args:
        videos: The collection; `simulate.draw_videos` gives one.
        design: The paper's by default.
        participants, returning: How many pass step 1, and how many of them step 2.
        seed: The study is a pure function of it and the other arguments.
        model: Parameters of the simulation.
        at_once: Participants who play at the same time: what they respond is known from the next ones on. By default
            200, or a fortieth of the participants if that is fewer and assignments depend on responses.
        progress: Called with the number of participants who passed since the last call.

    Raises:
        InputError: The collection is too small for the design, `returning` exceeds `participants`, or nobody passes.
    """
    design, model = design or StudyDesign(), model or MemoryModel()
    design.check_collection(len(videos.names))
    if not 0 <= returning <= participants or participants < 1:
        raise InputError(f"{participants} participants, {returning} returning; give at least 1, and no more returning.")
    report = progress or (lambda _: None)
    if at_once is None:
        at_once = min(AT_ONCE, max(1, participants // 40)) if design.assignment.logged else AT_ONCE
    play = _Play(videos, design, model, seed, at_once)
    # Participants who join at an even pace before the first of them must return.
    away = participants * design.step2.delay_max_h / 24 / _OPEN_DAYS
    while play.passed < participants and not play.stopped("short_term"):
        report(play.play_step1(participants))
        if design.assignment.logged:
            due = min(max(play.passed - away, 0) / participants, 1.0)
            for passed in play.play_step2(int(due * returning)):
                report(passed)
    for passed in play.play_step2(returning):
        report(passed)
    return SimulatedStudy(play.annotations(), videos, play.participants(), design)


class _Play:
    """The state of a study while it is played."""

    def __init__(
        self, videos: SimulatedVideos, design: StudyDesign, model: MemoryModel, seed: int, at_once: int
    ) -> None:
        self.videos, self.design, self.model, self.seed = videos, design, model, seed
        self.generator = np.random.default_rng([seed, 3])
        self.passed = 0
        self.at_once = at_once
        self._tallies = {horizon: empty_tally(len(videos.names)) for horizon in HORIZONS}
        self._drawn = np.zeros(_ORDERS, dtype=bool)
        self._slots, self._lag = np.zeros((2, _ORDERS, design.step1.showings), dtype=np.int64)
        self._participants: list[Participants] = []
        self._chosen: list[NDArray[np.int64]] = []
        self._valid: list[NDArray[np.bool_]] = []
        self._first: list[Annotations] = []
        self._second: list[tuple[NDArray[np.int64], Annotations]] = []
        self._returned = 0
        self._came: set[int] = set()

    def stopped(self, horizon: Horizon) -> bool:
        """Whether scores are as reliable as the design wants them."""
        wanted = self.design.assignment.wanted.get(horizon)
        return wanted is not None and reliability(self._tallies[horizon]) >= wanted

    def play_step1(self, wanted: int) -> int:
        """Let a batch of participants play step 1, at most until `wanted` have passed; returns how many of them did."""
        start = sum(len(players) for players in self._participants)
        players = simulate.draw_participants(self.at_once, self.generator, self.model)
        chosen = np.array([self._assign(start + number) for number in range(self.at_once)])
        part = self._respond_step1(players, chosen)
        valid = screen(part, self.design).step1.passed
        if not valid.any() and not self.passed and start >= 10 * AT_ONCE:
            raise InputError("Nobody passes the controls of step 1; loosen them, or give a model that remembers more.")
        played = self.at_once
        if self.passed + valid.sum() > wanted:
            played = int(np.searchsorted(np.cumsum(valid), wanted - self.passed)) + 1
        valid = valid & (np.arange(self.at_once) < played)
        self._count("short_term", chosen[:, : self.design.step1.targets], part, valid)
        self._wait(chosen[~valid], -1)
        self.passed += int(valid.sum())
        self._participants.append(_subset(players, slice(played)))
        self._chosen.append(chosen[:played])
        self._valid.append(valid[:played])
        self._first.append(part.select(part.participant < played))
        return int(valid.sum())

    def play_step2(self, wanted: int) -> Iterator[int]:
        """Let those who passed return in random order until `wanted` in all pass step 2; yields how many per batch."""
        if self._returned >= wanted:
            return
        players, chosen = self.participants(), np.concatenate(self._chosen)
        step1_ms = np.concatenate([part.time.reshape(-1, self.design.step1.showings)[:, -1] for part in self._first])
        valid = np.flatnonzero(np.concatenate(self._valid))
        valid = valid[~np.isin(valid, list(self._came))]
        order = valid[np.argsort(self.generator.random(len(valid)))]
        while self._returned < wanted and len(order) and not self.stopped("long_term"):
            who, order = np.split(order, [min(self.at_once, wanted - self._returned)])
            self._came.update(who.tolist())
            videos = np.array([self._assign(number, chosen[number].tolist()) for number in who.tolist()])
            part = self._respond_step2(_subset(players, who), videos, step1_ms[who])
            passed = screen(part, self.design).step2.passed
            self._count("long_term", videos[:, : self.design.step2.targets], part, passed)
            self._second.append((who, part))
            self._returned += int(passed.sum())
            yield int(passed.sum())

    def participants(self) -> Participants:
        traits = [[getattr(part, entry.name) for part in self._participants] for entry in fields(Participants)]
        return Participants(*map(np.concatenate, traits))

    def annotations(self) -> Annotations:
        starts = np.cumsum([0, *(len(players) for players in self._participants)])
        parts = [
            replace(part, participant=part.participant + np.int32(start))
            for part, start in zip(self._first, starts, strict=False)
        ]
        parts += [replace(part, participant=who[part.participant].astype(np.int32)) for who, part in self._second]
        arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
        names = tuple(f"p{number:05d}" for number in range(1, int(starts[-1]) + 1))
        return Annotations(names, self.videos.names, *arrays.values())

    def _assign(self, number: int, step1_videos: list[int] | None = None) -> list[int]:
        """The videos of a participant's step 1, or of step 2 for one whose step-1 videos are given."""
        collection, seed = range(len(self.videos.names)), self.seed * 2**32 + number
        if step1_videos is None:
            chosen = assign_step1(self.design, collection, self._tallies, seed)
            self._tallies["short_term"].counts[chosen[: self.design.step1.targets]] += 1
            self._wait(np.array([chosen]), 1)
        else:
            chosen = assign_step2(self.design, collection, self._tallies, step1_videos, seed)
            self._tallies["long_term"].counts[chosen[: self.design.step2.targets]] += 1
            self._wait(np.array([step1_videos]), -1)
        return chosen

    def _wait(self, step1_videos: NDArray[np.int64], change: int) -> None:
        """Add participants who may return, by their videos of step 1, `(participants, videos)`."""
        fillers = step1_videos[:, step1_filler_slots(self.design.step1)]
        np.add.at(self._tallies["long_term"].waiting, fillers, change)

    def _count(
        self, horizon: Horizon, targets: NDArray[np.int64], part: Annotations, passed: NDArray[np.bool_]
    ) -> None:
        """Count what participants who passed responded to their targets; those of the others are free again."""
        tally, rows = self._tallies[horizon], (part.role == TARGET) & part.repeat & passed[part.participant]
        np.subtract.at(tally.counts, targets[~passed], 1)
        np.add.at(tally.given, part.video[rows], 1)
        np.add.at(tally.hits, part.video[rows & part.pressed], 1)

    def _respond_step1(self, players: Participants, chosen: NDArray[np.int64]) -> Annotations:
        number = self.generator.integers(0, _ORDERS, len(players))
        slots, lag = self._orders(number)
        video, repeat = np.take_along_axis(chosen, slots, axis=1), lag > 0
        chance = self._chance(players, repeat, simulate.strength_at_lag(self.videos.short_term[video], lag, self.model))
        mean_ms = np.where(repeat, self.videos.short_rt_ms[video], self.model.short_false_rt_ms)
        starts = _OPENS + (self.generator.random(len(players)) * _OPEN_DAYS * _DAY_MS).astype("timedelta64[ms]")
        ends = np.cumsum([self.design.step1.targets, self.design.step1.vigilance_fillers])
        role = np.searchsorted(ends, slots, side="right")
        return self._draw_responses(1, players, video, role, repeat, chance, mean_ms, starts)

    def _orders(self, number: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Orders by their numbers, as of `_draw_orders`, each drawn when it is first used."""
        new = np.setdiff1d(number, np.flatnonzero(self._drawn))
        if len(new):
            self._slots[new], self._lag[new] = _draw_orders(self.design.step1, self.seed, new)
            self._drawn[new] = True
        return self._slots[number], self._lag[number]

    def _respond_step2(
        self, players: Participants, chosen: NDArray[np.int64], step1_ms: NDArray[np.datetime64]
    ) -> Annotations:
        step, count = self.design.step2, len(players)
        slots = np.array([step2_slots(step, int(self.generator.integers(2**62))) for _ in range(count)])
        video, repeat = np.take_along_axis(chosen, slots, axis=1), slots < step.targets
        hours = step.delay_min_h + self.generator.random(count) * (step.delay_max_h - step.delay_min_h)
        strength = simulate.strength_after(self.videos.long_term[video], hours[:, None], self.model)
        chance = self._chance(players, repeat, strength)
        mean_ms = np.where(repeat, self.videos.long_rt_ms[video], self.model.long_false_rt_ms)
        starts = step1_ms + (hours * _DAY_MS / 24).astype("timedelta64[ms]")
        role = np.where(repeat, TARGET, FILLER)
        return self._draw_responses(2, players, video, role, repeat, chance, mean_ms, starts)

    def _chance(self, players: Participants, repeat: NDArray[np.bool_], strength: Floats) -> Floats:
        ability, attention, guessing = np.stack([players.ability, players.attention, players.guessing])[..., None]
        memory = simulate.recognition_chance(strength, ability)
        return np.where(repeat, simulate.press_chance(memory, attention, guessing), guessing)

    def _draw_responses(
        self,
        step: int,
        players: Participants,
        video: NDArray[np.int64],
        role: NDArray[np.int64],
        repeat: NDArray[np.bool_],
        chance: Floats,
        mean_ms: Floats,
        starts: NDArray[np.datetime64],
    ) -> Annotations:
        """Draw the responses; arrays are `(participants, showings)`, `starts` is `(participants,)`."""
        window_ms, gap_ms = self.design.presentation.window_s * 1000, self.design.presentation.gap_s * 1000
        count, showings = video.shape
        pressed = self.generator.random(video.shape) < chance
        rt_ms = np.full(video.shape, np.nan)
        rt_ms[pressed] = simulate.draw_rt_ms((players.pace[:, None] * mean_ms)[pressed], window_ms, self.generator)
        duration = np.where(pressed, rt_ms, window_ms) + gap_ms
        since = (np.cumsum(duration, axis=1) - duration).astype("timedelta64[ms]")
        return Annotations(
            participants=tuple(map(str, range(count))),
            videos=self.videos.names,
            participant=np.repeat(np.arange(count, dtype=np.int32), showings),
            step=np.full(video.size, step, dtype=np.int8),
            position=np.tile(np.arange(1, showings + 1, dtype=np.int32), count),
            video=video.ravel().astype(np.int32),
            role=role.ravel().astype(np.int8),
            repeat=repeat.ravel(),
            pressed=pressed.ravel(),
            rt_ms=rt_ms.ravel().astype(np.float32),
            time=(starts[:, None] + since).ravel(),
            missing=np.zeros(video.size, dtype=np.int8),
        )


def _draw_orders(step: FirstStep, seed: int, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Orders of step 1, `(orders, showings)`: the slot at each position, and the lag of a repeat (else 0)."""
    slots = np.array([step1_slots(step, seed * _ORDERS + number) for number in numbers.tolist()])
    by_slot = np.argsort(slots, axis=1, kind="stable")
    again = np.diff(np.take_along_axis(slots, by_slot, axis=1), axis=1) == 0
    lag = np.zeros_like(slots)
    np.put_along_axis(lag, by_slot[:, 1:], np.where(again, np.diff(by_slot, axis=1), 0), axis=1)
    return slots, lag


def _subset(players: Participants, which: NDArray[np.int64] | slice) -> Participants:
    return Participants(*(getattr(players, f.name)[which] for f in fields(Participants)))
