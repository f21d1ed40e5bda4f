"""`fit_best`: the multi-view predictor from arrays, for any set of views, scores and training clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from videomem_hf.models.modeling_multiview import MultiViewModel
from videomem_hf.multiview.checkpoint import FitCheckpoint
from videomem_hf.multiview.config import FitOptions
from videomem_hf.multiview.kernel_head import build_kernel_model, fit_kernel_head
from videomem_hf.multiview.kernel_search import MAX_VIEWS_OF_ALL_SUBSETS, Choices, KernelSearch, Reporter
from videomem_hf.multiview.kernels import KernelBank
from videomem_hf.multiview.predict import predict_views
from videomem_hf.multiview.targets import make_targets
from videomem_hf.multiview.training_arrays import MIN_CLIPS, TrainingArrays, fold_indices, select_training_clips
from videomem_hf.schema import HORIZONS, Horizon
from videomem_hf.statistics import spearman

_TUNING_FOLDS: Final = 5


@dataclass(frozen=True)
class BestFit:
    """A fitted predictor.

    Attributes:
        model: The `MultiViewModel`; `save_pretrained` and `AutoModel` save and load it.
        held_out: `(training clips, horizons)`, its cross-validated predictions.
        correlations: Their Spearman correlation for each horizon.
        choices: What cross-validation chose and tried.
    """

    model: MultiViewModel
    held_out: np.ndarray
    correlations: list[float]
    choices: Choices

    def predict(self, views: Mapping[str, ArrayLike], counts: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Score clips.

        Args:
            views: Name to `(clips, size)`, or `(clips, parts, size)`, for some or all of the model's views; rows with
                NaN lack the view.
            counts: `(clips, horizons)` annotation counts of the scores that the intervals are for; None takes typical
                ones.

        Returns:
            Scores `(clips, horizons)` in [0, 1], and prediction intervals `(clips, horizons, 2)`.
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
    report: Reporter | None = None,
    checkpoint: FitCheckpoint | None = None,
) -> BestFit:
    """Fit the best predictor on some views of clips.

    A view is any array with one row per clip: embeddings of titles (`title_views`) or frames, concept scores, features.
    All choices are made by cross-validation within the training clips.

    Args:
        views: Name to `(clips, size)`, or `(clips, parts, size)` for several vectors of a clip that are compared each
            with its own kind; the view is missing for a clip whose row has NaN.
        scores: `(clips, horizons)` in [0, 1]; NaN where unknown.
        counts: `(clips, horizons)` annotation counts of the scores; NaN or None where unknown.
        train: Indices, or a mask, of the training clips; None for all.
        groups: `(clips,)`: clips of one group, such as those of one title, stay in one fold. Use it if new clips will
            be of other groups.
        horizons: Names of the columns.
        options: See `FitOptions`.
        seed: Seed of folds and landmarks; the result depends only on the arguments.
        report: Called with one line of text per trial.
        checkpoint: Where finished steps are kept, and taken from.

    Raises:
        InputError: The shapes of the arrays differ, or there are too few training clips.
    """
    options = options or FitOptions()
    checkpoint = checkpoint or FitCheckpoint()
    data = select_training_clips(views, scores, counts, train, groups, horizons)
    choices = checkpoint.choices(partial(_choose, data, options, seed, report))
    bank = KernelBank(data.views, seed, options.exact_up_to, options.landmarks, choices.standardised)
    search = _kernel_search(bank, data, options, seed, report)
    head = fit_kernel_head(search, choices, data.scores, data.counts, options.level, checkpoint)
    model = build_kernel_model(search, head, horizons, options.level)
    held_out = head.scoring[0].held_out * search.targets.stds + search.targets.means
    return BestFit(model, held_out, _correlations(held_out, data.scores), choices)


def _choose(data: TrainingArrays, options: FitOptions, seed: int, report: Reporter | None) -> Choices:
    """Choose kernels on at most `tune_on` training clips, with few folds: choices need fewer digits than intervals."""
    max_clips = options.tune_on * MAX_VIEWS_OF_ALL_SUBSETS // max(MAX_VIEWS_OF_ALL_SUBSETS, len(data.views))
    rows = np.random.default_rng(seed).permutation(len(data.scores))[: max(MIN_CLIPS, max_clips)]
    subset = data.take(np.sort(rows))
    bank = KernelBank(subset.views, seed, exact_up_to=len(rows))
    return _kernel_search(
        bank, subset, replace(options, folds=min(options.folds, _TUNING_FOLDS)), seed, report
    ).choose()


def _kernel_search(
    bank: KernelBank, data: TrainingArrays, options: FitOptions, seed: int, report: Reporter | None
) -> KernelSearch:
    folds = fold_indices(len(data.scores), options.folds, seed, data.groups)
    return KernelSearch(bank, make_targets(data.scores, data.counts, options.use_counts), folds, report)


def _correlations(held_out: np.ndarray, scores: np.ndarray) -> list[float]:
    return [spearman(held_out[rows, h], scores[rows, h]) for h, rows in enumerate(np.isfinite(scores).T)]
