"""The panel of an overlay video: a clip's scores in words and over time, and the scale of the maps' colours."""

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from videomem_hf.analysis.score_curve import ScoreCurve, draw_lines
from videomem_hf.analysis.style import (
    COLOURS,
    SALIENCY_COLOURS,
    clock,
    escape,
    interval_name,
    interval_text,
    score_text,
    style_axes,
    style_time_axis,
)
from videomem_hf.schema import Horizon

TEXT_SHARE = 1 / 30
"""Size of the panel's text as a share of the whole picture's height, so that it can be read on a phone."""
DPI = 100
_CHART_LINES = 5.0
_NO_CHART_LINES = -2.0
_MOST_LABEL_LINES = 5
"""Of what the scores do not say, and what the colours mean."""
_CHARACTER = 0.6
"""Mean width of a bold character as a share of the size of text."""


@dataclass(frozen=True)
class PanelLayout:
    """What the panel shows and where; heights are in lines of text from the top.

    The text is so large that it can be read where the video is small.
    """

    curve: ScoreCurve
    width: int
    height: int
    text: float
    """Size of the text in pixels."""
    scores: list[list[str]]
    """Lines of each horizon."""
    columns: int
    label: list[str]
    """Lines of what the scores do not say, then of what the colours mean."""

    @classmethod
    def below(cls, width: int, picture_height: int, curve: ScoreCurve, label: str) -> "PanelLayout":
        """Lay the panel out below a picture: the scores in one line, or in one each, or in two each."""
        count = len(curve.clip_scores)
        for columns, rows in dict.fromkeys([(count, 1), (1, 1), (1, 2)]):
            for label_lines in range(1, _MOST_LABEL_LINES + 1):
                chart = _CHART_LINES + 2.0 if len(curve.times_s) > 1 else 0.0
                header = 1.4 * (rows * count / columns + (curve.intervals is not None))
                lines = header + chart + 2.0 + 1.3 * label_lines
                text = picture_height / (1 / TEXT_SHARE - lines)
                found = cls._wrap(curve, label, width, round(lines * text / 2) * 2, text, columns)
                if len(found.label) <= label_lines:
                    break
            if max(map(len, found.scores)) <= rows:
                break
        return found

    @classmethod
    def beside(cls, height: int, curve: ScoreCurve, label: str) -> "PanelLayout":
        """Lay the panel out beside a picture that is taller than wide, as high as that."""
        text = height * TEXT_SHARE
        return cls._wrap(curve, label, round(22 * text / 2) * 2, height, text, 1)

    @classmethod
    def _wrap(cls, curve: ScoreCurve, label: str, width: int, height: int, text: float, columns: int) -> "PanelLayout":
        def lines(words: str, share: float) -> list[str]:
            most = max(1, int((width * share - 1.2 * text) / (_CHARACTER * text)))
            return textwrap.wrap(words, most, break_on_hyphens=False)

        scores = [lines(_score_words(curve, horizon), 1 / columns) for horizon in curve.clip_scores]
        below = [*lines(curve.remark, 1.0), *lines(f"{label}: share of the peak", 1.0)]
        return cls(curve, width, height, text, scores, columns, below)

    @property
    def header(self) -> float:
        rows = [len(texts) for texts in self.scores]
        return 0.4 + 1.4 * ((sum(rows) if self.columns == 1 else max(rows)) + (self.curve.intervals is not None))

    @property
    def chart(self) -> float:
        """Lines that are left for the chart between its ticks and what stands above and below."""
        return self.height / self.text - self.header - 3.6 - 1.3 * len(self.label)

    @property
    def fits(self) -> bool:
        """Whether words and chart have room: text grows with the panel below a picture that is nearly square."""
        name = f"[ ] {interval_name(self.curve.interval_level)}" if self.curve.intervals else ""
        is_wide = self.width >= (_CHARACTER * len(name) + 1.2) * self.text
        return is_wide and self.chart >= (_CHART_LINES if len(self.curve.times_s) > 1 else _NO_CHART_LINES) - 0.2

    @property
    def margin(self) -> float:
        """As a share of the width."""
        return 0.7 * self.text / self.width


def draw_panel(layout: PanelLayout) -> tuple[Figure, Axes | None]:
    """Draw a panel; returns it and its chart, None where there is no time to draw scores over."""
    figure = Figure(figsize=(layout.width / DPI, layout.height / DPI), dpi=DPI)
    _write_scores(figure, layout)
    axes = _draw_chart(figure, layout) if len(layout.curve.times_s) > 1 else None
    _draw_scale(figure, layout)
    return figure, axes


def _write_scores(figure: Figure, layout: PanelLayout) -> None:
    """Write the lines of each horizon in its colour, side by side or below one another."""
    line = 0.4
    for number, (horizon, texts) in enumerate(zip(layout.curve.clip_scores, layout.scores, strict=True)):
        left = layout.margin + (number / layout.columns if layout.columns > 1 else 0)
        for text in texts:
            _write(figure, layout, left, line, text, COLOURS[horizon], "bold")
            line += 0 if layout.columns > 1 else 1.4
    if layout.curve.intervals:
        name = f"[ ] {interval_name(layout.curve.interval_level)}"
        _write(figure, layout, layout.margin, layout.header - 1.4, name, "#333333")


def _write(
    figure: Figure, layout: PanelLayout, left: float, line: float, text: str, colour: str, weight: str = "normal"
) -> None:
    style: dict[str, Any] = {"fontsize": layout.text * 72 / DPI, "color": colour, "fontweight": weight, "va": "top"}
    figure.text(left, 1 - line * layout.text / layout.height, escape(text), **style)


def _draw_chart(figure: Figure, layout: PanelLayout) -> Axes:
    curve, text = layout.curve, layout.text
    left, right = 2.8 * text / layout.width, 1 - 1.2 * text / layout.width
    bottom = 1 - (layout.header + 0.3 + layout.chart) * text / layout.height
    axes = figure.add_axes((left, bottom, right - left, layout.chart * text / layout.height))
    style_axes(axes)
    axes.tick_params(labelsize=text * 72 / DPI, length=0.2 * text, pad=0.15 * text)
    axes.locator_params(axis="y", nbins=4)
    draw_lines(axes, curve, scale=text / 20)
    step = curve.times_s[1] - curve.times_s[0]
    axes.set_xlim(curve.times_s[0] - 0.02 * (curve.times_s[-1] + step), curve.times_s[-1] + step)
    most = max(2, int((right - left) * layout.width / (4 * text)))
    style_time_axis(axes, curve.times_s[0], curve.times_s[-1] + step, most)
    return axes


def _draw_scale(figure: Figure, layout: PanelLayout) -> None:
    """Draw the scale of the maps' colours in the last line, with its words above."""
    text = layout.text
    last = layout.height / text - 1.2
    for number, words in enumerate(layout.label):
        _write(figure, layout, layout.margin, last - 1.3 * (len(layout.label) - number), words, "#333333")
    bottom, height = 0.35 * text / layout.height, 0.75 * text / layout.height
    axes = figure.add_axes((layout.margin + 1.2 * text / layout.width, bottom, 0.5, height))
    axes.imshow(np.linspace(0, 1, 256)[None], aspect="auto", cmap=SALIENCY_COLOURS)
    axes.set_axis_off()
    _write(figure, layout, layout.margin, last, "0", "#333333")
    _write(figure, layout, layout.margin + 0.5 + 1.7 * text / layout.width, last, "1", "#333333")


def _score_words(curve: ScoreCurve, horizon: Horizon) -> str:
    """The clip's score of a horizon, its interval in brackets, and the moment that stands out."""
    ends = f" [{interval_text(*curve.intervals[horizon])}]" if curve.intervals else ""
    peak = f" ★ {clock(curve.moments[horizon][0])}" if horizon in curve.moments else ""
    return f"{score_text(horizon, curve.clip_scores[horizon])}{ends}{peak}"
