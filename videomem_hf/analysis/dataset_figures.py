"""Figures of a data set: the distributions of its scores, and short- against long-term memorability."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from videomem_hf.analysis.clip_figure import COLOURS
from videomem_hf.analysis.study_figures import draw_points
from videomem_hf.schema import HORIZON_NAMES, SCORE_MAX, SCORE_MIN, Horizon

BINS = np.linspace(SCORE_MIN, SCORE_MAX, 41)


def distribution_figure(scores: Mapping[Horizon, np.ndarray], counts: Mapping[Horizon, np.ndarray]) -> Figure:
    """Draw histograms of the scores above histograms of the annotation counts, one column per horizon.

    Args:
        scores: For each horizon `(videos,)` in [0, 1].
        counts: For each horizon `(videos,)` annotation counts; may be empty.
    """
    figure = Figure(figsize=(4.8 * len(scores), 6.0), layout="constrained")
    panels = figure.subplots(2, len(scores), squeeze=False)
    for column, (horizon, values) in enumerate(scores.items()):
        top, bottom = panels[:, column]
        top.hist(values, BINS, color=COLOURS[horizon], alpha=0.8)
        top.axvline(values.mean(), color="#333333", linewidth=1, label=f"mean {values.mean():.3f}")
        top.set_title(f"{HORIZON_NAMES[horizon]} memorability, {len(values):,} videos", fontsize=10)
        top.set_xlabel("score")
        top.legend(fontsize=8, frameon=False, loc="upper left")
        numbers = counts[horizon].astype(int)
        if numbers.size:
            bottom.hist(numbers, np.arange(numbers.min(), numbers.max() + 2) - 0.5, color=COLOURS[horizon], alpha=0.8)
        bottom.set_xlabel("annotation count")
        for axes in (top, bottom):
            axes.set_ylabel("videos")
            axes.grid(alpha=0.25)
    return figure


def scores_figure(short_term: np.ndarray, long_term: np.ndarray, spearman: float) -> Figure:
    """Draw short- against long-term scores, `(videos,)` each, as in the left panel of the paper's Fig. 5."""
    figure = Figure(figsize=(5.2, 4.8), layout="constrained")
    axes = figure.subplots()
    draw_points(axes, short_term, long_term, colour="#444477")
    axes.set_title(f"{len(short_term):,} videos, Spearman's rank correlation {spearman:.3f}", fontsize=10)
    axes.set(xlabel="short-term memorability", ylabel="long-term memorability")
    axes.grid(alpha=0.25)
    return figure
