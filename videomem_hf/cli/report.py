"""`videomem report`: the table of a run, its calibration, and where it errs."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
import yaml

from videomem_hf.run_files import PREDICTIONS_FILE, RESULTS_FILE, read_predictions, read_results, score_column
from videomem_hf.schema import HORIZONS, Horizon, InputError

if TYPE_CHECKING:
    from videomem_hf.analysis.errors import Predicted, TopicErrors

SHOWN = 8
FEWEST = 10
"""Clips with both scores that a report needs."""
REPORT_FILE = "report.md"


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that train.py wrote.")],
    data: Annotated[
        str | None, typer.Option(help="The run's data or a copy, for titles. (default: what it was trained on)")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the report. (default: RUN/report)")] = None,
    topics: Annotated[int, typer.Option(min=2, help="Topics of titles at most.")] = 10,
) -> None:
    """Write a run's table, calibration plot and error analysis, as Markdown with figures.

    Best and worst predicted clips, and how well each topic (a cluster of title words) is predicted.

    Example: [bold]videomem report run/[/bold]
    """
    from videomem_hf.analysis.errors import calibration_figure, errors_by_topic, topics_figure
    from videomem_hf.analysis.scatter_figure import scatter_figure
    from videomem_hf.analysis.topics import topics_of
    from videomem_hf.statistics import spearman

    results, ids, found = _read_run(run)
    titles = _titles(data or results["config"]["data"], ids)
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
    text = _markdown(run, results, ids, titles, found, by_topic, level)
    (folder / REPORT_FILE).write_text(text, encoding="utf-8")
    typer.echo(f"{folder / REPORT_FILE}, with {', '.join(f'{name}.png' for name in figures)}")


def _read_run(run: Path) -> tuple[dict[str, Any], list[str], "dict[Horizon, Predicted]"]:
    """A run's results, the ids of the evaluation clips, and their predictions for each horizon."""
    from videomem_hf.analysis.errors import Predicted
    from videomem_hf.evaluation.training_clips import check_own_predictions

    results = read_results(run)
    if "config" not in results:
        raise InputError(f"{run / RESULTS_FILE}: holds no configuration; give the folder of a finished run of train.py")
    check_own_predictions(run)
    ids, columns = read_predictions(run / PREDICTIONS_FILE)
    unknown = np.full(len(ids), np.nan)
    found: dict[Horizon, Predicted] = {}
    for horizon in HORIZONS:
        measured = columns.get(horizon, unknown)
        predicted, low, high = (columns.get(score_column(horizon, each), unknown) for each in ("model", "low", "high"))
        known = np.flatnonzero(np.isfinite(measured) & np.isfinite(predicted))
        if len(known) < FEWEST:
            continue
        ends = {"low": low[known], "high": high[known]}
        if not all(np.isfinite(each).all() for each in ends.values()):
            ends = {}
        found[horizon] = Predicted(known, measured[known], predicted[known], **ends)
    if not found:
        raise InputError(
            f"{run / PREDICTIONS_FILE}: fewer than {FEWEST} clips have a measured and a predicted score; nothing to "
            "report on"
        )
    return results, ids, found


def _titles(data: str, ids: list[str]) -> list[str | None]:
    """Titles of the clips, from the data that the run was evaluated on; none where these are not here."""
    from videomem_hf.data.scored_clips import is_divided, open_splits

    if not Path(data).exists() and not is_divided(data):
        typer.echo(f"{data} is not here, so the report has no titles and topics; --data names a copy", err=True)
        return [None] * len(ids)
    known: dict[str, str | None] = {}
    for table in open_splits(data, "scores").values():
        known |= dict(zip(table["video_id"], table["title"], strict=True))
    return [known.get(video_id) for video_id in ids]


def _markdown(
    run: Path,
    results: dict[str, Any],
    ids: list[str],
    titles: list[str | None],
    found: "dict[Horizon, Predicted]",
    by_topic: "dict[Horizon, list[TopicErrors]]",
    level: float,
) -> str:
    from videomem_hf.evaluation.options import evaluation_of
    from videomem_hf.evaluation.tables import metrics_text
    from videomem_hf.multiview.ablation_table import rows_from_dicts, table_markdown

    confidence = evaluation_of(results["config"]).confidence
    lines = [
        f"# {run.name}",
        "",
        f"A `{results['model_type']}` trained on {results['train_clips']} clips and evaluated on "
        f"{results['split_clips']} of the split `{results['split']}`.",
        "",
        "## How well it predicts",
        "",
    ]
    if "table" in results:
        lines.append(table_markdown(rows_from_dicts(results["table"]), level, confidence))
    else:
        lines += ["```", metrics_text(results["metrics"], confidence).rstrip(), "```", ""]
    lines += [
        "## Calibration",
        "",
        "Clips in groups by predicted score: mean measured against mean predicted"
        + (f", and the share of measured scores within their {level:.0%} intervals." if _has_intervals(found) else "."),
        "",
        "![Calibration](calibration.png)",
        "",
        "![Predicted against measured](scatter.png)",
        "",
        "## Errors",
        "",
    ]
    for horizon, predicted in found.items():
        lines += _clips(horizon, predicted, ids, titles)
    if all(by_topic.values()):
        lines += ["## By topic", "", "Clusters of title words.", "", "![Topics](topics.png)", ""]
        for horizon, topics in by_topic.items():
            lines += _topic_table(horizon, topics)
    config = yaml.safe_dump(results["config"], sort_keys=False).rstrip()
    return "\n".join([*lines, "## Configuration", "", "```yaml", config, "```", ""])


def _has_intervals(found: "dict[Horizon, Predicted]") -> bool:
    return all(predicted.covered is not None for predicted in found.values())


def _clips(horizon: Horizon, found: "Predicted", ids: list[str], titles: list[str | None]) -> list[str]:
    """Tables of the clips that were predicted too high, too low and best."""
    errors = found.predicted - found.measured
    far = np.argsort(-np.abs(found.predicted - found.predicted.mean()), kind="stable")[: max(SHOWN, len(errors) // 5)]
    best = far[np.argsort(np.abs(errors[far]), kind="stable")]
    chosen = {
        "predicted too high": np.argsort(-errors, kind="stable"),
        "predicted too low": np.argsort(errors, kind="stable"),
        "best predicted of those that the model tells from the average": best,
    }
    lines = []
    for caption, order in chosen.items():
        lines += [f"### {horizon.replace('_', '-').capitalize()}: {caption}", ""]
        lines += ["| clip | title | predicted | measured |", "|---|---|---|---|"]
        for index in order[:SHOWN]:
            row = int(found.rows[index])
            title = (titles[row] or "").replace("-", " ").replace("|", " ")
            lines.append(f"| {ids[row]} | {title} | {found.predicted[index]:.3f} | {found.measured[index]:.3f} |")
        lines.append("")
    return lines


def _topic_table(horizon: Horizon, topics: "list[TopicErrors]") -> list[str]:
    lines = [
        f"### {horizon.replace('_', '-').capitalize()}",
        "",
        "| topic | clips | mean measured | mean predicted | Spearman within | in interval |",
        "|---|---|---|---|---|---|",
    ]
    for topic in topics:
        inside = "-" if math.isnan(topic.spearman) else f"{topic.spearman:.3f}"
        covered = "-" if math.isnan(topic.coverage) else f"{topic.coverage:.0%}"
        lines.append(
            f"| {', '.join(topic.words)} | {topic.clips} | {topic.measured:.3f} | {topic.predicted:.3f} | {inside} | "
            f"{covered} |"
        )
    return [*lines, ""]
