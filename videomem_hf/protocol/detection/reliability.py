"""How reliable measures are: by the model, and by random halves of the participants."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

from videomem_hf.protocol.detection.linear import KINDS
from videomem_hf.protocol.detection.measure import FEWEST_VIDEOS, MEASURES, Measurement, measure_values
from videomem_hf.protocol.detection.model import Responses
from videomem_hf.statistics import Floats, spearman, spearman_brown

SPLITS: Final = 10
_NEWTON_STEPS: Final = 6
_LARGEST_STEP: Final = 2.0


@dataclass(frozen=True)
class Reliability:
    """Of one measure.

    Attributes:
        model: Share of the variance over videos that is not error, by the model, in [0, 1].
        split_half: Spearman's correlation over videos between two random halves of the participants, mean of the
            splits; NaN with fewer than 3 videos or 2 participants.
        spearman_brown: The same for all participants against as many others, by the Spearman-Brown formula.
    """

    model: float
    split_half: float
    spearman_brown: float


def reliabilities(
    measurement: Measurement, *, splits: int = SPLITS, seed: int = 0, progress: Callable[[int], object] | None = None
) -> dict[str, Reliability]:
    """The reliability of each measure; a pure function of the input and the seed.

    In each half the videos are fitted anew, with the participants' effects and the slope of the whole fit: a
    participant is in one half only. `progress` is called with 1 after each split.
    """
    generator = np.random.default_rng([seed, 4])
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    participants = np.unique(measurement.responses.participant)
    for _ in range(splits):
        half = np.zeros(measurement.responses.participants, dtype=bool)
        half[generator.permutation(participants)[: len(participants) // 2]] = True
        scores = [half_measures(measurement, half), half_measures(measurement, ~half)]
        for name in MEASURES:
            found[name].append(agreement(scores[0][name], scores[1][name]))
        if progress is not None:
            progress(1)
    result = {}
    for name, values in found.items():
        defined = [value for value in values if np.isfinite(value)]
        mean = float(np.mean(defined)) if defined else float("nan")
        corrected = spearman_brown(mean, 2) if mean > -0.5 else float("nan")
        result[name] = Reliability(measurement.model_reliability(name), mean, corrected)
    return result


def half_measures(measurement: Measurement, participants: NDArray[np.bool_]) -> dict[str, Floats]:
    """Each measure of the videos by some participants `(participants,)` alone, `(videos,)`; NaN without responses."""
    detection, responses = measurement.detection, measurement.responses
    part = responses.select(participants[responses.participant])
    kind = part.repeat.astype(np.int64)
    offset = detection.mean[kind] + detection.participants.mean[part.participant, kind] + detection.slope * part.log_lag
    theta = _fit_videos(part, kind, offset, 1 / np.diag(detection.video_covariance))
    tendencies = detection.mean + theta.reshape(-1, KINDS)
    counts = np.bincount(KINDS * part.video + kind, minlength=KINDS * part.videos).reshape(-1, KINDS)
    tendencies[counts == 0] = np.nan
    values = {}
    for name in MEASURES:
        values[name] = measure_values(name, tendencies, detection.participant_covariance)
    return values


def _fit_videos(part: Responses, kind: NDArray[np.int64], offset: Floats, prior: Floats) -> Floats:
    """Effects of videos on each kind of response, `(2 videos,)`, by Newton's method."""
    index, size = KINDS * part.video + kind, KINDS * part.videos
    sign = np.where(part.pressed, 1.0, -1.0)
    theta, penalty = np.zeros(size), np.tile(prior, part.videos)
    for _ in range(_NEWTON_STEPS):
        z = sign * (offset + theta[index])
        ratio = np.sqrt(2 / np.pi) / special.erfcx(-z / np.sqrt(2))
        slope = np.bincount(index, sign * ratio, size) - penalty * theta
        curvature = np.bincount(index, ratio * (z + ratio), size) + penalty
        theta += np.clip(slope / curvature, -_LARGEST_STEP, _LARGEST_STEP)
    return theta


def agreement(x: Floats, y: Floats) -> float:
    """Spearman's correlation over the videos that both have; NaN of fewer than 3 or of constant values."""
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    if len(x) < FEWEST_VIDEOS or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return spearman(x, y)
