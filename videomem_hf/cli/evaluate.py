"""`videomem evaluate`: how well does a model predict the scores of a split?"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from videomem_hf.data.release.splits import RankedBy
from videomem_hf.schema import InputError


def evaluate(
    model: Annotated[str, typer.Argument(help="Folder of a trained model, Hub id, or 'resmem'.")],
    data: Annotated[str, typer.Option(help="Folder of the release or of a sample's, a prepared folder, or a Hub id.")],
    split: Annotated[str, typer.Option(help="train, validation, test, or test500 with --hold-out 500.")] = "validation",
    most_annotated: Annotated[
        int | None, typer.Option(min=2, help="Evaluate on so many of the split's most annotated clips as well.")
    ] = None,
    most_annotated_by: Annotated[
        RankedBy, typer.Option(help="Annotation counts that say which clips are the most annotated.")
    ] = "long_term",
    hold_out: Annotated[
        int, typer.Option(min=0, help="Make a split of so many of the most annotated videos, as in training.")
    ] = 0,
    group_titles: Annotated[
        bool, typer.Option("--group-titles", help="Keep videos of nearly the same title in one split, as in training.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the splits, as in training.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the metrics.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write a row a clip: measured and predicted.")] = None,
    submission: Annotated[
        Path | None, typer.Option(help="Folder for MediaEval's files; takes the clips without scores as well.")
    ] = None,
    team: Annotated[str, typer.Option(help="In the names of MediaEval's files.")] = "videomem",
    run: Annotated[int, typer.Option(min=1, help="In the names of MediaEval's files.")] = 1,
    year: Annotated[int, typer.Option(min=2018, help="In the names of MediaEval's files.")] = 2019,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips at a time; fewer need less memory.")] = 8,
    frame_cache: Annotated[
        Path | None, typer.Option(help="Folder for decoded frames. (default: beside the other Hugging Face caches)")
    ] = None,
) -> None:
    """Measure a model on a whole split: Spearman's rank correlation with its interval, Pearson's, mean squared error.

    A video without a score, or without a file, is left out; the table says how many clips were judged.

    Examples: [bold]videomem evaluate run/ --data release/[/bold],
    [bold]videomem evaluate run/ --data release/ --split test --submission out/ --team mine[/bold]
    """
    from videomem_hf.benchmark.evaluate import score_split
    from videomem_hf.evaluation.evaluate import evaluate_predictions
    from videomem_hf.evaluation.submission import submission_files, write_submission
    from videomem_hf.evaluation.tables import consistency_lines, metrics_table
    from videomem_hf.inference import load_predictor
    from videomem_hf.run_files import write_predictions
    from videomem_hf.training.config import checked_evaluation

    for file in (json_file, csv_file):
        if file is not None and not file.parent.is_dir():
            raise InputError(f"{file}: its folder does not exist")
    config = checked_evaluation(split="validation" if split == "train" else split, batch_size=batch_size)
    predictor = load_predictor(model)
    horizons = predictor.horizons
    files = submission_files(submission, year, team, run, horizons) if submission else {}
    options: dict[str, Any] = {"seed": seed, "group_titles": group_titles, "most_annotated": hold_out}
    if hold_out:
        options["most_annotated_by"] = most_annotated_by
    scores, clips = score_split(
        predictor.model,
        getattr(predictor, "processor", None),  # a model of features has none
        data,
        split,
        scored=not files,
        options={name: value for name, value in options.items() if value},
        batch_size=batch_size,
        frame_cache=None if frame_cache is None else str(frame_cache),
    )
    if files:
        write_submission(files, clips.video_ids, scores)
        typer.echo("\n".join(f"{file}: {len(scores)} videos" for file in files.values()))
    if csv_file is not None:
        write_predictions(csv_file, {"model": scores}, clips.video_ids, clips.labels, horizons)
    if files and not any(sum(known) >= 2 for known in (clips.labels == clips.labels).T.tolist()):
        return  # nothing to judge: the release's test set
    judged = evaluate_predictions(
        scores,
        clips,
        horizons,
        most_annotated,
        most_annotated_by=most_annotated_by,
        resamples=config.resamples,
        confidence=config.confidence,
    )
    if json_file is not None:
        plain = {
            horizon: {name: _plain(values) for name, values in predictors.items()}
            for horizon, predictors in judged.metrics.items()
        }
        content = {"model": model, "data": data, "split": split, "metrics": plain, "ceilings": _plain(judged.ceilings)}
        json_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    typer.echo(metrics_table(judged.metrics, config.confidence) + consistency_lines(judged.ceilings), nl=False)


def _plain(values: Mapping[Any, float]) -> dict[Any, float | None]:
    """NaN as null, which JSON can carry."""
    return {name: None if math.isnan(value) else value for name, value in values.items()}
