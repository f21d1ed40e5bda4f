"""A run as one HTML page that needs nothing beside it."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

from videomem_hf.system import atomic_write


@dataclass(frozen=True)
class MetricRow:
    """A line of the results table; correlations are in [-1, 1], NaN where a constant leaves them undefined."""

    predictor: str
    horizon: str
    spearman: float
    low: float
    high: float
    mse: float


@dataclass(frozen=True)
class ClipCard:
    """A clip to look at."""

    heading: str
    text: str
    figure: Figure


@dataclass(frozen=True)
class Report:
    """What the page shows, from top to bottom."""

    title: str
    summary: Sequence[str]
    rows: Sequence[MetricRow]
    interval: str
    scatter: Figure
    clips: Sequence[ClipCard]
    details: Sequence[tuple[str, str]]


def write_report(report: Report, path: Path) -> None:
    """Write the page, whole or not at all."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("videomem_hf.analysis", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["png"] = _png
    with atomic_write(path) as partial:
        partial.write_text(environment.get_template("report.html.j2").render(report=report), encoding="utf-8")


def _png(figure: Figure) -> str:
    """A figure as a `data:` address."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
