"""The loss of a batch as a recipe names it: the model's own, or one of this package."""

from typing import Any

import torch
from torch import nn

from videomem_hf.losses.build import build_loss
from videomem_hf.losses.horizons import HorizonLoss


class Criterion(nn.Module):
    """The loss of a batch: the model's own, or one of `videomem_hf.losses` over all processes together.

    Args:
        options: `type` and that loss's options.

    Raises:
        InputError: Options that the loss does not have.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__()
        options = dict(options)
        kind = options.pop("type")
        self.loss = None if kind == "model" else HorizonLoss(build_loss(kind, **options))

    def forward(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Run the model and compute the loss, a scalar."""
        if self.loss is None:
            return model(**batch).loss
        labels, counts = batch["labels"], batch.get("annotation_counts")
        inputs = {name: value for name, value in batch.items() if name not in ("labels", "annotation_counts")}
        return self.loss(model(**inputs).scores, labels, counts)
