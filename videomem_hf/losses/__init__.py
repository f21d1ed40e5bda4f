"""Losses for memorability scores: regression, ranking and binomial likelihood.

Which one, as far as `benchmarks/losses_quality.py` can tell (perceptrons on generated scores, k of 9 to 40 answers,
test Spearman minus that of squared error over 10 seeds, standard errors 0.002 to 0.004):

| loss                          | skewed scores, batch 32 | batch 100 | even scores, batch 32 |
|-------------------------------|-------------------------|-----------|-----------------------|
| `l1`                          | +0.004                  | -0.002    | -0.001                |
| `binomial`                    | +0.014                  | +0.012    | +0.006                |
| `sodeep`, `comparison_soft`   | +0.021                  | +0.018    | -0.002                |
| `soft_rank`                   | +0.022                  | +0.017    | +0.003                |
| `pairwise`, `kind="margin"`   | +0.024                  | +0.021    | +0.008                |

So: where the correlation is all that counts and scores pile up at the top, as memorability scores do, a ranking loss;
the pairwise margin is the simplest and was never behind squared error. Where scores are to be read as probabilities,
the binomial likelihood: it knows how many annotations each score has. For the paper's recipe, `sodeep`. All cost under
4 % of a training step of the smallest network of frames (`benchmarks/losses_speed.py`); pairs and soft ranks grow with
the square of the batch.
"""

from typing import Any, Final

from videomem_hf.losses.base import MemorabilityLoss
from videomem_hf.losses.binomial import BinomialLoss
from videomem_hf.losses.horizons import HorizonLoss
from videomem_hf.losses.options import make
from videomem_hf.losses.pairwise import PairwiseRankingLoss
from videomem_hf.losses.ranks import ranks
from videomem_hf.losses.regression import AbsoluteError, SquaredError
from videomem_hf.losses.sodeep import SpearmanLoss
from videomem_hf.losses.soft_rank import SoftRankLoss, soft_ranks
from videomem_hf.losses.sorter_files import build_sorter, load_sorter, shipped_sorters

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


__all__ = [
    "LOSSES",
    "AbsoluteError",
    "BinomialLoss",
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
