"""`fit_best`: the multi-view predictor from arrays, for any set of views, scores and training clips."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import ArrayLike

from videomem_hf.models.configuration_multiview import MultiViewConfig
from videomem_hf.models.modeling_multiview import MultiViewModel
from videomem_hf.multiview.config import FitOptions
from videomem_hf.multiview.kernel_search import (
    MOST_SUBSETS,
    Choices,
    KernelSearch,
    Targets,
    correlation_of,
    make_targets,
    patterns_of,
)
from videomem_hf.multiview.kernels import KernelBank, Solution
from videomem_hf.multiview.neural import fit_neural
from videomem_hf.multiview.predict import predict_views
from videomem_hf.multiview.stacking import IntervalScale, Stack, fit_stack, interval_scale_of, typical_answers
from videomem_hf.schema import HORIZONS, Horizon, InputError

FEWEST_CLIPS: Final = 20


@dataclass(frozen=True)
class BestFit:
    """A fitted predictor.

    Attributes:
        model: The `MultiViewModel`; saves and loads the Hub way.
        held_out: `(training clips, horizons)`, what nested validation predicts of each in the kernel head.
        correlations: Head to the held-out Spearman correlation a horizon.
        choices: What the kernel head's nested validation chose and tried.
    """

    model: MultiViewModel
    held_out: np.ndarray
    correlations: dict[str, list[float]]
    choices: Choices

    def predict(self, views: Mapping[str, ArrayLike], counts: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Score clips.

        Args:
            views: Name to `(clips, size)` for some or all of the model's views; NaN rows are missing views.
            counts: `(clips, horizons)`, answers behind the scores that the intervals are of; None takes typical ones.

        Returns:
            Scores `(clips, horizons)` in [0, 1], and intervals `(clips, horizons, 2)`.
        """
        return predict_views(self.model, views, counts)


def fit_best(
    views: Mapping[str, ArrayLike],
    scores: ArrayLike,
    counts: ArrayLike | None = None,
    *,
    train: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    horizons: Sequence[Horizon] = HORIZONS,
    options: FitOptions | None = None,
    seed: int = 0,
    title_encoder: str = "",
    say: Callable[[str], None] | None = None,
) -> BestFit:
    """Fit the best predictor that some views of clips allow.

    A view is any array with a row a clip: a sentence embedding of the title, embeddings of frames or clips, concept
    scores, features. `title_views` makes two from titles. Everything is chosen by held-out predictions within the
    training clips; the result is a pure function of the arguments.

    Args:
        views: Name to `(clips, size)`; a row with NaN lacks the view.
        scores: `(clips, horizons)` in [0, 1]; NaN where unknown.
        counts: `(clips, horizons)`, answers behind each score; NaN or None where unknown.
        train: Indices, or a mask, of the training clips; None for all.
        groups: `(clips,)`: clips of one group (a title, say) stay together in nested validation. Give them where the
            clips to be predicted share no group with the training clips.
        horizons: Names of the columns.
        options: See `FitOptions`.
        seed: Of the folds, the landmarks and the neural head.
        title_encoder: Name of the sentence encoder behind the view `title`, kept with the model.
        say: Told what is tried.

    Raises:
        InputError: The arrays do not fit together, or there are too few training clips.

    Examples:
        >>> views = title_views(titles) | {"concepts": concepts}  # doctest: +SKIP
        >>> fit = fit_best(views, scores, counts, train=train)  # doctest: +SKIP
        >>> predicted, intervals = fit.predict({name: x[test] for name, x in views.items()})  # doctest: +SKIP
    """
    options = options or FitOptions()
    arrays, y, answers, rows = _checked(views, scores, counts, train, horizons)
    arrays = {name: x[rows] for name, x in arrays.items()}
    y, answers = y[rows], answers[rows]
    labels = None if groups is None else np.asarray(groups)[rows]
    parts = fold_indices(len(rows), options.folds, seed, labels)
    known_counts = options.use_counts and np.isfinite(answers).any()
    targets = make_targets(y, answers if known_counts else None)
    choices = _tuned(arrays, y, answers if known_counts else None, labels, options, seed, say)
    bank = KernelBank(arrays, seed, options.exact_up_to, options.landmarks, choices.standardised)
    search = KernelSearch(bank, targets, parts, say)
    kernel = _KernelHead(search, choices, answers, y, parts, options.level)
    correlations = {"kernel": _correlations(kernel.stacks[0].held_out, y)}
    model = _kernel_model(bank, kernel, choices, horizons, targets, title_encoder, options)
    if options.head in ("neural", "auto"):
        neural = fit_neural(model, arrays, y, answers, parts, options, seed, say)
        correlations["neural"] = _correlations(neural.held_out, y)
        if options.head == "neural" or np.mean(correlations["neural"]) > np.mean(correlations["kernel"]):
            return BestFit(neural.model, neural.held_out, correlations, choices)
    held_out = kernel.stacks[0].held_out * targets.stds + targets.means
    return BestFit(model, held_out, correlations, choices)


def _tuned(
    views: Mapping[str, np.ndarray],
    scores: np.ndarray,
    counts: np.ndarray | None,
    labels: np.ndarray | None,
    options: FitOptions,
    seed: int,
    say: Callable[[str], None] | None,
) -> Choices:
    """Choose kernels on the training clips, or on so many of them that trying takes seconds."""
    most = max(
        FEWEST_CLIPS, options.tune_on * MOST_SUBSETS // max(MOST_SUBSETS, len(views))
    )  # many views share the time
    rows = np.random.default_rng(seed).permutation(len(scores))[:most]
    rows.sort()
    folds = fold_indices(len(rows), options.folds, seed, None if labels is None else labels[rows])
    targets = make_targets(scores[rows], None if counts is None else counts[rows])
    bank = KernelBank({name: x[rows] for name, x in views.items()}, seed, len(rows))
    return KernelSearch(bank, targets, folds, say).choose()


def _correlations(held_out: np.ndarray, y: np.ndarray) -> list[float]:
    return [float(correlation_of(held_out[:, [h]], y[:, [h]])[0]) for h in range(y.shape[1])]


def fold_indices(clips: int, folds: int, seed: int, groups: np.ndarray | None = None) -> list[np.ndarray]:
    """Divide clips at random into folds of nearly one size; clips of a group stay together."""
    order = np.random.default_rng(seed).permutation(clips)
    if groups is None:
        return [np.sort(part) for part in np.array_split(order, min(folds, clips))]
    _, labels = np.unique(groups, return_inverse=True)
    parts: list[list[int]] = [[] for _ in range(min(folds, labels.max() + 1))]
    members: dict[int, list[int]] = {}
    for clip in order:
        members.setdefault(int(labels[clip]), []).append(int(clip))
    for group in sorted(members.values(), key=len, reverse=True):
        min(parts, key=len).extend(group)
    return [np.sort(np.array(part)) for part in parts]


def _checked(
    views: Mapping[str, ArrayLike],
    scores: ArrayLike,
    counts: ArrayLike | None,
    train: ArrayLike | None,
    horizons: Sequence[Horizon],
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """The arguments as arrays of one length, and the indices of the training clips that have a score and a view."""
    y = np.asarray(scores, np.float64)
    if y.ndim != 2 or y.shape[1] != len(horizons):
        raise InputError(f"scores must be (clips, {len(horizons)}) for {', '.join(horizons)}, got {y.shape}")
    if ((y < 0) | (y > 1)).any():
        raise InputError(f"scores must lie from 0 to 1, got {np.nanmin(y):g} to {np.nanmax(y):g}")
    answers = np.full(y.shape, np.nan) if counts is None else np.asarray(counts, np.float64)
    if answers.shape != y.shape:
        raise InputError(f"counts must be {y.shape} as the scores, got {answers.shape}")
    arrays = {name: np.asarray(values, np.float32) for name, values in views.items()}
    if not arrays:
        raise InputError("no view is given; one or more arrays (clips, size) are needed")
    for name, x in arrays.items():
        if x.ndim != 2 or len(x) != len(y):
            raise InputError(f"the view {name!r} must be ({len(y)}, size), got {x.shape}")
        if np.isinf(x).any():
            raise InputError(f"the view {name!r} has infinite numbers")
    rows = np.arange(len(y)) if train is None else np.asarray(train)
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows
    seen = np.any([np.isfinite(x[rows]).all(axis=1) for x in arrays.values()], axis=0)
    rows = rows[np.isfinite(y[rows]).any(axis=1) & seen]
    if len(rows) < FEWEST_CLIPS:
        raise InputError(f"{len(rows)} training clips have a score and a view; at least {FEWEST_CLIPS} are needed")
    for horizon, column in zip(horizons, y[rows].T, strict=True):
        if np.isfinite(column).sum() < FEWEST_CLIPS:
            raise InputError(f"too few training clips have a {horizon} score; leave it out of the horizons")
    return arrays, y, answers, rows


class _KernelHead:
    """Solves the machines of all patterns of views, and stacks them."""

    def __init__(
        self,
        search: KernelSearch,
        choices: Choices,
        answers: np.ndarray,
        scores: np.ndarray,
        folds: Sequence[np.ndarray],
        level: float,
    ) -> None:
        count = len(search.bank.names)
        self.patterns = patterns_of(count)
        self.summands = search.fused(choices, range(count))[0]
        self.answers = typical_answers(answers, search.horizons)
        self.weights = np.zeros((len(self.patterns), len(self.summands)))
        solutions = []
        for number, pattern in enumerate(self.patterns):
            search.say(f"solving {' + '.join(search.bank.names[view] for view in pattern)}")
            solutions.append(self._solved(search, choices, number, pattern))
        self.coefficients = torch.stack([each.coefficients for each in solutions], dim=1)
        outputs = torch.stack([each.held_out for each in solutions], dim=1).numpy()
        self.stacks: list[Stack] = []
        self.scales: list[IntervalScale] = []
        means, stds = search.targets.means, search.targets.stds
        for number, pattern in enumerate(self.patterns):
            single = [self.patterns.index([view]) for view in pattern] if len(pattern) > 1 else []
            stack = fit_stack(outputs, search.targets.values, number, single, folds)
            predicted = np.clip(means + stds * stack.held_out, 0, 1)
            self.stacks.append(stack)
            self.scales.append(interval_scale_of(predicted, scores, self.answers, level))

    def _solved(self, search: KernelSearch, choices: Choices, number: int, pattern: list[int]) -> Solution:
        summands, weights = search.fused(choices, pattern)
        ridge = choices.ridges[pattern[0]] if len(pattern) == 1 else choices.ridge
        for summand, weight in zip(summands, weights, strict=True):
            self.weights[number, self.summands.index(summand)] = weight / sum(weights)
        # Pairs of many views are there for the table: half the time for digits that do not show in it.
        quick = len(search.bank.names) > MOST_SUBSETS and len(pattern) == 2
        solution = search.solve(summands, weights, choices.widths, ridge, torch.float32 if quick else torch.float64)
        half = slice(search.horizons, None) if choices.ranks else slice(0, search.horizons)
        return Solution(solution.coefficients[:, half].double(), solution.held_out[:, half].double())


def _kernel_model(
    bank: KernelBank,
    head: _KernelHead,
    choices: Choices,
    horizons: Sequence[Horizon],
    targets: Targets,
    title_encoder: str,
    options: FitOptions,
) -> MultiViewModel:
    """Put what was solved into a model that holds all it needs to predict."""
    config = MultiViewConfig(
        horizons=list(horizons),
        score_means=[float(np.clip(mean, 0.01, 0.99)) for mean in targets.means],
        score_stds=[float(std) for std in targets.stds],
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
        hidden_size=options.hidden_size,
        interval_level=options.level,
        title_encoder=title_encoder,
    )
    model = MultiViewModel(config).eval()
    state = {
        "coefficients": head.coefficients.flatten(1),
        "summand_weights": torch.from_numpy(head.weights),
        "gammas": torch.tensor([bank.gamma(view, width) for view, width in enumerate(choices.widths)]),
        "stack": torch.from_numpy(np.stack([stack.weights for stack in head.stacks])),
        "intercept": torch.from_numpy(np.stack([stack.intercepts for stack in head.stacks])),
        "noise_variance": torch.from_numpy(np.stack([scale.noise_variance for scale in head.scales])),
        "interval_quantiles": torch.from_numpy(np.stack([scale.quantiles for scale in head.scales])),
        "typical_counts": torch.from_numpy(head.answers.mean(axis=0)),
    }
    horizon_count = len(horizons)
    for view, space in enumerate(bank.spaces):
        state |= {f"shift_{view}": space.shift, f"factor_{view}": space.factor}
        if space.kernel == "rbf":
            state[f"anchors_{view}"] = bank.vectors[view][bank.anchors]
            state[f"anchored_{view}"] = bank.present[bank.anchors, view]
            continue
        own = torch.from_numpy(head.weights[:, head.summands.index([view])]).repeat_interleave(horizon_count)
        there = bank.present[bank.anchors, view, None]
        state[f"primal_{view}"] = (bank.vectors[view][bank.anchors] * there).T @ head.coefficients.flatten(1) * own
    model.load_state_dict({name: value.to(model.state_dict()[name].dtype) for name, value in state.items()})
    return model


def choices_as_dict(choices: Choices) -> dict[str, Any]:
    """What was chosen, for `results.json`."""
    values = asdict(choices)
    values["products"] = [[list(pair), weight] for pair, weight in choices.products.items()]
    return values
