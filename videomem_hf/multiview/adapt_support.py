"""Whether clips that a model was not adapted on support its adaptation, and how many more would."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from videomem_hf.conformal import conformal_ends
from videomem_hf.inference.intervals import LEVEL
from videomem_hf.multiview.adapt_clips import inverse_counts
from videomem_hf.multiview.adapt_process import HeldOut
from videomem_hf.schema import HORIZON_NAMES, Horizon
from videomem_hf.statistics import Comparison, Interval, bootstrap_interval, compare, holm, mse, spearman
from videomem_hf.system import quantity

FEWEST_CLIPS: Final = 20
"""With fewer, neither the process nor its intervals can be fitted."""
SIGNIFICANT: Final = 0.05
_NEEDED_Z: Final = 2.24 + 0.84
"""Standard errors that a difference must have to be found in 80 % of cases at 5 %, corrected for two tests."""
_LEAST_Z: Final = 0.5
"""Standard errors below which a difference says nothing of how many clips would show it."""
_MOST_TIMES: Final = 10
"""Times as many clips as there are, beyond which none are named."""
_FOLDS: Final = 10
_NO_INTERVAL: Final = Interval(math.nan, math.nan)
_UP: Final = (1, -1)
"""What is better of correlation and error: more, or less."""
Verdict = Literal["better", "unclear", "worse"]
_VERDICTS: Final[dict[int, Verdict]] = {1: "better", 0: "unclear", -1: "worse"}


@dataclass(frozen=True)
class HorizonResult:
    """How well one horizon is predicted on clips that are left out, before and after the adaptation.

    Attributes:
        clips: How many have a score.
        annotations: Median annotation count behind a score; NaN where no count is known.
        base_spearman, spearman: Rank correlation with measured scores, unadapted and adapted; NaN for constant ones.
        base_rmse, rmse: Root mean squared error.
        spearman_gain, mse_gain: Adapted less unadapted, with a 95 % interval and a p-value.
        ranks: 95 % interval of `spearman`.
        coverage: Share of measured scores in their intervals, whose ends are from other clips.
        width: Mean width of the intervals.
        verdict: "better" if the adapted scores are by correlation or error, and worse by neither (a paired test of each
            at 95 %, corrected for two); "worse" if they are by either; else "unclear".
        more_clips: How many more clips would be likely to show that they are better, if all stays as it is here; None
            if that cannot be said, or is not needed.
    """

    clips: int
    annotations: float
    base_spearman: float
    spearman: float
    base_rmse: float
    rmse: float
    spearman_gain: Comparison
    mse_gain: Comparison
    ranks: Interval
    coverage: float
    width: float
    verdict: Verdict
    more_clips: int | None

    @property
    def supported(self) -> bool:
        """Whether clips that were left out show the adapted scores to be better."""
        return self.verdict == "better"

    @property
    def findings(self) -> dict[str, Verdict]:
        """What each measure, in words, shows of the adapted scores by itself."""
        signs = _clear_signs((self.spearman_gain, self.mse_gain))
        return {name: _VERDICTS[sign] for name, sign in zip(("rank correlation", "squared error"), signs, strict=True)}

    @property
    def worse_by(self) -> list[str]:
        """By what the adapted scores are clearly worse, in words."""
        return [name for name, found in self.findings.items() if found == "worse"]

    @property
    def ranks_clips(self) -> bool:
        """Whether the correlation of the adapted scores with measured ones is clearly above 0."""
        return self.ranks.low > 0


def reason_against(horizon: Horizon, scores: np.ndarray) -> str:
    """Why nothing can be learnt from scores `(clips,)`; empty where something can."""
    name = HORIZON_NAMES[horizon]
    if len(scores) < FEWEST_CLIPS:
        return (
            f"{quantity(len(scores), 'clip')} with a {name} score that the model has not seen; at least {FEWEST_CLIPS} "
            "are needed to adapt it"
        )
    if np.ptp(scores) == 0:
        return f"all {len(scores)} {name} scores are {scores[0]:g}; scores must differ to adapt a model to them"
    return ""


def measure_support(
    held_out: HeldOut, scores: np.ndarray, counts: np.ndarray
) -> tuple[HorizonResult, tuple[float, float]]:
    """Compare predictions of clips that were left out with the base's scores.

    Args:
        held_out: Of the clips.
        scores, counts: `(clips,)`; counts are NaN where unknown.

    Returns:
        The result, and the quantiles of errors over their expected size, of which intervals are made.
    """
    predicted, base = held_out.predicted, held_out.base
    known = counts[np.isfinite(counts) & (counts > 0)]
    sigma = held_out.sigma(inverse_counts(counts))
    ratios = (scores - predicted) / sigma
    ends = conformal_ends(ratios, LEVEL)
    assert ends is not None  # FEWEST_CLIPS are enough
    inside, widths = _cross_conformal(ratios, sigma, predicted)
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # constant predictions have no correlation
        own, before = spearman(predicted, scores), spearman(base, scores)
        gains = [compare(predicted, base, scores, each) for each in ("spearman", "mse")]
        ranks = bootstrap_interval(predicted, scores) if math.isfinite(own) else _NO_INTERVAL
    verdict, more = _judge(gains, len(scores))
    result = HorizonResult(
        len(scores), float(np.median(known)) if len(known) else math.nan, before, own,
        math.sqrt(mse(base, scores)), math.sqrt(mse(predicted, scores)), gains[0], gains[1], ranks,
        float(inside.mean()), float(widths.mean()), verdict, more,
    )  # fmt: skip
    return result, ends


def _cross_conformal(ratios: np.ndarray, sigma: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each measured score is in an interval with ends by the other folds' errors, and the intervals' widths."""
    folds = np.random.default_rng(1).permutation(len(ratios)) % _FOLDS
    inside, widths = np.zeros(len(ratios), bool), np.zeros(len(ratios))
    for fold in range(_FOLDS):
        here = folds == fold
        ends = conformal_ends(ratios[~here], LEVEL)
        low, high = (-np.inf, np.inf) if ends is None else ends
        inside[here] = (low <= ratios[here]) & (ratios[here] <= high)
        edges = [np.clip(predicted[here] + end * sigma[here], 0, 1) for end in (low, high)]
        widths[here] = edges[1] - edges[0]
    return inside, widths


def _judge(gains: Sequence[Comparison], clips: int) -> tuple[Verdict, int | None]:
    """Whether adapted scores are better, and where that is unclear, how many more clips would be likely to show it."""
    if clear := [sign for sign in _clear_signs(gains) if sign]:
        return "worse" if min(clear) < 0 else "better", None
    z = max(_standard_errors(each) if up * each.difference > 0 else 0.0 for up, each in zip(_UP, gains, strict=True))
    needed = _clips_needed(z, clips)
    return "unclear", None if needed is None else max(10, math.ceil((needed - clips) / 10) * 10)


def _clear_signs(gains: Sequence[Comparison]) -> list[int]:
    """Of correlation and error: 1 if adapted scores are clearly better by it, -1 if worse, 0 if neither is clear."""
    corrected = holm([each.p_value for each in gains])
    signs = [1 if up * each.difference > 0 else -1 for up, each in zip(_UP, gains, strict=True)]
    return [sign if p < SIGNIFICANT else 0 for sign, p in zip(signs, corrected, strict=True)]


def _standard_errors(gain: Comparison) -> float:
    """Size of a difference in its standard errors."""
    spread = (gain.interval.high - gain.interval.low) / (2 * 1.96)
    return abs(gain.difference) / spread if spread > 0 else 0.0


def _clips_needed(z: float, clips: int) -> float | None:
    """Clips at which a difference that now has z standard errors would be found; None where that cannot be said."""
    if z < _LEAST_Z:
        return None
    needed = clips * (_NEEDED_Z / z) ** 2
    return needed if needed <= _MOST_TIMES * clips else None
