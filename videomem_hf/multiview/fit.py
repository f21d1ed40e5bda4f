"""`fit_best`: the multi-view predictor from arrays, for any set of views, scores and training clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from videomem_hf.losses import Criterion
from videomem_hf.models.modeling_multiview import MultiViewModel
from videomem_hf.multiview.config import FitOptions
from videomem_hf.multiview.kernel_head import build_kernel_model, fit_kernel_head
from videomem_hf.multiview.kernel_search import MAX_VIEWS_OF_ALL_SUBSETS, Choices, KernelSearch, Reporter
from videomem_hf.multiview.kernels import KernelBank
from videomem_hf.multiview.neural_head import fit_neural_head
from videomem_hf.multiview.predict import predict_views
from videomem_hf.multiview.targets import make_targets
from videomem_hf.multiview.training_arrays import MIN_CLIPS, TrainingArrays, fold_indices, select_training_clips
from videomem_hf.schema import HORIZONS, Horizon
from videomem_hf.statistics import spearman


@dataclass(frozen=True)
class BestFit:
    """A fitted predictor.

    Attributes:
        model: The `MultiViewModel`; `save_pretrained` and `AutoModel` save and load it.
        held_out: `(training clips, horizons)`, its cross-validated predictions.
        correlations: Head to its cross-validated Spearman correlation for each horizon.
        choices: What cross-validation chose and tried for the kernel head.
    """

    model: MultiViewModel
    held_out: np.ndarray
    correlations: dict[str, list[float]]
    choices: Choices

    def predict(self, views: Mapping[str, ArrayLike], counts: ArrayLike | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Score clips.

        Args:
            views: Name to `(clips, size)` for some or all of the model's views; rows with NaN lack the view.
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
    title_encoder: str = "",
    report: Reporter | None = None,
) -> BestFit:
    """Fit the best predictor on some views of clips.

    A view is any array with one row per clip: embeddings of titles (`title_views`) or frames, concept scores, features.
    All choices are made by cross-validation within the training clips.

    Args:
        views: Name to `(clips, size)`; the view is missing for a clip whose row has NaN.
        scores: `(clips, horizons)` in [0, 1]; NaN where unknown.
        counts: `(clips, horizons)` annotation counts of the scores; NaN or None where unknown.
        train: Indices, or a mask, of the training clips; None for all.
        groups: `(clips,)`: clips of one group, such as those of one title, stay in one fold. Use it if new clips will
            be of other groups.
        horizons: Names of the columns.
        options: See `FitOptions`.
        seed: Seed of folds, landmarks and networks; the result depends only on the arguments.
        title_encoder: Name of the sentence encoder of the view `title`, kept with the model.
        report: Called with one line of text per trial.

    Raises:
        InputError: The shapes of the arrays differ, or there are too few training clips.
    """
    options = options or FitOptions()
    Criterion(options.loss)  # refuses wrong options of the loss before anything is fitted
    data = select_training_clips(views, scores, counts, train, groups, horizons)
    search, choices = _search(data, options, seed, report)
    head = fit_kernel_head(search, choices, data.scores, data.counts, options.level)
    model = build_kernel_model(search, choices, head, horizons, options.hidden_size, options.level, title_encoder)
    held_out = head.stacks[0].held_out * search.targets.stds + search.targets.means
    kernel = BestFit(model, held_out, {"kernel": _correlations(held_out, data.scores)}, choices)
    if options.head == "kernel":
        return kernel
    folds = [fold.numpy() for fold in search.folds]
    neural, neural_held_out = fit_neural_head(model, data, folds, options, seed, report)
    correlations = kernel.correlations | {"neural": _correlations(neural_held_out, data.scores)}
    if options.head == "neural" or _mean(correlations["neural"]) > _mean(correlations["kernel"]):
        return BestFit(neural, neural_held_out, correlations, choices)
    return replace(kernel, correlations=correlations)


def _search(
    data: TrainingArrays, options: FitOptions, seed: int, report: Reporter | None
) -> tuple[KernelSearch, Choices]:
    """Choose kernels on at most `tune_on` training clips; give the choices and the search over all clips."""
    max_clips = options.tune_on * MAX_VIEWS_OF_ALL_SUBSETS // max(MAX_VIEWS_OF_ALL_SUBSETS, len(data.views))
    rows = np.random.default_rng(seed).permutation(len(data.scores))[: max(MIN_CLIPS, max_clips)]
    subset = data.take(np.sort(rows))
    bank = KernelBank(subset.views, seed, exact_up_to=len(rows))
    choices = _kernel_search(bank, subset, options, seed, report).choose()
    bank = KernelBank(data.views, seed, options.exact_up_to, options.landmarks, choices.standardised)
    return _kernel_search(bank, data, options, seed, report), choices


def _kernel_search(
    bank: KernelBank, data: TrainingArrays, options: FitOptions, seed: int, report: Reporter | None
) -> KernelSearch:
    counts = data.counts if options.use_counts and np.isfinite(data.counts).any() else None
    folds = fold_indices(len(data.scores), options.folds, seed, data.groups)
    return KernelSearch(bank, make_targets(data.scores, counts), folds, report)


def _correlations(held_out: np.ndarray, scores: np.ndarray) -> list[float]:
    return [spearman(held_out[rows, h], scores[rows, h]) for h, rows in enumerate(np.isfinite(scores).T)]


def _mean(correlations: list[float]) -> float:
    """The mean; a head without a correlation is worse than any other."""
    return float(np.nan_to_num(np.mean(correlations), nan=-1.0))
