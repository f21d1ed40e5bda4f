"""Participants and videos of known memory: what a study would measure if memory worked like this.

A video has a strength: the chance that a participant who attends recognises it after 100 other videos (short-term) and
a day or more later (long-term). Closer repeats are recognised more often, along a line. A participant brings ability,
attention and a readiness to guess:

    remembered = strength(lag) + ability * strength * (1 - strength)
    pressed    = attention * remembered + (1 - attention) * guessing        at a repeat
    pressed    = guessing                                                    at a first showing

Over abilities with a mean of 0 the middle term vanishes, so a score is an unbiased estimate of the strength as far as
participants attend. Nothing here is a finding about people.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from videomem_hf.schema import PAPER_MEANS, InputError

Floats = NDArray[np.float64]

LAG: Final = 100
"""The lag that short-term strengths are for (paper, Sec. 3.3)."""

_FASTEST_MS: Final = 250.0
_PACE_SD: Final = 0.15
_RT_CONCENTRATION: Final = 7.0
"""Of the beta distribution of response times within the window: about 1 s of spread for a mean of 1.4 s of 7 s."""


@dataclass(frozen=True)
class MemoryModel:
    """How memory works in a simulation; the defaults give the statistics that the release's scores have.

    Attributes:
        short_term_mean, short_term_sd: Of the strengths at lag 100, which follow a beta distribution.
        long_term_mean, long_term_sd: Of the strengths after a day or more.
        correlation: Of the two, as normal scores (a Gaussian copula).
        decay_per_video: By how much the chance to recognise falls with each place of lag: from .875 on average over the
            lags of the design to .859 at lag 100 (Sec. 3.3).
        long_decay_per_day: By how much it falls a day after the first; the paper finds none (Fig. 3b).
        ability_sd: Spread of ability over participants.
        careless: Share of participants who attend little and guess much; the controls are there for them.
        short_rt_ms, long_rt_ms: Mean response time of correct detections (Sec. 4.3).
        short_false_rt_ms, long_false_rt_ms: Mean response time of false alarms (Sec. 4.3).
        rt_slope: By what share of the mean response time falls with each standard deviation of strength.
        rt_sd: Spread over videos of the mean response time that has nothing to do with strength, as a share of it.
    """

    short_term_mean: float = PAPER_MEANS["short_term"]
    short_term_sd: float = 0.0615
    long_term_mean: float = PAPER_MEANS["long_term"]
    long_term_sd: float = 0.087
    correlation: float = 0.72
    decay_per_video: float = 0.016 / 27.5
    long_decay_per_day: float = 0.0
    ability_sd: float = 0.3
    careless: float = 0.15
    short_rt_ms: float = 1430.0
    long_rt_ms: float = 3370.0
    short_false_rt_ms: float = 3170.0
    long_false_rt_ms: float = 3530.0
    rt_slope: float = 0.08
    rt_sd: float = 0.1

    def __post_init__(self) -> None:
        for horizon in ("short_term", "long_term"):
            mean, sd = getattr(self, f"{horizon}_mean"), getattr(self, f"{horizon}_sd")
            if not (0 < mean < 1 and 0 < sd**2 < mean * (1 - mean)):
                raise InputError(
                    f"{horizon} strengths of mean {mean} and standard deviation {sd}; the mean lies between 0 and 1, "
                    "the standard deviation between 0 and the square root of mean (1 - mean)."
                )
        if not -1 < self.correlation < 1:
            raise InputError(f"correlation {self.correlation}; it lies between -1 and 1.")
        if not 0 <= self.careless < 1:
            raise InputError(f"careless {self.careless}; a share from 0 to below 1.")


@dataclass(frozen=True, eq=False)
class SimulatedVideos:
    """Videos of known memorability.

    Attributes:
        names: The videos' names.
        short_term: `(videos,)` chance in [0, 1] to be recognised at lag 100 by someone who attends.
        long_term: `(videos,)` the same after a day or more.
        short_rt_ms, long_rt_ms: `(videos,)` mean response time of correct detections.
    """

    names: tuple[str, ...]
    short_term: Floats
    long_term: Floats
    short_rt_ms: Floats
    long_rt_ms: Floats


@dataclass(frozen=True, eq=False)
class People:
    """Participants, one element each.

    Attributes:
        ability: `(people,)` in [-1, 1], 0 on average.
        attention: `(people,)` share of the showings that are attended to.
        guessing: `(people,)` chance to press at a video that is new or not attended to.
        pace: `(people,)` factor of the response times.
    """

    ability: Floats
    attention: Floats
    guessing: Floats
    pace: Floats

    def __len__(self) -> int:
        """The number of people."""
        return len(self.ability)


def draw_videos(names: Sequence[str], seed: int, model: MemoryModel | None = None) -> SimulatedVideos:
    """Draw videos of known memorability, a function of the names' number, the seed and the model."""
    model = model or MemoryModel()
    generator = np.random.default_rng([seed, 1])
    short_score, own = generator.standard_normal((2, len(names)))
    long_score = model.correlation * short_score + np.sqrt(1 - model.correlation**2) * own
    rt_noise = generator.standard_normal((2, len(names)))
    return SimulatedVideos(
        names=tuple(names),
        short_term=_beta(short_score, model.short_term_mean, model.short_term_sd),
        long_term=_beta(long_score, model.long_term_mean, model.long_term_sd),
        short_rt_ms=_mean_rt(model.short_rt_ms, short_score, rt_noise[0], model),
        long_rt_ms=_mean_rt(model.long_rt_ms, long_score, rt_noise[1], model),
    )


def videos_of(names: Sequence[str], short_term: Floats, long_term: Floats, model: MemoryModel) -> SimulatedVideos:
    """Videos with given strengths, and the response times that go with them.

    Args:
        names: The videos' names.
        short_term, long_term: `(videos,)` strengths in [0, 1].
        model: The model, which gives the response times.
    """
    nothing = np.zeros(len(names))
    short_score = (short_term - model.short_term_mean) / model.short_term_sd
    long_score = (long_term - model.long_term_mean) / model.long_term_sd
    short_rt = _mean_rt(model.short_rt_ms, short_score, nothing, model)
    return SimulatedVideos(
        tuple(names), short_term, long_term, short_rt, _mean_rt(model.long_rt_ms, long_score, nothing, model)
    )


def draw_people(count: int, generator: np.random.Generator, model: MemoryModel | None = None) -> People:
    """Draw participants: most attend to everything and rarely guess, some do neither."""
    model = model or MemoryModel()
    careless = generator.random(count) < model.careless
    ability = np.clip(model.ability_sd * generator.standard_normal(count), -1, 1)
    attention = np.where(careless, generator.uniform(0.05, 0.75, count), 1.0)
    guessing = np.where(careless, generator.uniform(0.0, 0.6, count), generator.beta(1.2, 18.0, count))
    pace = np.exp(_PACE_SD * generator.standard_normal(count) - _PACE_SD**2 / 2)
    return People(ability, attention, guessing, pace)


def remembered(strength: Floats, ability: Floats) -> Floats:
    """Chance that a participant of this ability (in [-1, 1]) recognises a video of this strength (in [0, 1])."""
    return strength + ability * strength * (1 - strength)


def strength_at_lag(short_term: Floats, lag: NDArray[np.int32], model: MemoryModel) -> Floats:
    """Short-term strength at a lag: the strength at lag 100 and a line through it, within [0, 1]."""
    return np.clip(short_term + model.decay_per_video * (LAG - lag), 0.0, 1.0)


def press_chance(memory: Floats, attention: Floats, guessing: Floats) -> Floats:
    """Chance that the key is pressed at a repeat; at a first showing it is `guessing`."""
    return attention * memory + (1 - attention) * guessing


def draw_rt_ms(mean_ms: Floats, window_ms: float, generator: np.random.Generator) -> Floats:
    """Draw response times between 250 ms and the end of the window, of these means as far as the window allows."""
    fastest = min(_FASTEST_MS, window_ms / 4)
    share = np.clip((mean_ms - fastest) / (window_ms - fastest), 0.02, 0.98)
    drawn = generator.beta(share * _RT_CONCENTRATION, (1 - share) * _RT_CONCENTRATION)
    return fastest + (window_ms - fastest) * drawn


@dataclass
class SimulatedParticipant:
    """One participant who answers one showing at a time, as a person does: from what was shown, and when.

    The participant keeps in mind what it has seen; it is told neither roles nor what is right.

    Attributes:
        videos: The videos of the study, of known memorability.
        person: The participant, a `People` of one.
        seed: The answers are a function of the seed and of what is shown.
        window_ms: The response window.
        model: How memory works.
    """

    videos: SimulatedVideos
    person: People
    seed: int
    window_ms: float = 7000.0
    model: MemoryModel = field(default_factory=MemoryModel)

    def __post_init__(self) -> None:
        self._generator = np.random.default_rng([self.seed, 2])
        self._index = {name: place for place, name in enumerate(self.videos.names)}
        self._seen: dict[str, tuple[int, int]] = {}
        self._shown = {1: 0, 2: 0}

    def answer(self, video: str, step: int = 1, hours: float = 24.0) -> float | None:
        """Watch a showing.

        Args:
            video: Name of the video shown.
            step: 1 or 2.
            hours: In step 2, hours since step 1.

        Returns:
            Milliseconds from the start of the clip to the press of the key; None if it is not pressed.
        """
        self._shown[step] += 1
        place = self._index[video]
        seen = self._seen.get(video)
        self._seen[video] = (step, self._shown[step])
        if seen is None:
            chance, mean_ms = self.person.guessing, self._false_rt_ms(step)
        else:
            strength, mean_ms = self._memory(place, step, seen, hours)
            memory = remembered(strength, self.person.ability)
            chance = press_chance(memory, self.person.attention, self.person.guessing)
        drawn = draw_rt_ms(self.person.pace * mean_ms, self.window_ms, self._generator)
        return float(drawn[0]) if self._generator.random() < chance[0] else None

    def _memory(self, place: int, step: int, seen: tuple[int, int], hours: float) -> tuple[Floats, float]:
        """Strength of the memory and mean response time: of a repeat within the step, or of one after a day or more."""
        if step == seen[0]:
            lag = np.array([self._shown[step] - seen[1]], dtype=np.int32)
            strength = strength_at_lag(self.videos.short_term[[place]], lag, self.model)
            return strength, float(self.videos.short_rt_ms[place])
        strength = strength_after(self.videos.long_term[[place]], np.array([hours]), self.model)
        return strength, float(self.videos.long_rt_ms[place])

    def _false_rt_ms(self, step: int) -> float:
        return self.model.short_false_rt_ms if step == 1 else self.model.long_false_rt_ms


def strength_after(long_term: Floats, hours: Floats, model: MemoryModel) -> Floats:
    """Long-term strength so many hours after step 1, within [0, 1]."""
    return np.clip(long_term - model.long_decay_per_day * (hours - 24) / 24, 0.0, 1.0)


def _beta(score: Floats, mean: float, sd: float) -> Floats:
    """Bring normal scores to a beta distribution of this mean and standard deviation."""
    total = mean * (1 - mean) / sd**2 - 1
    return stats.beta.ppf(special.ndtr(score), mean * total, (1 - mean) * total)


def _mean_rt(mean_ms: float, score: Floats, noise: Floats, model: MemoryModel) -> Floats:
    return mean_ms * np.exp(-model.rt_slope * score + model.rt_sd * noise)
