"""A picture of a film's timeline: its most memorable shots, and the scores of all over time."""

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from videomem_hf.analysis.score_curve import LEAST_SCORE_RANGE
from videomem_hf.analysis.style import (
    COLOURS,
    LABEL_PT,
    TICK_PT,
    clock,
    escape,
    interval_name,
    style_axes,
    style_time_axis,
)
from videomem_hf.films.shot_scores import ScoredShot
from videomem_hf.films.timeline import Timeline
from videomem_hf.schema import HORIZON_NAMES

SHOWN = 6
_WIDTH, _HEIGHT = 11.0, 4.6
_BAND_OPACITY = 0.13


def score_range(timeline: Timeline) -> tuple[float, float]:
    """A range of scores around all shots and their intervals, not narrower than .1, within [0, 1]."""
    values = [score for shot in timeline.shots for score in shot.scores.values()]
    values += [end for shot in timeline.shots for ends in (shot.intervals or {}).values() for end in ends]
    low, high = min(values), max(values)
    spare = max(LEAST_SCORE_RANGE - (high - low), 0.1 * (high - low)) / 2
    return max(0.0, low - spare), min(1.0, high + spare)


def timeline_figure(timeline: Timeline) -> Figure:
    """Draw a timeline."""
    COLOURS.fix(timeline.horizons)
    chosen = sorted(timeline.ranked()[:SHOWN])
    figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
    grid = figure.add_gridspec(2, len(chosen), height_ratios=[1.1, 2])
    for column, number in enumerate(chosen):
        _draw_shot(figure.add_subplot(grid[0, column]), number, timeline.shots[number])
    axes = figure.add_subplot(grid[1, :])
    _draw_scores(axes, timeline)
    ranges = f", bands: {interval_name(timeline.interval_level)}" if timeline.shots[0].intervals else ""
    marked = "highest scores, but no shot stands out" if timeline.standout is None else "most memorable shots"
    style_axes(axes, x=f"time (▲ {marked}, shown above{ranges})", y="memorability")
    style_time_axis(axes, 0, timeline.duration_s)
    middles = [(timeline.shots[n].start_s + timeline.shots[n].end_s) / 2 for n in chosen]
    axes.plot(middles, [axes.get_ylim()[0]] * len(chosen), "^", color="black", markersize=5, clip_on=False)
    figure.suptitle(escape(Path(timeline.source).name), fontsize=LABEL_PT + 2)
    return figure


def _draw_shot(axes: Axes, number: int, shot: ScoredShot) -> None:
    axes.imshow(np.asarray(Image.open(io.BytesIO(shot.picture))))
    axes.set_axis_off()
    scores = ", ".join(f"{HORIZON_NAMES[horizon]} {score:.2f}" for horizon, score in shot.scores.items())
    axes.set_title(f"{number + 1}: {clock(shot.start_s)} to {clock(shot.end_s)}\n{scores}", fontsize=TICK_PT - 1)


def _draw_scores(axes: Axes, timeline: Timeline) -> None:
    edges = np.array([0.0, *(shot.end_s for shot in timeline.shots)])
    for horizon in timeline.horizons:
        colour = COLOURS[horizon]
        scores = [shot.scores[horizon] for shot in timeline.shots]
        axes.stairs(scores, edges, baseline=None, color=colour, linewidth=1.4, label=HORIZON_NAMES[horizon])
        if timeline.shots[0].intervals:
            low, high = np.transpose([shot.intervals[horizon] for shot in timeline.shots if shot.intervals])
            axes.stairs(high, edges, baseline=low, fill=True, color=colour, alpha=_BAND_OPACITY, linewidth=0)
    axes.set_xlim(0, timeline.duration_s)
    axes.set_ylim(*score_range(timeline))
    axes.legend(fontsize=TICK_PT, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)
