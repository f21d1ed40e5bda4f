"""Where a predictor is right and where it errs: all clips, calibration, topics, single clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from videomem_hf.analysis.style import (
    BAND_COLOUR,
    COLOURS,
    GREY,
    GUIDE_COLOUR,
    TICK_PT,
    legend_below,
    style_axes,
)
from videomem_hf.analysis.topics import Topic
from videomem_hf.schema import HORIZON_NAMES, Horizon
from videomem_hf.statistics import spearman
from videomem_hf.system import quantity

_Z_95: Final = 1.96


@dataclass(frozen=True)
class Predicted:
    """Predictions of one horizon for the clips that have a score.

    Attributes:
        rows: `(clips,)`, indices into the run's predictions.
        measured, predicted: `(clips,)` in [0, 1].
        low, high: `(clips,)`, ends of the intervals; None where the run has none.
        counts: `(clips,)`, annotations behind the measured scores; None where they are not known.
        is_calibrated_here: Whether the intervals' width comes from the errors of these very clips.
    """

    rows: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    counts: np.ndarray | None = None
    is_calibrated_here: bool = False

    @property
    def covered(self) -> np.ndarray | None:
        """Whether each measured score lies in its interval."""
        if self.low is None or self.high is None:
            return None
        return (self.low <= self.measured) & (self.measured <= self.high)


@dataclass(frozen=True)
class TopicErrors:
    """How well the clips of a topic are predicted.

    Attributes:
        measured, predicted: Mean scores.
        error: Half the 95 % confidence interval of the mean measured score.
        spearman: Within the topic; NaN where it is not defined.
        coverage: Share of measured scores in their intervals; NaN without intervals.
    """

    words: tuple[str, ...]
    clips: int
    measured: float
    predicted: float
    spearman: float
    coverage: float
    error: float


def errors_by_topic(found: Predicted, topics: Sequence[Topic]) -> list[TopicErrors]:
    """Evaluate on each topic by itself; one with fewer than five clips is left out."""
    results = []
    for topic in topics:
        inside = np.isin(found.rows, topic.rows)
        if inside.sum() < 5:
            continue
        y, x, covered = found.measured[inside], found.predicted[inside], found.covered
        defined = np.ptp(y) > 0 and np.ptp(x) > 0
        results.append(
            TopicErrors(
                topic.words,
                int(inside.sum()),
                float(y.mean()),
                float(x.mean()),
                spearman(x, y) if defined else float("nan"),
                float("nan") if covered is None else float(covered[inside].mean()),
                float(_Z_95 * y.std(ddof=1) / np.sqrt(len(y))),
            )
        )
    return results


def calibration_figure(horizons: dict[Horizon, Predicted], level: float) -> Figure:
    """Draw mean measured against mean predicted scores of up to ten groups of clips, and the coverage of each group."""
    with_intervals = all(found.covered is not None for found in horizons.values())
    figure = Figure(figsize=(4.6 * len(horizons), 7.6 if with_intervals else 4.6), layout="constrained")
    ratios = [2, 1] if with_intervals else [1]
    panels = figure.subplots(len(ratios), len(horizons), squeeze=False, height_ratios=ratios)
    for column, (horizon, found) in enumerate(horizons.items()):
        parts = np.array_split(np.argsort(found.predicted, kind="stable"), int(np.clip(len(found.rows) // 12, 1, 10)))
        x = np.array([found.predicted[part].mean() for part in parts])
        y = np.array([found.measured[part].mean() for part in parts])
        errors = np.array([found.measured[part].std(ddof=1) / np.sqrt(len(part)) for part in parts])
        least, most = (f(len(part) for part in parts) for f in (min, max))
        groups = f"{quantity(len(parts), 'group')} of {least if least == most else f'{least} to {most}'} clips"
        _draw_groups(panels[0, column], horizon, x, y, _Z_95 * errors, groups)
        if with_intervals:
            covered = found.covered
            assert covered is not None
            shares = np.array([covered[part].mean() for part in parts])
            spread = _Z_95 * np.sqrt(level * (1 - level) / np.array([len(part) for part in parts]))
            _draw_coverage(panels[1, column], horizon, shares, spread, level)
    return figure


def _draw_groups(axes: Any, horizon: Horizon, x: np.ndarray, y: np.ndarray, errors: np.ndarray, groups: str) -> None:
    label = f"{groups}, 95% confidence interval"
    axes.errorbar(x, y, yerr=errors, fmt="o", color=COLOURS[horizon], markersize=5, capsize=2, label=label)
    low, high = min(x.min(), (y - errors).min()), max(x.max(), (y + errors).max())
    axes.plot([low, high], [low, high], color=GUIDE_COLOUR, linewidth=1, linestyle=":", label="measured = predicted")
    name = HORIZON_NAMES[horizon]
    style_axes(axes, name, f"mean predicted {name} score", f"mean measured {name} score")
    legend_below(axes, below=0.16)


def _draw_coverage(axes: Any, horizon: Horizon, shares: np.ndarray, spread: np.ndarray, level: float) -> None:
    positions = np.arange(1, len(shares) + 1)
    band = level - spread, np.minimum(level + spread, 1)
    axes.fill_between(positions, *band, color=BAND_COLOUR, label="expected by chance")
    axes.axhline(level, color=GUIDE_COLOUR, linewidth=1, linestyle=":")
    axes.plot(positions, shares, marker="o", markersize=4, color=COLOURS[horizon], label="measured")
    axes.set_ylim(min(0.6, shares.min() - 0.05), 1.02)
    axes.set_xlim(0.5, len(shares) + 0.5)
    style_axes(
        axes, HORIZON_NAMES[horizon], "group of clips, by predicted score", f"share in {level:.0%} intervals", "x"
    )
    legend_below(axes, 2, below=0.36)


def scatter_figure(scores: Mapping[Horizon, tuple[np.ndarray, np.ndarray]], titles: Mapping[Horizon, str]) -> Figure:
    """Draw one panel per horizon with one point per clip.

    Args:
        scores: For each horizon `(predicted, measured)`, both `(clips,)`; NaN in `measured` is left out.
        titles: What stands above each panel, such as the correlation.
    """
    figure = Figure(figsize=(4.4 * len(scores), 4.5), layout="constrained")
    panels = figure.subplots(1, len(scores), squeeze=False)[0]
    for axes, (horizon, (predicted, measured)) in zip(panels, scores.items(), strict=True):
        known = np.isfinite(measured)
        axes.scatter(predicted[known], measured[known], s=14, alpha=0.55, color=COLOURS[horizon], edgecolors="none")
        low, high = (f(np.r_[predicted[known], measured[known]]) for f in (np.min, np.max))
        axes.plot(
            [low, high], [low, high], color=GUIDE_COLOUR, linewidth=1, linestyle=":", label="predicted = measured"
        )
        name = HORIZON_NAMES[horizon]
        title = f"{name}: {titles[horizon]}, {quantity(int(known.sum()), 'clip')}"
        style_axes(axes, title, f"predicted {name} score", f"measured {name} score")
        legend_below(axes, below=0.16)
    return figure


def topics_figure(horizons: dict[Horizon, list[TopicErrors]]) -> Figure:
    """Draw for each topic the mean measured score with its confidence interval, and the mean predicted score."""
    longest = max(len(topics) for topics in horizons.values())
    figure = Figure(figsize=(5.8 * len(horizons), 1.6 + 0.34 * longest), layout="constrained")
    panels = figure.subplots(1, len(horizons), squeeze=False)[0]
    for axes, (horizon, topics) in zip(panels, horizons.items(), strict=True):
        ordered = sorted(topics, key=lambda topic: topic.measured)
        positions = np.arange(len(ordered))
        name = HORIZON_NAMES[horizon]
        style_axes(axes, name, f"mean {name} score")
        axes.errorbar(
            [t.measured for t in ordered], positions, xerr=[t.error for t in ordered], fmt="o", markersize=5,
            capsize=2, color=COLOURS[horizon], label="measured, 95% confidence interval",
        )  # fmt: skip
        hollow = {"facecolors": "white", "edgecolors": GREY, "label": "predicted", "zorder": 3}
        axes.scatter([t.predicted for t in ordered], positions, s=28, **hollow)
        words = [f"{', '.join(topic.words[:3])} ({topic.clips})" for topic in ordered]
        axes.set_yticks(positions, words, fontsize=TICK_PT)
        axes.grid(visible=False, axis="y")
        legend_below(axes, 2, below=0.6 / (0.34 * longest + 0.3))
    figure.supylabel("topic (clips)", fontsize=TICK_PT)
    return figure
