"""The chance of being remembered after any time: a power law of forgetting through what a predictor knows.

    R(t) = R(s) (t / s)^-b

Recognition falls as a power of the time that has passed (Wixted and Ebbesen, "On the form of forgetting", Psychological
Science 1991; Rubin and Wenzel, "One hundred years of forgetting", Psychological Review 1996). Two numbers determine it:
the short-term score, of a lag of 100 showings, which are s = 800 s in the paper's game; and the long-term score, of 24
to 72 hours, taken at 48; or in place of the latter the slope of the decay with the lag, such as Memento10k's alpha.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from videomem_hf.protocol.design import FirstStep, Presentation, SecondStep
from videomem_hf.schema import HORIZON_NAMES, Horizon, InputError
from videomem_hf.statistics import Floats

SHORT_S: Final = FirstStep().target_lag_max * (Presentation().window_s + Presentation().gap_s)
LONG_S: Final = 3600 * (SecondStep().delay_min_h + SecondStep().delay_max_h) / 2
TIMES_S: Final[dict[str, float]] = {"5 minutes": 300.0, "1 day": 86_400.0, "3 days": 259_200.0}
LAW_SD: Final = 0.01
"""How far the law is from the recognition chances of the study's simulator (`MemoryModel`) at lags of 45 to 100 and
after 24 to 72 hours, root mean square over videos; the intervals hold it."""
_DRAWS: Final = 4000


@dataclass(frozen=True)
class ForgettingCurve:
    """The chance of being remembered as a function of time.

    Attributes:
        start: At a lag of 100 showings, in [0, 1].
        exponent: Of the power law, 0 or more.
        level: Share of cases that the intervals cover.
        draws: `(draws, 2)` values of both by the prediction intervals that they are from; empty if not known.
    """

    start: float
    exponent: float
    level: float = 0.9
    draws: Floats = field(default_factory=lambda: np.zeros((0, 2)), repr=False)

    def chance(self, time_s: ArrayLike) -> Floats:
        """The chance after these times in seconds, above 0; of their shape, in [0, 1]."""
        return _power(np.asarray(self.start), np.asarray(self.exponent), np.asarray(time_s, np.float64))

    def interval(self, time_s: ArrayLike) -> tuple[Floats, Floats] | None:
        """Lower and upper ends of the intervals after these times; None where the scores have none.

        They hold the law's error on the simulator, and none that it may have for real memories.
        """
        if not len(self.draws):
            return None
        from scipy.special import ndtri

        times = np.asarray(time_s, np.float64)
        start, exponent = (self.draws[:, column].reshape(-1, *[1] * times.ndim) for column in (0, 1))
        chances = _power(start, exponent, times)
        law = LAW_SD * ndtri((np.arange(len(chances)) + 0.5) / len(chances))
        law = np.random.default_rng(1).permutation(law).reshape(-1, *[1] * times.ndim)
        tail = (1 - self.level) / 2
        low, high = np.quantile((chances + law).clip(0, 1), (tail, 1 - tail), axis=0)
        return np.minimum(low, self.chance(times)), np.maximum(high, self.chance(times))

    def table(self) -> dict[str, dict[str, float | None]]:
        """After 5 minutes, 1 day and 3 days: the `chance`, and the ends `low` and `high` of its interval."""
        times = np.array(list(TIMES_S.values()))
        ends = self.interval(times)
        return {
            name: {
                "chance": float(chance),
                "low": None if ends is None else float(ends[0][index]),
                "high": None if ends is None else float(ends[1][index]),
            }
            for index, (name, chance) in enumerate(zip(TIMES_S, self.chance(times), strict=True))
        }


def forgetting_curve(
    scores: Mapping[Horizon, float],
    intervals: Mapping[Horizon, tuple[float, float]] | None = None,
    level: float = 0.9,
    decay_per_lag: float | None = None,
    name: str = "the model",
) -> ForgettingCurve:
    """Lay the law through the scores of a clip.

    Args:
        scores: Of both horizons, in [0, 1]; or of the short-term one, with `decay_per_lag`.
        intervals: Their prediction intervals; independent of each other as far as is known.
        level: Of the intervals.
        decay_per_lag: Slope of the short-term score with the lag at a lag of 100, in score per showing, 0 or below.
        name: Of the model, for messages.

    Returns:
        A curve that falls, or stays: where the long-term score is the higher one, it is flat at their geometric mean.

    Raises:
        InputError: One horizon is all that is known, or a value is out of its range.
    """
    if "short_term" not in scores or ("long_term" not in scores and decay_per_lag is None):
        known = " and ".join(HORIZON_NAMES[horizon] for horizon in scores) or "no"
        raise InputError(
            f"{name}: gives {known} scores only; a forgetting curve takes short-term and long-term ones, or a decay"
        )
    if not all(0 < score <= 1 for score in scores.values()) or (decay_per_lag or 0.0) > 0:
        raise InputError(
            f"scores {dict(scores)}, decay {decay_per_lag}; scores are above 0 and at most 1, decays at most 0"
        )
    if decay_per_lag is not None and "long_term" not in scores:
        slopes = -decay_per_lag * FirstStep().target_lag_max

        def fit(short: Floats, long: Floats) -> tuple[Floats, Floats]:
            return short, slopes / short

    else:

        def fit(short: Floats, long: Floats) -> tuple[Floats, Floats]:
            exponent = np.log(short / long) / np.log(LONG_S / SHORT_S)
            return np.where(exponent < 0, np.sqrt(short * long), short), np.maximum(exponent, 0.0)

    values = [np.asarray(scores.get(horizon, np.nan), np.float64) for horizon in ("short_term", "long_term")]
    start, exponent = fit(*values)
    draws = np.zeros((0, 2))
    if intervals is not None and set(scores) <= set(intervals):
        generator = np.random.default_rng(0)
        drawn = [_draw(scores.get(h), intervals.get(h), level, generator) for h in ("short_term", "long_term")]
        draws = np.stack(np.broadcast_arrays(*fit(*drawn)), axis=1)
    return ForgettingCurve(float(start), float(exponent), level, draws)


def _draw(
    score: float | None, ends: tuple[float, float] | None, level: float, generator: np.random.Generator
) -> Floats:
    """Scores that an interval allows: normal on either side of the prediction."""
    if score is None or ends is None:
        return np.full(_DRAWS, np.nan)
    from scipy.special import ndtri

    z = generator.standard_normal(_DRAWS)
    reach = ndtri((1 + level) / 2)
    return (score + z / reach * np.where(z < 0, score - ends[0], ends[1] - score)).clip(0.01, 1.0)


def _power(start: Floats, exponent: Floats, time_s: Floats) -> Floats:
    return np.minimum(start * (np.maximum(time_s, 1.0) / SHORT_S) ** -exponent, 1.0)
