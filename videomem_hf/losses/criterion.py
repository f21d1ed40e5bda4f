"""The loss of a batch by its name in a recipe: the model's own, or one of this package."""

from typing import Any

import torch
from torch import nn

from videomem_hf.losses.build import build_loss
from videomem_hf.losses.horizons import HorizonLoss
from videomem_hf.losses.names import MODEL_LOSS


class Criterion(nn.Module):
    """The loss of a batch: the model's own, or one of `videomem_hf.losses` over all processes together.

    Args:
        options: `type` and that loss's options.

    Raises:
        InputError: An unknown loss, or options that it does not have.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__()
        options = dict(options)
        kind = options.pop("type")
        self.loss = None if kind == MODEL_LOSS else HorizonLoss(build_loss(kind, **options))

    def forward(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Run the model on a batch and compute its loss, a scalar."""
        if self.loss is None:
            loss: torch.Tensor = model(**batch).loss
            return loss
        labels, counts = batch["labels"], batch.get("annotation_counts")
        inputs = {name: value for name, value in batch.items() if name not in ("labels", "annotation_counts")}
        value: torch.Tensor = self.loss(model(**inputs).scores, labels, counts)
        return value
