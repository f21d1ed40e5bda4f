"""Losses for memorability scores: regression, ranking and binomial likelihood.

Where only the correlation matters and most scores are high, as memorability scores are, take a ranking loss: the
pairwise margin is the simplest and never did worse than squared error. Where scores are read as probabilities, take the
binomial likelihood, which uses the annotation counts. `sodeep` is the paper's. Figures: docs/training.md.
"""

from typing import TYPE_CHECKING, Final

from videomem_hf.system import lazy_names

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


_NAMES: Final = {
    ".base": "AbsoluteError MemorabilityLoss SquaredError",
    ".binomial": "BinomialLoss",
    ".build": "LOSSES Criterion build_loss",
    ".horizons": "HorizonLoss",
    ".pairwise": "PairwiseRankingLoss",
    ".ranking": "ranks",
    ".sodeep": "SpearmanLoss",
    ".soft_rank": "SoftRankLoss soft_ranks",
    ".sorter_files": "build_sorter load_sorter shipped_sorters",
}
__getattr__ = lazy_names(__name__, {name: module for module, names in _NAMES.items() for name in names.split()})
