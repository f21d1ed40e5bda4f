"""The ablation table of a multi-view predictor: each view alone, pairs, all; on a random and a grouped split."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from videomem_hf.evaluation.tables import short_number
from videomem_hf.multiview.training_arrays import has_view
from videomem_hf.schema import HORIZON_NAMES, Horizon
from videomem_hf.statistics import bootstrap_interval, noise_ceiling, noise_ceiling_interval, spearman

if TYPE_CHECKING:
    from videomem_hf.multiview.fit import BestFit
    from videomem_hf.multiview.view_data import ViewData

WIDTH: Final = 80
"""Characters of a line of the table as text."""
_VIEWS_WIDTH: Final = 22


@dataclass(frozen=True)
class AblationRow:
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
        ceiling_low, ceiling_high: Ends of the ceiling's bootstrap confidence interval; NaN in older runs.
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
    ceiling_low: float = float("nan")
    ceiling_high: float = float("nan")


def ablation_rows(
    division: str, fit: "BestFit", data: "ViewData", rows: np.ndarray, sampling: dict[str, Any]
) -> list[AblationRow]:
    """Evaluate a model with each of its views alone, in pairs, ... and all, on the clips with the indices `rows`.

    Each of these sets has a model of its own. `division` says how these and the training clips were divided; `sampling`
    are keywords of `bootstrap_interval`.
    """
    # Loads torch, which printing a table does not need.
    from videomem_hf.multiview.kernel_search import view_patterns

    names = list(fit.model.config.view_names)
    found = []
    for pattern in sorted(view_patterns(len(names)), key=len):
        used = {names[view]: data.views[names[view]][rows] for view in pattern}
        present = np.array([has_view(x) for x in used.values()])
        # All views together score every clip; a part of them only the clips that have all of that part.
        kept = present.any(axis=0) if len(pattern) == len(names) else present.all(axis=0)
        if kept.sum() < 2:
            continue
        counts = data.counts[rows[kept]]
        scores, intervals = fit.predict({name: x[kept] for name, x in used.items()}, counts)
        for column, horizon in enumerate(data.horizons):
            measured = data.scores[rows[kept], column]
            known = np.isfinite(measured)
            if known.sum() < 2:
                continue
            measured, predicted = measured[known], scores[known, column]
            ends, (low, high) = bootstrap_interval(predicted, measured, **sampling), intervals[known, column].T
            annotations = np.nan_to_num(counts[known, column])
            ceiling = noise_ceiling_interval(measured, annotations, **sampling)
            row = AblationRow(
                division, tuple(used), horizon, spearman(predicted, measured), ends.low, ends.high,
                coverage=float(((low <= measured) & (measured <= high)).mean()), width=float((high - low).mean()),
                ceiling=noise_ceiling(measured, annotations), clips=len(measured),
                ceiling_low=ceiling.low, ceiling_high=ceiling.high,
            )  # fmt: skip
            found.append(row)
    return found


def table_text(rows: Sequence[AblationRow], level: float, confidence: float) -> str:
    """The table as lines of text of at most `WIDTH` characters, one block per split and horizon; see `_shown`."""
    lines = []
    for heading, summary, cells in _blocks(rows, level, confidence):
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines += textwrap.wrap(f"{heading}; {summary}", WIDTH)
        for views, *figures in cells:
            padded = (cell.rjust(width) for cell, width in zip(figures, widths[1:], strict=True))
            first, *rest = textwrap.wrap(views, _VIEWS_WIDTH)
            lines += ["  ".join([first.ljust(min(widths[0], _VIEWS_WIDTH)), *padded]), *rest]
        lines.append("")
    return "\n".join([*lines, *textwrap.wrap(_legend(level), WIDTH), ""])


def table_markdown(rows: Sequence[AblationRow], level: float, confidence: float) -> str:
    """The table in Markdown, one section per split and horizon; see `_shown`."""
    lines = []
    for heading, summary, cells in _blocks(rows, level, confidence):
        head, *body = (f"| {' | '.join(row)} |" for row in cells)
        lines += [f"### {heading.capitalize()}", "", f"{summary}.", "", head, "|---" * len(cells[0]) + "|", *body, ""]
    return "\n".join([*lines, _legend(level), ""])


def _legend(level: float) -> str:
    return (
        f"{level:.0%} cover: share of the measured scores within their {level:.0%} prediction intervals; width: the "
        "mean of these. results.json has pairs of views too."
    )


def _blocks(rows: Sequence[AblationRow], level: float, confidence: float) -> Iterator[tuple[str, str, list[list[str]]]]:
    """A heading, a summary and the cells, header first, of each split and horizon."""
    intervals = f"{confidence:.0%} interval", "of ceiling", f"{level:.0%} cover"
    header = ["views", "Spearman", *intervals, "width"]
    for division, horizon in dict.fromkeys((row.division, row.horizon) for row in rows):
        block = [row for row in rows if (row.division, row.horizon) == (division, horizon)]
        split = "grouped split (nearly equal titles kept together)" if division == "grouped" else "random split"
        last = block[-1]
        summary = f"{last.clips} clips, noise ceiling by the annotation counts {short_number(last.ceiling)}"
        if np.isfinite(last.ceiling_low):
            ends = f"{short_number(last.ceiling_low)} to {short_number(last.ceiling_high)}"
            summary += f" ({confidence:.0%} interval {ends})"
        if any(row.spearman > row.ceiling > 0 for row in block):
            summary += "; shares above 100% are possible, as the ceiling is estimated from few clips"
        yield (
            f"{HORIZON_NAMES[horizon]}, {split}",
            summary,
            [header, *(_cells(name, row) for name, row in _shown(block))],
        )


def _shown(block: Sequence[AblationRow]) -> Iterator[tuple[str, AblationRow]]:
    """Of one split and horizon the rows that are printed, by name: each view alone, all but one, all (the last row)."""
    everything = block[-1].views
    for row in block:
        if len(row.views) == 1:
            yield row.views[0], row
        elif row.views == everything:
            yield "all views", row
        elif len(row.views) == len(everything) - 1:
            yield f"all but {next(iter(set(everything) - set(row.views)))}", row


def _cells(name: str, row: AblationRow) -> list[str]:
    defined = row.ceiling > 0 and np.isfinite(row.spearman)
    share = f"{row.spearman / row.ceiling:.0%}" if defined else "-"
    numbers = [f"{short_number(row.low)} to {short_number(row.high)}", share, f"{row.coverage:.1%}", f"{row.width:.3f}"]
    return [name, short_number(row.spearman), *numbers]


def rows_from_dicts(rows: Sequence[dict[str, Any]]) -> list[AblationRow]:
    """The rows of `results.json`; null is NaN."""
    numbers: list[dict[str, Any]] = [
        {key: float("nan") if value is None else value for key, value in row.items()} for row in rows
    ]
    return [AblationRow(**(row | {"views": tuple(row["views"])})) for row in numbers]
