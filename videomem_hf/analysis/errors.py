"""Where a predictor is right and where it errs: all clips, calibration, topics, single clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from videomem_hf.analysis.clip_figure import COLOURS
from videomem_hf.analysis.topics import Topic
from videomem_hf.schema import HORIZON_NAMES, Horizon
from videomem_hf.statistics import spearman


@dataclass(frozen=True)
class Predicted:
    """Predictions of one horizon for the clips that have a score.

    Attributes:
        rows: `(clips,)`, indices into the run's predictions.
        measured, predicted: `(clips,)` in [0, 1].
        low, high: `(clips,)`, ends of the intervals; None where the run has none.
    """

    rows: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None

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
        spearman: Within the topic; NaN where it is not defined.
        coverage: Share of measured scores in their intervals; NaN without intervals.
    """

    words: tuple[str, ...]
    clips: int
    measured: float
    predicted: float
    spearman: float
    coverage: float


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
            )
        )
    return results


def calibration_figure(horizons: dict[Horizon, Predicted], level: float) -> Figure:
    """Draw mean measured against mean predicted scores of up to ten groups of clips, and the coverage of each group."""
    with_intervals = all(found.covered is not None for found in horizons.values())
    figure = Figure(figsize=(4.6 * len(horizons), 6.4 if with_intervals else 4.2), layout="constrained")
    ratios = [2, 1] if with_intervals else [1]
    panels = figure.subplots(len(ratios), len(horizons), squeeze=False, height_ratios=ratios)
    for column, (horizon, found) in enumerate(horizons.items()):
        parts = np.array_split(np.argsort(found.predicted, kind="stable"), int(np.clip(len(found.rows) // 12, 1, 10)))
        x = np.array([found.predicted[part].mean() for part in parts])
        y = np.array([found.measured[part].mean() for part in parts])
        errors = np.array([found.measured[part].std(ddof=1) / np.sqrt(len(part)) for part in parts])
        _draw_groups(panels[0, column], horizon, x, y, 1.96 * errors)
        if with_intervals:
            covered = found.covered
            assert covered is not None
            shares = np.array([covered[part].mean() for part in parts])
            spread = 1.96 * np.sqrt(level * (1 - level) / np.array([len(part) for part in parts]))
            _draw_coverage(panels[1, column], horizon, shares, spread, level)
    return figure


def _draw_groups(axes: Any, horizon: Horizon, x: np.ndarray, y: np.ndarray, errors: np.ndarray) -> None:
    axes.errorbar(x, y, yerr=errors, fmt="o", color=COLOURS[horizon], markersize=5, capsize=2, label="groups of clips")
    low, high = min(x.min(), (y - errors).min()), max(x.max(), (y + errors).max())
    axes.plot([low, high], [low, high], color="#888888", linewidth=1, linestyle=":", label="measured = predicted")
    axes.set_title(HORIZON_NAMES[horizon], fontsize=10)
    axes.set(xlabel="mean predicted score", ylabel="mean measured score, 95% interval")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False, loc="upper left")


def _draw_coverage(axes: Any, horizon: Horizon, shares: np.ndarray, spread: np.ndarray, level: float) -> None:
    positions = np.arange(1, len(shares) + 1)
    band = level - spread, np.minimum(level + spread, 1)
    axes.fill_between(positions, *band, color="#dddddd", label="expected by chance")
    axes.axhline(level, color="#888888", linewidth=1, linestyle=":")
    axes.plot(positions, shares, marker="o", markersize=4, color=COLOURS[horizon], label="measured")
    axes.set_ylim(min(0.6, shares.min() - 0.05), 1.02)
    axes.set_xticks(positions)
    axes.set(xlabel="group of clips, by predicted score", ylabel=f"in {level:.0%} interval")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False, loc="lower right")


def scatter_figure(scores: Mapping[Horizon, tuple[np.ndarray, np.ndarray]], titles: Mapping[Horizon, str]) -> Figure:
    """Draw one panel per horizon with one point per clip.

    Args:
        scores: For each horizon `(predicted, measured)`, both `(clips,)`; NaN in `measured` is left out.
        titles: What stands above each panel, such as the correlation.
    """
    figure = Figure(figsize=(4.4 * len(scores), 4.2), layout="constrained")
    panels = figure.subplots(1, len(scores), squeeze=False)[0]
    for axes, (horizon, (predicted, measured)) in zip(panels, scores.items(), strict=True):
        known = np.isfinite(measured)
        axes.scatter(predicted[known], measured[known], s=14, alpha=0.55, color=COLOURS[horizon], edgecolors="none")
        low, high = (f(np.r_[predicted[known], measured[known]]) for f in (np.min, np.max))
        axes.plot([low, high], [low, high], color="#888888", linewidth=1, linestyle=":", label="predicted = measured")
        axes.set_title(f"{HORIZON_NAMES[horizon]}: {titles[horizon]}", fontsize=10)
        axes.set(xlabel="predicted", ylabel="measured")
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, frameon=False, loc="upper left")
    return figure


def topics_figure(horizons: dict[Horizon, list[TopicErrors]]) -> Figure:
    """Draw for each topic the mean measured and the mean predicted score."""
    longest = max(len(topics) for topics in horizons.values())
    figure = Figure(figsize=(5.4 * len(horizons), 1.2 + 0.34 * longest), layout="constrained")
    panels = figure.subplots(1, len(horizons), squeeze=False)[0]
    for axes, (horizon, topics) in zip(panels, horizons.items(), strict=True):
        ordered = sorted(topics, key=lambda topic: topic.measured)
        positions = np.arange(len(ordered))
        for y, topic in zip(positions, ordered, strict=True):
            axes.plot([topic.measured, topic.predicted], [y, y], color="#bbbbbb", linewidth=2, zorder=1)
        axes.scatter([t.measured for t in ordered], positions, color=COLOURS[horizon], s=28, label="measured", zorder=2)
        hollow = {"facecolors": "white", "edgecolors": "#444444", "label": "predicted"}
        axes.scatter([t.predicted for t in ordered], positions, s=28, zorder=3, **hollow)
        axes.set_yticks(positions, [", ".join(topic.words[:3]) for topic in ordered], fontsize=8)
        axes.set_title(HORIZON_NAMES[horizon], fontsize=10)
        axes.set_xlabel("mean score")
        axes.grid(alpha=0.25, axis="x")
        axes.legend(fontsize=8, frameon=False, loc="lower right")
    return figure
