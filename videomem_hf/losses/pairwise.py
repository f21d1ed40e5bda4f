"""Pairwise ranking: every two clips of a batch should be predicted in their measured order."""

from typing import Literal, get_args

import torch
from torch.nn import functional

from videomem_hf.losses.base import RankingLoss, is_number, mean_over
from videomem_hf.recipes import require

PairLoss = Literal["logistic", "margin"]


class PairwiseRankingLoss(RankingLoss):
    """Mean penalty over all pairs of labelled items whose targets differ.

    `d` being the prediction of the better remembered clip minus that of the other, `logistic` is
    log(1 + exp(-d / width)) (RankNet; Burges et al., ICML 2005) and `margin` is max(0, 1 - d / width) (Herbrich et al.,
    1999). Both are in units of `width`. Sequences without such a pair, such as those of one item, contribute nothing.
    """

    def __init__(
        self, kind: PairLoss = "logistic", width: float = 0.1, difference_power: float = 0.0, l1_weight: float = 0.0
    ) -> None:
        """Set up the penalty.

        Args:
            kind: `logistic` or `margin`.
            width: Difference of predictions, in score units, that counts as well separated; above 0.
            difference_power: A pair is weighted by its target difference to this power. 0 weights all pairs equally;
                with 1, clips measured far apart dominate, and pairs that differ by chance matter little.
            l1_weight: Weight of the mean absolute error that is added; the order alone does not fix the level.
        """
        super().__init__(l1_weight)
        require(kind in get_args(PairLoss), "kind", f"one of {', '.join(get_args(PairLoss))}", kind)
        require(is_number(width, above=0), "width", "a number above 0", width)
        require(is_number(difference_power, least=0), "difference_power", "a number of at least 0", difference_power)
        self.kind, self.width, self.difference_power = kind, width, difference_power

    def _ranking(self, predictions: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        # (sequence, item, other): only pairs in which the item's target is the higher one.
        gaps = targets[:, :, None] - targets[:, None, :]
        ordered = (gaps > 0) & mask[:, :, None] & mask[:, None, :]
        leads = (predictions[:, :, None] - predictions[:, None, :]) / self.width
        penalties = functional.softplus(-leads) if self.kind == "logistic" else (1 - leads).clamp_min(0)
        if self.difference_power == 0:
            return mean_over(penalties, ordered)
        weights = torch.where(ordered, gaps, 1.0).pow(self.difference_power).masked_fill(~ordered, 0.0)
        total = weights.sum()
        return (weights * penalties).sum() / torch.where(total > 0, total, 1.0)
