"""Squared and absolute error: the losses of MemNet, the perceptrons and the first epochs of the semantic model."""

import torch

from videomem_hf.losses.base import MemorabilityLoss, mean_over


class SquaredError(MemorabilityLoss):
    """Mean squared error over the labelled items. Best for calibrated scores with even noise."""

    def _loss(self, predictions: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return mean_over((predictions - targets).square(), mask)


class AbsoluteError(MemorabilityLoss):
    """Mean absolute error over the labelled items: clips that were scored far off pull less."""

    def _loss(self, predictions: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return mean_over((predictions - targets).abs(), mask)
