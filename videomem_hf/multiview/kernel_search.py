"""Which kernels, how wide, how much ridge: chosen by held-out predictions within the training clips."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import numpy as np
import torch
from scipy.stats import norm, rankdata

from videomem_hf.multiview.kernels import KernelBank, Solution, solve

RIDGES: Final = (0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)
_FIRST_RIDGE: Final = 3.2
WIDTHS: Final = (3.0, 1.0)
"""Over the median squared distance; the first is taken unless another is clearly better."""
CLEAR_GAIN: Final = 0.001
"""Gain of the mean held-out Spearman correlation below which the simpler choice stays."""
MOST_SUBSETS: Final = 4
"""Views up to which every subset is solved; beyond, single views, pairs and all."""
_LEAST_WEIGHT: Final = 0.05
_NOISE_FLOOR: Final = 0.4
"""Part of the noise that does not shrink with more answers: what no view explains of true memorability."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Targets:
    """What is learnt: standardised scores, and their normal scores by rank beside them.

    Attributes:
        means, stds: `(horizons,)` of the training scores.
        values: `(clips, horizons)` float64, NaN where unknown.
        ranks: The same, ranks as quantiles of a normal distribution.
        noise: `(clips,)` with mean 1: the size of a clip's noise relative to others', by its answers.
    """

    means: np.ndarray
    stds: np.ndarray
    values: np.ndarray
    ranks: np.ndarray
    noise: np.ndarray


@dataclass
class Choices:
    """What nested validation chose.

    Attributes:
        widths: Of each view's kernel.
        ridges: Of each view alone.
        weights: Of each view in the sum of all.
        products: Pairs of views whose product is a further summand, with its weight.
        ridge: Of sums.
        standardised: Views of numbers never negative whose square roots are standardised.
        ranks: Whether ranks are learnt in place of scores.
        trials: What was tried, with the held-out mean of Spearman's correlations.
    """

    widths: list[float]
    ridges: list[float]
    weights: list[float]
    products: dict[tuple[int, int], float] = field(default_factory=dict)
    ridge: float = _FIRST_RIDGE
    standardised: list[str] = field(default_factory=list)
    ranks: bool = False
    trials: list[tuple[str, float]] = field(default_factory=list)


def make_targets(scores: np.ndarray, counts: np.ndarray | None) -> Targets:
    """Standardise scores `(clips, horizons)`; `counts` are the answers behind them, NaN where unknown."""
    means, stds = np.nanmean(scores, axis=0), np.nanstd(scores, axis=0)
    stds = np.where(stds > 0, stds, 1.0)
    ranks = np.full(scores.shape, np.nan)
    for column, values in enumerate(scores.T):
        known = np.isfinite(values)
        ranks[known, column] = norm.ppf((rankdata(values[known]) - 0.5) / known.sum())
    return Targets(means, stds, (scores - means) / stds, ranks, relative_noise(counts, len(scores)))


def relative_noise(counts: np.ndarray | None, clips: int) -> np.ndarray:
    """The variance of each clip's noise relative to the mean, `(clips,)`: falls with its answers to a floor."""
    if counts is None:
        return np.ones(clips)
    inverse = 1 / np.where(np.isfinite(counts) & (counts > 0), counts, np.nan)
    known = np.isfinite(inverse)
    typical = np.array(
        [column[there].mean() if there.any() else 1.0 for column, there in zip(inverse.T, known.T, strict=True)]
    )
    relative = np.where(known, inverse / typical, 1.0).mean(axis=1)
    return _NOISE_FLOOR + (1 - _NOISE_FLOOR) * relative


def correlation_of(held_out: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Spearman's correlation a horizon; the long-term prediction is the mean of both, as it borrows from short-term."""
    found = []
    for column, measured in enumerate(values.T):
        known = np.isfinite(measured)
        predicted = held_out[:, column] if column == 0 else held_out.mean(axis=1)
        a, b = rankdata(predicted[known]), rankdata(measured[known])
        found.append(float(np.corrcoef(a, b)[0, 1]) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0)
    return np.array(found)


class KernelSearch:
    """Tries kernels on the training clips.

    Args:
        bank: Their kernels.
        targets: Their scores.
        folds: Clips of each fold.
        say: Told what was tried.
    """

    def __init__(self, bank: KernelBank, targets: Targets, folds: Sequence[np.ndarray], say: Say | None = None) -> None:
        self.bank, self.targets = bank, targets
        self.folds = [torch.from_numpy(fold) for fold in folds]
        self.noise = torch.from_numpy(targets.noise)
        self.both = torch.from_numpy(np.concatenate([targets.values, targets.ranks], axis=1))
        self.horizons = targets.values.shape[1]
        self.say = say or (lambda text: None)

    def solve(
        self,
        summands: Sequence[Sequence[int]],
        weights: Sequence[float],
        widths: Sequence[float],
        ridge: float,
        dtype: torch.dtype = torch.float32,
    ) -> Solution:
        """Solve one machine; `weights` are brought to the sum 1. Targets: the scores, then their ranks."""
        total = float(sum(weights))
        kernel, missing = self.bank.combined(summands, [weight / total for weight in weights], widths, dtype)
        noise, both = (ridge * self.noise).to(dtype), self.both.to(dtype)
        return solve(self.bank, kernel, noise + missing, both, self.folds)

    def quality(self, solution: Solution, ranks: bool = False) -> float:
        """The mean over the horizons of the held-out Spearman correlation."""
        held_out = solution.held_out.numpy()
        part = held_out[:, self.horizons :] if ranks else held_out[:, : self.horizons]
        return float(correlation_of(part, self.targets.values).mean())

    def best_ridge(
        self, summands: Sequence[Sequence[int]], weights: Sequence[float], widths: Sequence[float], start: float
    ) -> tuple[float, float, Solution]:
        """Go from `start` to larger or smaller ridges while it helps; gives the ridge, its quality, its solution."""
        place = RIDGES.index(start)
        tried: dict[int, tuple[float, Solution]] = {}

        def quality(index: int) -> float:
            if index not in tried:
                solution = self.solve(summands, weights, widths, RIDGES[index])
                tried[index] = (self.quality(solution), solution)
            return tried[index][0]

        for step in (1, -1):
            while 0 <= place + step < len(RIDGES) and quality(place + step) > quality(place):
                place += step
        return RIDGES[place], *tried[place]

    def choose(self) -> Choices:
        """Tune each view alone, then their sum. The simple choice stays unless another is clearly better."""
        count = len(self.bank.names)
        choices = Choices([WIDTHS[0]] * count, [_FIRST_RIDGE] * count, [1.0] * count)
        alone = [self._tune_view(choices, view) for view in range(count)]
        strengths = np.maximum(alone, 0.0) ** 2  # about the share of variance that each view explains
        choices.weights = list(np.maximum(strengths / max(strengths.max(), 1e-12), _LEAST_WEIGHT).round(3).tolist())
        if count == 1:
            choices.ridge = choices.ridges[0]
        else:
            self._tune_sum(choices)
        solution = self.solve(*self.fused(choices, range(count)), choices.widths, choices.ridge)
        plain, by_rank = self.quality(solution), self.quality(solution, ranks=True)
        choices.ranks = by_rank > plain + CLEAR_GAIN
        self._tried(choices, "ranks in place of scores", by_rank)
        return choices

    def _tune_view(self, choices: Choices, view: int) -> float:
        name, best, start = self.bank.names[view], -np.inf, _FIRST_RIDGE
        kept = False
        rooted = self.bank.spaces[view].root and not self.bank.spaces[view].unit
        fixed = self.bank.spaces[view].kernel == "linear" or self.bank.spaces[view].unit
        for standardised in (False, True) if rooted else (False,):
            self.bank.place(view, standardised)
            for width in WIDTHS[:1] if fixed else WIDTHS:
                widths = [*choices.widths[:view], width, *choices.widths[view + 1 :]]
                ridge, quality, _ = self.best_ridge([[view]], [1.0], widths, start)
                space = " standardised" if standardised else ""
                self._tried(choices, f"{name} alone{space}, width {width:g}, ridge {ridge:g}", quality)
                if quality > best + CLEAR_GAIN:
                    best, kept = quality, standardised
                    choices.widths, choices.ridges[view] = widths, ridge
                start = ridge
        if rooted:
            self.bank.place(view, kept)
            choices.standardised += [name] if kept else []
        return float(best)

    def _tune_sum(self, choices: Choices) -> None:
        count = len(self.bank.names)
        everything = range(count)
        start = min(RIDGES, key=lambda ridge: abs(np.log(ridge / np.median(choices.ridges))))
        choices.ridge, best, _ = self.best_ridge(*self.fused(choices, everything), choices.widths, start)
        self._tried(choices, f"sum of all, ridge {choices.ridge:g}", best)
        for view in everything:
            for factor in (0.5, 2.0):
                weights = [*choices.weights]
                weights[view] *= factor
                trial = Choices(choices.widths, choices.ridges, weights, choices.products, choices.ridge)
                best = self._keep_if_clear(choices, trial, best, f"{self.bank.names[view]} times {factor:g}")
        rbf = [view for view in everything if self.bank.spaces[view].kernel == "rbf"]
        strongest = sorted(rbf, key=lambda view: -choices.weights[view])[:2]
        if len(strongest) == 2:
            first, second = sorted(strongest)
            weight = (choices.weights[first] + choices.weights[second]) / 2
            products = {(first, second): weight}
            trial = Choices(choices.widths, choices.ridges, choices.weights, products, choices.ridge)
            names = f"{self.bank.names[first]} x {self.bank.names[second]}"
            self._keep_if_clear(choices, trial, best, f"the product {names} added")

    def _keep_if_clear(self, choices: Choices, trial: Choices, best: float, text: str) -> float:
        """Take over a trial's weights and products if they are clearly better; gives the best quality so far."""
        summands, weights = self.fused(trial, range(len(self.bank.names)))
        quality = self.quality(self.solve(summands, weights, trial.widths, trial.ridge))
        self._tried(choices, text, quality)
        if quality <= best + CLEAR_GAIN:
            return best
        choices.weights, choices.products = trial.weights, trial.products
        return quality

    def _tried(self, choices: Choices, text: str, quality: float) -> None:
        choices.trials.append((text, round(quality, 4)))
        self.say(f"{text}: {quality:.4f}")

    def fused(self, choices: Choices, views: Sequence[int]) -> tuple[list[list[int]], list[float]]:
        """Summands and weights of the sum over some views."""
        summands = [[view] for view in views]
        weights = [choices.weights[view] for view in views]
        for pair, weight in choices.products.items():
            if set(pair) <= set(views):
                summands.append(list(pair))
                weights.append(weight)
        return summands, weights


def patterns_of(count: int) -> list[list[int]]:
    """The sets of views that are solved: all first; every subset of few views, else single views and pairs."""
    sizes = range(1, count) if count <= MOST_SUBSETS else range(1, 3)
    return [list(range(count)), *(list(chosen) for size in sizes for chosen in combinations(range(count), size))]
