"""A clip as a video with what its score came from laid over it, and its score over time below."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from PIL import Image

from videomem_hf.analysis.clip_figure import COLOURS, SALIENCY_COLOURS, draw_curve, overlay
from videomem_hf.schema import Horizon

if TYPE_CHECKING:
    from av.video.stream import VideoStream

MOST_WIDTH = 960
MOST_HEIGHT = 720
LEAST_WIDTH = 640
"""Narrower frames are enlarged, or stand between bars, so that the curve below can be read."""
PANEL_HEIGHT = 200
DPI = 100
BACKGROUND = 24


@dataclass(frozen=True)
class ScoreCurve:
    """What the panel shows.

    Attributes:
        times_s: `(frames,)` seconds.
        frame_scores: For each horizon `(frames,)` in [0, 1].
        clip_scores: For each horizon the clip's score.
        saliency_label: What the overlay shows.
    """

    times_s: np.ndarray
    frame_scores: Mapping[Horizon, np.ndarray]
    clip_scores: Mapping[Horizon, float]
    saliency_label: str


def write_overlay_video(
    path: Path,
    frames: Iterable[tuple[float, np.ndarray]],
    frames_per_second: float,
    saliency_at: Callable[[float, tuple[int, int]], np.ndarray],
    curve: ScoreCurve,
) -> None:
    """Write an MP4 (H.264, yuv420p) that browsers play; without sound. It appears whole or not at all.

    Memory does not grow with the number of frames.

    Args:
        path: File to write, ending in .mp4.
        frames: `(time in s, image (height, width, 3) uint8 RGB)` at regular times, at least one.
        frames_per_second: Of `frames`.
        saliency_at: Gives for a time and a `(height, width)` the saliency map of that shape.
        curve: What the panel below the frames shows.
    """
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        with _encoder(partial, frames_per_second) as write:
            canvas = None
            for time_s, image in frames:
                canvas = canvas or _Canvas(image.shape[:2], curve)
                write(canvas.draw(time_s, image, saliency_at))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class _Canvas:
    """Pictures of one size: the frame with its overlay, and the panel with a line at the time."""

    def __init__(self, shape: tuple[int, int], curve: ScoreCurve) -> None:
        height, width = shape
        scale = min(MOST_WIDTH / width, MOST_HEIGHT / height)
        if scale > 1:
            scale = min(scale, max(1.0, LEAST_WIDTH / width))
        self.width, self.height = (max(2, round(side * scale / 2) * 2) for side in (width, height))
        self.full_width = max(self.width, LEAST_WIDTH)
        self.panel = _Panel(self.full_width, curve)

    def draw(
        self, time_s: float, image: np.ndarray, saliency_at: Callable[[float, tuple[int, int]], np.ndarray]
    ) -> np.ndarray:
        picture = Image.fromarray(image).resize((self.width, self.height), Image.Resampling.BICUBIC, reducing_gap=2.0)
        drawn = overlay(np.asarray(picture), saliency_at(time_s, (self.height, self.width)))
        canvas = np.full((self.height + PANEL_HEIGHT, self.full_width, 3), BACKGROUND, dtype=np.uint8)
        left = (self.full_width - self.width) // 2
        canvas[: self.height, left : left + self.width] = drawn
        canvas[self.height :] = self.panel.at(time_s)
        return canvas


class _Panel:
    """The curve of scores and the scale of the overlay, drawn once; the line at the time is drawn into a copy."""

    def __init__(self, width: int, curve: ScoreCurve) -> None:
        self.curve = curve
        self.figure = Figure(figsize=(width / DPI, PANEL_HEIGHT / DPI), dpi=DPI)
        self.axes = self.figure.add_axes(
            (65 / width, 46 / PANEL_HEIGHT, (width - 65 - 120) / width, (PANEL_HEIGHT - 46 - 30) / PANEL_HEIGHT)
        )
        draw_curve(self.axes, curve.times_s, curve.frame_scores, curve.clip_scores)
        spacing = {"columnspacing": 1.2, "handlelength": 1.6, "borderaxespad": 0.2}
        self.axes.legend(fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, **spacing)
        step = curve.times_s[1] - curve.times_s[0] if len(curve.times_s) > 1 else 1.0
        self.axes.set_xlim(curve.times_s[0] - 0.02 * (curve.times_s[-1] + step), curve.times_s[-1] + step)
        self._draw_scale(width)

    def _draw_scale(self, width: int) -> None:
        axes: Axes = self.figure.add_axes(
            ((width - 95) / width, 46 / PANEL_HEIGHT, 14 / width, (PANEL_HEIGHT - 46 - 30) / PANEL_HEIGHT)
        )
        scale = self.figure.colorbar(ScalarMappable(cmap=SALIENCY_COLOURS), cax=axes)
        scale.set_ticks([0, 0.5, 1], labels=["0", "½", "1"], fontsize=8)
        scale.set_label(f"{self.curve.saliency_label}:\nshare of the\nframe's peak", fontsize=8)

    @cached_property
    def picture(self) -> np.ndarray:
        canvas = FigureCanvasAgg(self.figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def at(self, time_s: float) -> np.ndarray:
        """Give the panel `(PANEL_HEIGHT, width, 3)` with a line at a time and a dot on each curve."""
        drawn = self.picture.copy()
        low, high = self.axes.get_ylim()
        column, top = self._pixel(time_s, high)
        bottom = self._pixel(time_s, low)[1]
        drawn[top : bottom + 1, column - 1 : column + 1] = 40
        for horizon, values in self.curve.frame_scores.items():
            x, y = self._pixel(time_s, float(np.interp(time_s, self.curve.times_s, values)))
            rows, columns = np.ogrid[: drawn.shape[0], : drawn.shape[1]]
            drawn[(rows - y) ** 2 + (columns - x) ** 2 <= 25] = _rgb(COLOURS[horizon])
        return drawn

    def _pixel(self, time_s: float, score: float) -> tuple[int, int]:
        """Column and row of a point of the curve."""
        first, last = self.axes.get_xlim()
        x, y = self.axes.transData.transform((np.clip(time_s, first, last), score))
        return round(x), round(PANEL_HEIGHT - 1 - y)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


@contextmanager
def _encoder(path: Path, frames_per_second: float) -> Iterator[Callable[[np.ndarray], None]]:
    """Yield what writes the next picture `(height, width, 3)`, sides even; closes the file."""
    import av

    rate = Fraction(frames_per_second).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream: VideoStream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        count = 0

        def write(picture: np.ndarray) -> None:
            nonlocal count
            if count == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            frame.pts, frame.time_base = count, 1 / rate
            container.mux(stream.encode(frame))
            count += 1

        yield write
        container.mux(stream.encode())


BT709 = 1
LIMITED_RANGE = 1
"""FFmpeg's numbers, written into the file so that every player shows the same colours."""
