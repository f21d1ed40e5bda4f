"""`videomem evaluate`: how well does a model predict the scores of a split?"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from videomem_hf.cli.exit_codes import FAILED
from videomem_hf.cli.options import (
    DATA_HELP,
    AllowTrainingClips,
    BatchSize,
    EvaluationSplit,
    FailFast,
    FrameCacheFolder,
    Import,
    TrustRemoteCode,
    check_output_files,
    quote,
    say_next,
)
from videomem_hf.data.release.splits import RankedBy
from videomem_hf.model_names import check_model_name
from videomem_hf.registration import import_code
from videomem_hf.run_files import without_nan, write_predictions
from videomem_hf.schema import Horizon, InputError

if TYPE_CHECKING:
    import numpy as np

    from videomem_hf.benchmark.evaluate import EvaluationTarget
    from videomem_hf.data.scored_clips import Clips

Model = Annotated[str, typer.Argument(help="Folder of a trained model, Hub id, or 'resmem'.")]
DataOption = Annotated[str | None, typer.Option(help=f"{DATA_HELP} (default: the data that the model was trained on)")]
MostAnnotated = Annotated[
    int | None, typer.Option(min=2, help="Also evaluate on this many of the split's most annotated clips.")
]
MostAnnotatedBy = Annotated[
    RankedBy | None,
    typer.Option(
        help="Annotation counts for --most-annotated and --hold-out: a horizon, or sum. (default: as in training, or "
        "long_term)"
    ),
]
HoldOut = Annotated[
    int | None,
    typer.Option(
        min=0, help="Make a split of this many of the most annotated videos, such as test500. (default: as in training)"
    ),
]
GroupTitles = Annotated[
    bool | None,
    typer.Option(
        "--group-titles/--no-group-titles",
        help="Keep videos of nearly the same title in one split. (default: as in training)",
        show_default=False,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, help="Seed of the random split; must equal training's. (default: as in training)"),
]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the metrics to this file.")]
CsvFile = Annotated[
    Path | None,
    typer.Option("--csv", help="Write measured and predicted scores with intervals to this file, a row per clip."),
]
Submission = Annotated[
    Path | None, typer.Option(help="Write MediaEval's submission files to this folder; includes clips without scores.")
]
Team = Annotated[str | None, typer.Option(help="Team in the names of the submission files. (default: videomem)")]
RunNumber = Annotated[int | None, typer.Option(min=1, help="Run in the names of the submission files. (default: 1)")]
Year = Annotated[int | None, typer.Option(min=2018, help="Year in the names of the submission files. (default: 2019)")]


def evaluate(
    model: Model,
    data: DataOption = None,
    split: EvaluationSplit = None,
    most_annotated: MostAnnotated = None,
    most_annotated_by: MostAnnotatedBy = None,
    hold_out: HoldOut = None,
    group_titles: GroupTitles = None,
    seed: Seed = None,
    allow_training_clips: AllowTrainingClips = False,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    submission: Submission = None,
    team: Team = None,
    run: RunNumber = None,
    year: Year = None,
    batch_size: BatchSize = 8,
    frame_cache: FrameCacheFolder = None,
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
    from videomem_hf.benchmark.evaluate import evaluation_target

    named = {"--team": team, "--run": run, "--year": year}
    if submission is None and (given := [option for option, value in named.items() if value is not None]):
        raise InputError(f"{given[0]} is for the files of --submission; give its folder as well")
    check_model_name(model)
    check_output_files(json_file, csv_file)
    options = {
        "seed": seed,
        "group_titles": group_titles,
        "most_annotated": hold_out,
        "most_annotated_by": most_annotated_by if hold_out else None,
    }
    target = evaluation_target(model, data, split, options, allow_training_clips)
    import_code(import_)
    names = None if submission is None else (submission, year or 2019, team or "videomem", run or 1)
    found = _predict(model, target, names, batch_size, frame_cache, fail_fast, trust_remote_code)
    if csv_file is not None:
        _write_csv(csv_file, found)
    if not submission or found.can_be_measured:
        ranked_by = most_annotated_by or target.options.get("most_annotated_by", "long_term")
        _report(model, target, found, most_annotated, ranked_by, json_file)
    _say_what_is_next(model, found.clips)
    if found.failures:
        raise typer.Exit(FAILED)


@dataclass(frozen=True)
class _Predicted:
    """Scores of the clips of a split `(clips, horizons)`, their intervals with the level, what failed, and caveats."""

    scores: "np.ndarray"
    clips: "Clips"
    horizons: tuple[Horizon, ...]
    intervals: "tuple[np.ndarray, float] | None"
    failures: list[str]
    caveats: tuple[str, ...]

    @property
    def can_be_measured(self) -> bool:
        """Whether two clips or more have a measured score; those of the release's test set have none."""
        import numpy as np

        return bool((np.isfinite(self.clips.labels).sum(axis=0) >= 2).any())


def _predict(
    model: str,
    target: "EvaluationTarget",
    submission: tuple[Path, int, str, int] | None,
    batch_size: int,
    frame_cache: Path | None,
    fail_fast: bool,
    trust_remote_code: bool,
) -> _Predicted:
    """Predict the clips of a split, and write the submission: its folder, year, team and run."""
    import numpy as np

    from videomem_hf.benchmark.evaluate import prediction_intervals, score_target
    from videomem_hf.evaluation.submission import submission_files, write_submission
    from videomem_hf.inference.claims import caveats_of_measures
    from videomem_hf.inference.loading import load_network

    network, processor = load_network(model, trust_remote_code)
    horizons = tuple(network.config.horizons)
    files = submission_files(*submission, horizons) if submission else {}
    failures: list[str] = []
    own_intervals: list[Any] = []
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
    if len(scores) and not np.isfinite(scores).any():
        raise InputError(f"{model}: no score is a number; its weights may be damaged: fetch or train it again")
    if files:
        write_submission(files, clips.video_ids, scores)
        typer.echo("\n".join(f"{file}: {len(scores)} videos" for file in files.values()))
    intervals = prediction_intervals(model, network, scores, clips, own_intervals)
    return _Predicted(scores, clips, horizons, intervals, failures, caveats_of_measures(network, target.data))


def _write_csv(path: Path, found: _Predicted) -> None:
    columns = {"model": found.scores}
    if found.intervals:
        columns |= {"low": found.intervals[0][..., 0], "high": found.intervals[0][..., 1]}
    clips = found.clips
    write_predictions(path, columns, clips.video_ids, clips.labels, found.horizons, clips.annotation_counts, short=True)


def _say_what_is_next(model: str, clips: "Clips") -> None:
    from videomem_hf.benchmark.evaluate import run_of

    file = next((str(source) for source in clips.sources if isinstance(source, str | Path)), None)
    run = run_of(model)
    say_next(
        *([f"videomem predict {quote(file)} --model {quote(model)} --plots plots"] if file else []),
        *([f"videomem report {quote(run)}"] if run else []),
    )


def _report(
    model: str,
    target: "EvaluationTarget",
    found: _Predicted,
    most_annotated: int | None,
    ranked_by: RankedBy,
    json_file: Path | None,
) -> None:
    from videomem_hf.benchmark.evaluate import declared_choices, is_calibration_split
    from videomem_hf.evaluation.coverage import coverage_lines, interval_coverage
    from videomem_hf.evaluation.evaluate import evaluate_predictions, noise_ceilings
    from videomem_hf.evaluation.tables import consistency_lines, metrics_text

    scores, clips, horizons, intervals = found.scores, found.clips, found.horizons, found.intervals
    metrics = evaluate_predictions(scores, clips, horizons, most_annotated, ranked_by, **target.sampling)
    ceilings = noise_ceilings(clips, horizons)
    coverage = interval_coverage(intervals[0], scores, clips, horizons) if intervals else {}
    if json_file is not None:
        content = {"model": model, "data": target.data, "split": target.split, "splits": target.options}
        content |= {"metrics": metrics, "ceilings": ceilings, "coverage": coverage, "caveats": found.caveats}
        content |= {"declared_choices": declared_choices(target)}
        json_file.write_text(json.dumps(without_nan(content), indent=2) + "\n", encoding="utf-8")
    table = metrics_text(metrics, target.sampling["confidence"])
    caveats = "".join(f"{caveat}\n" for caveat in found.caveats)
    choices = f"Our choice in this recipe, not the paper's: {text}\n" if (text := declared_choices(target)) else ""
    typer.echo(table + caveats + consistency_lines(ceilings) + choices, nl=False)
    if intervals:
        same_split = is_calibration_split(model, target)
        typer.echo(coverage_lines(coverage, intervals[1], is_calibration_split=same_split), nl=False)
