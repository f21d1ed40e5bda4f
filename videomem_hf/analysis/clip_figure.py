"""A picture of one clip's prediction: its score over time, its frames, and where in them the score comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from videomem_hf.schema import HORIZON_NAMES, Horizon
from videomem_hf.system import atomic_write, printable

COLOURS: dict[Horizon, str] = {"short_term": "#1f6feb", "long_term": "#d1495b"}
LEAST_SCORE_RANGE = 0.1
SALIENCY_COLOURS = "inferno"

Rectangle = tuple[float, float, float, float]
"""Left, bottom, width and height as shares of the figure."""
Orientation = Literal["horizontal", "vertical"]


def clip_figure(
    title: str,
    times_s: np.ndarray,
    frame_scores: Mapping[Horizon, np.ndarray],
    clip_scores: Mapping[Horizon, float],
    stills: Sequence[tuple[float, float, np.ndarray, np.ndarray | None]],
    saliency_label: str | None,
) -> Figure:
    """Draw a prediction.

    Args:
        title: Above everything, usually the clip's name.
        times_s: `(frames,)` seconds.
        frame_scores: For each horizon `(frames,)` in [0, 1].
        clip_scores: For each horizon the clip's score.
        stills: `(time in s, score, image (height, width, 3) uint8, saliency (height, width) or None)`, at least one.
        saliency_label: What the overlay shows; None leaves out the row of overlays.
    """
    layout = _Layout.fit(stills, rows=2 if saliency_label else 1)
    figure = Figure(figsize=(layout.width, layout.height))
    figure.text(MARGIN / layout.width, 1 - 0.3 / layout.height, _shorten(title), fontsize=12, fontweight="bold")
    curve = figure.add_axes(layout.curve())
    draw_curve(curve, times_s, frame_scores, clip_scores, [s[0] for s in stills])
    for column, (time_s, score, image, saliency) in enumerate(stills):
        axes = figure.add_axes(layout.still(0, column))
        _draw_image(axes, image)
        axes.set_title(f"{_clock(time_s)} · {score:.3f}", fontsize=9)
        if saliency_label:
            _draw_image(figure.add_axes(layout.still(1, column)), overlay(image, saliency))
    if saliency_label:
        draw_saliency_scale(figure, layout.scale(), f"{saliency_label}: share of the peak", "horizontal")
    return figure


MARGIN = 0.7
GAP = 0.08
CURVE_HEIGHT = 2.0


@dataclass(frozen=True)
class _Layout:
    """Positions in inches, so that frames keep their shape and nothing is cut off."""

    columns: int
    rows: int
    still_width: float
    still_height: float
    width: float

    @classmethod
    def fit(cls, stills: Sequence[tuple[float, float, np.ndarray, np.ndarray | None]], rows: int) -> "_Layout":
        aspect = max(image.shape[0] / image.shape[1] for _, _, image, _ in stills)
        columns = len(stills)
        still_width = min(max(1.75, 9.0 / columns), 3.0, 3.2 / aspect)
        width = max(8.0, columns * (still_width + GAP) + MARGIN + 0.3)
        return cls(columns, rows, still_width, still_width * aspect, width)

    @property
    def height(self) -> float:
        return 0.75 + CURVE_HEIGHT + 0.85 + self.rows * (self.still_height + GAP) + (0.75 if self.rows == 2 else 0.1)

    def curve(self) -> Rectangle:
        return self._shares(MARGIN, 0.75, self.width - MARGIN - 0.3, CURVE_HEIGHT)

    def still(self, row: int, column: int) -> Rectangle:
        spare = (self.width - MARGIN - 0.3 - self.columns * (self.still_width + GAP)) / 2
        left = MARGIN + spare + column * (self.still_width + GAP)
        top = 0.75 + CURVE_HEIGHT + 0.85 + row * (self.still_height + GAP)
        return self._shares(left, top, self.still_width, self.still_height)

    def scale(self) -> Rectangle:
        return self._shares(self.width / 2 - 1.5, self.height - 0.6, 3.0, 0.12)

    def _shares(self, left: float, top: float, width: float, height: float) -> Rectangle:
        bottom = self.height - top - height
        return left / self.width, bottom / self.height, width / self.width, height / self.height


def draw_saliency_scale(figure: Figure, rectangle: Rectangle, label: str, orientation: Orientation) -> None:
    """Draw the colours of saliency from 0 to its peak into a rectangle of the figure."""
    colours = ScalarMappable(cmap=SALIENCY_COLOURS)
    scale = figure.colorbar(colours, cax=figure.add_axes(rectangle), orientation=orientation)
    scale.set_ticks([0, 0.5, 1], labels=["0", "½", "1"], fontsize=8)
    scale.set_label(label, fontsize=8)


def overlay(image: np.ndarray, saliency: np.ndarray | None) -> np.ndarray:
    """Lay a saliency map over a dimmed grey version of its frame.

    Args:
        image: `(height, width, 3)` uint8.
        saliency: `(height, width)`, non-negative; None or all zero gives the grey frame alone. One that sums to less
            than 1, as that of a frame that counts for less than others, is fainter in proportion.

    Returns:
        `(height, width, 3)` uint8: the higher the saliency, the less of the frame and the more of its colour.
    """
    grey = (image @ np.array([0.299, 0.587, 0.114], dtype=np.float32) * 0.85)[..., None]
    if saliency is None or not saliency.max() > 0:
        return grey.repeat(3, axis=2).astype(np.uint8)
    share = (saliency * (strength_of(saliency) / saliency.max())).astype(np.float32)
    weight = (0.65 * share)[..., None]
    colours = _saliency_palette()[(share * 255).round().astype(np.uint8)]
    return (grey + (colours - grey) * weight).round().astype(np.uint8)


def strength_of(saliency: np.ndarray) -> float:
    """How strongly a map's peak is drawn, in [0, 1]: its sum, with a little for rounding."""
    total = float(saliency.sum())
    return 1.0 if total > 0.999 else total


@cache
def _saliency_palette() -> np.ndarray:
    """The colours of shares 0, 1/255, ... 1: `(256, 3)` float32, from 0 to 255."""
    return (colormaps[SALIENCY_COLOURS](np.arange(256))[:, :3] * 255).astype(np.float32)


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure; its kind follows from the ending (.png, .svg, .pdf). The file appears whole or not at all."""
    with atomic_write(path) as partial:
        figure.savefig(partial, dpi=110)


def draw_curve(
    axes: Axes,
    times_s: np.ndarray,
    frame_scores: Mapping[Horizon, np.ndarray],
    clip_scores: Mapping[Horizon, float],
    shown_s: Sequence[float] = (),
) -> None:
    """Draw scores over time; `shown_s` are the times of frames that the figure shows below, to be marked."""
    for horizon, values in frame_scores.items():
        colour, mean, name = COLOURS[horizon], clip_scores[horizon], HORIZON_NAMES[horizon]
        marker = "o" if len(times_s) <= 40 else None
        axes.plot(times_s, values, color=colour, marker=marker, markersize=4, label=f"{name}, frame")
        axes.axhline(mean, color=colour, linestyle="--", linewidth=1, label=f"{name}, clip: {mean:.3f}")
    low = min(v.min() for v in frame_scores.values())
    high = max(v.max() for v in frame_scores.values())
    spare = max(LEAST_SCORE_RANGE - (high - low), 0.15 * (high - low)) / 2 + 0.005
    axes.set_ylim(low - spare, high + spare)
    axes.set_xlim(times_s[0] - 0.5, times_s[-1] + 0.5)
    axes.locator_params(axis="x", integer=True)
    axes.plot(shown_s, [low - spare] * len(shown_s), "^", color="#666666", markersize=5, clip_on=False)
    unit = "s"
    if times_s[-1] >= 120:
        unit = "min:s"
        axes.xaxis.set_major_formatter(FuncFormatter(lambda s, _: f"{int(s) // 60}:{int(s) % 60:02}"))
    marked = " (▲ frames shown below)" if shown_s else ""
    axes.set_xlabel(f"time in {unit}{marked}", fontsize=9)
    axes.set_ylabel("memorability", fontsize=9)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False)


def _draw_image(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(image)
    axes.set_axis_off()


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(time_s, 60)
    return f"{int(minutes)}:{seconds:02.0f}" if minutes else f"{seconds:g} s"


def _shorten(text: str) -> str:
    # A dollar sign would start matplotlib's mathematics.
    text = printable(text).replace("$", r"\$")
    return text if len(text) <= 100 else f"…{text[-99:]}"
