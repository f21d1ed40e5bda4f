"""A run of the recipe `best`: from the user's data to a model folder with its ablation table."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from videomem_hf import run_files
from videomem_hf.data.provenance import generated_plan
from videomem_hf.evaluation.coverage import interval_coverage
from videomem_hf.evaluation.environment import environment
from videomem_hf.evaluation.evaluate import baselines, compute_metrics, noise_ceilings
from videomem_hf.evaluation.training_clips import training_contents
from videomem_hf.features.title_views import WORDS
from videomem_hf.inference.reference import make_reference, reference_of_results, warn_of_failure, write_reference
from videomem_hf.inference.typicality import Typicality, sample_clips, with_distances, with_summaries
from videomem_hf.models.folders import save_model
from videomem_hf.multiview.ablation_table import ablation_rows
from videomem_hf.multiview.checkpoint import FitCheckpoint, check_same_arrays, checkpoint_folder
from videomem_hf.multiview.config import AUTO, BestConfig
from videomem_hf.multiview.fit import BestFit, fit_best
from videomem_hf.multiview.predict import model_outputs
from videomem_hf.multiview.view_data import ViewData
from videomem_hf.multiview.views import load_view_data
from videomem_hf.run_files import TrainingResult


def train_best(config: BestConfig, *, progress: bool = True, resume: bool = False) -> TrainingResult:
    """Fit the best predictor that the data allow, evaluate it, and save it.

    With `resume` a run that was interrupted goes on, and gives the results that it would have given.

    Raises:
        InputError: The configuration, the folder or the data cannot be used, or have changed since the interruption.
    """
    output, split = Path(config.output), config.evaluation.split
    steps = checkpoint_folder(output)
    run_files.check_run_folder(output, steps if steps.is_dir() else None, resume)
    if resume:
        before = BestConfig.from_file(output / run_files.CONFIG_FILE)
        run_files.refuse_changed_settings(output, asdict(before), asdict(config))
    seconds: dict[str, float] = {}
    with _measure_time(seconds, "data"):
        layers = None if config.title_layers == AUTO else config.title_layers
        data = load_view_data(
            config.data, config.views, config.title_encoder, config.splits, progress, config.frame_encoder,
            title_layers=layers,
        )  # fmt: skip
        rows = data.scored_rows(split)
        contents = training_contents(data.clips(data.splits["train"]), data.clips(rows))
        data.splits["train"] = np.array([row for row in data.splits["train"] if data.video_ids[row] in contents])
    output.mkdir(parents=True, exist_ok=True)
    config.save(output / run_files.CONFIG_FILE)
    run_files.write_training_clips(output, contents)
    arrays = {"scores": data.scores, "counts": data.counts, "train": data.splits["train"], "evaluated": rows}
    check_same_arrays(steps, arrays | data.views)
    by_title = bool(config.splits.get("group_titles"))
    with _measure_time(seconds, "training"):
        groups = data.title_group_labels() if by_title else None
        fit = _fit(config, data, groups, "fitting", progress)
    fit.model.config.update({name: getattr(data, name) for name in ("frame_encoder", "title_encoder", "title_layers")})
    sampling = config.evaluation.sampling | {"seed": config.seed}
    table = ablation_rows("grouped" if by_title else "random", fit, data, rows, sampling)
    if not by_title and config.grouped and any(data.titles):
        with _measure_time(seconds, "grouped split"):
            grouped = data.split_by_title(split, config.splits.get("seed", 0))
            again = _fit(config, grouped, data.title_group_labels(), "grouped split", progress)
            table += ablation_rows("grouped", again, grouped, grouped.scored_rows(split), sampling)
    scores, results = _evaluate(config, data, rows, fit, seconds)
    results |= {"table": [asdict(row) for row in table]}
    results = run_files.without_nan(results | _run_facts(config, data, fit, seconds, resume))
    fit.model.config.trained_on_generated = generated_plan(config.data) is not None
    save_model(fit.model, output)
    run_files.write_results(output, results)
    with warn_of_failure(output):
        _describe_run(output, data, rows, fit, scores, results)
    shutil.rmtree(steps)
    return TrainingResult(output, results)


def _fit(config: BestConfig, data: ViewData, groups: np.ndarray | None, title: str, progress: bool) -> BestFit:
    with _progress_bar(title, progress) as report:
        return fit_best(
            data.views, data.scores, data.counts, train=data.splits["train"], groups=groups, horizons=data.horizons,
            options=config.fit, seed=config.seed, report=report,
            checkpoint=FitCheckpoint(checkpoint_folder(Path(config.output)) / title.replace(" ", "-")),
        )  # fmt: skip


@contextmanager
def _measure_time(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[name] = round(time.monotonic() - started, 2)


@contextmanager
def _progress_bar(title: str, progress: bool) -> Iterator[Callable[[str], None]]:
    """A bar that counts the trials and shows the last one."""
    with tqdm(desc=title, unit="step", disable=not progress) as bar:

        def report(text: str) -> None:
            bar.update()
            bar.set_postfix_str(text)

        yield report


def _evaluate(
    config: BestConfig, data: ViewData, rows: np.ndarray, fit: BestFit, seconds: dict[str, float]
) -> tuple[np.ndarray, dict[str, Any]]:
    """Evaluate the model as every other predictor, and write its predictions; returns them and the results."""
    with _measure_time(seconds, "prediction"):
        views = {name: data.views[name][rows] for name in fit.model.config.view_names}
        scores, intervals = fit.predict(views, data.counts[rows])
    clips, train = data.clips(rows), data.clips(data.splits["train"])
    predictions = {"model": scores} | baselines(train, clips, None)
    ends = {"low": intervals[..., 0], "high": intervals[..., 1]}
    path = Path(config.output) / run_files.PREDICTIONS_FILE
    run_files.write_predictions(
        path, predictions | ends, clips.video_ids, clips.labels, data.horizons, clips.annotation_counts
    )
    return scores, {
        "split": config.evaluation.split,
        "split_clips": len(rows),
        "metrics": compute_metrics(predictions, clips, data.horizons, **config.evaluation.sampling),
        "ceilings": noise_ceilings(clips, data.horizons),
        "coverage": interval_coverage(intervals, scores, clips, data.horizons),
    }


def _describe_run(
    output: Path, data: ViewData, rows: np.ndarray, fit: BestFit, scores: np.ndarray, results: dict[str, Any]
) -> None:
    """Write what predictions are measured against and what training clips are like; intervals are the model's own."""
    about = reference_of_results(results)
    if about.split == "train":
        write_reference(output, about)
        return
    reference = make_reference(about, scores, data.scores[rows], data.counts[rows], data.horizons)
    write_reference(output, replace(reference, fits={}))
    train = data.splits["train"][sample_clips(len(data.splits["train"]))]
    names = [name for name in data.views if name != WORDS] or list(data.views)  # rare words are far from everything
    described = []
    for clips in (train, rows):
        views = {name: data.views[name][clips] for name in data.views}
        explained = model_outputs(fit.model, views)["explained"]
        flat = {name: views[name].reshape(len(clips), -1) for name in names}
        described.append(with_distances(with_summaries(flat), explained, fit.model.config))
    if typicality := Typicality.fit(*described):
        typicality.save(output / run_files.TYPICALITY_FILE)


def _run_facts(
    config: BestConfig, data: ViewData, fit: BestFit, seconds: dict[str, float], resumed: bool
) -> dict[str, Any]:
    return {
        "model_type": fit.model.config.model_type,
        "parameters": sum(each.numel() for each in fit.model.parameters()),
        "train_clips": len(data.splits["train"]),
        "views": {name: int(np.prod(x.shape[1:])) for name, x in data.views.items()},
        "frame_encoder": data.frame_encoder,
        "title_layers": list(data.title_layers),
        "notes": list(data.notes),
        "held_out": {"kernel": fit.correlations},
        "choices": asdict(fit.choices),
        "seconds": seconds,
        "processes": 1,
        "device": "cpu",
    } | environment(asdict(config), ("torch", "transformers", "datasets", "scipy"), resumed)
