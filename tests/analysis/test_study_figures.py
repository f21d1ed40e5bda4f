"""The study's figures: what is drawn is what was given, labelled, and nothing overlaps."""

import io
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure

from videomem_hf.analysis.study_figures import (
    agreement_figure,
    consistency_figure,
    response_time_figure,
    retention_figure,
)

LAG = np.arange(45, 101.0)
HOURS = np.arange(26, 72, 4.0)
RNG = np.random.default_rng(0)
SHORT, LONG = RNG.beta(20, 3, 400), np.round(RNG.beta(8, 2.4, 400) * 13) / 13
SHORT_RT, LONG_RT = 1400 - 300 * SHORT + 100 * RNG.standard_normal(400), 3300 + 300 * RNG.standard_normal(400)


def retention() -> Figure:
    rates = {"short_term": 0.9 - 0.0006 * (LAG - 45), "long_term": np.full(12, 0.78)}
    answers = {"short_term": np.full(56, 6000), "long_term": np.full(12, 9000)}
    lines = {"short_term": (0.927, -0.0006), "long_term": (0.78, 0.0)}
    return retention_figure({"short_term": LAG, "long_term": HOURS}, rates, answers, lines)


def consistency() -> Figure:
    many, few = np.linspace(38, 60, 10), np.arange(4, 38, 4.0)
    curve = (many, np.sqrt(many) / 15, np.full(10, 0.02))
    thinned = (few, np.sqrt(few) / 15, np.full(len(few), 0.01))
    return consistency_figure(
        {"short_term": curve, "long_term": curve}, {"short_term": thinned, "long_term": thinned},
        {"short_term": 38.0, "long_term": 38.0},
    )  # fmt: skip


def agreement() -> Figure:
    return agreement_figure((SHORT, LONG), (SHORT_RT, LONG_RT), 0.305, 0.291)


def response_time() -> Figure:
    return response_time_figure(
        {"short_term": SHORT, "long_term": LONG}, {"short_term": SHORT_RT, "long_term": LONG_RT},
        {"short_term": -0.307, "long_term": -0.176},
    )  # fmt: skip


@pytest.mark.parametrize("draw", [retention, consistency, agreement, response_time])
def test_panels_are_labelled_and_apart(draw) -> None:
    figure = draw()
    picture = io.BytesIO()
    figure.savefig(picture, dpi=100)
    assert picture.getvalue().startswith(b"\x89PNG")
    renderer = figure.canvas.get_renderer()
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
        "retention interval (videos)",
        "retention interval (hours)",
    ]
    assert [axes.get_ylabel() for axes in response_time().axes] == ["mean response time (s)"] * 2
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
    scores = np.where(np.arange(400) < 390, SHORT, np.nan)
    points = agreement_figure((scores, LONG), (SHORT_RT, LONG_RT), 0.3, 0.3).axes[0].collections[0].get_offsets()
    assert len(points) == 390
    nothing = agreement_figure((scores * np.nan, LONG), (SHORT_RT, LONG_RT), np.nan, 0.3)
    assert nothing.axes[0].texts[0].get_text() == "no videos with both"


def test_unknown_delays_are_said() -> None:
    empty = np.zeros(0)
    figure = retention_figure(
        {"short_term": LAG, "long_term": empty}, {"short_term": np.full(56, 0.8), "long_term": empty},
        {"short_term": np.full(56, 10), "long_term": empty}, {"short_term": None, "long_term": None},
    )  # fmt: skip
    assert figure.axes[1].texts[0].get_text() == "intervals not known"
    assert len(figure.axes[0].lines) == 1


def test_one_horizon_is_one_panel() -> None:
    figure = response_time_figure({"short_term": SHORT}, {"short_term": SHORT_RT}, {"short_term": -0.3})
    assert len(figure.axes) == 1
