"""Soft ranks by projection onto the permutahedron, and Spearman's correlation of them.

Mathieu Blondel et al., "Fast Differentiable Sorting and Ranking", ICML 2020. The soft ranks of scores are the Euclidean
projection of the scaled scores onto the permutahedron, the convex hull of all permutations of (1, ..., n). It is found
by isotonic regression of the sorted scores; here with the min-max formula of isotonic regression (Robertson, Wright and
Dykstra, 1988, Theorem 1.4.4) on a matrix of segment means, without a loop over items.
"""

import math

import torch

from videomem_hf.losses.base import RankingLoss, is_number, mean_over
from videomem_hf.losses.ranking import nearly_equal, ranks, standardize
from videomem_hf.recipes import require


class SoftRankLoss(RankingLoss):
    """One minus the correlation of soft ranks with the targets' ranks: 0 is best, 2 worst.

    As `strength` goes to 0 this is exactly one minus Spearman's correlation, and its gradient vanishes nearly
    everywhere; with a large one it is one minus Pearson's correlation of the predictions with the targets' ranks.

    A sequence of n scores with a standard deviation below `SPREAD_FLOOR` has one minus their covariance with the
    standardised ranks, in units of that floor: the norm of its gradient is 1 / (`SPREAD_FLOOR` * sqrt(n)).
    """

    def __init__(self, strength: float = 1.0, l1_weight: float = 0.0) -> None:
        """Set up the loss.

        Args:
            strength: Of the regularisation, relative to the spread of the predictions; above 0. One value is equally
                soft for every number of items and every range of predictions.
            l1_weight: Weight of the mean absolute error that is added; the order alone does not fix the level.
        """
        super().__init__(l1_weight)
        require(is_number(strength, above=0), "strength", "a number above 0", strength)
        self.strength = strength

    def _ranking(self, predictions: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scores, hard = standardize(predictions, mask), standardize(ranks(targets, mask), mask)
        soft = standardize(soft_ranks(predictions, mask, strength=self.strength), mask)
        soft = torch.where(nearly_equal(scores, mask), -scores, soft)
        count = mask.sum(dim=-1).clamp_min(1)
        # Constant targets, such as a single item, have no order and no loss.
        return mean_over(1 - (soft * hard).sum(dim=-1) / count, (hard != 0).any(dim=-1))


def soft_ranks(values: torch.Tensor, mask: torch.Tensor, *, strength: float) -> torch.Tensor:
    """Differentiable ranks of `(sequences, items)` in (0, 1], descending as `ranks`; 0 where `mask` is False.

    The scores are brought to the standard deviation of the ranks and divided by `strength`, then projected.
    """
    count = mask.sum(dim=-1, keepdim=True).clamp_min(1)
    scaled = -standardize(values, mask) * (count / (math.sqrt(12.0) * strength))
    return (_project_on_permutahedron(scaled, mask) / count).masked_fill(~mask, 0.0)


def _project_on_permutahedron(points: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Project the labelled coordinates of each row onto the hull of the permutations of (1, ..., count)."""
    order = points.masked_fill(~mask, -torch.inf).argsort(dim=-1, descending=True)
    labelled = mask.gather(-1, order)
    ordered = points.gather(-1, order)
    positions = torch.arange(points.shape[-1], device=points.device)
    count = mask.sum(dim=-1, keepdim=True)
    corners = (count - positions).clamp_min(0).to(points.dtype)  # count, ..., 2, 1, and 0 after the labelled ones
    # Unlabelled items come last; made smaller than all others, they stay separate blocks.
    gaps = torch.where(labelled, ordered - corners, 0.0)
    lowest = gaps.detach().amin(dim=-1, keepdim=True)
    gaps = torch.where(labelled, gaps, lowest - 1 - positions)
    return torch.zeros_like(points).scatter(-1, order, ordered - _decreasing_regression(gaps))


def _decreasing_regression(values: torch.Tensor) -> torch.Tensor:
    """Isotonic regression of each row by a decreasing sequence.

    At position i it is the least over first <= i of the greatest over last >= i of the mean of values[first..last].
    The winning segments are found without gradient; their means then carry it.
    """
    items = values.shape[-1]
    positions = torch.arange(items, device=values.device)
    sums = torch.nn.functional.pad(values.cumsum(dim=-1), (1, 0))  # sums[k]: of the first k
    with torch.no_grad():
        lengths = positions - positions[:, None] + 1  # (first, last)
        means = (sums[:, None, 1:] - sums[:, :-1, None]) / lengths.clamp_min(1)
        means = means.masked_fill(lengths < 1, -torch.inf)
        greatest, last = means.flip(-1).cummax(dim=-1)
        greatest, last = greatest.flip(-1), items - 1 - last.flip(-1)
        greatest = greatest.masked_fill(lengths < 1, torch.inf)  # first must not be after i
        first = greatest.argmin(dim=1)  # (sequence, i)
        last = last.gather(1, first[:, None, :])[:, 0]
    return (sums.gather(-1, last + 1) - sums.gather(-1, first)) / (last - first + 1)
