"""Scores as independent answers give them, at annotation counts such as the release's: without playing a study.

The release has 30 to 100 short-term annotations a video, most often 33, 38 on average, and 9 to 40 long-term ones, most
often 10, 13 on average. No design alone gives these counts; they are drawn from a gamma density above the lowest.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from videomem_hf.protocol.design import FirstStep
from videomem_hf.protocol.scoring import LagCorrection, TargetAnswers, corrected, sums_of
from videomem_hf.protocol.simulate import LAG, MemoryModel, remembered, strength_at_lag
from videomem_hf.schema import Horizon

Floats = NDArray[np.float64]
Uniform = Callable[[int], Floats]
"""Gives so many numbers, uniform in [0, 1)."""


def _cumulative(lowest: int, highest: int, shape: float, scale: float) -> tuple[int, Floats]:
    """The lowest count, and the chance of each count from there on to be exceeded by none before it."""
    steps = (np.arange(highest - lowest + 1) + 0.5) / scale
    weights = steps ** (shape - 1.0) * np.exp(-steps)
    return lowest, np.cumsum(weights) / weights.sum()


_RELEASED: Final[dict[Horizon, tuple[int, Floats]]] = {
    "short_term": _cumulative(30, 100, 1.6, 5.25),
    "long_term": _cumulative(9, 40, 1.25, 3.65),
}


def draw_released_counts(horizon: Horizon, videos: int, uniform: Uniform) -> NDArray[np.int64]:
    """Draw annotation counts as the release has them, `(videos,)`.

    Args:
        horizon: Which of the two.
        videos: How many videos.
        uniform: The source of randomness.
    """
    lowest, cumulative = _RELEASED[horizon]
    return lowest + np.minimum(np.searchsorted(cumulative, uniform(videos), side="right"), len(cumulative) - 1)


def independent_answers(
    horizon: Horizon, strengths: Floats, counts: NDArray[np.int64], uniform: Uniform, model: MemoryModel | None = None
) -> TargetAnswers:
    """Let each video be answered by so many participants who answer nothing else, all of whom attend.

    Args:
        horizon: Short-term answers are given at lags drawn evenly from the paper's design.
        strengths: `(videos,)` chance in [0, 1] to be recognised (short-term: at lag 100).
        counts: `(videos,)` participants of each video.
        uniform: The source of randomness: lags, then abilities, then answers.
        model: How memory works.
    """
    model, step = model or MemoryModel(), FirstStep()
    video = np.repeat(np.arange(len(strengths)), counts)
    strength, interval = strengths[video], np.full(len(video), np.nan)
    if horizon == "short_term":
        lag = step.target_lag_min + (uniform(len(video)) * (step.target_lag_max - step.target_lag_min + 1)).astype(
            np.int32
        )
        strength, interval = strength_at_lag(strength, lag, model), lag.astype(np.float64)
    hit = uniform(len(video)) < remembered(strength, _abilities(len(video), uniform, model))
    return TargetAnswers(np.arange(len(video)), video, hit, interval, np.full(len(video), np.nan))


def true_correction(model: MemoryModel | None = None) -> LagCorrection:
    """The lag correction that a model's answers need, where there are too few videos to fit it."""
    return LagCorrection(-(model or MemoryModel()).decay_per_video, 0.0, LAG)


def independent_scores(
    short_term: Floats, long_term: Floats, counts: dict[Horizon, NDArray[np.int64]], uniform: Uniform
) -> dict[Horizon, Floats]:
    """Scores of videos of these strengths, `(videos,)` a horizon: short-term corrected by the true line, long-term k/n.

    Args:
        short_term, long_term: `(videos,)` strengths in [0, 1].
        counts: `(videos,)` annotations of each horizon.
        uniform: The source of randomness.
    """
    short = independent_answers("short_term", short_term, counts["short_term"], uniform)
    long = independent_answers("long_term", long_term, counts["long_term"], uniform)
    return {
        "short_term": corrected(sums_of(short, len(short_term)), true_correction()),
        "long_term": corrected(sums_of(long, len(long_term)), None),
    }


def _abilities(count: int, uniform: Uniform, model: MemoryModel) -> Floats:
    """Abilities in a bell shape made of uniform numbers alone, so that they are the same on every machine."""
    bell = (uniform(4 * count).reshape(4, count).sum(axis=0) - 2.0) * np.sqrt(3.0)
    return np.clip(model.ability_sd * bell, -1, 1)
