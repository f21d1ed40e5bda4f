"""Simulated participants and videos of known memorability, to plan a study or to test an analysis.

A video has a strength: the chance that an attentive participant recognises it at lag 100 (short-term) and a day or more
later (long-term). Recognition falls linearly with the lag. A participant has an ability, an attention and a guessing
rate:

    recognition = strength(lag) + ability * strength * (1 - strength)
    press       = attention * recognition + (1 - attention) * guessing      at a repeat
    press       = guessing                                                  at a first showing

Abilities have a mean of 0, so the ability term cancels over participants and a score is an unbiased estimate of the
strength as far as participants are attentive. Nothing here is a finding about people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from videomem_hf.protocol.design import FirstStep
from videomem_hf.protocol.paper import PAPER
from videomem_hf.schema import HORIZONS, InputError
from videomem_hf.statistics import Floats

LAG: Final = FirstStep().target_lag_max
"""The lag that short-term strengths are for (paper, Sec. 3.3)."""

_MEAN_LAG: Final = (FirstStep().target_lag_min + LAG) / 2

_FASTEST_MS: Final = 250.0
_PACE_SD: Final = 0.15
_RT_CONCENTRATION: Final = 7.0  # of the beta distribution of response times: an SD of 1 s at a mean of 1.4 s of 7 s


@dataclass(frozen=True)
class MemoryModel:
    """The parameters of a simulation; the defaults reproduce the statistics of the release's scores.

    Attributes:
        short_term_mean, short_term_sd: Of the strengths at lag 100, which follow a beta distribution.
        long_term_mean, long_term_sd: Of the strengths after a day or more.
        correlation: Of the two, as normal scores (a Gaussian copula).
        decay_per_video: Fall of the recognition chance per unit of lag: from .875 on average over the design's lags to
            .859 at lag 100 (Sec. 3.3).
        long_decay_per_day: Fall per day after the first; the paper finds none (Fig. 3b).
        ability_sd: Standard deviation of ability over participants.
        careless: Share of participants with little attention and a high guessing rate, whom the controls exclude.
        short_rt_ms, long_rt_ms: Mean response time of hits (Sec. 4.3).
        short_false_rt_ms, long_false_rt_ms: Mean response time of false alarms (Sec. 4.3).
        rt_slope: Relative fall of a video's mean response time per standard deviation of strength.
        rt_sd: Relative standard deviation over videos of the mean response time that is independent of strength.
    """

    short_term_mean: float = PAPER["short_term_mean"].value
    short_term_sd: float = 0.0615
    long_term_mean: float = PAPER["long_term_mean"].value
    long_term_sd: float = 0.087
    correlation: float = 0.72
    decay_per_video: float = PAPER["mean_correction"].value / (LAG - _MEAN_LAG)
    long_decay_per_day: float = 0.0
    ability_sd: float = 0.3
    careless: float = 0.15
    short_rt_ms: float = 1000 * PAPER["short_term_rt_s"].value
    long_rt_ms: float = 1000 * PAPER["long_term_rt_s"].value
    short_false_rt_ms: float = 1000 * PAPER["short_term_false_rt_s"].value
    long_false_rt_ms: float = 1000 * PAPER["long_term_false_rt_s"].value
    rt_slope: float = 0.08
    rt_sd: float = 0.1

    def __post_init__(self) -> None:
        for horizon in HORIZONS:
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
        short_term: `(videos,)` chance in [0, 1] that an attentive participant recognises it at lag 100.
        long_term: `(videos,)` the same after a day or more.
        short_rt_ms, long_rt_ms: `(videos,)` mean response time of hits.
    """

    names: tuple[str, ...]
    short_term: Floats
    long_term: Floats
    short_rt_ms: Floats
    long_rt_ms: Floats


@dataclass(frozen=True, eq=False)
class Participants:
    """Simulated participants, one element each.

    Attributes:
        ability: `(participants,)` in [-1, 1], 0 on average.
        attention: `(participants,)` share of the showings that they attend to.
        guessing: `(participants,)` chance of a press at a video that is new or not attended to.
        pace: `(participants,)` factor on response times.
    """

    ability: Floats
    attention: Floats
    guessing: Floats
    pace: Floats

    def __len__(self) -> int:
        return len(self.ability)


def draw_videos(names: Sequence[str], seed: int, model: MemoryModel | None = None) -> SimulatedVideos:
    """Draw videos of known memorability: a pure function of how many names there are, the seed and the model."""
    model = model or MemoryModel()
    generator = np.random.default_rng([seed, 1])
    short_score, own = generator.standard_normal((2, len(names)))
    long_score = model.correlation * short_score + np.sqrt(1 - model.correlation**2) * own
    rt_noise = generator.standard_normal((2, len(names)))
    return SimulatedVideos(
        names=tuple(names),
        short_term=_beta_quantiles(short_score, model.short_term_mean, model.short_term_sd),
        long_term=_beta_quantiles(long_score, model.long_term_mean, model.long_term_sd),
        short_rt_ms=_mean_rt(model.short_rt_ms, short_score, rt_noise[0], model),
        long_rt_ms=_mean_rt(model.long_rt_ms, long_score, rt_noise[1], model),
    )


def draw_participants(count: int, generator: np.random.Generator, model: MemoryModel | None = None) -> Participants:
    """Draw participants: most attend to everything and rarely guess; the careless ones do the opposite."""
    model = model or MemoryModel()
    careless = generator.random(count) < model.careless
    ability = np.clip(model.ability_sd * generator.standard_normal(count), -1, 1)
    attention = np.where(careless, generator.uniform(0.05, 0.75, count), 1.0)
    guessing = np.where(careless, generator.uniform(0.0, 0.6, count), generator.beta(1.2, 18.0, count))
    pace = np.exp(_PACE_SD * generator.standard_normal(count) - _PACE_SD**2 / 2)
    return Participants(ability, attention, guessing, pace)


def recognition_chance(strength: Floats, ability: Floats) -> Floats:
    """The chance that a participant of this ability (in [-1, 1]) recognises a video of this strength (in [0, 1])."""
    return strength + ability * strength * (1 - strength)


def strength_at_lag(short_term: Floats, lag: NDArray[np.integer[Any]], model: MemoryModel) -> Floats:
    """Short-term strength at a lag: linear through the strength at lag 100, clipped to [0, 1]."""
    return np.clip(short_term + model.decay_per_video * (LAG - lag), 0.0, 1.0)


def press_chance(memory: Floats, attention: Floats, guessing: Floats) -> Floats:
    """The chance of a press at a repeat; at a first showing it is `guessing`."""
    return attention * memory + (1 - attention) * guessing


def draw_rt_ms(mean_ms: Floats, window_ms: float, generator: np.random.Generator) -> Floats:
    """Draw response times from 250 ms to the end of the window, with these means as far as the window allows."""
    fastest = min(_FASTEST_MS, window_ms / 4)
    share = np.clip((mean_ms - fastest) / (window_ms - fastest), 0.02, 0.98)
    return fastest + (window_ms - fastest) * generator.beta(share * _RT_CONCENTRATION, (1 - share) * _RT_CONCENTRATION)


def strength_after(long_term: Floats, hours: Floats, model: MemoryModel) -> Floats:
    """Long-term strength this many hours after step 1, clipped to [0, 1]."""
    return np.clip(long_term - model.long_decay_per_day * (hours - 24) / 24, 0.0, 1.0)


def _beta_quantiles(score: Floats, mean: float, sd: float) -> Floats:
    """Map normal scores to a beta distribution of this mean and standard deviation."""
    total = mean * (1 - mean) / sd**2 - 1
    return stats.beta.ppf(special.ndtr(score), mean * total, (1 - mean) * total)


def _mean_rt(mean_ms: float, score: Floats, noise: Floats, model: MemoryModel) -> Floats:
    return mean_ms * np.exp(-model.rt_slope * score + model.rt_sd * noise)
