"""Where a score stands among VideoMem's released scores, approximated from their published moments."""

from functools import cache
from typing import Any

from videomem_hf.schema import RELEASED_SCORES, Horizon


def approximate_percentile(score: float, horizon: Horizon) -> float:
    """Share in percent of VideoMem's videos that score lower, approximated.

    The released scores are not part of this package; a beta distribution stands for them, scaled to the range from
    their smallest to their largest and fitted to their mean and standard deviation by moments.

    Args:
        score: In [0, 1]. It means something only if the predictor was trained on scores measured as VideoMem's.
        horizon: Short-term and long-term scores are distributed differently.

    Returns:
        In [0, 100].
    """
    return 100 * float(score_distribution(horizon).cdf(score))


@cache
def score_distribution(horizon: Horizon) -> Any:
    """The fitted beta distribution, as SciPy's frozen distribution."""
    from scipy.stats import beta

    released = RELEASED_SCORES[horizon]
    width = released.high - released.low
    mean, std = (released.mean - released.low) / width, released.std / width
    concentration = mean * (1 - mean) / std**2 - 1
    return beta(mean * concentration, (1 - mean) * concentration, loc=released.low, scale=width)
