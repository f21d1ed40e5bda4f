"""A kernel ridge model with its scoring and intervals for every pattern of views, put into a `MultiViewModel`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch

from videomem_hf.inference.intervals import IntervalFit
from videomem_hf.models.configuration_multiview import MultiViewConfig
from videomem_hf.models.modeling_multiview import MultiViewModel
from videomem_hf.multiview.borrowing import Scoring, fit_scoring
from videomem_hf.multiview.checkpoint import FitCheckpoint
from videomem_hf.multiview.interval_state import fit_horizons, interval_state
from videomem_hf.multiview.kernel_search import MAX_VIEWS_OF_ALL_SUBSETS, Choices, KernelSearch, view_patterns
from videomem_hf.multiview.kernels import KernelBank, Summand
from videomem_hf.schema import Horizon

INDUCING: Final = 512
"""Anchors by which the explained variance is computed: its factors take 1 MB for each view."""
_MISSING_DISTANCE: Final = 1.0
"""The median."""


@dataclass(frozen=True)
class KernelHead:
    """Fitted kernel ridge models with their scoring and intervals, one of each per pattern of views.

    Attributes:
        patterns: Sets of views, the full set first.
        summands: Of each pattern's kernel.
        ridges: Of each pattern.
        coefficients: `(anchors, patterns, horizons)`.
        scoring: From the outputs of a pattern to scores.
        intervals: Of each horizon.
    """

    patterns: list[list[int]]
    summands: list[list[Summand]]
    ridges: list[float]
    coefficients: torch.Tensor
    scoring: list[Scoring]
    intervals: list[list[IntervalFit]]


def fit_kernel_head(
    search: KernelSearch,
    choices: Choices,
    scores: np.ndarray,
    counts: np.ndarray,
    level: float,
    checkpoint: FitCheckpoint,
) -> KernelHead:
    """Fit the chosen kernels on all training clips, for every pattern of views.

    `scores` and annotation `counts` are `(clips, horizons)`, NaN where unknown; `level` is the share of measured scores
    that the prediction intervals cover.
    """
    names, targets = search.bank.names, search.targets
    patterns = view_patterns(len(names))
    summands = [choices.summands(pattern) for pattern in patterns]
    ridges = [choices.ridges[pattern[0]] if len(pattern) == 1 else choices.ridge for pattern in patterns]
    coefficients, scoring, intervals = [], [], []
    for number, pattern in enumerate(patterns):
        text = " + ".join(names[view] for view in pattern)
        search.report(f"fitting {text}")
        # Pairs of many views are only for the ablation table: half the time, for digits that it does not show.
        quick = len(names) > MAX_VIEWS_OF_ALL_SUBSETS and len(pattern) == 2
        dtype = torch.float32 if quick else search.bank.dtype
        solve = partial(search.solve, summands[number], ridges[number], dtype, 1e-4)
        solution = checkpoint.solution(f"pattern-{number:03d}", solve)
        coefficients.append(solution.coefficients)
        found = fit_scoring(solution.held_out.numpy(), targets.values, [fold.numpy() for fold in search.folds])
        predicted = np.clip(targets.means + targets.stds * found.held_out, 0, 1)
        scoring.append(found)
        intervals.append(fit_horizons(predicted, scores, counts, level))
    return KernelHead(patterns, summands, ridges, torch.stack(coefficients, dim=1), scoring, intervals)


def build_kernel_model(
    search: KernelSearch, head: KernelHead, horizons: Sequence[Horizon], level: float
) -> MultiViewModel:
    """Build the model that holds everything the fitted head needs to predict."""
    bank = search.bank
    config = MultiViewConfig(
        horizons=list(horizons),
        score_means=[float(np.clip(mean, 0.01, 0.99)) for mean in search.targets.means],
        score_stds=[float(std) for std in search.targets.stds],
        view_names=bank.names,
        view_sizes=[x.shape[1] for x in bank.vectors],
        view_parts=[space.parts for space in bank.spaces],
        view_roots=[space.root for space in bank.spaces],
        view_units=[space.unit for space in bank.spaces],
        view_kernels=["rbf"] * len(bank.names),
        summands=[list(summand.widths) for each in head.summands for summand in each],
        anchors=len(bank.anchors),
        components=len(head.patterns),
        patterns=head.patterns,
        missing_distance=_MISSING_DISTANCE,
        inducing=min(INDUCING, len(bank.anchors)),
        interval_level=level,
    )
    model = MultiViewModel(config).eval()
    state = _state(search, head, config)
    model.load_state_dict({name: value.to(model.state_dict()[name].dtype) for name, value in state.items()})
    return model


def _state(search: KernelSearch, head: KernelHead, config: MultiViewConfig) -> dict[str, torch.Tensor]:
    """The model's weights, by their names in `MultiViewModel`."""
    bank, patterns, horizons = search.bank, len(head.patterns), len(config.horizons)
    weights, widths = torch.zeros(patterns, len(config.summands)), torch.zeros(len(config.summands), len(bank.names))
    listed = [(number, summand) for number, each in enumerate(head.summands) for summand in each]
    for column, (number, summand) in enumerate(listed):
        weights[number, column] = summand.weight
        widths[column, list(summand.widths)] = torch.tensor(list(summand.widths.values()))
    stack = torch.zeros(patterns, horizons, patterns, horizons)
    for number, scoring in enumerate(head.scoring):
        stack[number, :, number] = torch.from_numpy(scoring.weights)
    inducing = bank.anchors[config.inducing_anchors]
    factors = [
        _explained_factor(bank, head.summands[number], inducing, head.ridges[number] * search.noise)
        for number in config.explained_patterns
    ]
    state = {
        "coefficients": head.coefficients.flatten(1),
        "summand_weights": weights,
        "summand_widths": widths,
        "gammas": 1 / torch.tensor([median for medians in bank.medians for median in medians]),
        "stack": stack.flatten(2),
        "intercept": torch.from_numpy(np.stack([scoring.intercepts for scoring in head.scoring])),
        "explained_factors": torch.stack(factors),
    } | interval_state(head.intervals)
    for view, space in enumerate(bank.spaces):
        state |= {
            f"shift_{view}": space.shift,
            f"factor_{view}": space.factor,
            f"anchors_{view}": bank.vectors[view][bank.anchors],
            f"anchored_{view}": bank.present[bank.anchors, view],
        }
    return state


def _explained_factor(
    bank: KernelBank, summands: Sequence[Summand], clips: torch.Tensor, noise: torch.Tensor
) -> torch.Tensor:
    """F, `(clips, clips)`: a clip whose kernels with these are k has the variance k(x, x) - |F k|^2 left."""
    kernel, missing = bank.weighted_sum(summands, rows=clips)
    kernel.diagonal().add_(noise[clips] + missing)
    factor = torch.linalg.cholesky(kernel)
    return torch.linalg.solve_triangular(factor, torch.eye(len(clips), dtype=kernel.dtype), upper=False)
