"""Choice of kernels, widths and ridges by cross-validation within the training clips."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import combinations
from typing import Final

import numpy as np
import torch

from videomem_hf.multiview.kernel_ridge import Solution, solve
from videomem_hf.multiview.kernels import KernelBank
from videomem_hf.multiview.targets import Targets
from videomem_hf.statistics import spearman

RIDGES: Final = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)
_FIRST_RIDGE: Final = 3.2
WIDTHS: Final = (3.0, 1.0)
"""In units of 1 / median squared distance; the first is taken unless another is clearly better."""
CLEAR_GAIN: Final = 0.001
"""Gain of the mean held-out Spearman correlation below which the simpler choice stays."""
MAX_VIEWS_OF_ALL_SUBSETS: Final = 4
"""Views up to which every subset has a model; beyond, single views, pairs and all."""
_MIN_WEIGHT: Final = 0.05

Reporter = Callable[[str], None]
"""Called with one line of text per trial or step."""


@dataclass
class Choices:
    """What cross-validation chose.

    Attributes:
        widths: Of each view's kernel.
        ridges: Of each view alone.
        weights: Of each view in the sum of all.
        products: Pairs of views whose product is a further summand, with its weight.
        ridge: Of sums.
        standardised: Non-negative views whose square roots are standardised.
        ranks: Whether ranks are fitted instead of scores.
        trials: Each trial with its mean held-out Spearman correlation.
    """

    widths: list[float]
    ridges: list[float]
    weights: list[float]
    products: dict[tuple[int, int], float] = field(default_factory=dict)
    ridge: float = _FIRST_RIDGE
    standardised: list[str] = field(default_factory=list)
    ranks: bool = False
    trials: list[tuple[str, float]] = field(default_factory=list)


def mean_correlation(held_out: np.ndarray, values: np.ndarray) -> float:
    """Mean over the horizons of Spearman's correlation; NaN, with a warning, where a prediction is constant.

    The long-term prediction is taken as the mean of both, as it borrows from short-term (see `stacking`).

    Args:
        held_out: `(clips, horizons)` held-out predictions.
        values: `(clips, horizons)` scores, NaN where unknown.
    """
    found = []
    for column, measured in enumerate(values.T):
        known = np.isfinite(measured)
        predicted = held_out[:, column] if column == 0 else held_out.mean(axis=1)
        found.append(spearman(predicted[known], measured[known]))
    return float(np.mean(found))


def clearly_better(quality: float, best: float, gain: float = CLEAR_GAIN) -> bool:
    """Whether a correlation is better than the best so far by more than `gain`; any is better than NaN."""
    return bool(quality > best + gain or (np.isnan(best) and not np.isnan(quality)))


class KernelSearch:
    """Tries kernels on the training clips; `folds` are the indices of the clips of each fold."""

    def __init__(
        self, bank: KernelBank, targets: Targets, folds: Sequence[np.ndarray], report: Reporter | None = None
    ) -> None:
        self.bank, self.targets = bank, targets
        self.folds = [torch.from_numpy(fold) for fold in folds]
        self.noise = torch.from_numpy(targets.noise)
        self.horizons = targets.values.shape[1]
        self.report = report or (lambda text: None)

    def solve(
        self,
        summands: Sequence[Sequence[int]],
        weights: Sequence[float],
        widths: Sequence[float],
        ridge: float,
        dtype: torch.dtype = torch.float32,
        ranks: bool = False,
        tolerance: float = 1e-4,
    ) -> Solution:
        """Fit one kernel ridge model to the scores, or to their ranks; `weights` are scaled to sum to 1."""
        total = float(sum(weights))
        kernel, missing = self.bank.weighted_sum(summands, [weight / total for weight in weights], widths, dtype)
        noise = (ridge * self.noise).to(dtype) + missing
        targets = torch.from_numpy(self.targets.ranks if ranks else self.targets.values).to(dtype)
        return solve(kernel, noise, targets, self.folds, self.bank.landmarks, tolerance)

    def quality(self, solution: Solution) -> float:
        return mean_correlation(solution.held_out.numpy(), self.targets.values)

    def best_ridge(
        self, summands: Sequence[Sequence[int]], weights: Sequence[float], widths: Sequence[float], start: float
    ) -> tuple[float, float, Solution]:
        """Move from `start` to larger or smaller ridges while that helps: the ridge, its quality and solution."""
        best = RIDGES.index(start)

        @cache
        def attempt(index: int) -> tuple[float, Solution]:
            solution = self.solve(summands, weights, widths, RIDGES[index])
            return self.quality(solution), solution

        for step in (1, -1):
            while 0 <= best + step < len(RIDGES) and attempt(best + step)[0] > attempt(best)[0]:
                best += step
        return RIDGES[best], *attempt(best)

    def choose(self) -> Choices:
        """Tune each view alone, then their sum; a simpler choice is kept unless another is clearly better."""
        count = len(self.bank.names)
        choices = Choices([WIDTHS[0]] * count, [_FIRST_RIDGE] * count, [1.0] * count)
        alone = [self._tune_view(choices, view) for view in range(count)]
        strengths = np.fmax(alone, 0.0) ** 2  # about the share of variance that each view explains
        choices.weights = list(np.maximum(strengths / max(strengths.max(), 1e-12), _MIN_WEIGHT).round(3).tolist())
        if count == 1:
            choices.ridge, plain = choices.ridges[0], alone[0]
        else:
            plain = self._tune_sum(choices)
        summands, weights = self.summands_of(choices, range(count))
        by_rank = self.quality(self.solve(summands, weights, choices.widths, choices.ridge, ranks=True))
        choices.ranks = clearly_better(by_rank, plain)
        self._record(choices, "ranks instead of scores", by_rank)
        return choices

    def _tune_view(self, choices: Choices, view: int) -> float:
        name, space = self.bank.names[view], self.bank.spaces[view]
        best, start, kept = -np.inf, _FIRST_RIDGE, False
        rooted, fixed = space.root and not space.unit, space.kernel == "linear" or space.unit
        for standardised in (False, True) if rooted else (False,):
            self.bank.set_standardised(view, standardised)
            for width in WIDTHS[:1] if fixed else WIDTHS:
                widths = [*choices.widths[:view], width, *choices.widths[view + 1 :]]
                ridge, quality, _ = self.best_ridge([[view]], [1.0], widths, start)
                how = " standardised" if standardised else ""
                self._record(choices, f"{name} alone{how}, width {width:g}, ridge {ridge:g}", quality)
                if clearly_better(quality, best):
                    best, kept = quality, standardised
                    choices.widths, choices.ridges[view] = widths, ridge
                start = ridge
        if rooted:
            self.bank.set_standardised(view, kept)
            choices.standardised += [name] if kept else []
        return float(best)

    def _tune_sum(self, choices: Choices) -> float:
        everything = range(len(self.bank.names))
        start = min(RIDGES, key=lambda ridge: abs(np.log(ridge / np.median(choices.ridges))))
        choices.ridge, best, _ = self.best_ridge(*self.summands_of(choices, everything), choices.widths, start)
        self._record(choices, f"sum of all, ridge {choices.ridge:g}", best)
        for view in everything:
            for factor in (0.5, 2.0):
                weights = [*choices.weights]
                weights[view] *= factor
                text = f"{self.bank.names[view]} times {factor:g}"
                best = self._accept_if_better(choices, replace(choices, weights=weights), best, text)
        rbf = [view for view in everything if self.bank.spaces[view].kernel == "rbf"]
        strongest = sorted(rbf, key=lambda view: -choices.weights[view])[:2]
        if len(strongest) == 2:
            first, second = sorted(strongest)
            weight = (choices.weights[first] + choices.weights[second]) / 2
            trial = replace(choices, products={(first, second): weight})
            names = f"{self.bank.names[first]} x {self.bank.names[second]}"
            best = self._accept_if_better(choices, trial, best, f"the product {names} added")
        return best

    def _accept_if_better(self, choices: Choices, trial: Choices, best: float, text: str) -> float:
        """Take the weights and products of a trial if they are clearly better; returns the best quality so far."""
        sums = self.summands_of(trial, range(len(self.bank.names)))
        quality = self.quality(self.solve(*sums, trial.widths, trial.ridge))
        self._record(choices, text, quality)
        if not clearly_better(quality, best):
            return best
        choices.weights, choices.products = trial.weights, trial.products
        return quality

    def _record(self, choices: Choices, text: str, quality: float) -> None:
        choices.trials.append((text, round(quality, 4)))
        self.report(f"{text}: {quality:.4f}")

    def summands_of(self, choices: Choices, views: Sequence[int]) -> tuple[list[list[int]], list[float]]:
        """Summands of the weighted sum over some views, and their weights."""
        products = {pair: weight for pair, weight in choices.products.items() if set(pair) <= set(views)}
        weights = [choices.weights[view] for view in views]
        return [*([view] for view in views), *map(list, products)], [*weights, *products.values()]


def view_patterns(count: int) -> list[list[int]]:
    """The sets of views that have a model of their own: all first, then every subset, or single views and pairs."""
    sizes = range(1, count) if count <= MAX_VIEWS_OF_ALL_SUBSETS else range(1, 3)
    return [list(range(count)), *(list(chosen) for size in sizes for chosen in combinations(range(count), size))]
