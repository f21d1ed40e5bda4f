"""SoDeep's ranking loss: Spearman's correlation made differentiable by a sorter."""

from pathlib import Path

import torch

from videomem_hf.losses.base import RankingLoss, mean_over
from videomem_hf.losses.ranking import ranks
from videomem_hf.losses.sorter_files import load_sorter
from videomem_hf.losses.sorter_networks import Sorter


class SpearmanLoss(RankingLoss):
    """Squared error of the sorter's ranks of the predictions against the ranks of the targets, plus weighted L1.

    Spearman's correlation of n clips without ties is 1 - 6 n^2 / (n^2 - 1) times the mean squared difference of ranks
    (divided by n): the loss falls as the correlation rises (Engilberge et al., CVPR 2019, Eq. 3 and Sec. 4). The sorter
    is fixed: its parameters are not trained.

    A sorter of a fixed length n sees windows of n labelled items. Where items are left over, or fewer than n, items of
    the same sequence are repeated to fill a window, predictions and targets alike: these then have more weight. A batch
    of n, or a sorter of any length, has no such repeats.

    The default, `comparison_soft`, has a third of the rank error of `exact` and trains as well; `exact` is the cheapest
    and the quickest to reorder scores that have fallen into far groups; `comparison` gives the loss value that is
    closest to the true correlation. The measurements are in docs/training.md.

    Scores that are equal, or nearly so, have a bounded gradient; see `ComparisonSorter`.
    """

    def __init__(self, sorter: str | Path | Sorter = "comparison_soft", l1_weight: float = 0.1) -> None:
        """Choose the sorter.

        Args:
            sorter: `exact`, a sorter that comes with the package, a folder, or the module itself.
            l1_weight: Lambda, the weight of the mean absolute error, which holds the scores to their level. Its value
                is not published. With 1, the gain on skewed scores was 0.020, and 0.009 on even ones (-0.002 with 0.1).

        Raises:
            InputError: No such sorter, or a weight below 0.
        """
        super().__init__(l1_weight)
        self.sorter = (sorter if isinstance(sorter, Sorter) else load_sorter(sorter)).requires_grad_(False)

    def train(self, mode: bool = True) -> "SpearmanLoss":
        """Keep the sorter in training mode: cuDNN gives recurrent networks no gradient otherwise."""
        super().train(mode)
        self.sorter.train()
        return self

    def _ranking(self, predictions: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        # One item alone has rank 1 whatever its score.
        mask = mask & (mask.sum(dim=-1, keepdim=True) > 1)
        if self.sorter.length is None:
            sorted_ranks = self.sorter(predictions, mask)
        else:
            predictions, targets, mask = windows(predictions, targets, mask, self.sorter.length)
            sorted_ranks = self.sorter(predictions)
        return mean_over((sorted_ranks - ranks(targets, mask)).square(), mask)


def windows(
    predictions: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor, length: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cut sequences `(sequences, items)` into windows of `length` labelled items, repeating items to fill them.

    Returns:
        Predictions, targets and mask, `(sequences * ceil(items / length), length)`. A window's mask is all True, or all
        False where its sequence has no labelled item.
    """
    sequences, items = predictions.shape
    number = -(-items // length)
    labelled_first = mask.to(torch.int8).argsort(dim=-1, descending=True, stable=True)
    slots = torch.arange(number * length, device=mask.device).expand(sequences, -1)
    source = labelled_first.gather(-1, slots % mask.sum(dim=-1, keepdim=True).clamp_min(1))
    cut = (values.gather(-1, source).reshape(-1, length) for values in (predictions, targets, mask))
    return next(cut), next(cut), next(cut)
