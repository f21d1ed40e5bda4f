"""Calibration and noise ceiling of a run in sentences, which also hold for few clips."""

from typing import Final

import numpy as np
from scipy.stats import binom, linregress, t

from videomem_hf.analysis.errors import Predicted
from videomem_hf.schema import HORIZON_NAMES, Horizon
from videomem_hf.statistics import noise_ceiling, noise_ceiling_interval, spearman

CONFIDENCE: Final = 0.95
GROUP_CLIPS: Final = 12
FEWEST_FOR_GROUPS: Final = 3 * GROUP_CLIPS
"""Clips from which on groups by predicted score show more than a line would."""


def calibration_sentences(horizon: Horizon, found: Predicted, level: float) -> list[str]:
    """Say how far predictions are off on average, how measured scores rise with them, and how many intervals hold.

    `level` is the share of measured scores that the intervals are meant to cover.
    """
    errors = found.predicted - found.measured
    half = t.ppf((1 + CONFIDENCE) / 2, len(errors) - 1) * errors.std(ddof=1) / np.sqrt(len(errors))
    mean, low, high = errors.mean(), errors.mean() - half, errors.mean() + half
    side = "above" if mean >= 0 else "below"
    sentences = [
        f"{HORIZON_NAMES[horizon].capitalize()}: predictions are on average {abs(mean):.3f} {side} the measured scores "
        f"(predicted minus measured {mean:.3f}, {CONFIDENCE:.0%} confidence interval {low:.3f} to {high:.3f})."
    ]
    if np.ptp(found.predicted) > 0:
        fit = linregress(found.predicted, found.measured)
        half = t.ppf((1 + CONFIDENCE) / 2, len(errors) - 2) * fit.stderr
        sentences.append(
            f"Between clips whose predictions differ by .1, measured scores differ by {fit.slope / 10:.3f} on average "
            f"({CONFIDENCE:.0%} confidence interval {(fit.slope - half) / 10:.3f} to {(fit.slope + half) / 10:.3f}; "
            ".100 would be calibrated)."
        )
    if found.covered is not None:
        inside, clips = int(found.covered.sum()), len(errors)
        fewest, most = (int(each) for each in binom.interval(CONFIDENCE, clips, level))
        test = "calibrated on these clips" if found.is_calibrated_here else f"{fewest} to {most} are expected by chance"
        share = f"{inside} of {clips} measured scores ({inside / clips:.0%})"
        sentences.append(f"{share} lie in their {level:.0%} intervals; {test}.")
    return sentences


def ceiling_sentence(horizon: Horizon, found: Predicted) -> str:
    """Compare the model's correlation with the noise ceiling of the scores; empty where that is not known."""
    if found.counts is None or not np.isfinite(ceiling := noise_ceiling(found.measured, found.counts)):
        return ""
    name, clips = HORIZON_NAMES[horizon].capitalize(), len(found.measured)
    ends = noise_ceiling_interval(found.measured, found.counts, confidence=CONFIDENCE)
    interval = f"{CONFIDENCE:.0%} confidence interval {ends.low:.3f} to {ends.high:.3f}"
    said = f"{name}: {ceiling:.3f} ({interval}, from {clips} clips)"
    if ceiling == 0:
        return f"{said}: these scores vary no more than the noise of their annotations explains."
    if not np.ptp(found.predicted) or not np.isfinite(reached := spearman(found.predicted, found.measured)):
        return f"{said}."
    if reached > ceiling:
        return f"{said}. The model has {reached:.3f}, more than this ceiling, which is only an estimate."
    if reached <= 0:
        return f"{said}. The model has {reached:.3f}."
    return f"{said}. The model has {reached:.3f}, {reached / ceiling:.0%} of it."
