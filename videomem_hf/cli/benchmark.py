"""`videomem benchmark`: score any predictor the same way, and look for leaks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from videomem_hf.cli.options import (
    BatchSize,
    Data,
    FrameCacheFolder,
    Import,
    TrustRemoteCode,
    check_predictor_name,
    named_folder,
    quote,
    read_pairs,
    say_next,
)
from videomem_hf.registration import import_code
from videomem_hf.schema import InputError

if TYPE_CHECKING:
    from videomem_hf.benchmark.benchmark import BenchmarkOptions

Predictors = Annotated[
    list[str],
    typer.Argument(
        metavar="PREDICTIONS_OR_MODEL...",
        help="Files of predictions (MediaEval's runs, tables with a column of clips and of scores, tables of `evaluate "
        "--csv` and `predict --csv`), folders of runs or models, or Hub ids.",
        show_default=False,
    ),
]
Out = Annotated[
    Path, typer.Option(parser=named_folder, metavar="DIR", help="Folder for index.html and benchmark.json.")
]
Protocol = Annotated[
    list[str] | None,
    typer.Option(
        help="random, ten-random, grouped, ten-grouped, most-annotated, own (divisions of the data themselves) or all "
        "(every scored clip). May be given several times. (default: each that the data allow)"
    ),
]
HorizonOption = Annotated[
    str | None, typer.Option(help="What a file predicts whose name and columns do not say it, such as short_term.")
]
Column = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WHAT=NAME", help="Column of clips (clip=NAME) or of a horizon (short_term=NAME) in the files."
    ),
]
Frames = Annotated[
    bool, typer.Option("--frames", help="Read the videos: copies across training and evaluation, results by motion.")
]
Feature = Annotated[
    list[str] | None,
    typer.Option(help="Compare this feature for copies; hmp also gives results by motion. May be given several times."),
]
Add = Annotated[
    Path | None,
    typer.Option(parser=named_folder, metavar="DIR", help="Add the result to the leaderboard in this folder."),
]
Resamples = Annotated[
    int | None,
    typer.Option(
        min=100,
        help="Resamples of the clips behind the intervals. (default: fewer than of `videomem evaluate`; the page says "
        "how many)",
    ),
]


def benchmark(
    predictors: Predictors,
    data: Data,
    out: Out,
    protocol: Protocol = None,
    horizon: HorizonOption = None,
    column: Column = None,
    frames: Frames = False,
    feature: Feature = None,
    add: Add = None,
    resamples: Resamples = None,
    batch_size: BatchSize = 8,
    frame_cache: FrameCacheFolder = None,
    import_: Import = None,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Score predictors the same way, on a ground truth that is recognised and under named protocols.

    Writes one page and one JSON: correlations and errors with intervals, paired differences with verdicts corrected for
    their number, the noise ceiling and the share reached, calibration, results by topic, motion and shared titles,
    leaks, and published figures with a mark for those that cannot be compared. A run's held-out predictions are taken;
    a model without a run predicts all scored clips.

    Examples: [bold]videomem benchmark scores.csv --data release/ --out bench[/bold],
    [bold]videomem benchmark run/ scores.csv --data release/ --out bench --protocol random --add board[/bold]
    """
    for name in predictors:
        check_predictor_name(name)
    if twice := next((name for name in predictors if predictors.count(name) > 1), None):
        raise InputError(f"{twice}: is given twice; give different predictors")
    columns = read_pairs("--column", column, "WHAT=NAME, as in clip=filename")
    import_code(import_)
    from videomem_hf.benchmark.benchmark import BenchmarkOptions
    from videomem_hf.benchmark.predictors import read_predictors
    from videomem_hf.benchmark.scoring import Sampling
    from videomem_hf.benchmark.truth import read_ground_truth

    typer.echo(f"ground truth {data} ...", err=True)
    truth = read_ground_truth(data)
    loading: dict[str, Any] = {
        "batch_size": batch_size,
        "frame_cache": None if frame_cache is None else str(frame_cache),
        "trust_remote_code": trust_remote_code,
    }
    found = read_predictors(predictors, truth, horizon=horizon, columns=columns, **loading)
    sampling = Sampling() if resamples is None else Sampling(resamples=resamples)
    options = BenchmarkOptions(tuple(protocol or ()), frames, tuple(feature or ()), sampling=sampling)
    _run(found, truth, options, out, add)
    example = f"videomem benchmark {' '.join(map(quote, predictors))} --data {quote(data)} --out {quote(out)}"
    say_next(*([] if add else [f"{example} --add leaderboard"]))


def _run(found: Any, truth: Any, options: "BenchmarkOptions", out: Path, add: Path | None) -> None:
    from videomem_hf.benchmark.benchmark import run_benchmark, write_result
    from videomem_hf.benchmark.leaderboard import add_result
    from videomem_hf.benchmark.page import PAGE_FILE, write_page
    from videomem_hf.benchmark.result_text import result_text

    result = run_benchmark(found, truth, options, lambda step: typer.echo(f"{step} ...", err=True))
    path = write_result(out, result)
    write_page(out / PAGE_FILE, result)
    typer.echo(result_text(result), nl=False)
    typer.echo(f"Written: {out / PAGE_FILE}, {path}")
    if add is not None:
        typer.echo(f"Added: {add_result(add, result)}; the leaderboard is {add / PAGE_FILE}")
