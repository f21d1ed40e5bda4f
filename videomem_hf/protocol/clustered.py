"""Slopes of hits on lags or hours, and means, with standard errors by participant.

A participant gives many responses, which are more alike than those of different people. Standard errors that take each
response as a new person are too small, above all where a participant has one value, such as the delay before step 2.
So the slope is fitted again without each participant in turn: the cluster jackknife (CV3 of MacKinnon, Nielsen and
Webb, Journal of Applied Econometrics 2023), which holds its level with fewer participants than the sandwich estimator.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from videomem_hf.statistics import Floats

_NO_SPREAD = 1e-6


class Slope(NamedTuple):
    """A least-squares slope with its standard error and the two-sided p-value of "no slope"; NaN where undefined."""

    slope: float
    standard_error: float
    p_value: float


def fit_slope(x: Floats, y: Floats, participant: NDArray[Any], group: NDArray[Any]) -> Slope | None:
    """Fit one slope with an intercept per group, all arrays `(responses,)`; None if `x` does not vary within a group.

    Degrees of freedom: the number of participants less one.
    """
    within_x, within_y = centre(x, group), centre(y, group)
    spread = float((within_x**2).sum())
    if spread < _NO_SPREAD:
        return None
    slope = float((within_x * within_y).sum() / spread)
    without = _slopes_without_each(within_x, within_y, participant, group)
    people = len(without)
    if people < 2 or not np.isfinite(without).all():
        return Slope(slope, float("nan"), float("nan"))
    error = float(np.sqrt((people - 1) / people * ((without - slope) ** 2).sum()))
    p_value = float(2 * stats.t.sf(abs(slope) / error, people - 1)) if error > 0 else float("nan")
    return Slope(slope, error, p_value)


def _slopes_without_each(x: Floats, y: Floats, participant: NDArray[Any], group: NDArray[Any]) -> Floats:
    """The slope without each participant, `(participants,)`; NaN where nothing is left that varies.

    `x` and `y` are less the means of their groups. Without a participant's `k` of a group's `n` responses, its sum of
    squares falls by theirs and by their squared sum over `n - k`, because the mean of the others moves.
    """
    _, who = np.unique(participant, return_inverse=True)
    _, where = np.unique(group, return_inverse=True)
    groups = int(where.max()) + 1
    pairs, pair = np.unique(who.astype(np.int64) * groups + where, return_inverse=True)
    left = np.bincount(where)[pairs % groups] - np.bincount(pair)
    sum_x, sum_y = np.bincount(pair, x), np.bincount(pair, y)
    weight = np.divide(1.0, left, out=np.zeros(len(left)), where=left > 0)
    own_xx = np.bincount(who, x * x) + np.bincount(pairs // groups, sum_x**2 * weight)
    own_xy = np.bincount(who, x * y) + np.bincount(pairs // groups, sum_x * sum_y * weight)
    spread = (x * x).sum() - own_xx
    return np.divide((x * y).sum() - own_xy, spread, out=np.full(len(own_xx), np.nan), where=spread > _NO_SPREAD)


def mean_error(values: Floats, participant: NDArray[Any]) -> float:
    """Standard error of the mean of values `(responses,)`, such as a hit rate, by the sandwich estimator."""
    _, who = np.unique(participant, return_inverse=True)
    sums, people = np.bincount(who, values - values.mean()), who.max() + 1
    return float(np.sqrt((sums**2).sum() * people / max(people - 1, 1)) / len(values))


def centre(values: Floats, group: NDArray[Any]) -> Floats:
    """The values less the mean of their group, `(responses,)`."""
    _, index = np.unique(group, return_inverse=True)
    return np.asarray(values - (np.bincount(index, values) / np.bincount(index))[index], dtype=np.float64)
