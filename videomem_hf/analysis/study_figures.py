"""Draws the paper's Figures 3 to 6 for another study.

Panels are sized for print: labels of 8 to 9 points at a width of 6.9 inches, two columns.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import AutoLocator, MultipleLocator
from numpy.typing import NDArray

from videomem_hf.analysis.clip_figure import COLOURS
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon

if TYPE_CHECKING:
    from videomem_hf.protocol.consistency import ConsistencyCurve
    from videomem_hf.protocol.scoring import Scores
    from videomem_hf.protocol.study_analysis import Retention

Floats = NDArray[np.float64]

WIDTH_IN: Final = 6.9
HEIGHT_IN: Final = 2.9
LINE_COLOUR: Final = "#1f4fa3"
_GREY: Final = "#555555"
_LEAST_RATE_RANGE: Final = 0.05
"""Half the smallest range of a hit-rate axis, so that noise does not look like a trend."""


def retention_figure(retention: "Mapping[Horizon, Retention]") -> Figure:
    """Draw Fig. 3: hit rate against the retention interval, one panel per horizon."""
    figure, panels = _figure(len(retention))
    names = {"short_term": "retention interval (videos)", "long_term": "retention interval (hours)"}
    for axes, (horizon, found) in zip(panels, retention.items(), strict=True):
        axes.set(xlabel=names[horizon], ylabel="mean hit rate")
        interval, rate, line = found.interval, found.rate, found.line
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
            axes.plot(ends, line.intercept + line.slope * ends, color=LINE_COLOUR, linewidth=1.8, label="linear fit")
        middle = (float((rate - error).min()) + float((rate + error).max())) / 2
        half = max(float(np.ptp(rate)) + float(error.max()), _LEAST_RATE_RANGE)
        axes.set_ylim(middle - half, middle + half)
        axes.xaxis.set_major_locator(
            MultipleLocator(12) if horizon == "long_term" and np.ptp(interval) > 24 else AutoLocator()
        )
        axes.legend(fontsize=7, frameon=False, loc="upper right", ncols=2)
        axes.set_title(HORIZON_NAMES[horizon], fontsize=9)
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
            "all videos, annotations left out": (thinned[horizon], {"color": _GREY, "marker": "s", "linestyle": "--"}),
            "videos with at least N annotations": (measured[horizon], {"color": colour, "marker": "o"}),
        }
        for label, (curve, style) in styles.items():
            axes.plot(curve.annotations, curve.spearman, markersize=3.5, linewidth=1.2, label=label, **style)
            band = curve.spearman - curve.sd, curve.spearman + curve.sd
            axes.fill_between(curve.annotations, *band, color=style["color"], alpha=0.2, linewidth=0)
        label = f"mean of the study, {means[horizon]:.1f}"
        axes.axvline(means[horizon], color=LINE_COLOUR, linewidth=0.9, linestyle=":", label=label)
        axes.set(xlabel="mean annotation count", ylabel="annotation consistency\n(Spearman)")
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.0), high + 0.38 * (high - min(low, 0.0)))
        axes.legend(fontsize=7, facecolor="white", framealpha=1, edgecolor="none", loc="upper left")
        axes.set_title(HORIZON_NAMES[horizon], fontsize=9)
    return figure


def agreement_figure(short_term: "Scores", long_term: "Scores", spearman: float, pearson: float) -> Figure:
    """Draw Fig. 5: short- against long-term scores and mean response times of the same videos.

    Above them stand their correlations, `spearman` of the scores and `pearson` of the response times. NaN is left out.
    """
    figure, panels = _figure(2)
    short, long = ((part.score, part.rt_ms / 1000) for part in (short_term, long_term))
    names = {
        "memorability": f"scores, Spearman {_signed(spearman)}",
        "mean response time (s)": f"response times, Pearson {_signed(pearson)}",
    }
    for axes, x, y, (name, title) in zip(panels, short, long, names.items(), strict=True):
        draw_points(axes, x, y, colour="#444477")
        axes.set(xlabel=f"short-term {name}", ylabel=f"long-term {name}")
        axes.set_title(title, fontsize=9)
    return figure


def response_time_figure(scores: "Mapping[Horizon, Scores]", pearson: Mapping[Horizon, float]) -> Figure:
    """Draw Fig. 6: mean response time of hits against the score, one panel per horizon; `pearson` correlates them."""
    figure, panels = _figure(len(scores))
    for axes, (horizon, found) in zip(panels, scores.items(), strict=True):
        draw_points(axes, found.score, found.rt_ms / 1000, colour=COLOURS[horizon])
        axes.set(xlabel=f"{HORIZON_NAMES[horizon]} memorability", ylabel="mean response time (s)")
        axes.set_title(f"{HORIZON_NAMES[horizon]}, Pearson {_signed(pearson[horizon])}", fontsize=9)
    return figure


def _figure(columns: int) -> tuple[Figure, list[Axes]]:
    layout = ConstrainedLayoutEngine(w_pad=0.09)
    figure = Figure(figsize=(WIDTH_IN * columns / len(HORIZONS), HEIGHT_IN), layout=layout)
    panels = list(figure.subplots(1, columns, squeeze=False)[0])
    for axes in panels:
        axes.tick_params(labelsize=8)
        axes.xaxis.label.set_size(9)
        axes.yaxis.label.set_size(9)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.set_axisbelow(True)
    return figure, panels


def _signed(value: float) -> str:
    return f"{value:.3f}".replace("-", "\N{MINUS SIGN}")


def _empty(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, fontsize=9, color=_GREY)
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
        axes.plot(ends, slope * ends + offset, color="#1a1a1a", linewidth=1.5, label="linear fit")
        axes.legend(fontsize=7, frameon=False, loc="best")
