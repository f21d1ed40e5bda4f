"""Rank correlation of memorability scores, its bootstrap intervals, comparisons of predictors, and its noise ceiling.

Spearman's rank correlation over a whole split is the field's measure (paper, Sec. 5). Everything is float64. A resample
of items is kept as a row of counts, one per item: weighted moments and the ranks of a resample then follow from
cumulative sums, so that 10,000 resamples of 2,000 items need neither a sort nor a Python loop over resamples.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Statistic = Literal["spearman", "pearson", "mse"]
STATISTICS: Final[tuple[Statistic, ...]] = get_args(Statistic)

RESAMPLES: Final = 10_000
BENCHMARK_RESAMPLES: Final = 2_000
"""Of a benchmark: fewer than of a single evaluation, as there are many protocols at once."""
CONFIDENCE: Final = 0.95
_CONSTANT: Final = 1e-12
"""Variance, as a share of the mean square, below which values are taken for equal: that much is rounding."""
_CHUNK_ELEMENTS: Final = 1 << 16
"""Items times resamples held at once: a few arrays of half a MiB, whatever the number of resamples."""


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
    found = resample([predictions], references, statistics=(statistic,), resamples=resamples, seed=seed)
    return interval_of(found[statistic].draws[0, 0], confidence)


def bootstrap_intervals(
    predictions: ArrayLike,
    references: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[Statistic, Interval]:
    """The intervals of `bootstrap_interval` for all three statistics, from one set of resamples."""
    found = resample([predictions], references, resamples=resamples, seed=seed)
    return {statistic: interval_of(each.draws[0, 0], confidence) for statistic, each in found.items()}


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
    found = resample(both, references, statistics=(statistic,), resamples=resamples, seed=seed)[statistic]
    apart = found.draws[0, 0] - found.draws[1, 0]
    one, other = (_statistic(statistic, each, references) for each in both)
    return Comparison(one - other, interval_of(apart, confidence), p_value_of_zero(apart))


@dataclass(frozen=True)
class Resampled:
    """A statistic of several predictors on several folds.

    Attributes:
        values: `(predictors, folds)`; the correlation of a constant is NaN.
        draws: `(predictors, folds, resamples)`; NaN where a resample is constant.
    """

    values: Floats
    draws: Floats


def resample(
    predictions: Sequence[ArrayLike],
    references: ArrayLike,
    folds: Sequence[NDArray[np.int64]] | None = None,
    *,
    statistics: Sequence[Statistic] = STATISTICS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[Statistic, Resampled]:
    """Measure several predictors on several folds, and on resamples of the items: behind every interval and verdict.

    One resample draws among all items, and every fold and every predictor sees the same draw: differences between
    predictors are paired, and the interval of a mean over folds counts an item that several folds share once.

    Args:
        predictions: For each predictor `(items,)`.
        references, resamples, seed: As in `bootstrap_interval`.
        folds: Positions of each fold's items, two or more of them; None for one fold of all items.
        statistics: What is measured.
    """
    x = np.array([check_pair(each, references)[0] for each in predictions])
    y = np.asarray(references, np.float64)
    order = np.lexsort((*x, y))  # so that the resamples do not hang on the items' order
    x, y, position = x[:, order], y[order], np.argsort(order)
    parts: list[Any] = [slice(None)] if folds is None else [np.sort(position[fold]) for fold in folds]
    measures = [_Measure(x[:, part], y[part], statistics) for part in parts]

    def measure(counts: Floats) -> Floats:  # (statistics, predictors, folds, resamples)
        return np.stack([each(counts[:, part]) for each, part in zip(measures, parts, strict=True)], axis=2)

    values = measure(np.ones((1, len(y))))[..., 0]
    draws = np.concatenate([measure(counts) for counts in resample_counts(len(y), resamples, seed)], axis=3)
    return {each: Resampled(values[row], draws[row]) for row, each in enumerate(statistics)}


def holm(p_values: ArrayLike) -> Floats:
    """Correct p-values for their number: the chance of any false alarm among those up to alpha is at most alpha.

    Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 1979.

    Args:
        p_values: `(tests,)`, as is the result. NaN, for a test that could not be made, stays NaN and is not counted.
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
    values, annotations = _known_noise(scores, counts)
    if len(values) < 2 or values.var() == 0:
        return float("nan")
    noise = (values * (1 - values) / (annotations - 1)).mean()  # unbiased where values are k / n
    return float(np.sqrt(max(0.0, 1 - noise / values.var(ddof=1))))


def _known_noise(scores: ArrayLike, counts: ArrayLike) -> tuple[Floats, Floats]:
    values, annotations = (np.asarray(each, np.float64) for each in (scores, counts))
    known = np.isfinite(values) & (annotations >= 2)
    return values[known], annotations[known]


def noise_ceiling_interval(
    scores: ArrayLike,
    counts: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of `noise_ceiling`, NaN where that is; arguments as of `bootstrap_interval`."""
    values, annotations = _known_noise(scores, counts)
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


def _statistic(statistic: Statistic, predictions: ArrayLike, references: ArrayLike) -> float:
    x, y = check_pair(predictions, references)
    if statistic != "mse" and (np.ptp(x) == 0 or np.ptp(y) == 0):
        warnings.warn(f"{statistic} of a constant input is not defined: NaN", RuntimeWarning, stacklevel=3)
        return float("nan")
    return float(_Measure(x[None], y, (statistic,))(np.ones((1, len(x)))).item())


class _Order:
    """Items in the order of their values; tied ones share their average rank."""

    def __init__(self, values: Floats) -> None:
        self.order = np.argsort(values, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(values[self.order]) != 0])
        sizes = np.diff(np.r_[starts, len(values)])
        self.tied = np.flatnonzero(np.repeat(sizes, sizes) > 1)
        self.first, sizes = starts[sizes > 1], sizes[sizes > 1]  # of each group of ties
        self.last, self.group = self.first + sizes - 1, np.repeat(np.arange(len(sizes)), sizes)

    def ranks(self, counts: Floats) -> tuple[Floats, Floats]:
        """Ranks in order `(resamples, items)` less 1/2, `below + own / 2`; and by ties the change of sums of cubes."""
        own = np.take(counts, self.order, axis=1)
        ranks = np.cumsum(own, axis=1)
        if not len(self.tied):
            return np.subtract(ranks, np.multiply(own, 0.5, out=own), out=ranks), np.zeros(len(counts))
        below = ranks[:, self.first] - own[:, self.first]
        together, alone = ranks[:, self.last] - below, own[:, self.tied]
        ranks -= np.multiply(own, 0.5, out=own)
        ranks[:, self.tied] = (below + together / 2)[:, self.group]
        return ranks, (together**3).sum(axis=1) - (alone**3).sum(axis=1)


class _Measure:
    """Of predictions `(predictors, items)`: `counts` `(resamples, items)` to `(statistics, predictors, resamples)`."""

    def __init__(self, x: Floats, y: Floats, statistics: Sequence[Statistic]) -> None:
        known = {"spearman": self._spearman, "pearson": self._pearson, "mse": self._mse}
        if unknown := [each for each in statistics if each not in known]:
            raise ValueError(f"unknown statistic {unknown[0]!r}; known are {', '.join(known)}")
        self.functions = [known[each] for each in statistics]
        self.squared = (x - y) ** 2
        self.x, self.y = x - x.mean(axis=1, keepdims=True), y - y.mean()
        self.x_orders, self.y_order = [_Order(each) for each in x], _Order(y)

    def __call__(self, counts: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack([function(counts, counts.sum(axis=1)) for function in self.functions])

    def _mse(self, counts: Floats, total: Floats) -> Floats:
        return np.asarray((counts @ self.squared.T / total[:, None]).T)

    def _pearson(self, counts: Floats, total: Floats) -> Floats:
        """By moments of centred values, and matrix products for all predictors together."""
        both = np.vstack([self.x, self.y])
        means, squares = (counts @ each.T / total[:, None] for each in (both, both**2))
        variances = squares - means**2
        variances[variances <= _CONSTANT * squares] = np.nan
        products = counts @ (self.x * self.y).T / total[:, None] - means[:, :-1] * means[:, -1:]
        return np.clip((products / np.sqrt(variances[:, :-1] * variances[:, -1:])).T, -1, 1)

    def _spearman(self, counts: Floats, total: Floats) -> Floats:
        # About their mean, squares of ranks 1 to n sum to (n^3 - n) / 12, less (t^3 - t) / 12 for each tie of t.
        most = total**3 - np.einsum("ri,ri,ri->r", counts, counts, counts)
        ranks, cubes = self.y_order.ranks(counts)
        ranks -= total[:, None] / 2  # their mean
        weighted, square = np.empty_like(counts), (most - cubes) / 12
        weighted[:, self.y_order.order] = ranks
        weighted *= counts
        found = np.empty((len(self.x), len(counts)))
        for row, order in enumerate(self.x_orders):
            ranks, cubes = order.ranks(counts)
            products = np.einsum("ri,ri->r", np.take(weighted, order.order, axis=1), ranks)
            squares = (most - cubes) / 12 * square
            found[row] = products / np.sqrt(np.where(squares > 0, squares, np.nan))
        return np.clip(found, -1, 1)


def interval_of(draws: Floats, confidence: float) -> Interval:
    """The percentile interval of resampled values `(resamples,)`; undefined ones are left out, with a warning."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}")
    defined = draws[np.isfinite(draws)]
    if not len(defined):
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
