"""The overlay video is read back and looked at where it must show something."""

import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from tests.clips import grey_levels, write_clip
from videomem_hf.analysis.clip_figure import overlay
from videomem_hf.analysis.overlay_panel import PanelLayout, draw_panel
from videomem_hf.analysis.overlay_video import overlay_clip, write_overlay_video
from videomem_hf.analysis.score_curve import ScoreCurve

CURVE = ScoreCurve(
    times_s=np.arange(3.0),
    frame_scores={"short_term": np.array([0.7, 0.8, 0.9]), "long_term": np.array([0.5, 0.6, 0.4])},
    clip_scores={"short_term": 0.8, "long_term": 0.5},
)


def moving_peak(time_s: float, shape: tuple[int, int]) -> np.ndarray:
    """All saliency in a square that moves from left to right in 3 s."""
    found = np.zeros(shape, np.float32)
    side = shape[1] // 16
    left = int(time_s / 3 * (shape[1] - side))
    found[shape[0] // 2 : shape[0] // 2 + side, left : left + side] = 1
    return found


def read(path: Path) -> tuple[list[np.ndarray], av.video.codeccontext.VideoCodecContext, float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return images, stream.codec_context, float(stream.average_rate)


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(91, 161, (None, 640)), (1080, 608, (720, 933)), (3, 3, (None, 640))]
)
def test_browsers_can_play_any_size(tmp_path: Path, height: int, width: int, expected: tuple[int | None, int]) -> None:
    image = np.full((height, width, 3), 100, np.uint8)
    write_overlay_video(tmp_path / "o.mp4", ((i / 12, image) for i in range(6)), 12, moving_peak, CURVE)
    images, codec, rate = read(tmp_path / "o.mp4")
    assert (codec.name, codec.pix_fmt, rate, len(images)) == ("h264", "yuv420p", 12, 6)
    assert images[0].shape[0] % 2 == images[0].shape[1] % 2 == 0
    if expected[0] is None:  # the panel stands below the picture
        assert images[0].shape[1] == expected[1]
        assert images[0].shape[0] > 1.3 * expected[1] * height / width
    else:  # beside it
        assert images[0].shape[0] == expected[0]
        assert images[0].shape[1] > 2 * expected[0] * width / height
    data = (tmp_path / "o.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays before it is loaded whole
    assert list(tmp_path.iterdir()) == [tmp_path / "o.mp4"]


def test_saliency_and_the_line_at_the_time_move(tmp_path: Path) -> None:
    image = np.full((360, 640, 3), 100, np.uint8)
    write_overlay_video(tmp_path / "o.mp4", ((i / 10, image) for i in range(30)), 10, moving_peak, CURVE)
    images = read(tmp_path / "o.mp4")[0]
    lines = []
    for i in (0, 14, 29):
        frame, panel = images[i][:360].astype(int), images[i][360:].astype(int)
        coloured = (frame.max(axis=2) - frame.min(axis=2)) > 40
        columns = np.nonzero(coloured.any(axis=0))[0]
        assert abs(columns.mean() - (i / 30 * 600 + 20)) < 6
        np.testing.assert_allclose(frame[20, 600], 85, atol=3)  # grey, dimmed by 0.85, as encoded and decoded
        chart = panel[int(0.4 * len(panel)) : int(0.5 * len(panel))]
        dark = (chart < 90).all(axis=2).mean(axis=0)
        lines.append(int(np.argmax(np.where(np.arange(640) < 60, 0, np.where(np.arange(640) > 600, 0, dark)))))
    assert lines[0] < lines[1] < lines[2], lines
    assert lines[2] - lines[0] == pytest.approx(2 * (lines[1] - lines[0]) * 29 / 28, abs=4)


@pytest.mark.parametrize("width", [640, 310, 62])
def test_colours_are_those_of_the_picture_of_stills(tmp_path: Path, width: int) -> None:
    """A ramp of greys under a ramp of saliency, also between bars: what `overlay` draws, converted by FFmpeg."""
    image = np.linspace(0, 255, width).round().astype(np.uint8)[None, :, None].repeat(360, 0).repeat(3, 2)

    def ramp(time_s: float, shape: tuple[int, int]) -> np.ndarray:
        return np.linspace(0, 1, shape[0], dtype=np.float32)[:, None].repeat(shape[1], 1)

    write_overlay_video(tmp_path / "o.mp4", [(0.0, image)] * 2, 10, ramp, CURVE)
    found = read(tmp_path / "o.mp4")[0][0]
    height = 360 if width == 640 else 720
    wide = round(width * height / 360 / 2) * 2
    left = (640 - wide) // 2 if width > 300 else 0
    scaled = np.asarray(Image.fromarray(image).resize((wide, height), Image.Resampling.BILINEAR))
    difference = found[:height, left : left + wide].astype(float) - overlay(scaled, ramp(0, (height, wide)))
    assert np.abs(difference).mean() < 3
    assert np.abs(difference.mean(axis=(0, 1))).max() < 1.5
    if left:
        np.testing.assert_allclose(found[:height, : left - 4], 24, atol=4)


def test_a_clip_at_its_own_rate_with_progress(tmp_path: Path) -> None:
    for fps, fastest, expected in ((12, 30, 12), (60, 30, 30), (60, 15, 15), (5, 30, 10)):
        clip = write_clip(tmp_path / "c.webm", grey_levels(3 * fps), fps=fps)
        seen: list[float] = []
        overlay_clip(tmp_path / "o.mp4", clip, moving_peak, CURVE, seen.append, fastest)
        images, _, rate = read(tmp_path / "o.mp4")
        assert rate == expected
        assert len(images) == len(seen) == 3 * expected
        np.testing.assert_allclose(seen, np.arange(len(seen)) / expected)


LABELS = ["attention, for short-term and long-term", "Grad-CAM and temporal attention of the short-term score"]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("intervals", [None, {"short_term": (0.71, 0.91), "long_term": (0.35, 0.65)}])
@pytest.mark.parametrize("tall", [False, True])
def test_the_panel_is_legible_on_a_phone_and_nothing_in_it_is_cut(label: str, intervals: Any, tall: bool) -> None:
    """Text is at least a thirtieth of the video's height, and each word lies within the panel, clear of the others."""
    curve = replace(CURVE, intervals=intervals, moments={"short_term": (2.0, 0.9)})
    layout = PanelLayout.beside(720, curve, label) if tall else PanelLayout.below(640, 360, curve, label)
    figure, axes = draw_panel(layout)
    video_height = 720 if tall else 360 + layout.height
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [text for text in [*figure.texts, *axes.get_xticklabels(), *axes.get_yticklabels()] if text.get_text()]
    assert min(text.get_fontsize() for text in texts) * 100 / 72 >= video_height / 30 - 0.1
    words = " ".join(text.get_text() for text in figure.texts)
    with_intervals = ("[0.71 to 0.91]", "90% prediction interval") if intervals else ()
    for expected in ("short-term 0.800", "★ 2 s", *with_intervals):
        assert expected in words
    boxes = [text.get_window_extent() for text in figure.texts]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= layout.width and box.y1 <= layout.height for box in boxes)
    frames = [*boxes, axes.get_tightbbox()]
    assert not any(one.overlaps(other) for i, one in enumerate(frames) for other in frames[:i])


@pytest.mark.parametrize(("height", "width"), [(64, 64), (480, 640), (512, 640), (600, 640)])
def test_a_panel_without_room_below_a_picture_stands_beside_it(tmp_path: Path, height: int, width: int) -> None:
    curve = replace(CURVE, intervals={"short_term": (0.71, 0.91), "long_term": (0.35, 0.65)})
    image = np.full((height, width, 3), 100, np.uint8)
    write_overlay_video(tmp_path / "o.mp4", [(0.0, image)], 12, moving_peak, curve, saliency_label=LABELS[0])
    (drawn,), _, _ = read(tmp_path / "o.mp4")
    assert drawn.shape[1] > 1.4 * drawn.shape[0] * width / height


def test_a_photograph_has_no_chart_over_time() -> None:
    one = ScoreCurve(np.zeros(1), {"short_term": np.array([0.8])}, {"short_term": 0.8})
    figure, axes = draw_panel(PanelLayout.below(640, 360, one, "attention"))
    assert axes is None
    assert "short-term 0.800" in [text.get_text() for text in figure.texts]


def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    alive: list[weakref.ref] = []
    most = 0

    def frames():
        nonlocal most
        for i in range(60):
            image = np.full((36, 64, 3), i, np.uint8)
            alive.append(weakref.ref(image))
            yield i / 30, image
            most = max(most, sum(ref() is not None for ref in alive))

    write_overlay_video(tmp_path / "o.mp4", frames(), 30, moving_peak, CURVE)
    assert most <= 3


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def frames():
        yield 0.0, np.zeros((36, 64, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_overlay_video(tmp_path / "o.mp4", frames(), 30, moving_peak, CURVE)
    assert list(tmp_path.iterdir()) == []


def test_a_gap_is_as_long_as_in_the_clip_and_costs_little(tmp_path: Path) -> None:
    times_ms = [*range(0, 500, 100), *range(600_000, 600_500, 100)]
    clip = write_clip(tmp_path / "c.webm", grey_levels(10), fps=10, times_ms=times_ms)
    overlay_clip(tmp_path / "o.mp4", clip, moving_peak, CURVE)
    with av.open(str(tmp_path / "o.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert len(times) < 130  # of 6,000: the held frame is drawn for 10 s
    np.testing.assert_allclose(times[:5], np.arange(5) / 10, atol=1e-3)
    assert times[-1] == pytest.approx(600.4, abs=0.01)
