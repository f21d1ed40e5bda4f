"""The base classes of all losses (shapes, unlabelled items, single precision), and the two plain errors."""

from typing import ClassVar

import torch
from torch import nn

from videomem_hf.recipes import require


class MemorabilityLoss(nn.Module):
    """A loss between predicted and measured scores of one or several sequences of clips.

    A sequence is a set of clips that are ranked against each other: usually the batch, for one horizon. Losses
    compute in single precision (double stays double), under autocast too.
    """

    needs_counts: ClassVar[bool] = False
    """Whether `forward` also takes `counts`, the annotations behind each target."""

    def forward(
        self, predictions: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute the loss.

        Args:
            predictions: `(items,)` or `(sequences, items)`.
            targets: The same shape; NaN for an unlabelled item.
            mask: The same shape, boolean: False for an item to leave out, as unlabelled items always are.

        Returns:
            A scalar; 0 with gradient 0 if nothing is labelled.

        Raises:
            ValueError: Shapes that differ or do not fit.
        """
        with torch.autocast(predictions.device.type, enabled=False):
            predictions, targets, mask = as_sequences(predictions, targets, mask)
            return self._loss(predictions, targets, mask) if predictions.numel() else predictions.sum()

    def _loss(self, predictions: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The loss of `(sequences, items)`; where `mask` is False both values are 0."""
        raise NotImplementedError


class SquaredError(MemorabilityLoss):
    """Mean squared error over the labelled items. Best for calibrated scores with even noise."""

    def _loss(self, predictions: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return mean_over((predictions - targets).square(), mask)


class AbsoluteError(MemorabilityLoss):
    """Mean absolute error over the labelled items: clips that were scored far off pull less."""

    def _loss(self, predictions: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return mean_over((predictions - targets).abs(), mask)


class RankingLoss(MemorabilityLoss):
    """A loss of the order of clips, with some absolute error that keeps scores at their measured level."""

    def __init__(self, l1_weight: float) -> None:
        super().__init__()
        require(is_number(l1_weight, least=0), "l1_weight", "a number of at least 0", l1_weight)
        self.l1_weight = l1_weight

    def _loss(self, predictions: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        absolute = mean_over((predictions - targets).abs(), mask)
        return self._ranking(predictions, targets, mask) + self.l1_weight * absolute

    def _ranking(self, predictions: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


def as_sequences(
    predictions: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Check shapes; give predictions, targets and a boolean mask as `(sequences, items)` in at least float32."""
    if predictions.ndim not in (1, 2):
        raise ValueError(f"predictions must be (items,) or (sequences, items), got {tuple(predictions.shape)}")
    for name, values in {"targets": targets, "mask": mask}.items():
        if values is not None and values.shape != predictions.shape:
            raise ValueError(f"{name} must be {tuple(predictions.shape)} like predictions, got {tuple(values.shape)}")
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(f"mask must be boolean, got {mask.dtype}")
    labelled = targets.isfinite() if mask is None else targets.isfinite() & mask
    dtype = torch.promote_types(predictions.dtype, torch.float32)
    predictions, targets = (values.to(dtype).masked_fill(~labelled, 0.0) for values in (predictions, targets))
    if predictions.ndim == 1:
        return predictions[None], targets[None], labelled[None]
    return predictions, targets, labelled


def mean_over(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean of the values where `mask` is True; 0 if it is nowhere."""
    return values.masked_fill(~mask, 0.0).sum() / mask.sum().clamp_min(1)


def is_number(value: object, *, above: float = float("-inf"), least: float = float("-inf")) -> bool:
    """Whether `value` is a finite number (no boolean) above one bound and at least another."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return above < value < float("inf") and value >= least
