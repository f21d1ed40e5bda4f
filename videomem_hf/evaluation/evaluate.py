"""Evaluation of a predictor on a whole split: predictions gathered with their clips, then one correlation."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from videomem_hf.data.release.splits import RankedBy, most_annotated_indices
from videomem_hf.data.scored_clips import Clips
from videomem_hf.metrics import metric_path
from videomem_hf.schema import Horizon, InputError
from videomem_hf.statistics import noise_ceiling, spearman
from videomem_hf.video.frame_cache import FrameCache

Predictions = dict[str, np.ndarray]
"""Predictor's name to its scores, `(clips, horizons)`."""
Metrics = dict[str, dict[str, Any]]
"""Horizon to predictor to metric to value; a correlation of a constant is NaN."""

_AGAINST = ("difference", "difference_low", "difference_high", "p_value")


def correlation(scores: np.ndarray, labels: np.ndarray) -> float:
    """Spearman's correlation over the clips with a score; NaN, quietly, where there is none."""
    known = np.isfinite(labels)
    if known.sum() < 2:
        return float("nan")
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        return spearman(scores[known], labels[known])


def noise_ceilings(clips: Clips, horizons: Sequence[Horizon]) -> dict[Horizon, float]:
    """`noise_ceiling` of each horizon's scores, NaN where counts are unknown."""
    counts = np.nan_to_num(clips.annotation_counts)
    return {horizon: noise_ceiling(clips.labels[:, h], counts[:, h]) for h, horizon in enumerate(horizons)}


def evaluate_predictions(
    scores: np.ndarray,
    clips: Clips,
    horizons: Sequence[Horizon],
    most_annotated: int | None = None,
    most_annotated_by: RankedBy = "long_term",
    **sampling: Any,
) -> Metrics:
    """Evaluate predictions on a split, and on its most annotated clips.

    Args:
        scores: `(clips, horizons)` for the clips of the split.
        most_annotated: How many of the most annotated clips to evaluate on as well (the paper's test(500)).
        most_annotated_by: Which annotation counts rank them; see `most_annotated_indices`.
        **sampling: As of `compute_metrics`.

    Returns:
        As of `compute_metrics`, for "model" and, where asked, "N most annotated".

    Raises:
        InputError: Fewer clips, or unknown counts.
    """
    metrics = compute_metrics({"model": scores}, clips, horizons, **sampling)
    if most_annotated is not None:
        counts = clips.all_counts or dict(zip(horizons, clips.annotation_counts.T, strict=True))
        lists = {horizon: column.tolist() for horizon, column in counts.items()}
        chosen = sorted(most_annotated_indices(most_annotated, clips.video_ids, lists, most_annotated_by))
        subset = compute_metrics({"model": scores[chosen]}, clips.take(chosen), horizons, **sampling)
        for horizon in horizons:
            metrics[horizon][f"{most_annotated} most annotated"] = subset[horizon]["model"]
    return metrics


def brightness(clips: Clips, cache: FrameCache) -> np.ndarray:
    """Mean of each clip's pixels, `(clips,)` in [0, 1]."""
    return np.array([cache.load(source).mean() / 255 for source in clips.sources])


def baselines(train: Clips, evaluated: Clips, cache: FrameCache | None) -> Predictions:
    """Predict the mean training score; and for clips of frames from a line through mean brightness fitted on `train`.

    Where training has no score of a horizon, both are NaN.
    """
    known = [np.isfinite(labels) for labels in train.labels.T]
    means = [labels[each].mean() if each.any() else np.nan for labels, each in zip(train.labels.T, known, strict=True)]
    constant = np.tile(means, (len(evaluated), 1))
    if cache is None:
        return {"constant": constant}
    seen, new = brightness(train, cache), brightness(evaluated, cache)
    lines = [_line(seen[each], labels[each], new) for labels, each in zip(train.labels.T, known, strict=True)]
    return {"constant": constant, "mean_brightness": np.column_stack(lines)}


def _line(seen: np.ndarray, labels: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Fit scores by a line and predict others, in [0, 1]; NaN with fewer than 2 scores."""
    if len(labels) < 2:
        return np.full(len(new), np.nan)
    slope = np.cov(seen, labels)[0, 1] / seen.var(ddof=1) if seen.std() > 0 else 0.0
    return np.clip(labels.mean() + slope * (new - seen.mean()), 0, 1)


def compute_metrics(predictions: Predictions, clips: Clips, horizons: Sequence[Horizon], **sampling: Any) -> Metrics:
    """Metrics of every predictor for each horizon, over all scored clips of the split.

    Args:
        predictions: "model", and optionally baselines; the model is compared with "mean_brightness" if it is given.
        **sampling: `resamples` and `confidence` of the confidence intervals, as in the metric.
    """
    import evaluate

    metric = evaluate.load(metric_path(), keep_in_memory=True)
    results: Metrics = {}
    for column, horizon in enumerate(horizons):
        known = np.isfinite(clips.labels[:, column])
        if known.sum() < 2:
            raise InputError(f"{known.sum()} clips with a {horizon} score are too few for a correlation; 2 are needed")
        references = clips.labels[known, column]
        results[horizon] = {}
        for name, scores in predictions.items():
            if np.isnan(scores[known, column]).any():  # a baseline that training gave nothing to
                continue
            # A constant predictor has no correlation: NaN says so, in a table where its warning would only disturb.
            with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
                result = metric.compute(predictions=scores[known, column], references=references, **sampling)
            results[horizon][name] = result
        if "mean_brightness" in results[horizon]:
            against = metric.compute(
                predictions=predictions["model"][known, column],
                references=references,
                other_predictions=predictions["mean_brightness"][known, column],
                **sampling,
            )
            results[horizon]["model_minus_mean_brightness"] = {key: against[key] for key in _AGAINST}
    return results
