"""Figures of a run and of a data set: numbers of clips, intervals and horizons stand in them."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from videomem_hf.analysis.dataset_figures import distribution_figure
from videomem_hf.analysis.errors import Predicted, calibration_figure, errors_by_topic, scatter_figure, topics_figure
from videomem_hf.analysis.style import COLOURS
from videomem_hf.analysis.topics import Topic

RNG = np.random.default_rng(0)
MEASURED = RNG.uniform(0.5, 1.0, 120)
FOUND = Predicted(np.arange(120), MEASURED, MEASURED + RNG.normal(0, 0.05, 120), MEASURED - 0.1, MEASURED + 0.1)


def ticks(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels() if label.get_text()]


def test_topics_have_their_clips_and_the_interval_of_their_mean() -> None:
    words = ("a-very-long-word-of-a-title", "another-long-word", "third")
    topics = [Topic(words, np.arange(40)), Topic(("short",), np.arange(40, 120))]
    rows = errors_by_topic(FOUND, topics)
    assert rows[0].error == pytest.approx(1.96 * MEASURED[:40].std(ddof=1) / 40**0.5)
    figure = topics_figure({"long_term": rows})
    FigureCanvasAgg(figure).draw()
    assert f"{', '.join(words)} (40)" in ticks(figure.axes[0].yaxis)  # whole names
    assert figure.axes[0].get_xlabel() == "mean long-term score"
    assert figure.axes[0].get_tightbbox().x0 >= 0


@pytest.mark.parametrize("clips", [120, 12])
def test_groups_are_counted_in_whole_numbers(clips: int) -> None:
    part = slice(clips)
    arrays = (FOUND.rows, FOUND.measured, FOUND.predicted, FOUND.low, FOUND.high)
    figure = calibration_figure({"short_term": Predicted(*(each[part] for each in arrays))}, 0.9)
    FigureCanvasAgg(figure).draw()
    groups, coverage = figure.axes
    said = " ".join(text.get_text() for text in groups.get_legend().get_texts())
    assert ("10 groups of 12 clips" if clips == 120 else "1 group of 12 clips") in said
    assert "95% confidence interval" in said
    numbers = ticks(coverage.xaxis)
    assert len(set(numbers)) == len(numbers)
    assert all(number.isdigit() for number in numbers)


def test_a_scatter_plot_names_horizon_and_number_of_clips() -> None:
    axes = scatter_figure({"long_term": (FOUND.predicted, MEASURED)}, {"long_term": "Spearman 0.9"}).axes[0]
    assert axes.get_title() == "long-term: Spearman 0.9, 120 clips"
    assert axes.get_xlabel() == "predicted long-term score"


def test_few_bars_carry_their_numbers() -> None:
    counts = np.array([3, 3, 4, 6])
    figure = distribution_figure({"short_term": MEASURED[:4]}, {"short_term": counts})
    FigureCanvasAgg(figure).draw()
    bars = figure.axes[1]
    assert [text.get_text() for text in bars.texts if text.get_text()] == ["2", "1", "1"]
    assert all(float(number) == int(number) for number in ticks(bars.yaxis))


def test_own_horizons_have_the_colours_of_their_order_whatever_was_drawn_before() -> None:
    assert COLOURS["drawn_before"]
    COLOURS.fix(["short_term", "day", "week"])
    day, week = COLOURS["day"], COLOURS["week"]
    COLOURS.fix(["month", "drawn_before"])
    COLOURS.fix(["week", "day"])
    assert (COLOURS["week"], COLOURS["day"]) == (day, week)
    assert len({day, week, COLOURS["short_term"]}) == 3
