"""What the kernel ridge models are fitted to: logits of scores shrunk by their counts, and each clip's noise."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from videomem_hf.multiview.interval_state import fill_counts

PRIOR_COUNT: Final = 6.0
"""Annotations that the mean score counts as, where the logit of a score is taken."""
_NOISE_FLOOR: Final = 0.4
"""Part of the noise that does not shrink with more annotations: the true memorability that no view explains."""


@dataclass(frozen=True)
class Targets:
    """Targets of the fit.

    Attributes:
        means, stds: `(horizons,)` of the training scores.
        values: `(clips, horizons)` float64 standardised scores, NaN where unknown.
        logits: The same shape: standardised logits of shrunk scores.
        noise: `(clips,)` with mean 1: noise variance of a clip relative to the others, by its annotation counts.
    """

    means: np.ndarray
    stds: np.ndarray
    values: np.ndarray
    logits: np.ndarray
    noise: np.ndarray


def make_targets(scores: np.ndarray, counts: np.ndarray, use_counts: bool = True) -> Targets:
    """Standardise scores `(clips, horizons)` and their logits.

    Args:
        scores: NaN where unknown.
        counts: Their annotation counts, NaN where unknown.
        use_counts: Whether clips with more annotations have more weight; otherwise all have typical counts.
    """
    known = counts if use_counts else np.full_like(counts, np.nan)
    n = fill_counts(known) if use_counts else np.broadcast_to(fill_counts(counts).mean(axis=0), counts.shape)
    means, values, stds = _standardise(scores)
    shrunk = (n * scores + PRIOR_COUNT * means) / (n + PRIOR_COUNT)
    shrunk = np.clip(shrunk, 1e-6, 1 - 1e-6)  # of a mean of 0 or 1
    _, logits, _ = _standardise(np.log(shrunk / (1 - shrunk)))
    return Targets(means, stds, values, logits, relative_noise(known))


def _standardise(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    means, stds = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    stds = np.where(stds > 0, stds, 1.0)
    return means, (values - means) / stds, stds


def relative_noise(counts: np.ndarray) -> np.ndarray:
    """Noise variance of each clip relative to the mean, `(clips,)`: falls with its annotation counts to a floor."""
    inverse = np.ma.masked_invalid(1 / np.where(counts > 0, counts, np.nan))
    relative = (inverse / inverse.mean(axis=0)).filled(1.0).mean(axis=1)
    return _NOISE_FLOOR + (1 - _NOISE_FLOOR) * relative
