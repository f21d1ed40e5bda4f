"""Judging a predictor on a whole split: predictions gathered with their clips, then one correlation."""

import csv
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm.auto import tqdm

from videomem_hf.data.frame_cache import FrameCache
from videomem_hf.metrics import metric_path
from videomem_hf.schema import Horizon, InputError
from videomem_hf.statistics import noise_ceiling, spearman
from videomem_hf.training.clips import FRAME_CACHE, Clips, fill_cache, load_clips
from videomem_hf.training.config import EvaluationConfig
from videomem_hf.training.examples import CachedClips, Collator

if TYPE_CHECKING:
    from accelerate import Accelerator

Predictions = dict[str, np.ndarray]
"""Predictor's name to its scores, `(clips, horizons)`."""

_AGAINST = ("difference", "difference_low", "difference_high", "p_value")


def predict(
    accelerator: "Accelerator",
    model: Any,
    collate: Collator,
    clips: Clips,
    cache: FrameCache | None,
    batch_size: int,
    progress: bool,
) -> np.ndarray:
    """Score every clip of a split once, divided among the processes.

    Returns:
        `(clips, horizons)` float64 on every process, in the order of the split.

    Raises:
        RuntimeError: What came together is not exactly the split.
    """
    from accelerate.utils import gather_object

    share = list(range(len(clips)))[accelerator.process_index :: accelerator.num_processes]
    loader: Any = torch.utils.data.DataLoader(
        torch.utils.data.Subset(CachedClips(clips, cache), share),
        batch_size,
        collate_fn=collate,
        generator=torch.Generator(),  # looking at a split changes nothing of the training
    )
    model.eval()
    scored: list[tuple[int, list[float]]] = []
    shown = progress and accelerator.is_main_process
    for batch in tqdm(loader, "evaluating", unit="batch", disable=not shown, leave=False):
        indices = batch.pop("index").tolist()
        with torch.no_grad():
            scores = model(**{name: value.to(accelerator.device) for name, value in batch.items()}).scores
        scored.extend(zip(indices, scores.double().cpu().tolist(), strict=True))
    return in_order(gather_object(scored), len(clips))


def in_order(scored: list[tuple[int, list[float]]], clips: int) -> np.ndarray:
    """Put gathered scores in the order of the split; every clip must be there exactly once."""
    indices = sorted(index for index, _ in scored)
    if indices != list(range(clips)):
        raise RuntimeError(f"{len(indices)} predictions of {len(set(indices))} clips came together for {clips} clips")
    return np.array([row for _, row in sorted(scored)], dtype=np.float64)


def correlation(scores: np.ndarray, labels: np.ndarray) -> float:
    """Spearman's correlation over the clips with a score; NaN, quietly, where there is none."""
    known = np.isfinite(labels)
    if known.sum() < 2:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return spearman(scores[known], labels[known])


@dataclass(frozen=True)
class Evaluation:
    """A predictor judged on a split.

    Attributes:
        metrics: As of `judge`, for "model" and, where asked, "model_most_annotated".
        ceilings: `noise_ceiling` of each horizon's scores, NaN where counts are unknown.
        predictions: Of "model".
        clips: The split.
    """

    metrics: dict[str, dict[str, Any]]
    ceilings: dict[Horizon, float]
    predictions: Predictions
    clips: Clips


def score_split(
    model: Any,
    processor: Any | None,
    data: str,
    split: str,
    *,
    scored: bool = True,
    options: dict[str, Any] | None = None,
    batch_size: int = 32,
    frame_cache: str | None = None,
    progress: bool = True,
) -> tuple[np.ndarray, Clips]:
    """Predict the scores of a split of the user's data.

    Args:
        model: A predictor.
        processor: The video processor saved with it; None for a model of features.
        data: Folder of the release, a prepared folder, or a Hub id.
        split: Which part of it.
        scored: False takes the clips without scores as well.
        options: Keywords of the data set, as in `TrainingConfig.splits`.
        batch_size: Clips at a time.
        frame_cache: Folder for decoded frames; None takes the user's cache folder.
        progress: Whether to show progress bars.

    Returns:
        `(clips, horizons)` float64, and the clips.

    Raises:
        InputError: The data or a clip cannot be used.
    """
    from accelerate import Accelerator

    if model.config.model_type == "multiview":
        from videomem_hf.training.view_scores import score_views

        return score_views(model, data, split, scored=scored, options=options, progress=progress)
    accelerator = Accelerator()
    features = list(model.config.feature_names) if processor is None else None
    clips = load_clips(data, split, tuple(model.config.horizons), features=features, options=options, scored=scored)
    cache = None
    if processor is not None:
        cache = FrameCache(frame_cache or FRAME_CACHE, processor)
        fill_cache(accelerator, cache, [clips], progress)
    elif list(model.config.feature_sizes) != list(clips.feature_sizes):
        raise InputError(
            f"{data}: the features {', '.join(features or [])} have {list(clips.feature_sizes)} numbers, the model "
            f"takes {list(model.config.feature_sizes)}"
        )
    model.to(accelerator.device)
    return predict(accelerator, model, Collator(processor), clips, cache, batch_size, progress), clips


def evaluate_predictions(
    scores: np.ndarray,
    clips: Clips,
    horizons: Sequence[Horizon],
    config: EvaluationConfig,
    most_annotated: int | None = None,
) -> Evaluation:
    """Judge predictions on a split, and on its most annotated clips.

    Args:
        scores: `(clips, horizons)`.
        clips: The split.
        horizons: Names of the columns.
        config: Resamples and confidence.
        most_annotated: How many of the most annotated clips to judge as well (the paper's test(500)).

    Raises:
        InputError: Fewer clips, or unknown counts.
    """
    predictions = {"model": scores}
    metrics = judge(predictions, clips, horizons, config)
    ceilings = {
        horizon: noise_ceiling(clips.labels[:, column], np.nan_to_num(clips.annotation_counts[:, column]))
        for column, horizon in enumerate(horizons)
    }
    if most_annotated is not None:
        chosen = most_annotated_clips(clips, most_annotated)
        few = replace(
            clips,
            video_ids=[clips.video_ids[index] for index in chosen],
            labels=clips.labels[chosen],
            annotation_counts=clips.annotation_counts[chosen],
        )
        subset = judge({"model": scores[chosen]}, few, horizons, config)
        for horizon in horizons:
            metrics[horizon][f"{most_annotated} most annotated"] = subset[horizon]["model"]
    return Evaluation(metrics, ceilings, predictions, clips)


def most_annotated_clips(clips: Clips, count: int) -> np.ndarray:
    """Indices of the most annotated clips, by the sum of their counts; the earlier of equals first.

    Raises:
        InputError: There are fewer, or counts are unknown.
    """
    totals = clips.annotation_counts.sum(axis=1)
    if not 2 <= count <= len(totals):
        raise InputError(f"the {count} most annotated clips are asked for; allowed are 2 to the split's {len(totals)}")
    if np.isnan(totals).any():
        raise InputError("the most annotated clips are asked for, but these data have no annotation counts")
    return np.sort(np.argsort(-totals, kind="stable")[:count])


def brightness(clips: Clips, cache: FrameCache) -> np.ndarray:
    """Mean of each clip's pixels, `(clips,)` in [0, 1]."""
    return np.array([cache.load(source).mean() / 255 for source in clips.sources])


def baselines(train: Clips, judged: Clips, cache: FrameCache | None) -> Predictions:
    """Predict the mean training score; and for clips of frames from a line through mean brightness fitted on `train`.

    Where training has no score of a horizon, both are NaN.
    """
    known_means = [
        labels[np.isfinite(labels)].mean() if np.isfinite(labels).any() else np.nan for labels in train.labels.T
    ]
    constant = np.tile(known_means, (len(judged), 1))
    if cache is None:
        return {"constant": constant}
    seen, new = brightness(train, cache), brightness(judged, cache)
    line = []
    for labels in train.labels.T:
        known = np.isfinite(labels)
        if known.sum() < 2:
            line.append(np.full(len(judged), np.nan))
            continue
        slope = np.cov(seen[known], labels[known])[0, 1] / seen[known].var(ddof=1) if seen[known].std() > 0 else 0.0
        line.append(np.clip(labels[known].mean() + slope * (new - seen[known].mean()), 0, 1))
    return {"constant": constant, "mean_brightness": np.column_stack(line)}


def judge(
    predictions: Predictions, clips: Clips, horizons: Sequence[Horizon], config: EvaluationConfig
) -> dict[str, dict[str, Any]]:
    """Metrics of every predictor for each horizon, over all scored clips of the split.

    Args:
        predictions: "model", and perhaps baselines; with "mean_brightness" the model is compared to it.
        clips: The split.
        horizons: Names of the columns.
        config: Resamples and confidence.

    Returns:
        Horizon to predictor to metric to value. A correlation of a constant is NaN.
    """
    import evaluate

    metric = evaluate.load(metric_path(), keep_in_memory=True)
    sampling = {"resamples": config.resamples, "confidence": config.confidence}
    results: dict[str, dict[str, Any]] = {}
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
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
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


def write_predictions(path: Path, predictions: Predictions, clips: Clips, horizons: Sequence[Horizon]) -> None:
    """Write a CSV: `video_id`, then for each horizon the measured score and each predictor's."""

    columns: dict[str, np.ndarray] = {}
    for column, horizon in enumerate(horizons):
        columns[horizon] = clips.labels[:, column]
        columns |= {f"{horizon}_{name}": scores[:, column] for name, scores in predictions.items()}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["video_id", *columns])
        for row, video_id in enumerate(clips.video_ids):
            cells = (float(values[row]) for values in columns.values())
            writer.writerow([video_id, *("" if math.isnan(cell) else repr(cell) for cell in cells)])
