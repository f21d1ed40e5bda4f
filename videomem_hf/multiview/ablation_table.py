"""The ablation table of a multi-view predictor: each view alone, pairs, all; on a random and a grouped split."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from videomem_hf.evaluation.tables import short_number
from videomem_hf.multiview.fit import BestFit
from videomem_hf.multiview.view_data import ViewData
from videomem_hf.schema import Horizon
from videomem_hf.statistics import bootstrap_interval, noise_ceiling, spearman


@dataclass(frozen=True)
class Row:
    """How well some views predict the scores of one horizon on one split.

    Attributes:
        division: "random" or "grouped" (nearly equal titles kept together).
        views: The views that the model was given.
        horizon: The predicted horizon.
        spearman, low, high: The correlation and the ends of its bootstrap confidence interval.
        coverage: Share of measured scores within their prediction intervals.
        width: Mean width of the prediction intervals.
        ceiling: `noise_ceiling` of the scores.
        clips: Number of evaluated clips.
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


def ablation_rows(
    division: str, fit: BestFit, data: ViewData, rows: np.ndarray, resamples: int, confidence: float, seed: int
) -> list[Row]:
    """Evaluate a model with every pattern of views that it was fitted for.

    Args:
        division: How training and evaluation clips were divided.
        fit: The fitted predictor.
        data: The clips.
        rows: Indices of those that it is evaluated on.
        resamples, confidence, seed: Of the bootstrap.
    """
    names = list(fit.model.config.view_names)
    sampling: dict[str, Any] = {"resamples": resamples, "confidence": confidence, "seed": seed}
    found = []
    for pattern in sorted(fit.model.config.patterns, key=len):
        used = {names[view]: data.views[names[view]][rows] for view in pattern}
        present = np.array([np.isfinite(x).all(axis=1) for x in used.values()])
        # All views together score every clip; a part of them only the clips that have all of that part.
        kept = present.any(axis=0) if len(pattern) == len(names) else present.all(axis=0)
        if kept.sum() < 2:
            continue
        counts = data.counts[rows[kept]]
        scores, intervals = fit.predict({name: x[kept] for name, x in used.items()}, counts)
        for column, horizon in enumerate(data.horizons):
            measured = data.scores[rows[kept], column]
            known = np.isfinite(measured)
            if known.sum() >= 2:
                arrays = (scores[known, column], intervals[known, column], measured[known], counts[known, column])
                found.append(_row(division, tuple(used), horizon, *arrays, sampling))
    return found


def _row(
    division: str,
    views: tuple[str, ...],
    horizon: Horizon,
    scores: np.ndarray,
    intervals: np.ndarray,
    measured: np.ndarray,
    counts: np.ndarray,
    sampling: dict[str, Any],
) -> Row:
    ends = bootstrap_interval(scores, measured, **sampling)
    low, high = intervals.T
    return Row(
        division=division,
        views=views,
        horizon=horizon,
        spearman=spearman(scores, measured),
        low=ends.low,
        high=ends.high,
        coverage=float(((low <= measured) & (measured <= high)).mean()),
        width=float((high - low).mean()),
        ceiling=noise_ceiling(measured, np.nan_to_num(counts)),
        clips=len(measured),
    )


def table_text(rows: Sequence[Row], level: float, confidence: float) -> str:
    """The table as lines of text, one block per split and horizon."""
    lines = []
    width = max((len(" + ".join(row.views)) for row in rows), default=0)
    for block in _blocks(rows):
        split = "titles kept apart (grouped split)" if block[0].division == "grouped" else "random split"
        lines += [
            f"{block[0].horizon.replace('_', '-')}, {split}; {block[-1].clips} clips, noise ceiling "
            f"{short_number(block[-1].ceiling)} by the annotation counts",
            f"{'':{width}}  Spearman  {f'{confidence:.0%} interval':14}of ceiling  {level:.0%} intervals cover, width",
        ]
        for row in block:
            interval = f"[{short_number(row.low)}, {short_number(row.high)}]"
            lines.append(
                f"{' + '.join(row.views):{width}}  {short_number(row.spearman):>8}  {interval:14}"
                f"{_share_of_ceiling(row):>10}  {row.coverage:>20.1%}, {row.width:.3f}"
            )
        lines.append("")
    return "\n".join(lines)


def table_markdown(rows: Sequence[Row], level: float, confidence: float) -> str:
    """The table in Markdown, one section per split and horizon."""
    lines = []
    for block in _blocks(rows):
        grouped = block[0].division == "grouped"
        split = "grouped split: nearly equal titles kept together" if grouped else "random split"
        lines += [
            f"### {block[0].horizon.replace('_', '-').capitalize()}, {split}",
            "",
            f"{block[-1].clips} clips; noise ceiling by the annotation counts {short_number(block[-1].ceiling)}.",
            "",
            f"| views | Spearman | {confidence:.0%} interval | of ceiling | {level:.0%} intervals cover | mean width |",
            "|---|---|---|---|---|---|",
        ]
        for row in block:
            lines.append(
                f"| {' + '.join(row.views)} | {short_number(row.spearman)} | {short_number(row.low)} to "
                f"{short_number(row.high)} | {_share_of_ceiling(row)} | {row.coverage:.1%} | {row.width:.3f} |"
            )
        lines.append("")
    return "\n".join(lines)


def _blocks(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each split and horizon."""
    blocks: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        blocks.setdefault((row.division, row.horizon), []).append(row)
    return list(blocks.values())


def _share_of_ceiling(row: Row) -> str:
    """A percentage; a dash where either is not defined."""
    return f"{row.spearman / row.ceiling:.0%}" if row.ceiling > 0 and np.isfinite(row.spearman) else "-"


def rows_as_dicts(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for `results.json`."""
    return [{**asdict(row), "views": list(row.views)} for row in rows]


def rows_from_dicts(rows: Sequence[dict[str, Any]]) -> list[Row]:
    """The rows of `results.json`; null is NaN."""
    numbers: list[dict[str, Any]] = [
        {key: float("nan") if value is None else value for key, value in row.items()} for row in rows
    ]
    return [Row(**(row | {"views": tuple(row["views"])})) for row in numbers]
