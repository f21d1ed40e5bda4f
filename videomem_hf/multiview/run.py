"""A run of the recipe `best`: from the user's data to a model folder with its table."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from videomem_hf.evaluation.environment import environment
from videomem_hf.evaluation.evaluate import compute_metrics
from videomem_hf.evaluation.training_clips import run_fingerprint, training_contents
from videomem_hf.losses import Criterion
from videomem_hf.models.folders import save_model
from videomem_hf.multiview.ablation_table import Row, rows_as_dicts, rows_of
from videomem_hf.multiview.config import BestConfig
from videomem_hf.multiview.fit import BestFit, choices_as_dict, fit_best
from videomem_hf.multiview.views import ViewData, load_view_data
from videomem_hf.run_files import (
    CONFIG_FILE,
    PREDICTIONS_FILE,
    TrainingResult,
    check_new_run_folder,
    without_nan,
    write_predictions,
    write_results,
    write_training_clips,
)
from videomem_hf.statistics import noise_ceiling


def train_best(config: BestConfig, *, progress: bool = True) -> TrainingResult:
    """Fit the best predictor that the data allow, judge it, and save it.

    Args:
        config: What to fit and how.
        progress: Whether to show what is being done.

    Raises:
        InputError: The configuration, the folder or the data cannot be used.
    """
    output = Path(config.output)
    check_new_run_folder(output)
    Criterion(config.fit.loss)
    seconds: dict[str, float] = {}
    started = time.monotonic()
    data = load_view_data(
        config.data, config.views, config.title_encoder, config.splits, progress, config.frame_encoder
    )
    rows = data.scored(config.split)
    contents = training_contents(data.judged(data.splits["train"]), data.judged(rows))
    data.splits["train"] = np.array([row for row in data.splits["train"] if data.video_ids[row] in contents])
    seconds["data"] = time.monotonic() - started
    output.mkdir(parents=True, exist_ok=True)
    config.save(output / CONFIG_FILE)
    write_training_clips(output, contents)
    started = time.monotonic()
    title_groups = data.title_labels()
    with _shown("fitting", progress) as say:
        fit = _fitted(config, data, title_groups if config.splits.get("group_titles") else None, say)
    fit.model.config.frame_encoder = data.frame_encoder
    seconds["training"] = time.monotonic() - started
    table = rows_of("random", fit, data, rows, config.resamples, config.confidence, config.seed)
    if config.splits.get("group_titles"):
        table = [Row(**asdict(row) | {"division": "grouped"}) for row in table]
    elif config.grouped and any(data.titles):
        started = time.monotonic()
        table += _on_grouped_titles(config, data, title_groups, fit.model.config.head, progress)
        seconds["grouped split"] = time.monotonic() - started
    results = _written(config, data, rows, fit, table, seconds)
    save_model(fit.model, output)
    write_results(output, results)
    return TrainingResult(output, results)


def _fitted(config: BestConfig, data: ViewData, groups: np.ndarray | None, say: Callable[[str], None]) -> BestFit:
    return fit_best(
        data.views,
        data.scores,
        data.counts,
        train=data.splits["train"],
        groups=groups,
        horizons=data.horizons,
        options=config.fit,
        seed=config.seed,
        title_encoder=config.title_encoder or "",
        say=say,
    )


def _on_grouped_titles(config: BestConfig, data: ViewData, labels: np.ndarray, head: str, progress: bool) -> list[Row]:
    """Fit and judge again, with the head of the first fit, where nearly equal titles are kept together."""
    grouped = data.grouped(config.split, config.splits.get("seed", 0))
    rows = grouped.scored(config.split)
    config = replace(config, fit=replace(config.fit, head=head))
    with _shown("grouped split", progress) as say:
        fit = _fitted(config, grouped, labels, say)
    return rows_of("grouped", fit, grouped, rows, config.resamples, config.confidence, config.seed)


class _shown:  # noqa: N801 - used as a function
    """A bar that counts what is tried and says what it is."""

    def __init__(self, title: str, progress: bool) -> None:
        self.bar: Any = tqdm(desc=title, unit="step", disable=not progress)

    def __enter__(self) -> Callable[[str], None]:
        return self._say

    def _say(self, text: str) -> None:
        self.bar.update()
        self.bar.set_postfix_str(text)

    def __exit__(self, *_: object) -> None:
        self.bar.close()


def _written(
    config: BestConfig,
    data: ViewData,
    rows: np.ndarray,
    fit: BestFit,
    table: list[Row],
    seconds: dict[str, float],
) -> dict[str, Any]:
    """Judge the model as every other is, write its predictions, and give the content of `results.json`."""
    views = {name: data.views[name][rows] for name in fit.model.config.view_names}
    started = time.monotonic()
    scores, intervals = fit.predict(views, data.counts[rows])
    seconds["prediction"] = time.monotonic() - started
    train = data.splits["train"]
    constant = np.tile(np.nanmean(data.scores[train], axis=0), (len(rows), 1))
    clips = data.judged(rows)
    metrics = compute_metrics(
        {"model": scores, "constant": constant},
        clips,
        data.horizons,
        resamples=config.resamples,
        confidence=config.confidence,
    )
    predictions = {"model": scores, "low": intervals[..., 0], "high": intervals[..., 1], "constant": constant}
    write_predictions(Path(config.output) / PREDICTIONS_FILE, predictions, clips.video_ids, clips.labels, data.horizons)
    return without_nan(
        {
            "recipe": config.recipe,
            "model_type": fit.model.config.model_type,
            "head": fit.model.config.head,
            "parameters": sum(each.numel() for each in fit.model.parameters()),
            "train_clips": len(train),
            "split": config.split,
            "split_clips": len(rows),
            "views": {name: data.views[name].shape[1] for name in data.views},
            "frame_encoder": data.frame_encoder,
            "notes": list(data.notes),
            "metrics": metrics,
            "ceilings": {
                horizon: noise_ceiling(clips.labels[:, h], np.nan_to_num(clips.annotation_counts[:, h]))
                for h, horizon in enumerate(data.horizons)
            },
            "table": rows_as_dicts(table),
            "held_out": fit.correlations,
            "choices": choices_as_dict(fit.choices),
            "seconds": {name: round(value, 2) for name, value in seconds.items()},
            "processes": 1,
            "device": "cpu",
            "versions": {name: version(name) for name in ("torch", "transformers", "datasets", "scipy")},
            "config": asdict(config),
        }
        | environment(config.data, run_fingerprint(asdict(config)))
    )
