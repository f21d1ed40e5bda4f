"""The study's figures: what is drawn is what was given, labelled, and nothing overlaps."""

import io
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from videomem_hf.analysis.study_figures import (
    agreement_figure,
    consistency_figure,
    response_time_figure,
    retention_figure,
)
from videomem_hf.protocol.consistency import ConsistencyCurve
from videomem_hf.protocol.study_analysis import LineFit, Retention

LAG = np.arange(45, 101.0)
HOURS = np.arange(26, 72, 4.0)
RNG = np.random.default_rng(0)
SHORT, LONG = RNG.beta(20, 3, 400), np.round(RNG.beta(8, 2.4, 400) * 13) / 13
SHORT_RT, LONG_RT = 1400 - 300 * SHORT + 100 * RNG.standard_normal(400), 3300 + 300 * RNG.standard_normal(400)


def retained(interval: np.ndarray, rate: np.ndarray, annotations: int, line: LineFit | None) -> Retention:
    return Retention(interval, rate, np.full(len(interval), annotations), line)


def scores(score: np.ndarray, rt_ms: np.ndarray) -> Any:
    return SimpleNamespace(score=score, rt_ms=rt_ms)


def retention() -> Figure:
    return retention_figure(
        {
            "short_term": retained(LAG, 0.9 - 0.0006 * (LAG - 45), 6000, LineFit(0.927, -0.0006, 0.0)),
            "long_term": retained(HOURS, np.full(12, 0.78), 9000, LineFit(0.78, 0.0, 1.0)),
        }
    )


def consistency() -> Figure:
    many, few = np.linspace(38, 60, 10), np.arange(4, 38, 4.0)
    curve, thinned = (
        ConsistencyCurve(x.astype(int), x, np.full(len(x), 400), np.sqrt(x) / 15, np.full(len(x), sd))
        for x, sd in ((many, 0.02), (few, 0.01))
    )
    both = ("short_term", "long_term")
    return consistency_figure(dict.fromkeys(both, curve), dict.fromkeys(both, thinned), dict.fromkeys(both, 38.0))


def agreement() -> Figure:
    return agreement_figure(scores(SHORT, SHORT_RT), scores(LONG, LONG_RT), 0.305, 0.291)


def response_time() -> Figure:
    return response_time_figure(
        {"short_term": scores(SHORT, SHORT_RT), "long_term": scores(LONG, LONG_RT)},
        {"short_term": -0.307, "long_term": -0.176},
    )


@pytest.mark.parametrize("draw", [retention, consistency, agreement, response_time])
def test_panels_are_labelled_and_apart(draw) -> None:
    figure = draw()
    picture = io.BytesIO()
    figure.savefig(picture, dpi=100)
    assert picture.getvalue().startswith(b"\x89PNG")
    renderer = FigureCanvasAgg(figure).get_renderer()
    left, right = (axes.get_tightbbox(renderer) for axes in figure.axes)
    assert left.x1 < right.x0
    width, height = figure.canvas.get_width_height()
    for axes, box in zip(figure.axes, (left, right), strict=True):
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        ticks = [tick.get_window_extent(renderer) for tick in axes.get_xticklabels() if tick.get_text()]
        inside = [box for box in ticks if axes.bbox.x0 - 1 <= (box.x0 + box.x1) / 2 <= axes.bbox.x1 + 1]
        assert len(inside) >= 3
        assert all(first.x1 < second.x0 for first, second in pairwise(inside))


def test_units_are_named() -> None:
    assert [axes.get_xlabel() for axes in retention().axes] == [
        "short-term retention interval (videos)",
        "long-term retention interval (hours)",
    ]
    assert [axes.get_ylabel() for axes in response_time().axes] == [
        "short-term mean response time (s)",
        "long-term mean response time (s)",
    ]
    assert agreement().axes[1].get_xlabel() == "short-term mean response time (s)"


def test_the_points_are_the_data() -> None:
    bars = retention().axes[0].containers[0]
    assert np.array_equal(bars.lines[0].get_xdata(), LAG)
    assert np.allclose(bars.lines[0].get_ydata(), 0.9 - 0.0006 * (LAG - 45))
    points = response_time().axes[1].collections[0].get_offsets()
    assert np.allclose(points, np.c_[LONG, LONG_RT / 1000])
    fit = agreement().axes[0].lines[0]
    slope = np.diff(fit.get_ydata())[0] / np.diff(fit.get_xdata())[0]
    assert slope == pytest.approx(np.cov(SHORT, LONG)[0, 1] / SHORT.var(ddof=1))


def test_videos_without_a_number_are_left_out() -> None:
    some, long = np.where(np.arange(400) < 390, SHORT, np.nan), scores(LONG, LONG_RT)
    points = agreement_figure(scores(some, SHORT_RT), long, 0.3, 0.3).axes[0].collections[0].get_offsets()
    assert len(points) == 390
    nothing = agreement_figure(scores(some * np.nan, SHORT_RT), long, np.nan, 0.3)
    assert nothing.axes[0].texts[0].get_text() == "no videos with both"


def test_unknown_delays_are_said() -> None:
    known, unknown = retained(LAG, np.full(56, 0.8), 10, None), retained(np.zeros(0), np.zeros(0), 10, None)
    figure = retention_figure({"short_term": known, "long_term": unknown})
    assert figure.axes[1].texts[0].get_text() == "intervals not known"
    assert len(figure.axes[0].lines) == 1


def test_one_horizon_is_one_panel() -> None:
    figure = response_time_figure({"short_term": scores(SHORT, SHORT_RT)}, {"short_term": -0.3})
    assert len(figure.axes) == 1


def test_a_legend_covers_nothing_that_is_drawn() -> None:
    for figure in (retention(), consistency()):
        FigureCanvasAgg(figure).draw()
        for axes in figure.axes:
            assert axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0
