"""`videomem evaluate`: how well does a model predict the scores of a split?"""

import json
import math
from pathlib import Path
from typing import Annotated

import typer

from videomem_hf.schema import InputError


def evaluate(
    model: Annotated[str, typer.Argument(help="Folder of a trained model, Hub id, or 'resmem'.")],
    data: Annotated[Path, typer.Option(help="Folder of the VideoMem release, or of a generated sample's release.")],
    split: Annotated[str, typer.Option(help="validation or test; the release's own test split has no scores.")] = (
        "validation"
    ),
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the metrics.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write a row a clip: measured and predicted.")] = None,
    batch_size: Annotated[int, typer.Option(help="Clips at a time; fewer need less memory.")] = 8,
    frame_cache: Annotated[
        Path | None, typer.Option(help="Folder for decoded frames. [default: beside the other Hugging Face caches]")
    ] = None,
) -> None:
    """Measure a model on a whole split: Spearman's rank correlation with its interval, Pearson's, mean squared error.

    A video without a score, or without a file, is left out; the table says how many clips were judged.
    """
    from videomem_hf.inference import load_predictor
    from videomem_hf.training.config import checked_evaluation
    from videomem_hf.training.evaluation import evaluate_split, write_predictions
    from videomem_hf.training.report import metrics_table

    for file in (json_file, csv_file):
        if file is not None and not file.parent.is_dir():
            raise InputError(f"{file}: its folder does not exist")
    config = checked_evaluation(split=split, batch_size=batch_size)
    predictor = load_predictor(model)
    cache = None if frame_cache is None else str(frame_cache)
    metrics, predictions, clips = evaluate_split(predictor.model, predictor.processor, str(data), config, cache)
    if csv_file is not None:
        write_predictions(csv_file, predictions, clips, predictor.horizons)
    if json_file is not None:
        plain = {
            horizon: {name: None if math.isnan(value) else value for name, value in predictors["model"].items()}
            for horizon, predictors in metrics.items()
        }
        content = {"model": model, "data": str(data), "split": split, "metrics": plain}
        json_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    typer.echo(metrics_table(metrics, config.confidence), nl=False)
