"""`videomem evaluate`: how well does a model predict the scores of a split?"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from videomem_hf.cli.options import DATA_HELP, FailFast, Import, TrustRemoteCode, quoted, say_next
from videomem_hf.data.release.splits import RankedBy
from videomem_hf.model_names import check_model_name
from videomem_hf.registration import import_code
from videomem_hf.run_files import without_nan, write_predictions
from videomem_hf.schema import Horizon, InputError

if TYPE_CHECKING:
    import numpy as np

    from videomem_hf.benchmark.evaluate import EvaluationTarget
    from videomem_hf.data.scored_clips import Clips


def evaluate(
    model: Annotated[str, typer.Argument(help="Folder of a trained model, Hub id, or 'resmem'.")],
    data: Annotated[
        str | None, typer.Option(help=f"{DATA_HELP} (default: the data that the model was trained on)")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="validation, test, ... (default: the split that training held out, or validation)"),
    ] = None,
    most_annotated: Annotated[
        int | None, typer.Option(min=2, help="Also evaluate on this many of the split's most annotated clips.")
    ] = None,
    most_annotated_by: Annotated[
        RankedBy | None,
        typer.Option(
            help="Annotation counts for --most-annotated and --hold-out. (default: as in training, or long_term)"
        ),
    ] = None,
    hold_out: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Make a split of this many of the most annotated videos, such as test500. (default: as in training)",
        ),
    ] = None,
    group_titles: Annotated[
        bool | None,
        typer.Option(
            "--group-titles/--no-group-titles",
            help="Keep videos of nearly the same title in one split. (default: as in training)",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Seed of the random split; must equal training's. (default: as in training)"),
    ] = None,
    allow_training_clips: Annotated[
        bool, typer.Option("--allow-training-clips", help="Also evaluate on clips that the model was trained on.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the metrics to this file.")] = None,
    csv_file: Annotated[
        Path | None,
        typer.Option("--csv", help="Write measured and predicted scores with intervals to this file, a row per clip."),
    ] = None,
    submission: Annotated[
        Path | None,
        typer.Option(help="Write MediaEval's submission files to this folder; includes clips without scores."),
    ] = None,
    team: Annotated[
        str | None, typer.Option(help="Team in the names of the submission files. (default: videomem)")
    ] = None,
    run: Annotated[
        int | None, typer.Option(min=1, help="Run in the names of the submission files. (default: 1)")
    ] = None,
    year: Annotated[
        int | None, typer.Option(min=2018, help="Year in the names of the submission files. (default: 2019)")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Clips per batch; fewer need less memory.")] = 8,
    frame_cache: Annotated[
        Path | None, typer.Option(help="Folder for decoded frames. (default: beside the other Hugging Face caches)")
    ] = None,
    fail_fast: FailFast = False,
    import_: Import = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Measure a model on a whole split: Spearman's rank correlation with its interval, Pearson's, mean squared error.

    Data and splits are taken from the training run if MODEL is one, and clips that it was trained on are refused. A
    video without a score or a file is left out; the table gives the number of clips. A video that cannot be decoded is
    left out as well and named on standard error; the exit code is then 1.

    Examples: [bold]videomem evaluate run/[/bold],
    [bold]videomem evaluate run/ --data release/ --split test --submission out/ --team mine[/bold]
    """
    import numpy as np

    from videomem_hf.benchmark.evaluate import evaluation_target, prediction_intervals, score_target
    from videomem_hf.evaluation.submission import submission_files, write_submission
    from videomem_hf.inference.loading import load_network

    for option, value in {"--team": team, "--run": run, "--year": year}.items():
        if value is not None and submission is None:
            raise InputError(f"{option} is for the files of --submission; give its folder as well")
    check_model_name(model)
    for file in (json_file, csv_file):
        if file is not None and not file.parent.is_dir():
            raise InputError(f"{file}: its folder does not exist")
    options = {
        "seed": seed,
        "group_titles": group_titles,
        "most_annotated": hold_out,
        "most_annotated_by": most_annotated_by if hold_out else None,
    }
    target = evaluation_target(model, data, split, options, allow_training_clips)
    import_code(import_)
    network, processor = load_network(model, trust_remote_code)
    horizons = tuple(network.config.horizons)
    files = submission_files(submission, year or 2019, team or "videomem", run or 1, horizons) if submission else {}
    failures: list[str] = []
    own_intervals: list[np.ndarray] = []
    scores, clips = score_target(
        network,
        processor,
        target,
        scored=not files,
        batch_size=batch_size,
        frame_cache=None if frame_cache is None else str(frame_cache),
        failures=None if fail_fast else failures,
        intervals=own_intervals,
    )
    for line in failures:
        typer.echo(f"videomem: {line}", err=True)
    if files:
        write_submission(files, clips.video_ids, scores)
        typer.echo("\n".join(f"{file}: {len(scores)} videos" for file in files.values()))
    intervals = prediction_intervals(model, network, scores, clips, own_intervals)
    if csv_file is not None:
        columns = {"model": scores} | ({"low": intervals[0][..., 0], "high": intervals[0][..., 1]} if intervals else {})
        counts = clips.annotation_counts
        write_predictions(csv_file, columns, clips.video_ids, clips.labels, horizons, counts, short=True)
    if not files or (np.isfinite(clips.labels).sum(axis=0) >= 2).any():  # the release's test set has no scores
        ranked_by = most_annotated_by or target.options.get("most_annotated_by", "long_term")
        _report(model, target, scores, clips, horizons, most_annotated, ranked_by, json_file, intervals)
    _say_what_is_next(model, clips)
    if failures:
        raise typer.Exit(1)


def _say_what_is_next(model: str, clips: "Clips") -> None:
    from videomem_hf.benchmark.evaluate import run_of

    file = next((str(source) for source in clips.sources if isinstance(source, str | Path)), None)
    run = run_of(model)
    say_next(
        *([f"videomem predict {quoted(file)} --model {quoted(model)} --plots plots"] if file else []),
        *([f"videomem report {quoted(run)}"] if run else []),
    )


def _report(
    model: str,
    target: "EvaluationTarget",
    scores: "np.ndarray",
    clips: "Clips",
    horizons: tuple[Horizon, ...],
    most_annotated: int | None,
    ranked_by: RankedBy,
    json_file: Path | None,
    intervals: "tuple[np.ndarray, float] | None",
) -> None:
    from videomem_hf.benchmark.evaluate import is_calibration_split
    from videomem_hf.evaluation.coverage import coverage_lines, interval_coverage
    from videomem_hf.evaluation.evaluate import evaluate_predictions, noise_ceilings
    from videomem_hf.evaluation.tables import consistency_lines, metrics_text

    metrics = evaluate_predictions(scores, clips, horizons, most_annotated, ranked_by, **target.sampling)
    ceilings = noise_ceilings(clips, horizons)
    coverage = interval_coverage(intervals[0], scores, clips, horizons) if intervals else {}
    if json_file is not None:
        content = {"model": model, "data": target.data, "split": target.split, "splits": target.options}
        content |= {"metrics": metrics, "ceilings": ceilings, "coverage": coverage}
        json_file.write_text(json.dumps(without_nan(content), indent=2) + "\n", encoding="utf-8")
    typer.echo(metrics_text(metrics, target.sampling["confidence"]) + consistency_lines(ceilings), nl=False)
    if intervals:
        same_split = is_calibration_split(model, target)
        typer.echo(coverage_lines(coverage, intervals[1], is_calibration_split=same_split), nl=False)
