"""A picture of one clip's prediction: its score over time, its frames, and where in them the score comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from videomem_hf.analysis.fonts import complete_fonts
from videomem_hf.analysis.score_curve import ScoreCurve, draw_curve, draw_intervals, draw_points
from videomem_hf.analysis.style import (
    CHANGE_COLOURS,
    CHANGE_OPACITY,
    DPI,
    GREY,
    LABEL_PT,
    SALIENCY_COLOURS,
    SALIENCY_OPACITY,
    TICK_PT,
    clock,
    escape,
    wrap,
)
from videomem_hf.system import atomic_write

Rectangle = tuple[float, float, float, float]
"""Left, bottom, width and height as shares of the figure."""
Orientation = Literal["horizontal", "vertical"]


@dataclass(frozen=True)
class ShownFrame:
    """A frame of the clip, and what is laid over it.

    Attributes:
        time_s: Seconds; None where there is no time to speak of.
        caption: What is said of it, such as its score.
        image: `(height, width, 3)` uint8.
        saliency: `(height, width)`, non-negative; None: there is none.
        change: `(height, width)`: how the score changes when what is there is covered; None: not measured.
    """

    time_s: float | None
    caption: str
    image: np.ndarray
    saliency: np.ndarray | None = None
    change: np.ndarray | None = None


def clip_figure(
    title: str,
    curve: ScoreCurve,
    frames: Sequence[ShownFrame],
    lines: Sequence[str] = (),
    small_lines: Sequence[str] = (),
    saliency_label: str | None = None,
    change_label: str | None = None,
) -> Figure:
    """Draw a prediction.

    Args:
        title: Above everything, usually the clip's name.
        curve: The scores.
        frames: At least one.
        lines: What stands below the title in words, such as the scores.
        small_lines: What stands below these in small print.
        saliency_label: What the maps of saliency are; None leaves out their row.
        change_label: What the measured changes are; None leaves out their row.
    """
    layout = _Layout.fit(frames, curve, [title], lines, small_lines, 1 + bool(saliency_label) + bool(change_label))
    figure = Figure(figsize=(layout.width, layout.height))
    _write_header(figure, layout)
    if len(curve.times_s) > 1:
        axes = figure.add_axes(layout.curve(bool(curve.intervals)))
        draw_curve(axes, curve, [each.time_s for each in frames if each.time_s is not None])
        if curve.intervals:
            draw_intervals(figure.add_axes(layout.strip(), sharey=axes), curve)
    else:
        draw_points(figure.add_axes(layout.curve(False)), curve)
    most = max((float(np.abs(each.change).max()) for each in frames if each.change is not None), default=0.0) or 0.01
    for column, each in enumerate(frames):
        axes = figure.add_axes(layout.still(0, column))
        _draw_image(axes, each.image)
        time = "" if each.time_s is None else clock(each.time_s)
        axes.set_title(escape("\n".join(filter(None, [time, each.caption]))), fontsize=TICK_PT)
        if saliency_label:
            _draw_image(figure.add_axes(layout.still(1, column)), overlay(each.image, each.saliency))
        if change_label:
            row = 2 if saliency_label else 1
            _draw_image(figure.add_axes(layout.still(row, column)), overlay_change(each.image, each.change, most))
    labels = [label for label in (saliency_label, change_label) if label]
    for number, label in enumerate(labels):
        place = layout.scale(number, len(labels))
        if label == saliency_label:
            draw_saliency_scale(figure, place, f"{label}: share of the peak", "horizontal")
        else:
            _draw_change_scale(figure, place, label, most)
    return figure


MARGIN = 0.75
GAP = 0.08
CURVE_HEIGHT = 2.1
POINTS_HEIGHT = 0.8
POINTS_MARGIN = 1.2
STRIP_WIDTH = 1.1
CHARACTERS_PER_INCH = 15.5
"""Of text of 9 points, on average."""


@dataclass(frozen=True)
class _Layout:
    """Positions in inches, so that frames keep their shape and nothing is cut off."""

    columns: int
    rows: int
    still_width: float
    still_height: float
    width: float
    curve_height: float
    captions: int
    header: tuple[tuple[str, float, str], ...]
    """Text, height of its lines in inches, and kind: "title", "line" or "small"."""

    @classmethod
    def fit(
        cls,
        frames: Sequence[ShownFrame],
        curve: ScoreCurve,
        title: Sequence[str],
        lines: Sequence[str],
        small: Sequence[str],
        rows: int,
    ) -> "_Layout":
        aspect = max(each.image.shape[0] / each.image.shape[1] for each in frames)
        columns = len(frames)
        still_width = min(max(1.75, 9.0 / columns), 3.0, 3.2 / aspect)
        width = max(8.0, columns * (still_width + GAP) + MARGIN + 0.3)
        characters = (width - MARGIN - 0.3) * CHARACTERS_PER_INCH
        kinds = (("title", title, 0.62, 0.24), ("line", lines, 1.0, 0.18), ("small", small, 1.05, 0.16))
        header = tuple(
            (wrapped, height * (wrapped.count("\n") + 1), kind)
            for kind, texts, share, height in kinds
            for wrapped in (wrap(text, round(characters * share)) for text in texts)
        )
        curve_height = CURVE_HEIGHT if len(curve.times_s) > 1 else POINTS_HEIGHT
        captions = sum(bool(text) for text in (frames[0].time_s is not None, frames[0].caption))
        return cls(columns, rows, still_width, still_width * aspect, width, curve_height, captions, header)

    @property
    def above_curve(self) -> float:
        return 0.2 + sum(height for _, height, _ in self.header) + 0.3

    @property
    def above_stills(self) -> float:
        return self.above_curve + self.curve_height + 0.65 + 0.17 * self.captions

    @property
    def height(self) -> float:
        return self.above_stills + self.rows * (self.still_height + GAP) + (0.8 if self.rows > 1 else 0.1)

    def curve(self, with_strip: bool) -> Rectangle:
        left = MARGIN if self.curve_height == CURVE_HEIGHT else POINTS_MARGIN
        width = self.width - left - 0.3 - (STRIP_WIDTH + 0.1 if with_strip else 0)
        return self._shares(left, self.above_curve, width, self.curve_height)

    def strip(self) -> Rectangle:
        return self._shares(self.width - 0.3 - STRIP_WIDTH, self.above_curve, STRIP_WIDTH, self.curve_height)

    def still(self, row: int, column: int) -> Rectangle:
        spare = (self.width - MARGIN - 0.3 - self.columns * (self.still_width + GAP)) / 2
        left = MARGIN + spare + column * (self.still_width + GAP)
        top = self.above_stills + row * (self.still_height + GAP)
        return self._shares(left, top, self.still_width, self.still_height)

    def scale(self, number: int, count: int) -> Rectangle:
        centre = self.width * (number + 0.5) / count
        return self._shares(centre - 1.4, self.height - 0.65, 2.8, 0.12)

    def line(self, top: float) -> tuple[float, float]:
        return MARGIN / self.width, 1 - top / self.height

    def _shares(self, left: float, top: float, width: float, height: float) -> Rectangle:
        bottom = self.height - top - height
        return left / self.width, bottom / self.height, width / self.width, height / self.height


def _write_header(figure: Figure, layout: _Layout) -> None:
    styles: dict[str, dict[str, Any]] = {
        "title": {"fontsize": 12, "fontweight": "bold"},
        "line": {"fontsize": LABEL_PT},
        "small": {"fontsize": TICK_PT, "color": GREY},
    }
    top = 0.2
    for text, height, kind in layout.header:
        figure.text(*layout.line(top), escape(text), va="top", linespacing=1.15, **styles[kind])
        top += height


def draw_saliency_scale(figure: Figure, rectangle: Rectangle, label: str, orientation: Orientation) -> None:
    """Draw the colours of saliency from 0 to its peak into a rectangle of the figure."""
    colours = ScalarMappable(cmap=SALIENCY_COLOURS)
    scale = figure.colorbar(colours, cax=figure.add_axes(rectangle), orientation=orientation)
    scale.set_ticks([0, 0.5, 1], labels=["0", "½", "1"], fontsize=TICK_PT)
    scale.set_label(label, fontsize=TICK_PT)


def _draw_change_scale(figure: Figure, rectangle: Rectangle, label: str, most: float) -> None:
    colours = ScalarMappable(Normalize(-most, most), CHANGE_COLOURS)
    scale = figure.colorbar(colours, cax=figure.add_axes(rectangle), orientation="horizontal")
    scale.set_ticks([-most, 0, most], labels=[f"\N{MINUS SIGN}{most:.3f}", "0", f"+{most:.3f}"], fontsize=TICK_PT)
    scale.set_label(label, fontsize=TICK_PT)


def overlay(image: np.ndarray, saliency: np.ndarray | None) -> np.ndarray:
    """Lay a saliency map over a dimmed grey version of its frame.

    Args:
        image: `(height, width, 3)` uint8.
        saliency: `(height, width)`, non-negative; None or all zero gives the grey frame alone. One that sums to less
            than 1, as that of a frame that counts for less than others, is fainter in proportion.

    Returns:
        `(height, width, 3)` uint8: the higher the saliency, the less of the frame and the more of its colour.
    """
    grey = _dim(image)
    if saliency is None or not saliency.max() > 0:
        return grey.repeat(3, axis=2).astype(np.uint8)
    share = (saliency * (strength_of(saliency) / saliency.max())).astype(np.float32)
    weight = (SALIENCY_OPACITY * share)[..., None]
    colours = _palette(SALIENCY_COLOURS)[(share * 255).round().astype(np.uint8)]
    return (grey + (colours - grey) * weight).round().astype(np.uint8)


def overlay_change(image: np.ndarray, change: np.ndarray | None, most: float) -> np.ndarray:
    """Lay the measured changes of a score over a dimmed grey version of the frame.

    Args:
        image: `(height, width, 3)` uint8.
        change: `(height, width)`, negative where covering lowers the score; None gives the grey frame alone.
        most: The size of a change that has the full colour.

    Returns:
        `(height, width, 3)` uint8.
    """
    grey = _dim(image)
    if change is None:
        return grey.repeat(3, axis=2).astype(np.uint8)
    share = np.clip(change / most, -1, 1)
    colours = _palette(CHANGE_COLOURS)[((share + 1) / 2 * 255).round().astype(np.uint8)]
    return (grey + (colours - grey) * (CHANGE_OPACITY * np.abs(share))[..., None]).round().astype(np.uint8)


def _dim(image: np.ndarray) -> np.ndarray:
    return (image @ np.array([0.299, 0.587, 0.114], dtype=np.float32) * 0.85)[..., None]


def strength_of(saliency: np.ndarray) -> float:
    """How strongly a map's peak is drawn, in [0, 1]: its sum, with a little for rounding."""
    total = float(saliency.sum())
    return 1.0 if total > 0.999 else total


@cache
def _palette(name: str) -> np.ndarray:
    """The colours of shares 0, 1/255, ... 1: `(256, 3)` float32, from 0 to 255."""
    return (colormaps[name](np.arange(256))[:, :3] * 255).astype(np.float32)


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure; its kind follows from the ending (.png, .svg, .pdf). The file appears whole or not at all."""
    complete_fonts(figure)
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=DPI)


def _draw_image(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image)
    axes.set_axis_off()
