"""Predictors on the same clips: their correlations, and the differences between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from videomem_hf.analysis.style import COLOURS, GUIDE_COLOUR, TICK_PT, escape, style_axes, wrap
from videomem_hf.schema import HORIZON_NAMES, Horizon


@dataclass(frozen=True)
class Bar:
    """A value with its confidence interval; `filled` where it stands out."""

    name: str
    value: float
    low: float
    high: float
    filled: bool = True


def comparison_figure(
    horizons: Mapping[Horizon, tuple[Sequence[Bar], Sequence[Bar], int]], confidence: float
) -> Figure:
    """Draw one column per horizon: above the correlation of each predictor, below the difference of each pair.

    Args:
        horizons: For each the predictors, the pairs (filled where told apart), and the number of clips.
        confidence: Level of the intervals.
    """
    most = [max(map(len, rows)) for rows in zip(*((each[0], each[1]) for each in horizons.values()), strict=True)]
    figure = Figure(figsize=(5.4 * len(horizons), 2.6 + 0.34 * sum(most)), layout="constrained")
    panels = figure.subplots(2, len(horizons), squeeze=False, height_ratios=[count + 1.5 for count in most])
    for column, (horizon, (predictors, pairs, clips)) in enumerate(horizons.items()):
        name = HORIZON_NAMES[horizon]
        title = f"{name}, {clips} clips, {confidence:.0%} intervals"
        style_axes(panels[0, column], title, "Spearman's rank correlation")
        _draw(panels[0, column], horizon, predictors)
        style_axes(panels[1, column], "hollow: cannot be told apart", "difference of Spearman's rank correlations")
        panels[1, column].axvline(0, color=GUIDE_COLOUR, linewidth=1, linestyle=":")
        _draw(panels[1, column], horizon, pairs)
    return figure


def _draw(axes: Any, horizon: Horizon, bars: Sequence[Bar]) -> None:
    for row, bar in enumerate(bars):
        if bar.value != bar.value:  # of a constant predictor
            continue
        colour = COLOURS[horizon]
        axes.plot([bar.low, bar.high], [row, row], color=colour, linewidth=1.5)
        axes.plot(bar.value, row, "o", markersize=5, color=colour, markerfacecolor=colour if bar.filled else "white")
    axes.set_yticks(range(len(bars)), [escape(wrap(bar.name, 28)) for bar in bars], fontsize=TICK_PT)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
