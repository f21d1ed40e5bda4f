"""Losses by their names in recipes."""

from typing import Any, Final

from videomem_hf.losses.base import MemorabilityLoss
from videomem_hf.losses.binomial import BinomialLoss
from videomem_hf.losses.names import LOSS_NAMES
from videomem_hf.losses.options import build_by_name
from videomem_hf.losses.pairwise import PairwiseRankingLoss
from videomem_hf.losses.regression import AbsoluteError, SquaredError
from videomem_hf.losses.sodeep import SpearmanLoss
from videomem_hf.losses.soft_rank import SoftRankLoss

_CLASSES: Final = (SquaredError, AbsoluteError, SpearmanLoss, SoftRankLoss, PairwiseRankingLoss, BinomialLoss)
LOSSES: Final[dict[str, type[MemorabilityLoss]]] = dict(zip(LOSS_NAMES, _CLASSES, strict=True))


def build_loss(name: str, **options: Any) -> MemorabilityLoss:
    """Build a loss by its name in a recipe: `build_loss("sodeep", sorter="exact", l1_weight=0.5)`.

    Move it to the device of the predictions: a sorter has weights. For a model's `(batch, horizons)`, and to rank the
    clips of all processes against each other, wrap it in `HorizonLoss`.

    Raises:
        InputError: An unknown name or option, or a value that the loss refuses.
    """
    return build_by_name("loss", LOSSES, name, options)
