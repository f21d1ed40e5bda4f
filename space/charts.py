"""Drawings as SVG: gauges and curves, with axes whose ticks are round and equally far apart."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from videomem_hf.schema import Horizon, sort_horizons

if TYPE_CHECKING:
    from videomem_hf.inference import Prediction

GAUGE = 320, 92
"""Width and height of a gauge, in its own units."""
CURVE = 480, 230
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 12, 30
"""Margins of a curve's axes."""
STEPS = 1, 2, 5
LEAST_RANGE = 0.1
SERIES = 8
"""Colours that tell the curves of several clips apart, before they come again dashed (see `style.css`)."""
Scale = Callable[[float], float]
"""From a value to its position along an axis."""


def round_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Equally spaced multiples of 1, 2 or 5 times a power of ten, from at or below `low` to at or above `high`."""
    raw = max(high - low, 1e-9) / (most - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    steps = [factor * power * scale for scale in (1, 10) for factor in STEPS]
    for step in steps:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if step >= raw * 0.999 and last - first + 1 <= most:
            return [round(i * step, 10) for i in range(first, last + 1)]
    return [low, high]


def _decimals(ticks: Sequence[float]) -> int:
    step = ticks[1] - ticks[0]
    return max(0, -math.floor(math.log10(step) + 1e-9))


@dataclass(frozen=True)
class GaugeAxis:
    """The axis that the gauges of one or more predictions share.

    Attributes:
        ticks: From its low to its high end.
        quantiles: For each horizon the reference's quantiles at 0, 1, ... 100 %; none where there is no reference.
    """

    ticks: Sequence[float]
    quantiles: Mapping[Horizon, Sequence[float]]

    @classmethod
    def of(cls, predictions: Sequence["Prediction"]) -> "GaugeAxis":
        """Fit the axis to all scores, intervals and references; predictions are of one model."""
        reference = next((p.reference for p in predictions if p.reference), None)
        quantiles = dict(reference.quantiles) if reference else {}
        values = [score for p in predictions for score in p.scores.values()]
        values += [end for p in predictions for ends in (p.intervals or {}).values() for end in ends]
        values += [q for each in quantiles.values() for q in (each[0], each[-1])]
        finite = [value for value in values if math.isfinite(value)] or [0.5]
        low, high = max(0.0, min(finite)), min(1.0, max(finite))
        return cls(round_ticks(low, max(high, low + LEAST_RANGE)), quantiles)

    def share(self, value: float) -> float:
        """Position along the axis, in [0, 1]."""
        low, high = self.ticks[0], self.ticks[-1]
        return float(np.clip((value - low) / (high - low), 0, 1))


def gauge(axis: GaugeAxis, horizon: Horizon, score: float, interval: tuple[float, float] | None) -> str:
    """The score on the shared axis, above the reference's distribution where there is one, with its interval below."""
    width, height = GAUGE
    base = height - 26

    def x(value: float) -> float:
        return 10 + (width - 20) * axis.share(value)

    density = _density(axis, horizon, score, x, base)
    band = ""
    if interval:
        start, end = x(interval[0]), x(interval[1])
        band = f'<rect class="vm-band" x="{start:.1f}" y="{base + 3}" width="{end - start:.1f}" height="5" rx="2.5"/>'
    places = _decimals(axis.ticks)
    ticks = "".join(
        f'<line class="vm-axis" x1="{x(v):.1f}" x2="{x(v):.1f}" y1="{base}" y2="{base + 4}"/>'
        f'<text x="{x(v):.1f}" y="{height - 2}" text-anchor="middle">{v:.{places}f}</text>'
        for v in axis.ticks
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" aria-hidden="true" class="vm-gauge">{density}{band}'
        f'<line class="vm-axis" x1="10" x2="{width - 10}" y1="{base}" y2="{base}"/>'
        f'<line class="vm-mark" x1="{x(score):.1f}" x2="{x(score):.1f}" y1="6" y2="{base}"/>'
        f'<circle class="vm-dot" cx="{x(score):.1f}" cy="{base}" r="5"/>{ticks}</svg>'
    )


def _density(axis: GaugeAxis, horizon: Horizon, score: float, x: Scale, base: float) -> str:
    """The density of the reference's predictions, filled up to the score; it is estimated from their quantiles."""
    quantiles = axis.quantiles.get(horizon)
    if not quantiles or quantiles[0] == quantiles[-1]:
        return ""
    values = np.asarray(quantiles)
    at = np.linspace(axis.ticks[0], axis.ticks[-1], 160)
    spread = max(0.9 * values.std() * len(values) ** -0.2, 1e-6)  # Silverman's rule of thumb
    density = np.exp(-0.5 * ((at[:, None] - values) / spread) ** 2).mean(axis=1)
    density /= density.max()
    points = [(x(a), base - 54 * d) for a, d in zip(at, density, strict=True)]
    below = [point for point in points if point[0] <= x(score)]
    return f'<path class="vm-all" d="{_area(points, base)}"/><path class="vm-below" d="{_area(below, base)}"/>'


def _area(points: Sequence[tuple[float, float]], base: float) -> str:
    if not points:
        return ""
    line = " ".join(f"L{x:.1f} {y:.1f}" for x, y in points)
    return f"M{points[0][0]:.1f} {base} {line} L{points[-1][0]:.1f} {base} Z"


@dataclass(frozen=True)
class Line:
    """Scores over time; `css` is the class that colours them."""

    times_s: np.ndarray
    scores: np.ndarray
    css: str


class Axes:
    """Axes of scores over time that hold some lines."""

    def __init__(self, lines: Sequence[Line]) -> None:
        last = max(float(line.times_s[-1]) for line in lines)
        low, high = (float(fit(f(line.scores) for line in lines)) for fit, f in ((min, np.min), (max, np.max)))
        spare = max(LEAST_RANGE - (high - low), 0.0) / 2
        self.scores = round_ticks(max(0.0, low - spare), min(1.0, high + spare))
        self.last_s = max(last, 1e-9)
        self.times = [t for t in round_ticks(0.0, max(last, 1.0), 8) if t <= last + 1e-6]

    def x(self, time_s: float) -> float:
        """Position of a time."""
        return LEFT + (CURVE[0] - LEFT - RIGHT) * time_s / self.last_s

    def y(self, score: float) -> float:
        """Position of a score."""
        low, high = self.scores[0], self.scores[-1]
        return TOP + (CURVE[1] - TOP - BOTTOM) * (high - score) / (high - low)

    def draw(self) -> str:
        """Grid, ticks and their labels."""
        places = _decimals(self.scores)
        rows = "".join(
            f'<line class="vm-grid" x1="{LEFT}" x2="{CURVE[0] - RIGHT}" y1="{self.y(v):.1f}" y2="{self.y(v):.1f}"/>'
            f'<text x="{LEFT - 6}" y="{self.y(v) + 4:.1f}" text-anchor="end">{v:.{places}f}</text>'
            for v in self.scores
        )
        columns = "".join(
            f'<text x="{self.x(t):.1f}" y="{CURVE[1] - 8}" text-anchor="middle">{t:g} s</text>' for t in self.times
        )
        return rows + columns

    def line(self, line: Line) -> str:
        """A line; a single frame has a dot."""
        if len(line.times_s) == 1:
            x, y = self.x(float(line.times_s[0])), self.y(float(line.scores[0]))
            return f'<circle class="vm-point {line.css}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
        places = " ".join(f"{self.x(t):.1f},{self.y(s):.1f}" for t, s in zip(line.times_s, line.scores, strict=True))
        return f'<polyline class="vm-line {line.css}" points="{places}"/>'


def several_curves(predictions: Sequence["Prediction"], horizon: Horizon, indices: Sequence[int]) -> str:
    """The curves of several clips over each other, for one horizon; the index of each says which colour it has."""
    lines = [
        Line(p.times_s, p.curves[horizon], f"vm-series-{i % SERIES}{' vm-dashed' if i >= SERIES else ''}")
        for i, p in zip(indices, predictions, strict=True)
    ]
    axes = Axes(lines)
    body = axes.draw() + "".join(map(axes.line, lines))
    return f'<svg viewBox="0 0 {CURVE[0]} {CURVE[1]}" class="vm-plot vm-plain" aria-hidden="true">{body}</svg>'


def horizons_of(predictions: Sequence["Prediction"]) -> list[Horizon]:
    """What at least one of the predictions is of, VideoMem's horizons first."""
    return sort_horizons(dict.fromkeys(h for prediction in predictions for h in prediction.scores))
