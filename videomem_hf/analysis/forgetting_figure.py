"""How the chance of being remembered falls with time, drawn."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from videomem_hf.analysis.style import BOTH_COLOUR, COLOURS, GREY, TICK_PT, style_axes, style_legend
from videomem_hf.schema import HORIZON_NAMES, Horizon

_TICKS = {"1 min": 60.0, "5 min": 300.0, "1 h": 3600.0, "6 h": 21_600.0, "1 day": 86_400.0, "3 days": 259_200.0}


def forgetting_figure(
    times_s: np.ndarray,
    chances: np.ndarray,
    ends: tuple[np.ndarray, np.ndarray] | None,
    points: Mapping[Horizon, tuple[float, float]],
    title: str,
    level: float,
) -> Figure:
    """Draw a curve over the logarithm of time.

    Args:
        times_s, chances: `(times,)` seconds above 0, and chances in [0, 1].
        ends: Lower and upper ends of the intervals, `(times,)` each.
        points: For each horizon the time in seconds and the score that the curve was laid through.
        title: Of the figure.
        level: Of the intervals.
    """
    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    axes = figure.add_subplot()
    style_axes(axes, title, "time after watching", "chance of being remembered")
    if ends is not None:
        axes.fill_between(times_s, *ends, color=BOTH_COLOUR, alpha=0.18, linewidth=0, label=f"{level:.0%} interval")
    axes.plot(times_s, chances, color=BOTH_COLOUR, linewidth=1.8, label="power law")
    for horizon, (time_s, score) in points.items():
        axes.plot([time_s], [score], "o", color=COLOURS[horizon], markersize=6, label=f"{HORIZON_NAMES[horizon]} score")
    axes.set_xscale("log")
    axes.set_xticks(list(_TICKS.values()), list(_TICKS))
    axes.set_xticks([], minor=True)
    low = float(min(chances.min(), ends[0].min() if ends is not None else 1.0))
    axes.set_ylim(max(0.0, np.floor(10 * low - 0.2) / 10), 1.005)
    style_legend(axes, "lower left")
    figure.supxlabel("a law through two points, not a measurement at each time", fontsize=TICK_PT, color=GREY)
    return figure
