"""Figures of a data set: the distributions of its scores, and short- against long-term memorability."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from videomem_hf.analysis.study_figures import draw_points
from videomem_hf.analysis.style import BOTH_COLOUR, COLOURS, FIT_COLOUR, TICK_PT, style_axes, style_legend
from videomem_hf.schema import HORIZON_NAMES, SCORE_MAX, SCORE_MIN, Horizon
from videomem_hf.system import quantity

BINS = np.linspace(SCORE_MIN, SCORE_MAX, 41)
MOST_LABELLED = 15
"""Bars at most that have room for their numbers."""


def distribution_figure(scores: Mapping[Horizon, np.ndarray], counts: Mapping[Horizon, np.ndarray]) -> Figure:
    """Draw histograms of the scores above histograms of the annotation counts, one column per horizon.

    Args:
        scores: For each horizon `(videos,)` in [0, 1].
        counts: For each horizon `(videos,)` annotation counts; may be empty.
    """
    COLOURS.fix(scores)
    figure = Figure(figsize=(4.8 * len(scores), 6.0), layout="constrained")
    panels = figure.subplots(2, len(scores), squeeze=False)
    for column, (horizon, values) in enumerate(scores.items()):
        top, bottom = panels[:, column]
        name, colour = HORIZON_NAMES[horizon], COLOURS[horizon]
        top.hist(values, BINS, color=colour, alpha=0.8)
        label = f"mean {values.mean():.3f}, standard deviation {values.std():.3f}"
        top.axvline(values.mean(), color=FIT_COLOUR, linewidth=1, label=label)
        style_axes(top, f"{name} memorability, {quantity(len(values), 'video')}", f"{name} score", "videos", "y")
        style_legend(top, "upper left")
        numbers = counts[horizon].astype(int)
        if numbers.size:
            _draw_counts(bottom, numbers, colour)
        title = f"mean {numbers.mean():.1f} annotations" if numbers.size else "not known"
        style_axes(bottom, f"{name} annotation counts, {title}", f"{name} annotations of a video", "videos", "xy")
    return figure


def _draw_counts(axes: Axes, numbers: np.ndarray, colour: str) -> None:
    """Draw how many videos have each annotation count; written on the bars where there are few."""
    values = np.arange(numbers.min(), numbers.max() + 1)
    bars = axes.bar(values, np.bincount(numbers - numbers.min()), width=1, color=colour, alpha=0.8)
    if len(values) <= MOST_LABELLED:
        axes.bar_label(bars, fmt=lambda value: f"{value:,.0f}" if value else "", fontsize=TICK_PT)
        axes.margins(y=0.12)


def scores_figure(short_term: np.ndarray, long_term: np.ndarray, spearman: float) -> Figure:
    """Draw short- against long-term scores, `(videos,)` each, as in the left panel of the paper's Fig. 5."""
    figure = Figure(figsize=(5.2, 4.8), layout="constrained")
    axes = figure.subplots()
    draw_points(axes, short_term, long_term, colour=BOTH_COLOUR)
    title = f"{quantity(len(short_term), 'video')}, Spearman's rank correlation {spearman:.3f}"
    style_axes(axes, title, "short-term score", "long-term score")
    return figure
