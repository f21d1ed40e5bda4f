"""Rank correlation of memorability scores, its bootstrap intervals, its noise ceiling, and conformal quantiles.

Spearman's rank correlation over a whole split is the field's measure (paper, Sec. 5). Everything is float64. A resample
of items is kept as a row of counts, one per item: weighted moments and the ranks of a resample then follow from
cumulative sums, so that 10,000 resamples of 2,000 items need neither a sort nor a Python loop over resamples.
"""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

Floats = NDArray[np.float64]
Statistic = Literal["spearman", "pearson", "mse"]

RESAMPLES: Final = 10_000
CONFIDENCE: Final = 0.95
RIGHT_ORDER: Final = 0.9
"""Share of pairs in the right order that the error of a difference stands for."""
_ITEMS_OF_ALL_PAIRS: Final = 2_000
_FEWEST_ITEMS_OF_PAIRS: Final = 50
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
    x, y = _in_order(*_pair(predictions, references))
    draws = bootstrap_distribution(x, y, statistic, resamples=resamples, seed=seed)
    return _interval(draws, confidence)


def bootstrap_intervals(
    predictions: ArrayLike,
    references: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[Statistic, Interval]:
    """The intervals of `bootstrap_interval` for all three statistics, from one set of resamples."""
    x, y = _in_order(*_pair(predictions, references))
    statistics = get_args(Statistic)
    draws = np.concatenate(
        [
            [_weighted_statistic(statistic, x, y, counts) for statistic in statistics]
            for counts in resample_counts(len(x), resamples, seed)
        ],
        axis=1,
    )
    return {statistic: _interval(row, confidence) for statistic, row in zip(statistics, draws, strict=True)}


def bootstrap_distribution(
    predictions: ArrayLike,
    references: ArrayLike,
    statistic: Statistic = "spearman",
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Floats:
    """The statistic on every resample, `(resamples,)`; NaN where a resample is constant."""
    x, y = _pair(predictions, references)
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
    first, y = _pair(predictions, references)
    second, y = _pair(other_predictions, references)
    first, second, y = _in_order(first, second, y)
    draws = np.concatenate(
        [
            _weighted_statistic(statistic, first, y, counts) - _weighted_statistic(statistic, second, y, counts)
            for counts in resample_counts(len(y), resamples, seed)
        ]
    )
    difference = _statistic(statistic, first, y) - _statistic(statistic, second, y)
    return Comparison(difference, _interval(draws, confidence), _p_value_of_zero(draws))


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
    return _interval(np.concatenate(draws), confidence)


def conformal_quantile(errors: ArrayLike, coverage: float) -> float | None:
    """The bound that the error of a new item stays below with a probability of at least `coverage`.

    Split conformal prediction (Lei et al., "Distribution-Free Predictive Inference for Regression", JASA 2018): the
    `ceil((n + 1) * coverage)`-th smallest error. No distribution is assumed, only that the new item comes from where
    the n others came from. Of `|errors|` it is the half-width of symmetric intervals; two-sided ones take it of the
    errors and of their negatives, each at `(1 + coverage) / 2` (Romano et al., 2019).

    Args:
        errors: `(n,)`, of items that the predictor has not seen.
        coverage: In (0, 1).

    Returns:
        None if there are too few errors to say.
    """
    values = np.sort(np.asarray(errors, np.float64))
    rank = math.ceil((len(values) + 1) * coverage - 1e-9)  # 20 * 0.95 may be a little above 19
    return float(values[rank - 1]) if rank <= len(values) else None


def conformal_ends(errors: ArrayLike, coverage: float) -> tuple[float, float] | None:
    """The bounds between which the error of a new item lies with a probability of at least `coverage`.

    Of n + 1 places among n sorted errors, at most a share of `1 - coverage` lies outside, half on each side (Lei et
    al., JASA 2018); an odd one is left out above. With room for one place only the bounds are symmetric about 0.

    Args:
        errors: `(n,)`, of items that the predictor has not seen.
        coverage: In (0, 1).

    Returns:
        None if there are too few errors to say.
    """
    values = np.sort(np.asarray(errors, np.float64))
    outside = math.floor((len(values) + 1) * (1 - coverage) + 1e-9)
    if outside < 2:
        bound = conformal_quantile(np.abs(values), coverage)
        return None if bound is None else (-bound, bound)
    below = outside // 2
    return float(values[below - 1]), float(values[len(values) - (outside - below)])


def difference_error(
    predictions: ArrayLike, references: ArrayLike, level: float = RIGHT_ORDER, *, seed: int = 0
) -> float | None:
    """The smallest difference of predictions at which pairs of items are mostly in the right order.

    The share of pairs in the right order is fitted as a function of the difference that never falls (isotonic
    regression), so that the level holds for pairs that differ by just as much, not only for all that differ by more.

    Args:
        predictions, references: `(items,)` finite numbers.
        level: Share of the pairs with this difference whose references differ the same way; equal ones count half.
        seed: Of the draw of pairs, where there are more than those of 2,000 items.

    Returns:
        Infinity if fewer pairs than there are items differ by so much: no difference is large enough. None with fewer
        than 50 items, too few to say.
    """
    x, y = _pair(predictions, references)
    if len(x) < _FEWEST_ITEMS_OF_PAIRS:
        return None
    if len(x) <= _ITEMS_OF_ALL_PAIRS:
        first, second = np.triu_indices(len(x), 1)
    else:
        pairs = np.random.default_rng(seed).integers(0, len(x), (2, _ITEMS_OF_ALL_PAIRS**2 // 2))
        first, second = pairs[:, pairs[0] != pairs[1]]
    apart = x[first] - x[second]
    right = (np.sign(apart) * np.sign(y[first] - y[second]) + 1) / 2
    gaps, group, pairs_of = np.unique(np.abs(apart), return_inverse=True, return_counts=True)
    shares = isotonic_regression(np.bincount(group, right) / pairs_of, weights=pairs_of).x
    reached = int(np.searchsorted(shares, level - 1e-9))
    return float(gaps[reached]) if pairs_of[reached:].sum() >= len(x) else math.inf


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


def _pair(predictions: ArrayLike, references: ArrayLike) -> tuple[Floats, Floats]:
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
    x, y = _pair(predictions, references)
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
        return _weighted_pearson(_weighted_ranks(x, counts), _weighted_ranks(y, counts), counts)
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


def _weighted_ranks(values: Floats, counts: Floats) -> Floats:
    """Average ranks (from 1) that the items have within each resample, `(resamples, items)`.

    The copies of one value have the ranks `below + 1 .. below + own`, whose mean is `below + (own + 1) / 2`.
    """
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    by_value = np.take(counts, np.argsort(group, kind="stable"), axis=1)
    own = np.add.reduceat(by_value, np.cumsum(sizes) - sizes, axis=1) if len(sizes) < len(values) else by_value
    ranks = np.cumsum(own, axis=1) - (own - 1) / 2
    return np.take(ranks, group, axis=1)


def _interval(draws: Floats, confidence: float) -> Interval:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    defined = draws[np.isfinite(draws)]
    if len(defined) == 0:
        return Interval(float("nan"), float("nan"))
    if left_out := len(draws) - len(defined):
        warnings.warn(f"{left_out} of {len(draws)} resamples are constant and left out", RuntimeWarning, stacklevel=3)
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high))


def _p_value_of_zero(draws: Floats) -> float:
    """Twice the smaller share of resampled differences on a side of 0; never exactly 0 (Davison and Hinkley, 1997)."""
    draws = draws[np.isfinite(draws)]
    if len(draws) == 0:
        return float("nan")
    smaller = min(np.sum(draws <= 0), np.sum(draws >= 0))
    return float(min(1.0, 2 * (smaller + 1) / (len(draws) + 1)))
