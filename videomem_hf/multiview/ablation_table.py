"""The honest table of a multi-view predictor: each view alone, each pair, all; random and grouped splits."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from videomem_hf.evaluation.evaluate import correlation
from videomem_hf.evaluation.tables import short_number
from videomem_hf.multiview.fit import BestFit
from videomem_hf.multiview.views import ViewData
from videomem_hf.schema import Horizon
from videomem_hf.statistics import bootstrap_interval, noise_ceiling


@dataclass(frozen=True)
class Row:
    """How well some views predict the scores of one horizon on one split.

    Attributes:
        division: "random" or "grouped".
        views: What the model was given.
        horizon: What was predicted.
        spearman, low, high: The correlation and the bootstrap interval about it.
        coverage: Share of measured scores within their intervals.
        width: Mean width of those.
        ceiling: `noise_ceiling` of the scores.
        clips: How many were judged.
    """

    division: str
    views: tuple[str, ...]
    horizon: Horizon
    spearman: float
    low: float
    high: float
    coverage: float
    width: float
    ceiling: float
    clips: int


def rows_of(
    division: str, fit: BestFit, data: ViewData, rows: np.ndarray, resamples: int, confidence: float, seed: int
) -> list[Row]:
    """Judge a model with every pattern of views that it was solved for.

    Args:
        division: How training and judged clips were divided.
        fit: The fitted predictor.
        data: The clips.
        rows: Those that it is judged on.
        resamples, confidence, seed: Of the bootstrap.
    """
    names = list(fit.model.config.view_names)
    found = []
    for pattern in sorted(fit.model.config.patterns, key=len):
        used = {names[view]: data.views[names[view]][rows] for view in pattern}
        there = np.any([np.isfinite(x).all(axis=1) for x in used.values()], axis=0)
        if len(pattern) < len(names):  # the same clips for a part of the views: those that have all of it
            there = np.all([np.isfinite(x).all(axis=1) for x in used.values()], axis=0)
        if there.sum() < 2:
            continue
        kept = rows[there]
        scores, intervals = fit.predict({name: x[there] for name, x in used.items()}, data.counts[kept])
        for column, horizon in enumerate(data.horizons):
            measured = data.scores[kept, column]
            known = np.isfinite(measured)
            if known.sum() < 2:
                continue
            y, x = measured[known], scores[known, column]
            value = correlation(x, y)
            ends = (
                bootstrap_interval(x, y, confidence=confidence, resamples=resamples, seed=seed)
                if np.isfinite(value)
                else None
            )
            low, high = intervals[known, column].T
            found.append(
                Row(
                    division, tuple(used), horizon, value, ends.low if ends else value, ends.high if ends else value,
                    float(((low <= y) & (y <= high)).mean()), float((high - low).mean()),
                    noise_ceiling(y, np.nan_to_num(data.counts[kept, column][known])), int(known.sum()),
                )
            )  # fmt: skip
    return found


def table_text(rows: Sequence[Row], level: float, confidence: float) -> str:
    """The table as lines of text, a block a split and horizon."""
    lines = []
    width = max((len(" + ".join(row.views)) for row in rows), default=0)
    for division, horizon in dict.fromkeys((row.division, row.horizon) for row in rows):
        block = [row for row in rows if (row.division, row.horizon) == (division, horizon)]
        split = "titles kept apart (grouped split)" if division == "grouped" else "random split"
        lines += [
            f"{horizon.replace('_', '-')}, {split}; {block[-1].clips} clips, noise ceiling "
            f"{short_number(block[-1].ceiling)} by the annotation counts",
            f"{'':{width}}  Spearman  {f'{confidence:.0%} interval':14}of ceiling  {level:.0%} intervals cover, width",
        ]
        lines += [f"{' + '.join(row.views):{width}}  {_cells(row)}" for row in block] + [""]
    return "\n".join(lines)


def _cells(row: Row) -> str:
    interval = f"[{short_number(row.low)}, {short_number(row.high)}]"
    return f"{short_number(row.spearman):>8}  {interval:14}{_share(row):>10}  {row.coverage:>20.1%}, {row.width:.3f}"


def _share(row: Row) -> str:
    """Of the ceiling; a dash where either is not defined."""
    return f"{row.spearman / row.ceiling:.0%}" if row.ceiling > 0 and np.isfinite(row.spearman) else "-"


def table_markdown(rows: Sequence[Row], level: float, confidence: float) -> str:
    """The table in Markdown, a section a split and horizon."""
    lines = []
    for division, horizon in dict.fromkeys((row.division, row.horizon) for row in rows):
        block = [row for row in rows if (row.division, row.horizon) == (division, horizon)]
        split = "grouped split: nearly equal titles kept together" if division == "grouped" else "random split"
        lines += [
            f"### {horizon.replace('_', '-').capitalize()}, {split}",
            "",
            f"{block[-1].clips} clips; noise ceiling by the annotation counts {short_number(block[-1].ceiling)}.",
            "",
            f"| views | Spearman | {confidence:.0%} interval | of ceiling | {level:.0%} intervals cover | mean width |",
            "|---|---|---|---|---|---|",
        ]
        for row in block:
            lines.append(
                f"| {' + '.join(row.views)} | {short_number(row.spearman)} | {short_number(row.low)} to "
                f"{short_number(row.high)} | {_share(row)} | {row.coverage:.1%} | {row.width:.3f} |"
            )
        lines.append("")
    return "\n".join(lines)


def rows_as_dicts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For `results.json`."""
    return [{**asdict(row), "views": list(row.views)} for row in rows]


def rows_from_dicts(rows: Sequence[dict[str, Any]]) -> list[Row]:
    """Back from `results.json`; null is NaN."""
    return [Row(**(_without_null(row) | {"views": tuple(row["views"])})) for row in rows]


def _without_null(row: dict[str, Any]) -> dict[str, Any]:
    return {key: float("nan") if value is None else value for key, value in row.items()}
