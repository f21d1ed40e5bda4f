"""Prediction intervals from how far predictions were from measured scores on clips that the model had not seen.

Normalised split conformal prediction (Lei et al., "Distribution-Free Predictive Inference for Regression", JASA 2018):
an error is divided by its expected size, which has a part that no annotation removes and the binomial noise of a
measured score, and follows a line over the predictions; quantiles of what remains give the ends. For a score of an
unknown number of annotations each end is a line of its own, a quantile regression with a conformal step (Romano et al.,
"Conformalized Quantile Regression", NeurIPS 2019). The scale of each error is fitted on the other clips (Barber et al.,
"Predictive Inference with the Jackknife+", Annals of Statistics 2021), so that intervals hold on new clips although one
set of clips serves for both.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from videomem_hf.conformal import conformal_ends, conformal_quantile
from videomem_hf.inference.json_fields import Fields
from videomem_hf.models.interval_trends import TREND_REACH
from videomem_hf.statistics import Floats

LEVEL: Final = 0.9
"""Share of new clips whose measured score lies in these intervals."""
_FOLDS: Final = 10
_FEWEST_FOR_TRENDS: Final = 40
_PRIOR_CLIPS: Final = 30
"""Clips by which a trend is held near 0."""
_COUNT_FACTOR_SD: Final = 0.5
"""How far the noise of annotations may be expected from the binomial one, as a factor."""
_LEAST_VARIANCE: Final = 1e-8
_LEAST_WIDTH: Final = 1e-12
"""Least standard deviation of predictions that are not constant."""
_LEAST_COUNT: Final = 1e-6
_MOST_LOG_SPREAD: Final = 0.5
_LINE_FOLDS: Final = 5
_MOST_POINTS: Final = 1_500
"""Of a quantile regression of two numbers, whose time grows faster than its points."""
_ROUNDING: Final = 1e-6
"""By which lines lie further out, so that in float32 they still hold the scores that they pass through, such as 1."""

Line = tuple[float, float]
"""Distance of an end from the prediction: at the mean prediction, and its change over a standard deviation of them."""


@dataclass(frozen=True)
class IntervalScale:
    """The expected error of a score measured with n annotations: a variance, and trends over the prediction p.

    Its square is `variance + count_factor p (1 - p) / n`; with `u = (p - centre) / width` the error divided by it has
    the mean `shift u` and a spread in proportion to `exp(log_spread u)`.
    """

    variance: float
    count_factor: float = 1.0
    centre: float = 0.5
    width: float = 1.0
    shift: float = 0.0
    log_spread: float = 0.0

    def sigma(self, predicted: Floats, inverse_counts: Floats | float) -> Floats:
        """The expected error before trends; `inverse_counts` are 1 / n."""
        inside = np.clip(predicted, 0.02, 0.98)
        return np.sqrt(self.variance + self.count_factor * inside * (1 - inside) * inverse_counts)

    def position(self, predicted: Floats) -> Floats:
        return np.clip((predicted - self.centre) / self.width, -TREND_REACH, TREND_REACH)

    def ratios(self, errors: Floats, predicted: Floats, inverse_counts: Floats | float) -> Floats:
        """Errors in units of what is expected, with the trends taken out."""
        u = self.position(predicted)
        return (errors / self.sigma(predicted, inverse_counts) - self.shift * u) / np.exp(self.log_spread * u)

    def ends(self, predicted: Floats, inverse_counts: Floats | float, quantiles: tuple[float, float]) -> Floats:
        """Lower and upper ends `(clips, 2)` in [0, 1] for quantiles of the ratios; the prediction lies between."""
        u, sigma = self.position(predicted), self.sigma(predicted, inverse_counts)
        low, high = (predicted + sigma * (self.shift * u + np.exp(self.log_spread * u) * each) for each in quantiles)
        return np.stack([np.minimum(low, predicted), np.maximum(high, predicted)], axis=-1).clip(0, 1)


@dataclass(frozen=True)
class IntervalFit:
    """What the prediction intervals of one horizon are computed from.

    Attributes:
        scale: Of the errors.
        quantiles: Of the ratios, each with the clip's own annotation count.
        lines: Of the lower and the upper end for clips whose count is unknown; None in older fits, which take
            `typical_count` for it.
        typical_count: Harmonic mean of the annotation counts; None where no count was known.
        level: Share of measured scores that the intervals cover.
        clips: How many errors they are from.
    """

    scale: IntervalScale
    quantiles: tuple[float, float]
    lines: tuple[Line, Line] | None
    typical_count: float | None
    level: float = LEVEL
    clips: int = 0

    def ends(self, predicted: ArrayLike, counts: ArrayLike | None = None) -> Floats:
        """Intervals `(clips, 2)` of predictions `(clips,)`; `counts` of the scores to cover, NaN where unknown."""
        values = np.asarray(predicted, np.float64)
        known = np.full(len(values), np.nan) if counts is None else np.asarray(counts, np.float64)
        has_count = np.isfinite(known) & (known > 0) & (self.typical_count is not None)
        inverse = 0.0 if self.typical_count is None else 1 / np.where(has_count, known, self.typical_count)
        own = self.scale.ends(values, inverse, self.quantiles)
        if self.lines is None:
            return own
        u = self.scale.position(values)
        low, high = (values + start + slope * u for start, slope in self.lines)
        unknown = np.stack([np.minimum(low, values), np.maximum(high, values)], axis=-1).clip(0, 1)
        return np.where(has_count[:, None], own, unknown)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_fields(cls, stored: Fields) -> "IntervalFit":
        """The inverse of `to_dict`, of older fits as well. Raises FieldError."""
        scale = stored.section("scale")
        low, high = stored.numbers("quantiles", 2, rising=True)
        lines = stored.rows("lines", 2, 2) if stored.values.get("lines") is not None else None
        has_count = stored.values.get("typical_count") is not None
        return cls(
            IntervalScale(
                scale.number("variance", 0),
                scale.number("count_factor", 0, default=IntervalScale.count_factor),
                scale.number("centre", default=IntervalScale.centre),
                scale.number("width", _LEAST_WIDTH, default=IntervalScale.width),
                scale.number("shift", default=IntervalScale.shift),
                scale.number("log_spread", -_MOST_LOG_SPREAD, _MOST_LOG_SPREAD, default=IntervalScale.log_spread),
            ),
            (low, high),
            None if lines is None else ((lines[0][0], lines[0][1]), (lines[1][0], lines[1][1])),
            stored.number("typical_count", _LEAST_COUNT) if has_count else None,
            stored.number("level", 0.01, 0.999, default=LEVEL),
            stored.count("clips", default=0),
        )


def fit_intervals(
    predicted: ArrayLike, measured: ArrayLike, counts: ArrayLike | None = None, level: float = LEVEL, seed: int = 0
) -> IntervalFit | None:
    """Fit prediction intervals to the predictions of clips that the model has not seen.

    Args:
        predicted, measured: `(clips,)` in [0, 1]; clips whose score is NaN are left out.
        counts: `(clips,)` annotations behind the measured scores; NaN or None where unknown.
        level: Share of measured scores to cover.
        seed: Of the folds.

    Returns:
        None with too few clips, fewer than `level / (1 - level)`: 9 for 90 %.
    """
    p, y = (np.asarray(each, np.float64) for each in (predicted, measured))
    known = np.isfinite(p) & np.isfinite(y)
    inverse = np.full(len(p), np.nan) if counts is None else _inverse(np.asarray(counts, np.float64))
    p, y, inverse = p[known], y[known], inverse[known]
    if conformal_ends(np.zeros(len(p)), level) is None:
        return None
    has_count = np.isfinite(inverse)
    typical = float(inverse[has_count].mean()) if has_count.any() else 0.0
    inverse = np.where(has_count, inverse, typical)
    errors = y - p
    own = np.zeros(len(p))
    order = np.random.default_rng(seed).permutation(len(p))
    folds = order % min(_FOLDS, len(p))
    for fold in range(folds.max() + 1):
        rest, here = folds != fold, folds == fold
        scale = _fit_scale(p[rest], errors[rest], inverse[rest])
        own[here] = scale.ratios(errors[here], p[here], inverse[here])
    quantiles = conformal_ends(own, level)
    assert quantiles is not None
    scale = _fit_scale(p, errors, inverse)
    lines = _fit_lines(p, y, scale.position(p), level, order % _LINE_FOLDS)
    return IntervalFit(scale, quantiles, lines, 1 / typical if typical else None, level, len(p))


def _fit_lines(p: Floats, y: Floats, u: Floats, level: float, folds: NDArray[np.int64]) -> tuple[Line, Line]:
    """Lines of both ends over the positions u of predictions p; with few clips they do not change with u.

    Many scores of few annotations equal 1, where nothing lies above the upper end: the lower one then leaves out more.
    """
    outside = 1 - level
    if len(p) < _FEWEST_FOR_TRENDS or math.floor((len(p) + 1) * outside) < 4:
        ends = conformal_ends(y - p, level)
        assert ends is not None
        return (ends[0], 0.0), (ends[1], 0.0)
    high, above = _fit_line(p, y, u, outside / 2, folds)
    below, _ = _fit_line(1 - p, 1 - y, u, outside - above, folds)
    return (-below[0], -below[1]), high


def _fit_line(p: Floats, y: Floats, u: Floats, outside: float, folds: NDArray[np.int64]) -> tuple[Line, float]:
    """The line of an upper end that a share `outside` of new clips exceeds, and the share that does here."""
    beyond = np.zeros(len(p))
    for fold in range(folds.max() + 1):
        here = folds == fold
        start, slope = _quantile_line(u[~here], (y - p)[~here], 1 - outside)
        beyond[here] = y[here] - np.minimum(p[here] + start + slope * u[here], 1)
    shift = conformal_quantile(beyond, 1 - outside)
    assert shift is not None
    start, slope = _quantile_line(u, y - p, 1 - outside)
    return (start + shift + _ROUNDING, slope), float(np.mean(beyond > shift + _ROUNDING))


def _quantile_line(x: Floats, y: Floats, share: float) -> Line:
    """The line below which a share of the points lies: the least pinball loss, whose dual is a linear programme.

    Many points are thinned at random; the conformal step, on all of them, makes up for it.
    """
    from scipy.optimize import linprog

    if len(x) > _MOST_POINTS:
        drawn = np.random.default_rng(0).permutation(len(x))[:_MOST_POINTS]
        x, y = x[drawn], y[drawn]
    rows = np.stack([np.ones(len(x)), x])
    found = linprog(-y, A_eq=rows, b_eq=np.zeros(2), bounds=(share - 1, share), method="highs")
    start, slope = -found.eqlin.marginals
    return float(start), float(slope)


def _inverse(counts: Floats) -> Floats:
    return 1 / np.where(np.isfinite(counts) & (counts > 0), counts, np.nan)


def _fit_scale(predicted: Floats, errors: Floats, inverse_counts: Floats) -> IntervalScale:
    centre, width = float(predicted.mean()), float(predicted.std())
    width = width if width >= _LEAST_WIDTH else 1.0  # of a constant the deviation is rounding
    variance, factor = _fit_variance(predicted, errors, inverse_counts)
    scale = IntervalScale(variance, factor, centre, width)
    if len(errors) < _FEWEST_FOR_TRENDS:
        return scale
    u, ratios = scale.position(predicted), scale.ratios(errors, predicted, inverse_counts)
    shift = _slope(u, ratios)
    sizes = np.abs(ratios - shift * u - np.median(ratios - shift * u))
    log_spread = float(np.clip(_slope(u, sizes / max(float(sizes.mean()), 1e-12)), -_MOST_LOG_SPREAD, _MOST_LOG_SPREAD))
    return IntervalScale(variance, factor, centre, width, shift, log_spread)


def _fit_variance(predicted: Floats, errors: Floats, inverse_counts: Floats) -> tuple[float, float]:
    """The variance that annotations do not remove, and the factor of the binomial one, by weighted least squares."""
    squares = errors**2
    inside = np.clip(predicted, 0.02, 0.98)
    binomial = inside * (1 - inside) * inverse_counts
    least = max(1e-3 * float(squares.mean()), _LEAST_VARIANCE)
    variance, factor = max(float((squares - binomial).mean()), least), 1.0
    from scipy.optimize import nnls

    for _ in range(2):
        weights = 1 / (np.sqrt(2) * (variance + factor * binomial))  # the variance of a squared normal error
        rows = np.stack([weights, weights * binomial], axis=1)
        prior = np.array([0.0, 1 / _COUNT_FACTOR_SD])
        # In units of the errors: nnls compares its gradient with an absolute tolerance.
        unit = np.array([float(squares.mean()) or 1.0, 1.0])
        found, _ = nnls(np.vstack([rows, prior]) * unit, np.append(weights * squares, prior[1]))
        variance, factor = max(float(found[0] * unit[0]), least), float(found[1])
    return variance, factor


def _slope(x: Floats, y: Floats) -> float:
    """Slope of a line, held near 0 by `_PRIOR_CLIPS` clips of no trend."""
    centred = x - x.mean()
    return float(centred @ (y - y.mean()) / (centred @ centred + _PRIOR_CLIPS))
