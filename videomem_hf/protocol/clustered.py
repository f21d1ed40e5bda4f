"""Slopes of hits on lags or hours with standard errors by participant.

A participant gives many responses, which are more alike than those of different people. Standard errors that take each
response as a new person are too small, above all where a participant has one value, such as the delay before step 2.
The sandwich estimator sums the scores of each participant first (Liang and Zeger 1986; CR1 of Cameron and Miller 2015).
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
    _, who = np.unique(participant, return_inverse=True)
    people, responses = int(who.max()) + 1, len(x)
    freedom = responses - len(np.unique(group)) - 1
    if people < 2 or freedom < 1:
        return Slope(slope, float("nan"), float("nan"))
    sums = np.bincount(who, within_x * (within_y - slope * within_x))
    factor = people / (people - 1) * (responses - 1) / freedom
    error = float(np.sqrt(factor * (sums**2).sum()) / spread)
    p_value = float(2 * stats.t.sf(abs(slope) / error, people - 1)) if error > 0 else float("nan")
    return Slope(slope, error, p_value)


def centre(values: Floats, group: NDArray[Any]) -> Floats:
    """The values less the mean of their group, `(responses,)`."""
    _, index = np.unique(group, return_inverse=True)
    return np.asarray(values - (np.bincount(index, values) / np.bincount(index))[index], dtype=np.float64)
