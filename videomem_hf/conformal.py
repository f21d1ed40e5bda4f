"""What the errors of predictions on held-out items say of new ones: bounds without an assumed distribution."""

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from videomem_hf.statistics import check_pair

RIGHT_ORDER: Final = 0.9
"""Share of pairs in the right order that the error of a difference stands for."""
_ITEMS_OF_ALL_PAIRS: Final = 2_000
FEWEST_ITEMS_OF_PAIRS: Final = 50
"""Below so many items the error of a difference is not known."""


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
    x, y = check_pair(predictions, references)
    if len(x) < FEWEST_ITEMS_OF_PAIRS:
        return None
    if len(x) <= _ITEMS_OF_ALL_PAIRS:
        first, second = np.triu_indices(len(x), 1)
    else:
        pairs = np.random.default_rng(seed).integers(0, len(x), (2, _ITEMS_OF_ALL_PAIRS**2 // 2))
        first, second = pairs[:, pairs[0] != pairs[1]]
    apart = x[first] - x[second]
    right = (np.sign(apart) * np.sign(y[first] - y[second]) + 1) / 2
    from scipy.optimize import isotonic_regression

    gaps, group, pairs_of = np.unique(np.abs(apart), return_inverse=True, return_counts=True)
    shares = isotonic_regression(np.bincount(group, right) / pairs_of, weights=pairs_of).x
    reached = int(np.searchsorted(shares, level - 1e-9))
    return float(gaps[reached]) if pairs_of[reached:].sum() >= len(x) else math.inf
