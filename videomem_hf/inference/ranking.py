"""Ranks of clips by predicted score: how many others are clearly above."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from videomem_hf.inference.prediction import Prediction
from videomem_hf.schema import HORIZON_NAMES, Horizon
from videomem_hf.statistics import Floats

_FEWEST_ALIKE: Final = 3
"""Clips of which it is odd that they have one score; two may be copies."""


def shared_ranks(predictions: Sequence[Prediction], horizon: Horizon) -> list[int | None]:
    """Rank clips by how many are clearly above them.

    Clips with one rank may still differ: of scores .9, .8 and .7 with an error of .15 the ranks are 1, 1 and 2,
    although neither the first two nor the last two can be told apart.

    Args:
        predictions: Of one model.
        horizon: What they are ranked by.

    Returns:
        For each clip 1 and the number of clips whose score is higher by more than the error of a difference, as
        measured on pairs of held-out clips (`Reference.difference_error`); None for one that could not be scored.
        Where the error is not known, the plain rank; where no difference is large enough, all share the first.
    """
    scores = np.array([np.nan if each.error is not None else each.scores[horizon] for each in predictions])
    errors = [(each.reference.difference_error if each.reference else {}).get(horizon, 0.0) for each in predictions]
    ranks = ranks_of(scores, np.array(errors))
    return [None if np.isnan(score) else int(rank) for score, rank in zip(scores, ranks, strict=True)]


def ranks_of(scores: Floats, errors: Floats) -> np.ndarray:
    """Rank items by how many are clearly above each: 1 and the number whose score is higher by more than the error.

    Args:
        scores: `(items,)`; NaN is above none.
        errors: `(items,)`, or one number: of a difference; may be infinite.
    """
    higher = scores[None, :] - scores[:, None] > np.broadcast_to(errors, scores.shape)[:, None]
    return 1 + higher.sum(axis=1)


def equal_scores(predictions: Sequence[Prediction], horizons: Sequence[Horizon]) -> str:
    """Say of which horizons all clips have one and the same score; empty if of none, or of fewer than three clips."""
    scored = [each for each in predictions if each.error is None]
    if len(scored) < _FEWEST_ALIKE:
        return ""
    alike = [HORIZON_NAMES[h] for h in horizons if np.ptp([each.scores[h] for each in scored]) == 0]
    if not alike:
        return ""
    return f"All clips have the same {' and the same '.join(alike)} score: the model does not tell them apart."
