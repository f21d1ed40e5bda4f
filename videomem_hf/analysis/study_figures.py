"""Draws the paper's Figures 3 to 6 for another study.

Panels are sized for print: labels of 8 to 9 points at a width of 6.9 inches, two columns.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from videomem_hf.analysis.style import (
    BOTH_COLOUR,
    COLOURS,
    FIT_COLOUR,
    GREY,
    LABEL_PT,
    TICK_PT,
    legend_below,
    style_axes,
)
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon
from videomem_hf.system import quantity

if TYPE_CHECKING:
    from videomem_hf.protocol.consistency import ConsistencyCurve
    from videomem_hf.protocol.scoring import Scores
    from videomem_hf.protocol.study_analysis import Retention

Floats = NDArray[np.float64]

WIDTH_IN: Final = 6.9
HEIGHT_IN: Final = 3.4
_LEAST_RATE_RANGE: Final = 0.05
"""Half the smallest range of a hit-rate axis, so that noise does not look like a trend."""


def retention_figure(retention: "Mapping[Horizon, Retention]") -> Figure:
    """Draw Fig. 3: hit rate against the retention interval, one panel per horizon."""
    figure, panels = _figure(len(retention))
    units = {"short_term": "videos", "long_term": "hours"}
    for axes, (horizon, found) in zip(panels, retention.items(), strict=True):
        name = f"{HORIZON_NAMES[horizon]} retention interval ({units[horizon]})"
        interval, rate, line = found.interval, found.rate, found.line
        title = f"{HORIZON_NAMES[horizon]}, {quantity(int(np.sum(found.annotations)), 'annotation')}"
        style_axes(axes, title if len(interval) else HORIZON_NAMES[horizon], name, "mean hit rate", "x")
        if not len(interval):
            _empty(axes, "intervals not known")
            continue
        error = np.sqrt(np.maximum(rate * (1 - rate), 0) / found.annotations)
        axes.errorbar(
            interval, rate, error, fmt="o", markersize=3, linewidth=0.7, color=COLOURS[horizon],
            ecolor="#bbbbbb", label="mean ± standard error",
        )  # fmt: skip
        if line is not None:
            ends = np.array([interval.min(), interval.max()])
            axes.plot(ends, line.intercept + line.slope * ends, color=FIT_COLOUR, linewidth=1.8, label="linear fit")
        middle = (float((rate - error).min()) + float((rate + error).max())) / 2
        half = max(float(np.ptp(rate)) + float(error.max()), _LEAST_RATE_RANGE)
        axes.set_ylim(middle - half, middle + half)
        if horizon == "long_term" and np.ptp(interval) > 24:
            axes.xaxis.set_major_locator(MultipleLocator(12))
        legend_below(axes, 2)
    return figure


def consistency_figure(
    measured: "Mapping[Horizon, ConsistencyCurve]",
    thinned: "Mapping[Horizon, ConsistencyCurve]",
    means: Mapping[Horizon, float],
) -> Figure:
    """Draw Fig. 4: annotation consistency against the mean annotation count, one panel per horizon.

    Args:
        measured: Over videos with at least N annotations.
        thinned: Over all videos, with annotations left out.
        means: The study's mean annotation count, marked by a line.
    """
    figure, panels = _figure(len(measured))
    for axes, horizon in zip(panels, measured, strict=True):
        colour = COLOURS[horizon]
        styles: dict[str, tuple[ConsistencyCurve, dict[str, Any]]] = {
            "all videos, annotations left out": (thinned[horizon], {"color": GREY, "marker": "s", "linestyle": "--"}),
            "videos with at least N annotations": (measured[horizon], {"color": colour, "marker": "o"}),
        }
        for label, (curve, style) in styles.items():
            axes.plot(curve.annotations, curve.spearman, markersize=3.5, linewidth=1.2, label=label, **style)
            band = curve.spearman - curve.sd, curve.spearman + curve.sd
            axes.fill_between(curve.annotations, *band, color=style["color"], alpha=0.2, linewidth=0)
        label = f"mean of the study, {means[horizon]:.1f}"
        axes.axvline(means[horizon], color=FIT_COLOUR, linewidth=0.9, linestyle=":", label=label)
        title = f"{HORIZON_NAMES[horizon]}, mean ± standard deviation"
        style_axes(axes, title, "mean annotation count", "annotation consistency\n(Spearman)", "x")
        axes.set_ylim(bottom=min(axes.get_ylim()[0], 0.0))
        legend_below(axes)
    return figure


def agreement_figure(short_term: "Scores", long_term: "Scores", spearman: float, pearson: float) -> Figure:
    """Draw Fig. 5: short- against long-term scores and mean response times of the same videos.

    Above them stand their correlations, `spearman` of the scores and `pearson` of the response times. NaN is left out.
    """
    figure, panels = _figure(2)
    short, long = ((part.score, part.rt_ms / 1000) for part in (short_term, long_term))
    names = {
        "memorability": f"scores, Spearman {_sign(spearman)}",
        "mean response time (s)": f"response times, Pearson {_sign(pearson)}",
    }
    for axes, x, y, (name, title) in zip(panels, short, long, names.items(), strict=True):
        draw_points(axes, x, y, colour=BOTH_COLOUR)
        style_axes(axes, f"{title}, {_count_known(x, y)}", f"short-term {name}", f"long-term {name}")
    return figure


def response_time_figure(scores: "Mapping[Horizon, Scores]", pearson: Mapping[Horizon, float]) -> Figure:
    """Draw Fig. 6: mean response time of hits against the score, one panel per horizon; `pearson` correlates them."""
    figure, panels = _figure(len(scores))
    for axes, (horizon, found) in zip(panels, scores.items(), strict=True):
        draw_points(axes, found.score, found.rt_ms / 1000, colour=COLOURS[horizon])
        name, times = HORIZON_NAMES[horizon], found.rt_ms / 1000
        title = f"{name}, Pearson {_sign(pearson[horizon])}, {_count_known(found.score, times)}"
        style_axes(axes, title, f"{name} memorability", f"{name} mean response time (s)")
    return figure


def _figure(columns: int) -> tuple[Figure, list[Axes]]:
    layout = ConstrainedLayoutEngine(w_pad=0.09)
    figure = Figure(figsize=(WIDTH_IN * columns / len(HORIZONS), HEIGHT_IN), layout=layout)
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def _count_known(x: Floats, y: Floats) -> str:
    """How many videos have both."""
    return quantity(int((np.isfinite(x) & np.isfinite(y)).sum()), "video")


def _sign(value: float) -> str:
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


def _empty(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, fontsize=LABEL_PT, color=GREY)
    axes.set_xticks([])
    axes.set_yticks([])


def draw_points(axes: Axes, x: Floats, y: Floats, colour: str) -> None:
    """One point per video, and the least-squares line."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if not len(x):
        _empty(axes, "no videos with both")
        return
    alpha = float(np.clip(1500 / len(x), 0.12, 0.7))
    axes.scatter(x, y, s=5, alpha=alpha, color=colour, edgecolors="none", rasterized=True)
    if len(x) > 2 and np.ptp(x) > 0:
        slope, offset = np.polyfit(x, y, 1)
        ends = np.array([x.min(), x.max()])
        axes.plot(ends, slope * ends + offset, color=FIT_COLOUR, linewidth=1.5, label="linear fit")
        axes.legend(fontsize=TICK_PT, framealpha=0.85, edgecolor="none", loc="best")
