"""The scores of one clip, drawn: over time, or as points where there is no time to draw them over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from videomem_hf.analysis.style import (
    COLOURS,
    GREY,
    LABEL_PT,
    TICK_PT,
    interval_name,
    style_axes,
    style_legend,
    style_time_axis,
)
from videomem_hf.schema import HORIZON_NAMES, Horizon

LEAST_SCORE_RANGE = 0.1
_MARKED = 40
"""Frames at most that are drawn as points."""


@dataclass(frozen=True)
class ScoreCurve:
    """The scores of a clip and of its frames.

    Attributes:
        times_s: `(frames,)` seconds.
        frame_scores: For each horizon `(frames,)` in [0, 1].
        clip_scores: For each horizon the clip's score.
        intervals: For each horizon the ends of the prediction interval of the clip's score; None: not known.
        interval_level: Of these intervals.
        moments: For each horizon of which one stands out, time and score of the most memorable moment.
        remark: What the scores do not say, in a few words; empty for nothing.
    """

    times_s: np.ndarray
    frame_scores: Mapping[Horizon, np.ndarray]
    clip_scores: Mapping[Horizon, float]
    intervals: Mapping[Horizon, tuple[float, float]] | None = None
    interval_level: float = 0.9
    moments: Mapping[Horizon, tuple[float, float]] = field(default_factory=dict)
    remark: str = ""

    @property
    def score_range(self) -> tuple[float, float]:
        """A range of scores around everything that is drawn, not narrower than .1, within [0, 1]."""
        curves = np.concatenate(list(self.frame_scores.values()))
        ends = [end for both in (self.intervals or {}).values() for end in both]
        values = np.array([curves.min(), curves.max(), *self.clip_scores.values(), *ends])
        low, high = float(values.min()), float(values.max())
        spare = max(LEAST_SCORE_RANGE - (high - low), 0.15 * (high - low)) / 2 + 0.005
        return max(low - spare, -0.005), min(high + spare, 1.005)


def draw_curve(axes: Axes, curve: ScoreCurve, shown_s: Sequence[float] = ()) -> None:
    """Draw scores over time; `shown_s` are the times of frames that the figure shows below, to be marked."""
    times = curve.times_s
    marked = " (▲ frames below, ★ most memorable moment)" if curve.moments else " (▲ frames below)"
    style_axes(axes, x=f"time{marked if shown_s else ''}", y="memorability")
    draw_lines(axes, curve)
    axes.plot(shown_s, [axes.get_ylim()[0]] * len(shown_s), "^", color=GREY, markersize=5, clip_on=False)
    margin = 0.02 * (times[-1] - times[0])
    axes.set_xlim(times[0] - margin, times[-1] + margin)
    style_time_axis(axes, times[0], times[-1])
    axes.legend(fontsize=TICK_PT, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False)


def draw_lines(axes: Axes, curve: ScoreCurve, scale: float = 1.0) -> None:
    """Draw each horizon's frames, its clip's score, and the moment that stands out; lines `scale` times as thick."""
    for horizon, values in curve.frame_scores.items():
        colour, name = COLOURS[horizon], HORIZON_NAMES[horizon]
        marker = "o" if len(values) <= _MARKED else None
        style: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4 * scale, "linewidth": 1.5 * scale}
        axes.plot(curve.times_s, values, label=f"{name}, frames", **style)
        mean = curve.clip_scores[horizon]
        axes.axhline(mean, color=colour, linestyle="--", linewidth=scale, label=f"{name}, clip")
        if horizon in curve.moments:
            style = {"color": colour, "markersize": 13 * scale, "markeredgecolor": "white", "zorder": 5}
            axes.plot(*curve.moments[horizon], "*", **style)
    axes.set_ylim(*curve.score_range)


def draw_intervals(axes: Axes, curve: ScoreCurve) -> None:
    """Draw the clip's scores with their prediction intervals, beside the curve and on its axis of scores."""
    for position, (horizon, (low, high)) in enumerate((curve.intervals or {}).items()):
        score = curve.clip_scores[horizon]
        ends = [[max(score - low, 0)], [max(high - score, 0)]]
        axes.errorbar([position], [score], ends, fmt="o", color=COLOURS[horizon], capsize=4, markersize=5)
    axes.set_xlim(-0.7, len(curve.intervals or {}) - 0.3)
    axes.set_xticks([])
    name = interval_name(curve.interval_level).replace(" ", "\n", 1)
    axes.set_xlabel(f"clip, {name}", fontsize=TICK_PT)
    axes.tick_params(labelleft=False)
    axes.grid(alpha=0.25, linewidth=0.6)


def draw_points(axes: Axes, curve: ScoreCurve) -> None:
    """Draw the scores of a clip without a course in time: a photograph, or a clip that is scored as a whole."""
    style_axes(axes, x="memorability")
    for position, (horizon, score) in enumerate(reversed(list(curve.clip_scores.items()))):
        colour = COLOURS[horizon]
        axes.plot([score], [position], "o", color=colour, markersize=8)
        if curve.intervals:
            low, high = curve.intervals[horizon]
            label = interval_name(curve.interval_level)
            axes.plot([low, high], [position, position], "|-", color=colour, linewidth=2, markersize=10, label=label)
    axes.set_yticks(range(len(curve.clip_scores)), [HORIZON_NAMES[h] for h in reversed(list(curve.clip_scores))])
    axes.tick_params(axis="y", labelsize=LABEL_PT)
    axes.set_ylim(-0.6, len(curve.clip_scores) - 0.4)
    axes.set_xlim(*curve.score_range)
    axes.grid(visible=False, axis="y")
    if curve.intervals:
        handles, labels = axes.get_legend_handles_labels()
        style_legend(axes, "lower right", handles=handles[:1], labels=labels[:1], bbox_to_anchor=(1.0, 1.0))
