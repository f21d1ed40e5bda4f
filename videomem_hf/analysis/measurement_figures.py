"""Draws a study's measurement by the detection model: reliability, videos, participants, lags, and both steps."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Ellipse

from videomem_hf.analysis.style import (
    BAND_COLOUR,
    BOTH_COLOUR,
    COLOURS,
    FIT_COLOUR,
    GREY,
    GUIDE_COLOUR,
    TICK_PT,
    escape,
    legend_below,
    style_axes,
)
from videomem_hf.protocol.detection.measure import REPORTED
from videomem_hf.schema import HORIZON_NAMES, HORIZONS, Horizon
from videomem_hf.system import quantity

if TYPE_CHECKING:
    from videomem_hf.protocol.detection.curves import LagCurve, ReliabilityCurve, StepAgreement
    from videomem_hf.protocol.detection.measure import Measurement

WIDTH_IN: Final = 6.9
HEIGHT_IN: Final = 3.6
SHOWN_VIDEOS: Final = 15
"""Best and worst videos that are drawn, of each."""
_LONGEST_NAME: Final = 18
_NAMES: Final = REPORTED | {"d_prime": "d\N{PRIME}"}
_MARKERS: Final = {"hit_rate": "o", "false_alarm_rate": "s", "d_prime": "^"}
_LINES: Final = {"hit_rate": "-", "false_alarm_rate": "--", "d_prime": ":"}


def reliability_figure(curves: "Mapping[Horizon, ReliabilityCurve]") -> Figure:
    """Draw the reliability of hits, false alarms and d' against the annotations per video, one panel per horizon."""
    figure, panels = _figure(len(curves))
    for axes, (horizon, curve) in zip(panels, curves.items(), strict=True):
        colours = {"hit_rate": COLOURS[horizon], "false_alarm_rate": GREY, "d_prime": FIT_COLOUR}
        for name, colour in colours.items():
            axes.plot(
                curve.annotations, curve.mean[name], color=colour, marker=_MARKERS[name], linestyle=_LINES[name],
                markersize=4, linewidth=1.3, label=_NAMES[name],
            )  # fmt: skip
            axes.fill_between(
                curve.annotations, curve.low[name], curve.high[name], color=colour, alpha=0.12, linewidth=0
            )
        style_axes(
            axes, f"{HORIZON_NAMES[horizon]}, 95 % intervals", "annotations per video", "reliability\n(split halves)"
        )
        axes.set_ylim(max(min(0.0, axes.get_ylim()[0]), -0.5), 1)
        axes.set_xlim(left=0)
        legend_below(axes, 3)
    return figure


def extremes_figure(measured: "Mapping[Horizon, Measurement]", names: Sequence[str]) -> Figure:
    """Draw d' of the best and worst videos with their 90 % posterior intervals, one panel per horizon."""
    figure, panels = _figure(len(measured), 5.4)
    for axes, (horizon, part) in zip(panels, measured.items(), strict=True):
        values, (low, high) = part.values["d_prime"], part.interval("d_prime")
        order = np.argsort(-values)[: int(np.isfinite(values).sum())]
        few = len(order) <= 2 * SHOWN_VIDEOS
        chosen = order if few else np.concatenate([order[:SHOWN_VIDEOS], order[-SHOWN_VIDEOS:]])
        at = -np.arange(len(chosen), dtype=np.float64)
        if not few:
            at[SHOWN_VIDEOS:] -= 1.5
            axes.axhline(
                (at[SHOWN_VIDEOS - 1] + at[SHOWN_VIDEOS]) / 2, color=GUIDE_COLOUR, linestyle=":", linewidth=0.8
            )
        error = np.stack([values[chosen] - low[chosen], high[chosen] - values[chosen]])
        axes.axvline(float(np.nanmean(values)), color=GUIDE_COLOUR, linewidth=0.9, label="mean of all videos")
        axes.errorbar(
            values[chosen], at, xerr=error, fmt="o", markersize=3, linewidth=1, color=COLOURS[horizon],
            label="d\N{PRIME}, 90 % interval",
        )  # fmt: skip
        title = HORIZON_NAMES[horizon] if few else f"{HORIZON_NAMES[horizon]}, {SHOWN_VIDEOS} best and worst"
        style_axes(axes, title, "d\N{PRIME}")
        axes.set_yticks(at, [_short(names[index]) for index in chosen.tolist()], fontsize=TICK_PT - 2)
        axes.set_ylim(at[-1] - 1, at[0] + 1)
        legend_below(axes, 2, 0.1)
    return figure


def participants_figure(measured: "Mapping[Horizon, Measurement]") -> Figure:
    """Draw each participant's sensitivity and bias, and the region of 95 % of people by the model."""
    figure, panels = _figure(len(measured), 3.8)
    for axes, (horizon, part) in zip(panels, measured.items(), strict=True):
        fit = part.detection
        seen = np.bincount(part.responses.participant, minlength=part.responses.participants) > 0
        new, old = (fit.mean + fit.participants.mean[seen]).T
        axes.scatter(
            -(new + old) / 2, old - new, s=7, color=COLOURS[horizon], edgecolors="none", rasterized=True,
            alpha=float(np.clip(300 / len(new), 0.12, 0.7)), label="participant",
        )  # fmt: skip
        turn = np.array([[-0.5, -0.5], [-1.0, 1.0]])  # from tendencies to criterion and d'
        covariance = turn @ fit.participant_covariance @ turn.T
        values, vectors = np.linalg.eigh(covariance)
        width, height = 2 * np.sqrt(5.991 * np.maximum(values, 0))  # 95 % of a chi-squared with 2 degrees of freedom
        angle = float(np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0])))
        axes.add_patch(
            Ellipse(tuple(turn @ fit.mean), width, height, angle=angle, fill=False, color=FIT_COLOUR, linewidth=1.2,
                    label="95 % of people, by the model")
        )  # fmt: skip
        title = f"{HORIZON_NAMES[horizon]}, {quantity(int(seen.sum()), 'participant')}"
        style_axes(axes, title, "criterion (above 0: presses rarely)", "sensitivity d\N{PRIME}")
        axes.autoscale_view()
        legend_below(axes)
    return figure


def lag_figure(curve: "LagCurve") -> Figure:
    """Draw the hit rate against the lag: by the model with a 95 % band, and as measured."""
    figure, [axes] = _figure(1, 3.8, width=4.2)
    colour = COLOURS["short_term"]
    axes.fill_between(curve.lag, curve.low, curve.high, color=BAND_COLOUR, linewidth=0, label="95 % band")
    axes.plot(curve.lag, curve.rate, color=FIT_COLOUR, linewidth=1.4, label="detection model")
    axes.errorbar(curve.bin_lag, curve.bin_rate, curve.bin_error, fmt="o", markersize=3.5, linewidth=0.9, color=colour,
                  label="measured, 95 % by participant")  # fmt: skip
    style_axes(axes, "Hit rate of the population", "lag (videos)", "hit rate", "x")
    low, high = axes.get_ylim()
    if high - low < 0.1:  # noise must not look like a trend
        axes.set_ylim((low + high) / 2 - 0.05, (low + high) / 2 + 0.05)
    legend_below(axes)
    return figure


def steps_figure(measured: "Mapping[Horizon, Measurement]", agreements: "Mapping[str, StepAgreement]") -> Figure:
    """Draw step 1 against step 2, one panel per measure, with the correlation that noise leaves and without noise."""
    figure, panels = _figure(len(agreements), 3.0)
    first, second = (measured[horizon] for horizon in HORIZONS)
    for axes, (name, found) in zip(panels, agreements.items(), strict=True):
        x, y = first.values[name], second.values[name]
        known = np.isfinite(x) & np.isfinite(y)
        alpha = float(np.clip(300 / max(known.sum(), 1), 0.12, 0.7))
        axes.scatter(x[known], y[known], s=6, color=BOTH_COLOUR, alpha=alpha, edgecolors="none", rasterized=True)
        known_to_agree = np.isfinite(found.disattenuated)
        without = f"{found.disattenuated:.2f}\n(95 %: {found.interval.low:.2f} to {found.interval.high:.2f})"
        title = f"{_NAMES[name]}: r {found.observed:.2f}\nwithout noise "
        title += without if known_to_agree else "unknown\n(halves do not agree)"
        style_axes(axes, title.replace("-", "\N{MINUS SIGN}"), "step 1", "step 2" if axes is panels[0] else "")
        axes.title.set_fontsize(TICK_PT)
    return figure


def _figure(columns: int, height: float = HEIGHT_IN, width: float | None = None) -> tuple[Figure, list[Axes]]:
    layout = ConstrainedLayoutEngine(w_pad=0.09)
    inches = width or WIDTH_IN * max(columns, 1) / max(columns, 2)
    figure = Figure(figsize=(inches, height), layout=layout)
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def _short(name: str) -> str:
    return escape(name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}")
