"""Losses for memorability scores: regression, ranking and binomial likelihood.

Which one to take, by `benchmarks/losses_quality.py` (perceptrons on generated scores of 9 to 40 annotations, test
Spearman minus that of squared error over 10 seeds, standard errors 0.002 to 0.004):

| loss                          | skewed scores, batch 32 | batch 100 | even scores, batch 32 |
|-------------------------------|-------------------------|-----------|-----------------------|
| `l1`                          | +0.004                  | -0.002    | -0.001                |
| `binomial`                    | +0.014                  | +0.012    | +0.006                |
| `sodeep`, `comparison_soft`   | +0.021                  | +0.018    | -0.002                |
| `soft_rank`                   | +0.022                  | +0.017    | +0.003                |
| `pairwise`, `kind="margin"`   | +0.024                  | +0.021    | +0.008                |

Where only the correlation matters and most scores are high, as memorability scores are, take a ranking loss: the
pairwise margin is the simplest and never did worse than squared error. Where scores are read as probabilities, take the
binomial likelihood, which uses the annotation counts. `sodeep` is the paper's. All cost under 4 % of a training step of
the smallest network of frames (`benchmarks/losses_speed.py`); pairs and soft ranks grow with the square of the batch.
"""

from typing import TYPE_CHECKING, Final

from videomem_hf.system import lazy_attributes

if TYPE_CHECKING:
    from videomem_hf.losses.base import MemorabilityLoss
    from videomem_hf.losses.binomial import BinomialLoss
    from videomem_hf.losses.build import LOSSES, build_loss
    from videomem_hf.losses.criterion import Criterion
    from videomem_hf.losses.horizons import HorizonLoss
    from videomem_hf.losses.pairwise import PairwiseRankingLoss
    from videomem_hf.losses.ranking import ranks
    from videomem_hf.losses.regression import AbsoluteError, SquaredError
    from videomem_hf.losses.sodeep import SpearmanLoss
    from videomem_hf.losses.soft_rank import SoftRankLoss, soft_ranks
    from videomem_hf.losses.sorter_files import build_sorter, load_sorter, shipped_sorters

__all__ = [
    "LOSSES",
    "AbsoluteError",
    "BinomialLoss",
    "Criterion",
    "HorizonLoss",
    "MemorabilityLoss",
    "PairwiseRankingLoss",
    "SoftRankLoss",
    "SpearmanLoss",
    "SquaredError",
    "build_loss",
    "build_sorter",
    "load_sorter",
    "ranks",
    "shipped_sorters",
    "soft_ranks",
]

_NAMES: Final = {
    "base": "MemorabilityLoss",
    "binomial": "BinomialLoss",
    "build": "LOSSES build_loss",
    "criterion": "Criterion",
    "horizons": "HorizonLoss",
    "pairwise": "PairwiseRankingLoss",
    "ranking": "ranks",
    "regression": "AbsoluteError SquaredError",
    "sodeep": "SpearmanLoss",
    "soft_rank": "SoftRankLoss soft_ranks",
    "sorter_files": "build_sorter load_sorter shipped_sorters",
}
__getattr__ = lazy_attributes(
    __name__, {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names.split()}
)
