"""Choice of kernels and ridges by cross-validation within the training clips."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import combinations
from typing import Any, Final

import numpy as np
import torch

from videomem_hf.multiview.borrowing import clearly_better, default_shares
from videomem_hf.multiview.kernel_ridge import Solution, solve
from videomem_hf.multiview.kernels import KernelBank, Summand
from videomem_hf.multiview.targets import Targets
from videomem_hf.statistics import spearman

RIDGES: Final = tuple(1.1 * 2.0**step for step in range(-5, 6))
"""Noise variance in units of the prior variance; 1.1 is tried first."""
FIRST_RIDGE: Final = RIDGES[5]
WIDTH: Final = 3.0
"""Of the kernel of one view, in units of 1 / median squared distance."""
PRODUCT_WIDTH: Final = 4.0
"""Of the product of views, for the mean of their distances."""
PRODUCT_SHARES: Final = (0.5, 0.0, 0.8)
"""Prior variance of the product of views, where all views together have 1; the first is taken by default."""
FLATTER: Final = 1 / 3
"""By which all widths are multiplied, for scores that change slowly."""
MAX_VIEWS_OF_ALL_SUBSETS: Final = 4
"""Views up to which every subset has a model; beyond, single views, pairs and all."""
_MIN_STRENGTH: Final = 0.05

Reporter = Callable[[str], None]
"""Called with one line of text per trial or step."""


@dataclass
class Choices:
    """What cross-validation chose.

    Attributes:
        strengths: Held-out correlation of each view alone; the views' weights are its squares.
        ridges: Of each view alone.
        ridge: Of several views.
        product_share: Prior variance of the product of views.
        product_views: Largest number of views that are multiplied: the strongest.
        flatness: By which all widths are multiplied.
        standardised: Non-negative views whose square roots are standardised.
        trials: Each trial with its mean held-out Spearman correlation.
    """

    strengths: list[float]
    ridges: list[float]
    ridge: float = FIRST_RIDGE
    product_share: float = PRODUCT_SHARES[0]
    product_views: int = 2
    flatness: float = 1.0
    standardised: list[str] = field(default_factory=list)
    trials: list[tuple[str, float]] = field(default_factory=list)

    def summands(self, views: Sequence[int]) -> list[Summand]:
        """The kernel of some views: of each by its strength, and the product of the strongest."""
        if len(views) == 1:
            return [Summand(1.0, {views[0]: WIDTH * self.flatness})]
        strengths = {view: max(self.strengths[view], _MIN_STRENGTH) for view in views}
        squares = sum(strength**2 for strength in strengths.values())
        alone = 1 - self.product_share
        summands = [Summand(alone * s**2 / squares, {v: WIDTH * self.flatness}) for v, s in strengths.items()]
        multiplied = sorted(sorted(views, key=lambda view: -strengths[view])[: self.product_views])
        total = sum(strengths[view] for view in multiplied)
        widths = {view: PRODUCT_WIDTH * self.flatness * strengths[view] / total for view in multiplied}
        return [*summands, Summand(self.product_share, widths)] if self.product_share else summands

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Choices":
        """What `dataclasses.asdict` gave, through JSON."""
        return cls(**(stored | {"trials": [tuple(trial) for trial in stored["trials"]]}))


def mean_correlation(held_out: np.ndarray, values: np.ndarray) -> float:
    """Mean over the horizons of Spearman's correlation; NaN, with a warning, where a prediction is constant.

    The horizons borrow from each other by `default_shares`.

    Args:
        held_out: `(clips, horizons)` held-out outputs.
        values: `(clips, horizons)` scores, NaN where unknown.
    """
    predicted, known = held_out @ default_shares(values.shape[1]).T, np.isfinite(values)
    each = [spearman(predicted[rows, h], values[rows, h]) for h, rows in enumerate(known.T)]
    return float(np.mean(each))


class KernelSearch:
    """Tries kernels on the training clips; `folds` are the indices of the clips of each fold."""

    def __init__(
        self, bank: KernelBank, targets: Targets, folds: Sequence[np.ndarray], report: Reporter | None = None
    ) -> None:
        self.bank, self.targets = bank, targets
        self.folds = [torch.from_numpy(fold) for fold in folds]
        self.noise = torch.from_numpy(targets.noise)
        self.report = report or (lambda text: None)

    def solve(
        self, summands: Sequence[Summand], ridge: float, dtype: torch.dtype = torch.float32, tolerance: float = 3e-3
    ) -> Solution:
        """Fit one kernel ridge model to the logits of the scores."""
        kernel, missing = self.bank.weighted_sum(summands, dtype)
        noise, targets = (ridge * self.noise).to(dtype) + missing, torch.from_numpy(self.targets.logits).to(dtype)
        return solve(kernel, noise, targets, self.folds, self.bank.landmarks, tolerance)

    def quality(self, summands: Sequence[Summand], ridge: float) -> float:
        return mean_correlation(self.solve(summands, ridge).held_out.double().numpy(), self.targets.values)

    def choose(self) -> Choices:
        """Tune each view alone, then all together; the default is kept unless another choice is clearly better."""
        count = len(self.bank.names)
        choices = Choices([1.0] * count, [FIRST_RIDGE] * count, product_views=count)
        for view in range(count):
            self._tune_view(choices, view)
        everything = range(count)
        if count == 1:
            choices.ridge, best = choices.ridges[0], choices.strengths[0]
        else:
            choices.ridge, best = self._tune_ridge(choices, everything, "all views")
        trials: list[tuple[str, dict[str, Any]]] = []
        if count > 1:
            trials += [(f"share {share:g} of the product", {"product_share": share}) for share in PRODUCT_SHARES[1:]]
        if count > 2:
            trials.insert(0, ("the product of the two strongest views", {"product_views": 2}))
        trials.append(("flatter kernels", {"flatness": FLATTER}))
        for text, changes in trials:
            quality = self._try(choices, text, replace(choices, **changes).summands(everything), choices.ridge)
            if clearly_better(quality, best):
                best = quality
                vars(choices).update(changes)
        return choices

    def _tune_view(self, choices: Choices, view: int) -> None:
        name, space = self.bank.names[view], self.bank.spaces[view]
        choices.ridges[view], best = self._tune_ridge(choices, [view], name)
        if space.root:
            self.bank.set_standardised(view, True)
            quality = self._try(choices, f"{name} standardised", choices.summands([view]), choices.ridges[view])
            if clearly_better(quality, best):
                best = quality
                choices.standardised.append(name)
            else:
                self.bank.set_standardised(view, False)
        choices.strengths[view] = float(np.nan_to_num(best).round(4))

    def _tune_ridge(self, choices: Choices, views: Sequence[int], text: str) -> tuple[float, float]:
        """Move from the first ridge to larger or smaller ones while that helps: the ridge and its quality."""
        summands, best = choices.summands(views), RIDGES.index(FIRST_RIDGE)

        @cache
        def quality(index: int) -> float:
            return self._try(choices, f"{text}, ridge {RIDGES[index]:g}", summands, RIDGES[index])

        for step in (1, -1):
            while 0 <= best + step < len(RIDGES) and quality(best + step) > quality(best):
                best += step
        return RIDGES[best], quality(best)

    def _try(self, choices: Choices, text: str, summands: Sequence[Summand], ridge: float) -> float:
        quality = self.quality(summands, ridge)
        choices.trials.append((text, round(quality, 4)))
        self.report(f"{text}: {quality:.4f}")
        return quality


def view_patterns(count: int) -> list[list[int]]:
    """The sets of views that have a model of their own: all first, then every subset, or single views and pairs."""
    sizes = range(1, count) if count <= MAX_VIEWS_OF_ALL_SUBSETS else range(1, 3)
    return [list(range(count)), *(list(chosen) for size in sizes for chosen in combinations(range(count), size))]
