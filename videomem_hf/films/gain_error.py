"""How far a difference between two versions of a clip may be from the true one, as far as a model's errors are known.

A prediction of a shot misses its true score by an error of variance v, known from the model's held-out clips; errors of
different shots are independent. If one version has the share s_k + d_k of shot k where the other has s_k, their
difference has the variance v sum d_k^2. Within a shot frame scores vary as an autoregressive process (`FrameNoise`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy import stats

from videomem_hf.films.shots import Shot
from videomem_hf.inference.clip_predictor import ClipPredictor
from videomem_hf.inference.frame_noise import FrameNoise
from videomem_hf.inference.reference import Reference
from videomem_hf.schema import Horizon
from videomem_hf.statistics import Floats

CONFIDENCE: Final = 0.95
_CORRELATION: Final = 0.6
"""Of one sampled frame's score with the next one's, where it is not known; as of the quickstart's model."""
_ERRORS_ABOVE: Final = 2.0
"""Standard errors by which the variance of the model's error is taken above its estimate."""


def error_variance(reference: Reference | None, horizon: Horizon) -> float | None:
    """The variance of what a model's prediction of a clip misses its true score by; None where it is not known.

    Two standard errors above the estimate from held-out clips, by which few of them count for less.
    """
    fit = reference.fits.get(horizon) if reference else None
    if fit is None or fit.clips < 2:
        return None
    scale = fit.scale
    noise = scale.count_factor * scale.centre * (1 - scale.centre) / fit.typical_count if fit.typical_count else 0.0
    total = scale.variance + noise
    return float(scale.variance + _ERRORS_ABOVE * np.sqrt(2 / fit.clips) * total)


@dataclass(frozen=True)
class GainError:
    """The model's part of the error of a difference.

    Attributes:
        variance: Of what a prediction misses a shot's true score by; None where it is not known.
        noise: How frame scores vary within a shot; None where it is not known.
        freedom: Degrees of freedom: the held-out clips that both are from, less one.
        frames_per_second: That the model samples.
    """

    variance: float | None
    noise: FrameNoise | None
    freedom: int
    frames_per_second: float

    @classmethod
    def of(cls, predictor: ClipPredictor, horizon: Horizon, frames_per_second: float) -> "GainError":
        """What is known of a model's errors."""
        reference = predictor.claims.reference
        fit = reference.fits.get(horizon) if reference else None
        noise = predictor.claims.frame_noise.get(horizon)
        freedom = max(1, fit.clips - 1) if fit else 1
        return cls(error_variance(reference, horizon), noise, freedom, frames_per_second)

    def with_frames(self, scores: Floats, of_shot: np.ndarray) -> "GainError":
        """The same for a clip whose frame scores `(frames,)` vary more within their shots than held-out clips' do."""
        means = np.bincount(of_shot, scores) / np.maximum(np.bincount(of_shot), 1)
        spread = float(np.sqrt(np.mean((scores - means[of_shot]) ** 2)))
        noise = self.noise or FrameNoise(0.0, _CORRELATION)
        return replace(self, noise=replace(noise, sd=max(noise.sd, spread)))

    def sd(self, contrast: Floats, times_s: Floats, shots: Sequence[Shot], unlikeness: float = 0.0) -> float:
        """Standard error of a difference of two weighted means of frame scores; 0 where the variance is not known.

        Args:
            contrast: `(frames,)` the weights of one version less those of the other.
            times_s: `(frames,)` in seconds.
            shots: Of the clip.
            unlikeness: How far the picture was changed, as a share of how far two clips are from each other.
        """
        if self.variance is None:
            return 0.0
        of_shot = shot_indices(shots, times_s)
        changed = float((np.bincount(of_shot, contrast) ** 2).sum())
        return float(np.sqrt(self.variance * (changed + 2 * unlikeness) + self._within(contrast, times_s, of_shot)))

    def interval(self, gain: float, sd: float) -> tuple[float, float]:
        """Confidence interval (95 %) of a difference; infinite where the variance is not known."""
        if self.variance is None:
            return -np.inf, np.inf
        reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, self.freedom)) * sd
        return gain - reach, gain + reach

    def chance_of_none(self, ratio: float) -> float:
        """One-sided p-value of a gain that is so many standard errors above 0."""
        return float(stats.t.sf(ratio, self.freedom))

    def _within(self, contrast: Floats, times_s: Floats, of_shot: np.ndarray) -> float:
        if self.noise is None:
            return 0.0
        total = 0.0
        for shot in np.unique(of_shot[contrast != 0]):  # shots are independent
            here = np.flatnonzero(of_shot == shot)
            apart = np.abs(np.subtract.outer(times_s[here], times_s[here])) * self.frames_per_second
            total += float(contrast[here] @ self.noise.correlation**apart @ contrast[here])
        return self.noise.sd**2 * total


def shot_indices(shots: Sequence[Shot], times_s: Floats) -> np.ndarray:
    """The index of the shot at each time, `(times,)`."""
    starts = np.array([shot.start_s for shot in shots])
    return np.maximum(np.searchsorted(starts, np.asarray(times_s) + 1e-6, side="right") - 1, 0)
