"""A clip as a video with what its score came from laid over it, and its score over time below."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from PIL import Image

from videomem_hf.analysis.clip_figure import overlay, strength_of
from videomem_hf.analysis.overlay_panel import PanelLayout, draw_panel
from videomem_hf.analysis.score_curve import ScoreCurve
from videomem_hf.analysis.style import COLOURS
from videomem_hf.models.video_decoding import DEFAULT_RATE, LONG_HOLD_S
from videomem_hf.system import atomic_write
from videomem_hf.video.video import VideoSource, probe, sample_frames

if TYPE_CHECKING:
    from av.video.stream import VideoStream

SaliencyAt = Callable[[float, tuple[int, int]], np.ndarray]
"""Gives for a time in seconds and a `(height, width)` the saliency map of that shape, non-negative."""

MOST_WIDTH = 960
MOST_HEIGHT = 720
LEAST_WIDTH = 640
"""Narrower frames are enlarged, or stand between bars, so that the curve below can be read."""
TALL = 1.2
"""Height of a picture, in widths, from which on the panel stands beside it; so it does where it has no room below."""
BACKGROUND = 24
SALIENCY_SCALE = 4
"""Maps are smooth: they are made at a quarter of the pictures' size and enlarged."""
SLOWEST = 10.0
FASTEST = 30.0
"""Frames a second of an overlay video; in between, as many as its clip has."""


def overlay_clip(
    path: Path,
    clip: VideoSource,
    saliency_at: SaliencyAt,
    curve: ScoreCurve,
    on_frame: Callable[[float], object] | None = None,
    fastest: float = FASTEST,
    saliency_label: str = "saliency",
) -> None:
    """Write an overlay video of a clip as `write_overlay_video` does, without warnings about an odd file.

    Args:
        path, saliency_at, curve, saliency_label: As of `write_overlay_video`.
        clip: What the curve was computed from.
        on_frame: Called with the time in seconds of each frame, to show progress.
        fastest: Most frames per second.

    Raises:
        VideoError: The clip cannot be decoded.
    """
    rate = min(max(probe(clip).frames_per_second or DEFAULT_RATE, SLOWEST), fastest)

    def frames() -> Iterator[tuple[float, np.ndarray]]:
        for frame in sample_frames(clip, rate, notes=[]):
            # The line at the time moves over a held frame for a while; then the picture stands still.
            end = min(frame.end_s or 0.0, frame.time_s + LONG_HOLD_S)
            for index in range(max(1, math.ceil((end - frame.time_s) * rate - 0.5))):
                yield frame.time_s + index / rate, frame.image
                if on_frame is not None:
                    on_frame(frame.time_s + index / rate)

    write_overlay_video(path, frames(), rate, saliency_at, curve, saliency_label)


def write_overlay_video(
    path: Path,
    frames: Iterable[tuple[float, np.ndarray]],
    frames_per_second: float,
    saliency_at: SaliencyAt,
    curve: ScoreCurve,
    saliency_label: str = "saliency",
) -> None:
    """Write an MP4 (H.264, yuv420p) that browsers play; without sound. It appears whole or not at all.

    Memory does not grow with the number of frames.

    Args:
        path: File to write, ending in .mp4.
        frames: `(time in s, image (height, width, 3) uint8 RGB)`, at least one; each is shown until the next.
        frames_per_second: The times are multiples of its inverse.
        saliency_at: Gives the saliency; asked for at a quarter of the size of the pictures.
        curve: What the panel below the frames shows.
        saliency_label: What the maps are, for their scale in the panel.
    """
    with atomic_write(path) as partial, _encoder(partial, frames_per_second) as write:
        canvas = None
        for time_s, image in frames:
            canvas = canvas or _Canvas(image.shape[:2], curve, saliency_label)
            write(canvas.draw(time_s, image, saliency_at), round(time_s * frames_per_second))


class _Planes:
    """A picture as H.264 wants it: brightness, and both differences of colour at half its sides (BT.709, limited)."""

    def __init__(self, height: int, width: int) -> None:
        pixels = height * width
        self.data = np.empty((height * 3 // 2, width), dtype=np.uint8)
        flat = self.data.reshape(-1)
        self.luma = flat[:pixels].reshape(height, width)
        self.blue = flat[pixels : pixels * 5 // 4].reshape(height // 2, width // 2)
        self.red = flat[pixels * 5 // 4 :].reshape(height // 2, width // 2)

    def paste(self, other: "_Planes", top: int, left: int) -> None:
        """Put another picture in; `top` and `left` are even."""
        height, width = other.luma.shape
        self.luma[top : top + height, left : left + width] = other.luma
        half = slice(top // 2, (top + height) // 2), slice(left // 2, (left + width) // 2)
        self.blue[half], self.red[half] = other.blue, other.red

    def fill(self, colour: np.ndarray, where: np.ndarray | None = None) -> None:
        """Paint with a colour of `_to_yuv`; `where` `(height, width)` bool says what, None all."""
        mask = np.ones(self.luma.shape, dtype=bool) if where is None else where
        self.luma[mask] = colour[0]
        half = mask[::2, ::2] | mask[1::2, ::2] | mask[::2, 1::2] | mask[1::2, 1::2]
        self.blue[half], self.red[half] = colour[1], colour[2]


class _Canvas:
    """Pictures of one size: the frame with its overlay, and the panel with a line at the time."""

    def __init__(self, shape: tuple[int, int], curve: ScoreCurve, saliency_label: str) -> None:
        height, width = shape
        scale = min(MOST_WIDTH / width, MOST_HEIGHT / height)
        if scale > 1:
            scale = min(scale, max(1.0, LEAST_WIDTH / width))
        self.width, self.height = (max(2, round(side * scale / 2) * 2) for side in (width, height))
        full_width = max(self.width, LEAST_WIDTH)
        below = PanelLayout.below(full_width, self.height, curve, saliency_label)
        if self.height > TALL * self.width or not below.fits:
            self.left, self.panel_left, self.panel_top = 0, self.width, 0
            self.panel = _Panel(PanelLayout.beside(self.height, curve, saliency_label))
            self.planes = _Planes(self.height, self.width + self.panel.layout.width)
        else:
            self.left, self.panel_left, self.panel_top = (full_width - self.width) // 4 * 2, 0, self.height
            self.panel = _Panel(below)
            self.planes = _Planes(self.height + self.panel.layout.height, full_width)
        self.planes.fill(_to_yuv(np.full(3, BACKGROUND)))

    def draw(self, time_s: float, image: np.ndarray, saliency_at: SaliencyAt) -> np.ndarray:
        """Give the picture `(height * 3 / 2, width)` as yuv420p; the next call overwrites it."""
        import av

        # Greys over the full range; the overlay's colours, and the dimming, are in the tables.
        picture = av.VideoFrame.from_ndarray(image, format="rgb24")
        grey: np.ndarray = picture.reformat(self.width, self.height, "gray", interpolation="BILINEAR").to_ndarray()
        coarse = -(-self.height // SALIENCY_SCALE), -(-self.width // SALIENCY_SCALE)
        shares = _shares_of_peak(saliency_at(time_s, coarse))
        luma, blue, red = _overlay_tables()
        share = np.asarray(shares.resize((self.width, self.height), Image.Resampling.BILINEAR))
        rows, columns = slice(self.height), slice(self.left, self.left + self.width)
        self.planes.luma[rows, columns] = luma[(share.astype(np.uint16) << 8) | grey]
        rows, columns = slice(self.height // 2), slice(self.left // 2, (self.left + self.width) // 2)
        self.planes.blue[rows, columns] = blue[share[::2, ::2]]
        self.planes.red[rows, columns] = red[share[::2, ::2]]
        self.planes.paste(self.panel.at(time_s), self.panel_top, self.panel_left)
        return self.planes.data


def _shares_of_peak(saliency: np.ndarray) -> Image.Image:
    """A map as shares of its highest value, from 0 to 255, fainter if it sums to less than 1, 0 if it is empty."""
    peak = float(saliency.max())
    shares = saliency * (255 * strength_of(saliency) / peak) if peak > 0 else np.zeros_like(saliency)
    return Image.fromarray(shares.round().astype(np.uint8))


@cache
def _overlay_tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What `overlay` makes of every share of the peak and every grey.

    Returns:
        Brightness `(65536,)`, index 256 * share + grey; both differences of colour `(256,)` by share: the grey is in
        neither of them.
    """
    shares, greys = np.mgrid[:256, :256]
    drawn = overlay(greys[..., None].repeat(3, axis=2).astype(np.uint8), shares.astype(np.float32))
    luma, blue, red = np.moveaxis(_to_yuv(drawn), -1, 0)
    return luma.ravel(), *(np.median(plane, axis=1).astype(np.uint8) for plane in (blue, red))


def _to_yuv(colour: np.ndarray) -> np.ndarray:
    """Convert RGB `(..., 3)` from 0 to 255 to limited-range Y'CbCr of the same shape, uint8 (ITU-R BT.709)."""
    red, green, blue = np.moveaxis(np.asarray(colour, dtype=np.float64) / 255, -1, 0)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    planes = 16 + 219 * luma, 128 + 224 * (blue - luma) / 1.8556, 128 + 224 * (red - luma) / 1.5748
    return np.stack(planes, axis=-1).round().astype(np.uint8)


class _Panel:
    """The panel as it is drawn once; the line at the time is drawn into a copy."""

    def __init__(self, layout: PanelLayout) -> None:
        self.layout = layout
        self.figure, self.axes = draw_panel(layout)
        self.background = self._background()

    def _background(self) -> _Planes:
        import av

        canvas = FigureCanvasAgg(self.figure)
        canvas.draw()
        drawn = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
        planes = _Planes(*drawn.shape[:2])
        frame = av.VideoFrame.from_ndarray(drawn, format="rgb24")
        planes.data[:] = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG").to_ndarray()
        return planes

    def at(self, time_s: float) -> _Planes:
        """Give the panel, with a line at a time and a dot on each curve."""
        drawn = _Planes(*self.background.luma.shape)
        drawn.data[:] = self.background.data
        if self.axes is None:
            return drawn
        low, high = self.axes.get_ylim()
        column, top = self._pixel(self.axes, time_s, high)
        bottom = self._pixel(self.axes, time_s, low)[1]
        rows, columns = np.ogrid[: drawn.luma.shape[0], : drawn.luma.shape[1]]
        line = (rows >= top) & (rows <= bottom) & (columns >= column - 1) & (columns <= column)
        drawn.fill(_to_yuv(np.full(3, 40)), line)
        radius = max(5.0, 0.3 * self.layout.text)
        for horizon, values in self.layout.curve.frame_scores.items():
            x, y = self._pixel(self.axes, time_s, float(np.interp(time_s, self.layout.curve.times_s, values)))
            dot = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
            drawn.fill(_to_yuv(np.multiply(to_rgb(COLOURS[horizon]), 255)), dot)
        return drawn

    def _pixel(self, axes: Axes, time_s: float, score: float) -> tuple[int, int]:
        """Column and row of a point of the curve."""
        first, last = axes.get_xlim()
        x, y = axes.transData.transform((np.clip(time_s, first, last), score))
        return round(x), round(self.layout.height - 1 - y)


@contextmanager
def _encoder(path: Path, frames_per_second: float) -> Iterator[Callable[[np.ndarray, int], None]]:
    """Yield what writes a picture `(height * 3 / 2, width)` yuv420p, sides even, by its number; closes the file."""
    import av

    rate = Fraction(frames_per_second).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream: VideoStream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": PRESET})
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        last = -1

        def write(picture: np.ndarray, number: int) -> None:
            nonlocal last
            if last < 0:
                stream.height, stream.width = picture.shape[0] * 2 // 3, picture.shape[1]
            frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
            last = max(last + 1, number)
            frame.pts, frame.time_base = last, 1 / rate
            container.mux(stream.encode(frame))

        yield write
        container.mux(stream.encode())


BT709 = 1
LIMITED_RANGE = 1
"""FFmpeg's numbers, written into the file so that every player shows the same colours."""
PRESET = "veryfast"
"""Of x264: a third of the size of "superfast", at nearly its speed."""
