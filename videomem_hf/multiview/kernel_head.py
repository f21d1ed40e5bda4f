"""The kernel head: a kernel ridge model and a stack for every pattern of views, put into a `MultiViewModel`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from videomem_hf.inference.intervals import IntervalFit
from videomem_hf.models.configuration_multiview import MultiViewConfig
from videomem_hf.models.modeling_multiview import MultiViewModel
from videomem_hf.multiview.interval_state import fit_horizons, interval_state
from videomem_hf.multiview.kernel_ridge import Solution
from videomem_hf.multiview.kernel_search import MAX_VIEWS_OF_ALL_SUBSETS, Choices, KernelSearch, view_patterns
from videomem_hf.multiview.stacking import Stack, fit_stack
from videomem_hf.schema import Horizon


@dataclass(frozen=True)
class KernelHead:
    """Fitted kernel ridge models with their stacks and intervals, one of each per pattern of views.

    Attributes:
        patterns: Sets of views, the full set first.
        summands: Kernels of the weighted sums: a view, or two whose kernels are multiplied.
        summand_weights: `(patterns, summands)`.
        coefficients: `(anchors, patterns, horizons)`.
        stacks: Over the outputs of all models.
        intervals: Of each horizon.
    """

    patterns: list[list[int]]
    summands: list[list[int]]
    summand_weights: np.ndarray
    coefficients: torch.Tensor
    stacks: list[Stack]
    intervals: list[list[IntervalFit]]


def fit_kernel_head(
    search: KernelSearch, choices: Choices, scores: np.ndarray, counts: np.ndarray, level: float
) -> KernelHead:
    """Fit the chosen kernels on all training clips, for every pattern of views.

    `scores` and annotation `counts` are `(clips, horizons)`, NaN where unknown; `level` is the share of measured scores
    that the prediction intervals cover.
    """
    names = search.bank.names
    patterns = view_patterns(len(names))
    summands = search.summands_of(choices, range(len(names)))[0]
    weights = np.zeros((len(patterns), len(summands)))
    solutions = []
    for number, pattern in enumerate(patterns):
        search.report(f"fitting {' + '.join(names[view] for view in pattern)}")
        used, used_weights = search.summands_of(choices, pattern)
        for summand, weight in zip(used, used_weights, strict=True):
            weights[number, summands.index(summand)] = weight / sum(used_weights)
        solutions.append(_fit_pattern(search, choices, pattern))
    outputs = torch.stack([each.held_out for each in solutions], dim=1).numpy()
    stacks, intervals = [], []
    for number, pattern in enumerate(patterns):
        single = [patterns.index([view]) for view in pattern] if len(pattern) > 1 else []
        stack = fit_stack(outputs, search.targets.values, number, single, [fold.numpy() for fold in search.folds])
        predicted = np.clip(search.targets.means + search.targets.stds * stack.held_out, 0, 1)
        stacks.append(stack)
        intervals.append(fit_horizons(predicted, scores, counts, level))
    coefficients = torch.stack([each.coefficients for each in solutions], dim=1)
    return KernelHead(patterns, summands, weights, coefficients, stacks, intervals)


def _fit_pattern(search: KernelSearch, choices: Choices, pattern: list[int]) -> Solution:
    ridge = choices.ridges[pattern[0]] if len(pattern) == 1 else choices.ridge
    # Pairs of many views are only for the ablation table: half the time, for digits that it does not show.
    quick = len(search.bank.names) > MAX_VIEWS_OF_ALL_SUBSETS and len(pattern) == 2
    dtype = torch.float32 if quick else search.bank.dtype
    summands, weights = search.summands_of(choices, pattern)
    solution = search.solve(summands, weights, choices.widths, ridge, dtype, choices.ranks, tolerance=1e-5)
    return Solution(solution.coefficients.double(), solution.held_out.double())


def build_kernel_model(
    search: KernelSearch,
    choices: Choices,
    head: KernelHead,
    horizons: Sequence[Horizon],
    hidden_size: int,
    level: float,
    title_encoder: str,
) -> MultiViewModel:
    """Build the model that holds everything the fitted kernel head needs to predict."""
    bank = search.bank
    config = MultiViewConfig(
        horizons=list(horizons),
        score_means=[float(np.clip(mean, 0.01, 0.99)) for mean in search.targets.means],
        score_stds=[float(std) for std in search.targets.stds],
        head="kernel",
        view_names=bank.names,
        view_sizes=[x.shape[1] for x in bank.vectors],
        view_roots=[space.root for space in bank.spaces],
        view_units=[space.unit for space in bank.spaces],
        view_kernels=[space.kernel for space in bank.spaces],
        summands=head.summands,
        anchors=len(bank.anchors),
        components=len(head.patterns),
        patterns=head.patterns,
        hidden_size=hidden_size,
        interval_level=level,
        title_encoder=title_encoder,
    )
    model = MultiViewModel(config).eval()
    state = _state(search, choices, head)
    model.load_state_dict({name: value.to(model.state_dict()[name].dtype) for name, value in state.items()})
    return model


def _state(search: KernelSearch, choices: Choices, head: KernelHead) -> dict[str, torch.Tensor]:
    """The model's weights, by their names in `MultiViewModel`."""
    bank, coefficients = search.bank, head.coefficients.flatten(1)
    state = {
        "coefficients": coefficients,
        "summand_weights": torch.from_numpy(head.summand_weights),
        "gammas": torch.tensor([bank.gamma(view, width) for view, width in enumerate(choices.widths)]),
        "stack": torch.from_numpy(np.stack([stack.weights for stack in head.stacks])),
        "intercept": torch.from_numpy(np.stack([stack.intercepts for stack in head.stacks])),
    } | interval_state(head.intervals)
    for view, space in enumerate(bank.spaces):
        state |= {f"shift_{view}": space.shift, f"factor_{view}": space.factor}
        vectors, present = bank.vectors[view][bank.anchors], bank.present[bank.anchors, view]
        if space.kernel == "rbf":
            state |= {f"anchors_{view}": vectors, f"anchored_{view}": present}
            continue
        weights = torch.from_numpy(head.summand_weights[:, head.summands.index([view])])
        of_outputs = weights.repeat_interleave(search.horizons)
        state[f"primal_{view}"] = (vectors * present[:, None]).T @ coefficients * of_outputs
    return state
