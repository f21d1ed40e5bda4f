"""Rank correlation of memorability scores, its bootstrap intervals, comparisons of predictors, and its noise ceiling.

Spearman's rank correlation over a whole split is the field's measure (paper, Sec. 5). Everything is float64. A resample
of items is kept as a row of counts, one per item: weighted moments and the ranks of a resample then follow from
cumulative sums, so that 10,000 resamples of 2,000 items need neither a sort nor a Python loop over resamples.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Statistic = Literal["spearman", "pearson", "mse"]

RESAMPLES: Final = 10_000
CONFIDENCE: Final = 0.95
_CHUNK_ELEMENTS: Final = 1 << 18
"""Items times resamples held at once: a few arrays of 2 MiB, whatever the number of resamples."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval; both ends are NaN where the statistic is."""

    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two predictors on the same items.

    Attributes:
        difference: Statistic of the first minus that of the second.
        interval: Bootstrap interval of the difference; items are resampled, both predictors see the same resample.
        p_value: Two-sided bootstrap p-value of "no difference", in (0, 1].
    """

    difference: float
    interval: Interval
    p_value: float


def spearman(predictions: ArrayLike, references: ArrayLike) -> float:
    """Spearman's rank correlation, in [-1, 1]; 1 is best. Ties share their average rank.

    Args:
        predictions: `(items,)` finite numbers, on any scale.
        references: `(items,)` finite numbers.

    Returns:
        NaN, with a warning, when one input is constant.

    Raises:
        ValueError: unequal lengths, fewer than two items, or a value that is not finite.
    """
    return _statistic("spearman", predictions, references)


def pearson(predictions: ArrayLike, references: ArrayLike) -> float:
    """Pearson's correlation, in [-1, 1]; 1 is best. Inputs, NaN and errors as in `spearman`."""
    return _statistic("pearson", predictions, references)


def mse(predictions: ArrayLike, references: ArrayLike) -> float:
    """Mean squared error, 0 or more; 0 is best. Inputs and errors as in `spearman`."""
    return _statistic("mse", predictions, references)


def bootstrap_interval(
    predictions: ArrayLike,
    references: ArrayLike,
    statistic: Statistic = "spearman",
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a statistic: items are drawn with replacement, pairs kept together.

    Args:
        predictions, references: `(items,)` finite numbers.
        statistic: What is resampled.
        confidence: Coverage, strictly between 0 and 1.
        resamples: Number of resamples, at least 1.
        seed: The interval is a pure function of the items, in whatever order, and the seed.

    Raises:
        ValueError: as `spearman`, and for a `confidence` or `resamples` outside its range.
    """
    x, y = _in_order(*check_pair(predictions, references))
    draws = bootstrap_distribution(x, y, statistic, resamples=resamples, seed=seed)
    return interval_of(draws, confidence)


def bootstrap_intervals(
    predictions: ArrayLike,
    references: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[Statistic, Interval]:
    """The intervals of `bootstrap_interval` for all three statistics, from one set of resamples."""
    x, y = _in_order(*check_pair(predictions, references))
    statistics = get_args(Statistic)
    draws = np.concatenate(
        [
            [_weighted_statistic(statistic, x, y, counts) for statistic in statistics]
            for counts in resample_counts(len(x), resamples, seed)
        ],
        axis=1,
    )
    return {statistic: interval_of(row, confidence) for statistic, row in zip(statistics, draws, strict=True)}


def bootstrap_distribution(
    predictions: ArrayLike,
    references: ArrayLike,
    statistic: Statistic = "spearman",
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Floats:
    """The statistic on every resample, `(resamples,)`; NaN where a resample is constant."""
    x, y = check_pair(predictions, references)
    return np.concatenate(
        [_weighted_statistic(statistic, x, y, counts) for counts in resample_counts(len(x), resamples, seed)]
    )


def compare(
    predictions: ArrayLike,
    other_predictions: ArrayLike,
    references: ArrayLike,
    statistic: Statistic = "spearman",
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two predictors on the same items by a paired bootstrap; arguments as in `bootstrap_interval`."""
    both = (predictions, other_predictions)
    return compare_all(both, references, statistic, confidence=confidence, resamples=resamples, seed=seed)[0, 1]


def compare_all(
    predictions: Sequence[ArrayLike],
    references: ArrayLike,
    statistic: Statistic = "spearman",
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[tuple[int, int], Comparison]:
    """Compare every two of several predictors on the same items, from one set of resamples.

    Args:
        predictions: For each predictor `(items,)`.
        references, statistic, confidence, resamples, seed: As in `bootstrap_interval`.

    Returns:
        Indices of two predictors, the smaller first, to their comparison. P-values are not corrected for the number of
        pairs; see `holm`.

    Raises:
        ValueError: As `bootstrap_interval`, and for fewer than two predictors.
    """
    if len(predictions) < 2:
        raise ValueError(f"two or more predictors are needed to compare, not {len(predictions)}")
    pairs = [check_pair(each, references) for each in predictions]
    *columns, y = _in_order(*(x for x, _ in pairs), pairs[0][1])
    draws = np.concatenate(
        [
            [_weighted_statistic(statistic, x, y, counts) for x in columns]
            for counts in resample_counts(len(y), resamples, seed)
        ],
        axis=1,
    )  # (predictors, resamples)
    values = [_statistic(statistic, x, y) for x in columns]
    found = {}
    for first, second in combinations(range(len(columns)), 2):
        apart = draws[first] - draws[second]
        interval = interval_of(apart, confidence)
        found[first, second] = Comparison(values[first] - values[second], interval, p_value_of_zero(apart))
    return found


def holm(p_values: ArrayLike) -> Floats:
    """Correct p-values for their number: the chance of any false alarm among those up to alpha is at most alpha.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 1979.

    Args:
        p_values: `(tests,)`. NaN, for a test that could not be made, stays NaN and is not counted.

    Returns:
        `(tests,)`, in the order of `p_values`.
    """
    values = np.asarray(p_values, np.float64)
    corrected = np.full(values.shape, np.nan)
    order = np.argsort(values, kind="stable")[: np.isfinite(values).sum()]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return corrected


def spearman_brown(correlation: float, factor: float) -> float:
    """The correlation to expect between measurements with `factor` times as many observations (Spearman; Brown, 1910).

    Args:
        correlation: Between two parallel measurements, such as two halves; above -1.
        factor: 2 for twice the observations in each, 0.5 for half of them; above 0.
    """
    if factor <= 0:
        raise ValueError(f"factor must be above 0, got {factor}")
    return factor * correlation / (1 + (factor - 1) * correlation)


def noise_ceiling(scores: ArrayLike, counts: ArrayLike) -> float:
    """The correlation with measured scores that a perfect predictor of the true memorability would reach, in [0, 1].

    A score of k hits among n annotations varies around the true memorability p with variance p (1 - p) / n. The share
    of the scores' variance that is not this noise is their reliability, and its square root the ceiling (for Pearson's
    correlation; Spearman's is close to it).

    Args:
        scores: `(items,)` in [0, 1].
        counts: `(items,)` annotation counts; items with fewer than 2 annotations are left out, as their noise is
            unknown.

    Returns:
        NaN with fewer than 2 items, or scores that do not vary.
    """
    values, annotations = (np.asarray(each, np.float64) for each in (scores, counts))
    known = np.isfinite(values) & (annotations >= 2)
    values, annotations = values[known], annotations[known]
    if len(values) < 2 or values.var() == 0:
        return float("nan")
    noise = (values * (1 - values) / (annotations - 1)).mean()  # unbiased where values are k / n
    return float(np.sqrt(max(0.0, 1 - noise / values.var(ddof=1))))


def noise_ceiling_interval(
    scores: ArrayLike,
    counts: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of `noise_ceiling`: items are drawn with replacement.

    Args:
        scores, counts: As of `noise_ceiling`.
        confidence, resamples, seed: As of `bootstrap_interval`.

    Returns:
        NaN ends with fewer than 2 items of known noise, or scores that do not vary.
    """
    values, annotations = (np.asarray(each, np.float64) for each in (scores, counts))
    known = np.isfinite(values) & (annotations >= 2)
    values, annotations = values[known], annotations[known]
    items = len(values)
    if items < 2 or values.var() == 0:
        return Interval(float("nan"), float("nan"))
    noise, deviations = values * (1 - values) / (annotations - 1), values - values.mean()
    draws = []
    for times in resample_counts(items, resamples, seed):  # (resamples, items)
        means = times @ deviations / items
        variances = (times @ deviations**2 / items - means**2) * items / (items - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            reliability = np.where(variances > 1e-12, 1 - times @ noise / items / variances, 0.0)
        draws.append(np.sqrt(np.maximum(reliability, 0)))
    return interval_of(np.concatenate(draws), confidence)


def resample_counts(items: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each item is drawn in each resample: chunks of `(resamples, items)`, each row summing to `items`."""
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, got {resamples}")
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK_ELEMENTS // items)
    for start in range(0, resamples, rows):
        chunk = min(rows, resamples - start)
        drawn = generator.integers(0, items, size=(chunk, items), dtype=np.int64)
        drawn += np.arange(chunk)[:, None] * items
        yield np.bincount(drawn.ravel(), minlength=chunk * items).reshape(chunk, items).astype(np.float64)


def check_pair(predictions: ArrayLike, references: ArrayLike) -> tuple[Floats, Floats]:
    """Both as float64 arrays `(items,)`. Raises ValueError as `spearman`."""
    x = np.asarray(predictions, dtype=np.float64)
    y = np.asarray(references, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"predictions and references must be two lists of one length, got shapes {x.shape}, {y.shape}")
    if len(x) < 2:
        raise ValueError(f"at least two items are needed, got {len(x)}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("predictions and references must be finite; leave out the items without a score")
    return x, y


def _in_order(*columns: Floats) -> list[Floats]:
    """Sort items by the last column, then by those before it, so that resamples do not hang on the items' order."""
    order = np.lexsort(columns)
    return [column[order] for column in columns]


def _statistic(statistic: Statistic, predictions: ArrayLike, references: ArrayLike) -> float:
    x, y = check_pair(predictions, references)
    if statistic != "mse" and (np.ptp(x) == 0 or np.ptp(y) == 0):
        warnings.warn(f"{statistic} of a constant input is not defined: NaN", RuntimeWarning, stacklevel=3)
        return float("nan")
    return float(_weighted_statistic(statistic, x, y, np.ones((1, len(x))))[0])


def _weighted_statistic(statistic: Statistic, x: Floats, y: Floats, counts: Floats) -> Floats:
    """The statistic of each resample: `counts` is `(resamples, items)`, the result `(resamples,)`."""
    if statistic == "mse":
        return counts @ (x - y) ** 2 / counts.sum(axis=1)
    if statistic == "pearson":
        return _weighted_pearson(x[None, :] - x.mean(), y[None, :] - y.mean(), counts)
    if statistic == "spearman":
        return _weighted_pearson(weighted_ranks(x, counts), weighted_ranks(y, counts), counts)
    raise ValueError(f"unknown statistic {statistic!r}; known are spearman, pearson, mse")


def _weighted_pearson(x: Floats, y: Floats, counts: Floats) -> Floats:
    total = counts.sum(axis=1)
    x_mean = np.einsum("ri,ri->r", counts, np.broadcast_to(x, counts.shape)) / total
    y_mean = np.einsum("ri,ri->r", counts, np.broadcast_to(y, counts.shape)) / total
    x, y = x - x_mean[:, None], y - y_mean[:, None]
    x_weighted = counts * x
    covariance = np.einsum("ri,ri->r", x_weighted, y)
    x_variance = np.einsum("ri,ri->r", x_weighted, x)
    y_variance = np.einsum("ri,ri,ri->r", counts, y, y)
    constant = (x_variance <= total * _rounding_variance(x)) | (y_variance <= total * _rounding_variance(y))
    x_variance[constant] = np.nan
    return np.clip(covariance / np.sqrt(x_variance * y_variance), -1.0, 1.0)


def _rounding_variance(values: Floats) -> float:
    """A resample of one repeated value has a variance of 0 up to rounding: not above this."""
    return float((1e-13 * np.abs(values).max()) ** 2)


def weighted_ranks(values: Floats, counts: Floats) -> Floats:
    """Average ranks (from 1) that the items have within each resample, `(resamples, items)`.

    The copies of one value have the ranks `below + 1 .. below + own`, whose mean is `below + (own + 1) / 2`.
    """
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    by_value = np.take(counts, np.argsort(group, kind="stable"), axis=1)
    own = np.add.reduceat(by_value, np.cumsum(sizes) - sizes, axis=1) if len(sizes) < len(values) else by_value
    ranks = np.cumsum(own, axis=1) - (own - 1) / 2
    return np.take(ranks, group, axis=1)


def interval_of(draws: Floats, confidence: float) -> Interval:
    """The percentile interval of resampled values `(resamples,)`; undefined ones are left out, with a warning."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    defined = draws[np.isfinite(draws)]
    if len(defined) == 0:
        return Interval(float("nan"), float("nan"))
    if left_out := len(draws) - len(defined):
        warnings.warn(f"{left_out} of {len(draws)} resamples are constant and left out", RuntimeWarning, stacklevel=3)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def p_value_of_zero(draws: Floats) -> float:
    """Twice the smaller share of resampled differences on a side of 0; never exactly 0 (Davison and Hinkley, 1997)."""
    draws = draws[np.isfinite(draws)]
    if len(draws) == 0:
        return float("nan")
    smaller = min(np.sum(draws <= 0), np.sum(draws >= 0))
    return float(min(1.0, 2 * (smaller + 1) / (len(draws) + 1)))
