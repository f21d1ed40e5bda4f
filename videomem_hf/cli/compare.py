"""`videomem compare`: which of several predictors is better on the same clips?"""

import csv
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from videomem_hf.cli.options import (
    DATA_HELP,
    FIGURE_FORMATS,
    AllowTrainingClips,
    BatchSize,
    EvaluationSplit,
    FrameCacheFolder,
    Import,
    TrustRemoteCode,
    check_output_files,
    check_predictor_name,
    quote,
    say_next,
)
from videomem_hf.registration import import_code
from videomem_hf.run_files import is_run_folder
from videomem_hf.schema import Horizon, InputError

if TYPE_CHECKING:
    from videomem_hf.benchmark.comparison_tables import Compared
    from videomem_hf.benchmark.predicted_scores import PredictedScores

Predictors = Annotated[
    list[str],
    typer.Argument(
        metavar="PREDICTORS...",
        help="Two or more: folders of runs or models, Hub ids, 'resmem', or tables of `evaluate --csv` or "
        "`predict --csv`.",
        show_default=False,
    ),
]
DataOption = Annotated[
    str | None, typer.Option(help=f"{DATA_HELP} (default: the held-out predictions that runs and tables hold)")
]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the comparison to this file.")]
CsvFile = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write a row per predictor and per pair to this file.")
]
PlotFile = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Draw correlations and differences to this file (PNG, PDF or SVG)."),
]

"""Checked before the models predict, which may take hours."""


def compare(
    predictors: Predictors,
    data: DataOption = None,
    split: EvaluationSplit = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    plot: PlotFile = None,
    allow_training_clips: AllowTrainingClips = False,
    batch_size: BatchSize = 8,
    frame_cache: FrameCacheFolder = None,
    import_: Import = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Compare predictors on the same clips: Spearman's rank correlation of each, and the difference of each pair.

    Intervals and p-values are of a paired bootstrap over the clips that all predictors scored; p-values are corrected
    for the number of pairs (Holm). Without --data and --split the held-out predictions are used that a run or a table
    holds; with them the models predict the split now. For a table without measured scores, --data gives them.

    Examples: [bold]videomem compare run/ run2/[/bold],
    [bold]videomem compare run/ scores.csv --json comparison.json --plot comparison.png[/bold],
    [bold]videomem compare run/ resmem --data release/ --split test[/bold]
    """
    if len(predictors) < 2:
        raise InputError(f"{predictors[0]}: is the only predictor; give two or more, or use `videomem evaluate`")
    same = [str(Path(name).resolve()) if Path(name).exists() else name for name in predictors]
    if twice := next((name for name, each in zip(predictors, same, strict=True) if same.count(each) > 1), None):
        raise InputError(f"{twice}: is given twice; a comparison needs different predictors")
    for name in predictors:
        check_predictor_name(name)
    _check_outputs(predictors, json_file, csv_file, plot)
    import_code(import_)
    loading: dict[str, object] = {
        "batch_size": batch_size,
        "frame_cache": None if frame_cache is None else str(frame_cache),
        "trust_remote_code": trust_remote_code,
    }
    found = [_read(name, data, split, allow_training_clips, loading) for name in predictors]

    from videomem_hf.benchmark.comparison import compare_predictors
    from videomem_hf.benchmark.comparison_tables import comparison_text
    from videomem_hf.benchmark.predicted_scores import measured_scores, merge_measured
    from videomem_hf.statistics import CONFIDENCE

    unmeasured = any(not each.measured for each in found)
    others = {data: measured_scores(data, split)} if data is not None and unmeasured else {}
    compared = compare_predictors(found, merge_measured(found, others))
    typer.echo(comparison_text(found, compared, CONFIDENCE), nl=False)
    _write(found, compared, json_file, csv_file, plot)
    if runs := [name for name in predictors if is_run_folder(Path(name))]:
        say_next(f"videomem report {quote(runs[0])}")


def _check_outputs(predictors: list[str], json_file: Path | None, csv_file: Path | None, plot: Path | None) -> None:
    """Raise InputError for a file that cannot be written, a table of scores, or a figure of an unknown format."""
    check_output_files(json_file, csv_file, plot)
    tables = {os.path.realpath(name) for name in predictors}
    for file in (json_file, csv_file, plot):
        if file is not None and os.path.realpath(file) in tables:
            raise InputError(f"{file}: is one of the predictors; name another file for the output")
    if plot is not None and plot.suffix.lower().removeprefix(".") not in FIGURE_FORMATS:
        raise InputError(f"--plot {plot}: cannot be drawn; name a file that ends in {', '.join(FIGURE_FORMATS)}")


def _read(
    name: str, data: str | None, split: str | None, allow_training_clips: bool, loading: dict[str, object]
) -> "PredictedScores":
    from videomem_hf.benchmark import predicted_scores

    if Path(name).is_file():
        return predicted_scores.read_table(Path(name))
    if data is None and split is None and is_run_folder(Path(name)):
        return predicted_scores.read_run(Path(name))
    return predicted_scores.predict_scores(name, data, split, allow_training_clips, **loading)


def _write(
    found: "list[PredictedScores]",
    compared: "Compared",
    json_file: Path | None,
    csv_file: Path | None,
    plot: Path | None,
) -> None:
    from videomem_hf.benchmark.comparison_tables import COLUMNS, comparison_json, comparison_rows
    from videomem_hf.statistics import CONFIDENCE

    if json_file is not None:
        text = json.dumps(comparison_json(found, compared, CONFIDENCE), indent=2) + "\n"
        json_file.write_text(text, encoding="utf-8")
    if csv_file is not None:
        with csv_file.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([COLUMNS, *comparison_rows(compared)])
    if plot is not None:
        _draw(compared, plot)
    if written := [str(path) for path in (json_file, csv_file, plot) if path is not None]:
        typer.echo(f"Written: {', '.join(written)}")


def _draw(compared: "Compared", plot: Path) -> None:
    from videomem_hf.analysis.comparison_figure import Bar, comparison_figure
    from videomem_hf.analysis.style import DPI
    from videomem_hf.statistics import CONFIDENCE

    horizons: dict[Horizon, tuple[list[Bar], list[Bar], int]] = {}
    for horizon, found in compared.items():
        predictors = [Bar(name, each.value, each.low, each.high) for name, each in found.spearman.items()]
        pairs = []
        for pair in found.pairs:
            apart = pair.difference
            name = f"{pair.first} - {pair.second}"
            pairs.append(Bar(name, apart.value, apart.low, apart.high, pair.better is not None))
        horizons[horizon] = predictors, pairs, found.clips
    comparison_figure(horizons, CONFIDENCE).savefig(plot, dpi=DPI)
