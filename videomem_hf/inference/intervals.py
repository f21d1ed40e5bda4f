"""Prediction intervals from how far predictions were from measured scores on clips that the model had not seen.

Normalised split conformal prediction (Lei et al., "Distribution-Free Predictive Inference for Regression", JASA 2018):
an error is divided by its expected size, which has a part that no annotation removes and the binomial noise of a
measured score, and follows a line over the predictions; quantiles of what remains give the ends. The scale of each
error is fitted on the other clips (Barber et al., "Predictive Inference with the Jackknife+", Annals of Statistics
2021), so that intervals hold on new clips although one set of clips serves for both.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from videomem_hf.models.modeling_multiview import TREND_REACH
from videomem_hf.statistics import Floats, conformal_ends

LEVEL: Final = 0.9
"""Share of new clips whose measured score lies in these intervals."""
_FOLDS: Final = 10
_FEWEST_FOR_TRENDS: Final = 40
_PRIOR_CLIPS: Final = 30
"""Clips by which a trend is held near 0."""
_COUNT_FACTOR_SD: Final = 0.5
"""How far the noise of annotations may be expected from the binomial one, as a factor."""
_LEAST_VARIANCE: Final = 1e-8


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
        typical_quantiles: Of the ratios, all with `typical_count`: for clips whose count is unknown.
        typical_count: Harmonic mean of the annotation counts; None where no count was known.
        level: Share of measured scores that the intervals cover.
        clips: How many errors they are from.
    """

    scale: IntervalScale
    quantiles: tuple[float, float]
    typical_quantiles: tuple[float, float]
    typical_count: float | None
    level: float = LEVEL
    clips: int = 0

    def ends(self, predicted: ArrayLike, counts: ArrayLike | None = None) -> Floats:
        """Intervals `(clips, 2)` of predictions `(clips,)`; `counts` of the scores to cover, NaN where unknown."""
        values = np.asarray(predicted, np.float64)
        inverse = 0.0 if self.typical_count is None else 1 / self.typical_count
        typical = self.scale.ends(values, inverse, self.typical_quantiles)
        if counts is None or self.typical_count is None:
            return typical
        known = np.asarray(counts, np.float64)
        has_count = np.isfinite(known) & (known > 0)
        own = self.scale.ends(values, 1 / np.where(has_count, known, self.typical_count), self.quantiles)
        return np.where(has_count[:, None], own, typical)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "IntervalFit":
        pairs = {name: tuple(stored[name]) for name in ("quantiles", "typical_quantiles")}
        return cls(**(stored | pairs | {"scale": IntervalScale(**stored["scale"])}))


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
    own, at_typical = np.zeros(len(p)), np.zeros(len(p))
    folds = np.random.default_rng(seed).permutation(len(p)) % min(_FOLDS, len(p))
    for fold in range(folds.max() + 1):
        rest, here = folds != fold, folds == fold
        scale = _fit_scale(p[rest], errors[rest], inverse[rest])
        own[here] = scale.ratios(errors[here], p[here], inverse[here])
        at_typical[here] = scale.ratios(errors[here], p[here], typical)
    quantiles, typical_quantiles = conformal_ends(own, level), conformal_ends(at_typical, level)
    assert quantiles is not None
    assert typical_quantiles is not None
    scale = _fit_scale(p, errors, inverse)
    return IntervalFit(scale, quantiles, typical_quantiles, 1 / typical if typical else None, level, len(p))


def _inverse(counts: Floats) -> Floats:
    return 1 / np.where(np.isfinite(counts) & (counts > 0), counts, np.nan)


def _fit_scale(predicted: Floats, errors: Floats, inverse_counts: Floats) -> IntervalScale:
    centre, width = float(predicted.mean()), float(predicted.std()) or 1.0
    variance, factor = _fit_variance(predicted, errors, inverse_counts)
    scale = IntervalScale(variance, factor, centre, width)
    if len(errors) < _FEWEST_FOR_TRENDS:
        return scale
    u, ratios = scale.position(predicted), scale.ratios(errors, predicted, inverse_counts)
    shift = _slope(u, ratios)
    sizes = np.abs(ratios - shift * u - np.median(ratios - shift * u))
    log_spread = _slope(u, sizes / max(float(sizes.mean()), 1e-12))
    return IntervalScale(variance, factor, centre, width, shift, float(np.clip(log_spread, -0.5, 0.5)))


def _fit_variance(predicted: Floats, errors: Floats, inverse_counts: Floats) -> tuple[float, float]:
    """The variance that annotations do not remove, and the factor of the binomial one, by weighted least squares."""
    squares = errors**2
    inside = np.clip(predicted, 0.02, 0.98)
    binomial = inside * (1 - inside) * inverse_counts
    least = max(1e-3 * float(squares.mean()), _LEAST_VARIANCE)
    variance, factor = max(float((squares - binomial).mean()), least), 1.0
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
