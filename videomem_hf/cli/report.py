"""`videomem report`: the table of a run, its calibration, and where it errs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
import yaml

from videomem_hf.run_files import PREDICTIONS_FILE, RESULTS_FILE, read_predictions, read_results, score_column
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon, InputError
from videomem_hf.statistics import spearman
from videomem_hf.system import quantity, templates

if TYPE_CHECKING:
    from videomem_hf.analysis.errors import Predicted

CLIPS_SHOWN = 8
FEWEST = 10
"""Clips with both scores that a report needs."""
REPORT_FILE = "report.md"


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a training run.")],
    data: Annotated[
        str | None, typer.Option(help="The run's data or a copy, for titles. (default: the path in the run)")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report. (default: RUN/report)")] = None,
    topics: Annotated[int, typer.Option(min=2, help="Largest number of topics.")] = 10,
) -> None:
    """Write a report of a run: results, calibration, largest errors and errors by topic, as Markdown with figures.

    A topic is a cluster of title words. The run needs 10 or more evaluated clips with a measured score.

    Example: [bold]videomem report run/[/bold]
    """
    from videomem_hf.analysis.errors import calibration_figure, errors_by_topic, scatter_figure, topics_figure
    from videomem_hf.analysis.topics import topics_of
    from videomem_hf.evaluation.training_clips import locate_data

    results, ids, found = _read_run(run)
    titles = _titles(data or locate_data(run, results["config"]), results["config"]["data"], ids)
    folder = out or run / "report"
    folder.mkdir(parents=True, exist_ok=True)
    level = results["config"].get("fit", {}).get("level", 0.9)
    heads = {horizon: f"Spearman {spearman(p.predicted, p.measured):.3f}" for horizon, p in found.items()}
    figures = {
        "calibration": calibration_figure(found, level),
        "scatter": scatter_figure({h: (p.predicted, p.measured) for h, p in found.items()}, heads),
    }
    clusters = topics_of(titles, topics)
    by_topic = {horizon: errors_by_topic(p, clusters) for horizon, p in found.items()}
    if all(by_topic.values()):
        figures["topics"] = topics_figure(by_topic)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=150)
    template = templates("videomem_hf.analysis").get_template("report.md.j2")
    text = template.render(
        run=run.name,
        results=results,
        metrics=_metrics(results, level),
        level=f"{level:.0%}" if all(predicted.covered is not None for predicted in found.values()) else None,
        horizons=HORIZON_NAMES,
        clips={horizon: _clip_tables(predicted, ids, titles) for horizon, predicted in found.items()},
        topics=by_topic if "topics" in figures else None,
        config=yaml.safe_dump(results["config"], sort_keys=False).rstrip(),
    )
    (folder / REPORT_FILE).write_text(text, encoding="utf-8")
    typer.echo(f"{folder / REPORT_FILE}, with {', '.join(f'{name}.png' for name in figures)}")


def _metrics(results: dict[str, Any], level: float) -> str:
    """The run's metrics as Markdown: the ablation table of a multi-view run, else a block of text."""
    from videomem_hf.evaluation.options import evaluation_of
    from videomem_hf.evaluation.tables import metrics_text
    from videomem_hf.multiview.ablation_table import rows_from_dicts, table_markdown

    confidence = evaluation_of(results["config"]).confidence
    if "table" in results:
        return table_markdown(rows_from_dicts(results["table"]), level, confidence)
    return f"```\n{metrics_text(results['metrics'], confidence).rstrip()}\n```\n"


def _read_run(run: Path) -> tuple[dict[str, Any], list[str], "dict[Horizon, Predicted]"]:
    """A run's results, the ids of the evaluation clips, and their predictions for each horizon."""
    from videomem_hf.analysis.errors import Predicted
    from videomem_hf.evaluation.training_clips import check_own_predictions

    results = read_results(run)
    if "config" not in results:
        raise InputError(f"{run / RESULTS_FILE}: holds no configuration; give the folder of a finished run of train.py")
    check_own_predictions(run)
    ids, columns = read_predictions(run / PREDICTIONS_FILE)
    unknown, most = np.full(len(ids), np.nan), 0
    found: dict[Horizon, Predicted] = {}
    for horizon in HORIZONS:
        measured = columns.get(horizon, unknown)
        predicted, low, high = (columns.get(score_column(horizon, each), unknown) for each in ("model", "low", "high"))
        known = np.flatnonzero(np.isfinite(measured) & np.isfinite(predicted))
        most = max(most, len(known))
        if len(known) < FEWEST:
            continue
        ends = {"low": low[known], "high": high[known]}
        if not all(np.isfinite(each).all() for each in ends.values()):
            ends = {}
        found[horizon] = Predicted(known, measured[known], predicted[known], **ends)
    if not found:
        raise InputError(
            f"{run / PREDICTIONS_FILE}: {quantity(most, 'clip')} with a measured and a predicted score; a report needs "
            f"{FEWEST} or more"
        )
    return results, ids, found


def _titles(data: str | None, recorded: str, ids: list[str]) -> list[str | None]:
    """Titles of the clips, from the data that the run was evaluated on; none where these are not here."""
    from videomem_hf.data.scored_clips import open_splits

    if data is None:
        typer.echo(f"{recorded} is not here, so the report has no titles and topics; --data names a copy", err=True)
        return [None] * len(ids)
    known: dict[str, str | None] = {}
    for table in open_splits(data, "scores").values():
        known |= dict(zip(table["video_id"], table["title"], strict=True))
    return [known.get(video_id) for video_id in ids]


def _clip_tables(found: "Predicted", ids: list[str], titles: list[str | None]) -> dict[str, list[dict[str, Any]]]:
    """Rows of the clips that were predicted too high, too low and best, under their captions."""
    errors = found.predicted - found.measured
    by_distance = np.argsort(-np.abs(found.predicted - found.predicted.mean()), kind="stable")
    far = by_distance[: max(CLIPS_SHOWN, len(errors) // 5)]
    orders = {
        "predicted too high": np.argsort(-errors, kind="stable"),
        "predicted too low": np.argsort(errors, kind="stable"),
        "best predicted of those predicted far from the average": far[np.argsort(np.abs(errors[far]), kind="stable")],
    }

    def row(index: int) -> dict[str, Any]:
        title = (titles[found.rows[index]] or "").replace("-", " ").replace("|", " ")
        scores = {"predicted": found.predicted[index], "measured": found.measured[index]}
        return {"id": ids[found.rows[index]], "title": title, **scores}

    return {caption: [row(index) for index in order[:CLIPS_SHOWN]] for caption, order in orders.items()}
