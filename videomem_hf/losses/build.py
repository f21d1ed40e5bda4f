"""The loss of a batch by its name in a recipe: the model's own, or one of this package."""

from typing import Any, Final

import torch
from torch import nn

from videomem_hf.losses.base import AbsoluteError, MemorabilityLoss, SquaredError
from videomem_hf.losses.binomial import BinomialLoss
from videomem_hf.losses.horizons import HorizonLoss
from videomem_hf.losses.names import LOSS_NAMES, MODEL_LOSS
from videomem_hf.losses.pairwise import PairwiseRankingLoss
from videomem_hf.losses.sodeep import SpearmanLoss
from videomem_hf.losses.soft_rank import SoftRankLoss
from videomem_hf.recipes import build_by_name

_CLASSES: Final = (SquaredError, AbsoluteError, SpearmanLoss, SoftRankLoss, PairwiseRankingLoss, BinomialLoss)
LOSSES: Final[dict[str, type[MemorabilityLoss]]] = dict(zip(LOSS_NAMES, _CLASSES, strict=True))


def build_loss(name: str, **options: Any) -> MemorabilityLoss:
    """Build a loss by its name in a recipe: `build_loss("sodeep", sorter="exact", l1_weight=0.5)`.

    Move it to the device of the predictions: a sorter has weights. For a model's `(batch, horizons)`, and to rank the
    clips of all processes against each other, wrap it in `HorizonLoss`.

    Raises:
        InputError: An unknown name or option, or a value that the loss does not allow.
    """
    return build_by_name("loss", LOSSES, name, options)


class Criterion(nn.Module):
    """The loss of a batch: the model's own, or one of `videomem_hf.losses` over all processes together.

    Args:
        options: `type` and that loss's options.

    Attributes:
        loss: Of scores and labels; None for the model's own, which is a mean over clips.

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
        return self.score_loss(self.scores(model, batch), batch)

    def scores(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The model's scores of a batch, which may have labels."""
        inputs = {name: value for name, value in batch.items() if name not in ("labels", "annotation_counts")}
        scores: torch.Tensor = model(**inputs).scores
        return scores

    def score_loss(self, scores: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The loss of scores for the labels of a batch; not for the model's own loss."""
        assert self.loss is not None
        value: torch.Tensor = self.loss(scores, batch["labels"], batch.get("annotation_counts"))
        return value
