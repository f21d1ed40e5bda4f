"""Losses for memorability scores: regression, ranking and binomial likelihood.

Where only the correlation matters and most scores are high, as memorability scores are, take a ranking loss: the
pairwise margin is the simplest and never did worse than squared error. Where scores are read as probabilities, take the
binomial likelihood, which uses the annotation counts. `sodeep` is the paper's. Figures: docs/training.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from videomem_hf.losses.base import AbsoluteError, MemorabilityLoss, SquaredError
    from videomem_hf.losses.binomial import BinomialLoss
    from videomem_hf.losses.build import LOSSES, Criterion, build_loss
    from videomem_hf.losses.horizons import HorizonLoss
    from videomem_hf.losses.pairwise import PairwiseRankingLoss
    from videomem_hf.losses.ranking import ranks
    from videomem_hf.losses.sodeep import SpearmanLoss
    from videomem_hf.losses.soft_rank import SoftRankLoss, soft_ranks
    from videomem_hf.losses.sorter_files import build_sorter, load_sorter, shipped_sorters

__all__ = [
    "LOSSES", "AbsoluteError", "BinomialLoss", "Criterion", "HorizonLoss", "MemorabilityLoss", "PairwiseRankingLoss",
    "SoftRankLoss", "SpearmanLoss", "SquaredError", "build_loss", "build_sorter", "load_sorter", "ranks",
    "shipped_sorters", "soft_ranks",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load torch with the first use of what needs it: `losses.names` is for configurations."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    modules = ("build", "ranking", "soft_rank", "sorter_files")  # which import the others' classes
    loaded = (import_module(f"{__name__}.{module}") for module in modules)
    return next(getattr(module, name) for module in loaded if hasattr(module, name))
