"""Scores from independent annotations at annotation counts like the release's, without playing a study.

A video of the release has 30 to 100 short-term annotations (mode 33, mean 38) and 9 to 40 long-term ones (mode 10,
mean 13). No design alone gives these counts; they are drawn from a gamma density above the lowest count.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from videomem_hf.protocol.design import FirstStep
from videomem_hf.protocol.scoring import LagCorrection, TargetAnnotations, correct_scores, sum_by_video
from videomem_hf.protocol.simulate import LAG, MemoryModel, recognition_chance, strength_at_lag
from videomem_hf.schema import Horizon
from videomem_hf.statistics import Floats

Uniform = Callable[[int], Floats]
"""Draws the given number of values, uniform in [0, 1)."""


def _cumulative(lowest: int, highest: int, shape: float, scale: float) -> tuple[int, Floats]:
    """The lowest count, and the cumulative distribution from there on."""
    x = (np.arange(highest - lowest + 1) + 0.5) / scale
    weights = x ** (shape - 1.0) * np.exp(-x)
    return lowest, np.cumsum(weights) / weights.sum()


_RELEASED: Final[dict[Horizon, tuple[int, Floats]]] = {
    "short_term": _cumulative(30, 100, 1.6, 5.25),
    "long_term": _cumulative(9, 40, 1.25, 3.65),
}


def draw_released_counts(horizon: Horizon, videos: int, uniform: Uniform) -> NDArray[np.int64]:
    """Draw annotation counts distributed like the release's, `(videos,)`."""
    lowest, cumulative = _RELEASED[horizon]
    return lowest + np.minimum(np.searchsorted(cumulative, uniform(videos), side="right"), len(cumulative) - 1)


def independent_annotations(
    horizon: Horizon, strengths: Floats, counts: NDArray[np.int64], uniform: Uniform
) -> TargetAnnotations:
    """Draw annotations, each by an attentive participant who contributes no other.

    Args:
        horizon: Short-term annotations have lags drawn evenly from the paper's design.
        strengths: `(videos,)` recognition chance in [0, 1] (short-term: at lag 100).
        counts: `(videos,)` annotation counts.
        uniform: The source of randomness: lags, then abilities, then responses.
    """
    model, step = MemoryModel(), FirstStep()
    video = np.repeat(np.arange(len(strengths)), counts)
    strength, interval = strengths[video], np.full(len(video), np.nan)
    if horizon == "short_term":
        lags = step.target_lag_max - step.target_lag_min + 1
        lag = step.target_lag_min + (uniform(len(video)) * lags).astype(np.int32)
        strength, interval = strength_at_lag(strength, lag, model), lag.astype(np.float64)
    hit = uniform(len(video)) < recognition_chance(strength, _abilities(len(video), uniform, model))
    return TargetAnnotations(np.arange(len(video)), video, hit, interval, np.full(len(video), np.nan))


def independent_scores(
    short_term: Floats, long_term: Floats, counts: dict[Horizon, NDArray[np.int64]], uniform: Uniform
) -> dict[Horizon, Floats]:
    """Draw scores of videos from strengths in [0, 1], `(videos,)` per horizon: short-term corrected, long-term k/n."""
    short = independent_annotations("short_term", short_term, counts["short_term"], uniform)
    long = independent_annotations("long_term", long_term, counts["long_term"], uniform)
    correction = LagCorrection(-MemoryModel().decay_per_video, 0.0, LAG)  # exact; there may be too few videos to fit it
    return {
        "short_term": correct_scores(sum_by_video(short, len(short_term)), correction),
        "long_term": correct_scores(sum_by_video(long, len(long_term)), None),
    }


def _abilities(count: int, uniform: Uniform, model: MemoryModel) -> Floats:
    """Bell-shaped abilities made from uniform numbers alone, so that they are the same on every machine."""
    bell = (uniform(4 * count).reshape(4, count).sum(axis=0) - 2.0) * np.sqrt(3.0)
    return np.clip(model.ability_sd * bell, -1, 1)
