"""What `videomem report` writes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer
import yaml

from videomem_hf.analysis.topics import reason_for_no_topics, topics_of
from videomem_hf.benchmark.predicted_scores import horizons_of_predictions
from videomem_hf.cli.report_pictures import write_thumbnails
from videomem_hf.evaluation.training_clips import locate_data
from videomem_hf.inference.claims import caveats_of_reference
from videomem_hf.inference.intervals import LEVEL
from videomem_hf.run_files import (
    PREDICTIONS_FILE,
    RESULTS_FILE,
    counts_column,
    read_predictions,
    read_results,
    score_column,
)
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon, InputError
from videomem_hf.statistics import spearman
from videomem_hf.system import quantity, templates

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from videomem_hf.analysis.errors import Predicted, TopicErrors
    from videomem_hf.analysis.topics import Topic
    from videomem_hf.inference.reference import Reference

CLIPS_SHOWN = 8
FEWEST = 10
"""Clips with both scores that a report needs."""
REPORT_FILE = "report.md"
WIDTHS = (
    "The width of these intervals comes from the errors {}, which are the clips of this report: that they hold here is "
    "no test of them. On new clips like these they hold as often on average."
)


def write_report(run: Path, data: str | None, folder: Path, topics: int) -> None:
    """Write the report of a run, with its figures and pictures, into a folder.

    Raises:
        InputError: The run is not complete, or has too few clips with a measured and a predicted score.
    """
    results, reference = _read_results(run)
    ids, found = _read_predictions(run, reference)
    data = data or locate_data(run, results)
    if data is None:
        recorded = results["config"]["data"]
        typer.echo(
            f"{recorded} is not here or has changed, so the report has no titles and pictures; --data names a copy",
            err=True,
        )
    titles: list[str | None] = _titles(data, ids) if data else [None] * len(ids)
    folder.mkdir(parents=True, exist_ok=True)
    here = reference if any(each.is_calibrated_here for each in found.values()) else None
    level = here.interval_level if here else results["config"].get("fit", {}).get("level", LEVEL)
    by_topic = _errors_by_topic(found, topics_of(titles, topics))
    figures = _figures(found, level, by_topic)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=150)
    clips = {horizon: _clip_tables(predicted, ids, titles) for horizon, predicted in found.items()}
    release = {name: value for name, value in (results["config"].get("splits") or {}).items() if name == "release"}
    shown = {row["id"] for tables in clips.values() for rows in tables.values() for row in rows}
    text = templates("videomem_hf.analysis").get_template("report.md.j2").render(
        run=run.name,
        results=results,
        metrics=_metrics(results, level),
        level=f"{level:.0%}" if all(predicted.covered is not None for predicted in found.values()) else None,
        horizons=HORIZON_NAMES,
        clips=clips,
        pictures=write_thumbnails(data, release, shown, folder) if data else {},
        topics=by_topic,
        no_topics=reason_for_no_topics(titles),
        figures=figures,
        config=yaml.safe_dump(results["config"], sort_keys=False).rstrip(),
        caveats=caveats_of_reference(list(found), reference),
        widths=WIDTHS.format(here.among) if here else "",
        **_sentences(found, level),
    )  # fmt: skip
    (folder / REPORT_FILE).write_text(text, encoding="utf-8")
    typer.echo(f"{folder / REPORT_FILE}, with {', '.join(f'{name}.png' for name in figures)}")


def _errors_by_topic(found: "dict[Horizon, Predicted]", topics: "list[Topic]") -> "dict[Horizon, list[TopicErrors]]":
    """Errors of each topic; empty unless every horizon has some."""
    from videomem_hf.analysis.errors import errors_by_topic

    by_topic = {horizon: errors_by_topic(predicted, topics) for horizon, predicted in found.items()}
    return by_topic if all(by_topic.values()) else {}


def _figures(
    found: "dict[Horizon, Predicted]", level: float, by_topic: "dict[Horizon, list[TopicErrors]]"
) -> "dict[str, Figure]":
    """Figures by name; that of calibration has the horizons with enough clips for groups."""
    from videomem_hf.analysis.calibration import FEWEST_FOR_GROUPS
    from videomem_hf.analysis.errors import calibration_figure, scatter_figure, topics_figure
    from videomem_hf.analysis.style import COLOURS

    COLOURS.fix(found)
    figures = {}
    if enough := {horizon: each for horizon, each in found.items() if len(each.rows) >= FEWEST_FOR_GROUPS}:
        figures["calibration"] = calibration_figure(enough, level)
    heads = {horizon: f"Spearman {spearman(p.predicted, p.measured):.3f}" for horizon, p in found.items()}
    figures["scatter"] = scatter_figure({h: (p.predicted, p.measured) for h, p in found.items()}, heads)
    if by_topic:
        figures["topics"] = topics_figure(by_topic)
    return figures


def _sentences(found: "dict[Horizon, Predicted]", level: float) -> dict[str, Any]:
    """What the report says of noise ceilings and calibration."""
    from videomem_hf.analysis.calibration import FEWEST_FOR_GROUPS, calibration_sentences, ceiling_sentence

    few = {HORIZON_NAMES[h]: len(each.rows) for h, each in found.items() if len(each.rows) < FEWEST_FOR_GROUPS}
    counted = " and ".join(f"{clips} ({name})" for name, clips in few.items())
    return {
        "ceilings": [said for horizon, each in found.items() if (said := ceiling_sentence(horizon, each))],
        "calibration": [" ".join(calibration_sentences(horizon, each, level)) for horizon, each in found.items()],
        "few": f"Groups by predicted score take {FEWEST_FOR_GROUPS} clips; here are {counted}." if few else "",
    }


def _metrics(results: dict[str, Any], level: float) -> str:
    """The run's metrics as Markdown: the ablation table of a multi-view run, else a block of text."""
    from videomem_hf.evaluation.options import evaluation_of
    from videomem_hf.evaluation.tables import chance_sentence, metrics_text
    from videomem_hf.multiview.ablation_table import rows_from_dicts, table_markdown

    confidence = evaluation_of(results["config"]).confidence
    if "table" in results:
        table = table_markdown(rows_from_dicts(results["table"]), level, confidence)
    else:
        table = f"```\n{metrics_text(results['metrics'], confidence).rstrip()}\n```\n"
    return "\n".join(filter(None, [table, chance_sentence(results["metrics"])]))


def _read_results(run: Path) -> "tuple[dict[str, Any], Reference | None]":
    """A run's results, and what its predictions are measured against."""
    from videomem_hf.evaluation.training_clips import check_own_predictions
    from videomem_hf.inference.reference import read_reference

    results = read_results(run)
    if "config" not in results:
        raise InputError(
            f"{run / RESULTS_FILE}: holds no configuration; give the folder of a finished run of `videomem train`"
        )
    check_own_predictions(run)
    return results, read_reference(run, list(results.get("metrics") or HORIZONS))


def _read_predictions(run: Path, reference: "Reference | None") -> "tuple[list[str], dict[Horizon, Predicted]]":
    """The ids of the evaluation clips, and their predictions for each horizon, with intervals where any are known.

    Those that the run did not write are computed as for new clips, with each clip's own annotation count.
    """
    from videomem_hf.analysis.errors import Predicted

    ids, columns = read_predictions(run / PREDICTIONS_FILE)
    unknown, most = np.full(len(ids), np.nan), 0
    found: dict[Horizon, Predicted] = {}
    for horizon in horizons_of_predictions(list(columns))[0]:
        measured = columns.get(horizon, unknown)
        predicted, low, high = (columns.get(score_column(horizon, each), unknown) for each in ("model", "low", "high"))
        known = np.flatnonzero(np.isfinite(measured) & np.isfinite(predicted))
        most = max(most, len(known))
        if len(known) < FEWEST:
            continue
        counts = columns.get(counts_column(horizon), unknown)[known]
        ends: tuple[np.ndarray | None, np.ndarray | None] = (low[known], high[known])
        fit = None
        if not all(np.isfinite(each[known]).all() for each in (low, high)):
            fit = reference.fits.get(horizon) if reference else None
            found_ends = None if fit is None else fit.ends(predicted[known], counts)
            ends = (None, None) if found_ends is None else (found_ends[:, 0], found_ends[:, 1])
        known_counts = counts if np.isfinite(counts).any() else None
        found[horizon] = Predicted(
            known, measured[known], predicted[known], ends[0], ends[1], known_counts, is_calibrated_here=fit is not None
        )
    if not found:
        raise InputError(
            f"{run / PREDICTIONS_FILE}: {quantity(most, 'clip')} with a measured and a predicted score; a report needs "
            f"{FEWEST} or more"
        )
    return ids, found


def _titles(data: str, ids: list[str]) -> list[str | None]:
    """Titles of the clips, from the data that the run was evaluated on."""
    from videomem_hf.data.scored_clips import open_splits

    known: dict[str, str | None] = {}
    for table in open_splits(data, "scores").values():
        known |= dict(zip(table["video_id"], table["title"], strict=True))
    return [known.get(video_id) for video_id in ids]


def _clip_tables(found: "Predicted", ids: list[str], titles: list[str | None]) -> dict[str, list[dict[str, Any]]]:
    """Rows of the clips that were predicted too high, too low and best, under their captions."""
    errors = found.predicted - found.measured
    by_distance = np.argsort(-np.abs(found.predicted - found.predicted.mean()), kind="stable")
    far = by_distance[: max(CLIPS_SHOWN, len(errors) // 5)]
    far = far[np.abs(errors[far]) <= np.median(np.abs(errors))]
    highest_first = np.argsort(-errors, kind="stable")
    orders = {
        "predicted too high": highest_first[errors[highest_first] > 0],
        "predicted too low": highest_first[errors[highest_first] < 0][::-1],
        "best predicted of those predicted far from the average": far[np.argsort(np.abs(errors[far]), kind="stable")],
    }

    def row(index: int) -> dict[str, Any]:
        title = (titles[found.rows[index]] or "").replace("-", " ").replace("|", " ")
        scores = {"predicted": found.predicted[index], "measured": found.measured[index]}
        return {"id": ids[found.rows[index]], "title": title, **scores}

    return {caption: [row(index) for index in order[:CLIPS_SHOWN]] for caption, order in orders.items()}
