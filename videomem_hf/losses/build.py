"""Losses by the names that recipes give them."""

from typing import Any, Final

from videomem_hf.losses.base import MemorabilityLoss
from videomem_hf.losses.binomial import BinomialLoss
from videomem_hf.losses.options import make
from videomem_hf.losses.pairwise import PairwiseRankingLoss
from videomem_hf.losses.regression import AbsoluteError, SquaredError
from videomem_hf.losses.sodeep import SpearmanLoss
from videomem_hf.losses.soft_rank import SoftRankLoss

LOSSES: Final[dict[str, type[MemorabilityLoss]]] = {
    "mse": SquaredError,
    "l1": AbsoluteError,
    "sodeep": SpearmanLoss,
    "soft_rank": SoftRankLoss,
    "pairwise": PairwiseRankingLoss,
    "binomial": BinomialLoss,
}


def build_loss(name: str, **options: Any) -> MemorabilityLoss:
    """Make a loss as a recipe names it: `build_loss("sodeep", sorter="exact", l1_weight=0.5)`.

    Move it to the device of the predictions: a sorter has weights. For a model's `(batch, horizons)`, and to rank the
    clips of all processes against each other, wrap it in `HorizonLoss`.

    Raises:
        InputError: An unknown name or option, or a value that the loss refuses.
    """
    return make("loss", LOSSES, name, options)
