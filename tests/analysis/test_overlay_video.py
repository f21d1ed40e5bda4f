"""The overlay video is read back and looked at where it must show something."""

import weakref
from pathlib import Path

import av
import numpy as np
import pytest

from videomem_hf.analysis.overlay_video import PANEL_HEIGHT, ScoreCurve, write_overlay_video

CURVE = ScoreCurve(
    times_s=np.arange(3.0),
    frame_scores={"short_term": np.array([0.7, 0.8, 0.9]), "long_term": np.array([0.5, 0.6, 0.4])},
    clip_scores={"short_term": 0.8, "long_term": 0.5},
    saliency_label="attention",
)


def moving_peak(time_s: float, shape: tuple[int, int]) -> np.ndarray:
    """All saliency in a square that moves from left to right in 3 s."""
    found = np.zeros(shape, np.float32)
    left = int(time_s / 3 * (shape[1] - 40))
    found[shape[0] // 2 : shape[0] // 2 + 40, left : left + 40] = 1
    return found


def read(path: Path) -> tuple[list[np.ndarray], av.video.codeccontext.VideoCodecContext, float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return images, stream.codec_context, float(stream.average_rate)


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(91, 161, (362, 640)), (1080, 608, (720, 640)), (3, 3, (640, 640))]
)
def test_browsers_can_play_any_size(tmp_path: Path, height: int, width: int, expected: tuple[int, int]) -> None:
    image = np.full((height, width, 3), 100, np.uint8)
    write_overlay_video(tmp_path / "o.mp4", ((i / 12, image) for i in range(6)), 12, moving_peak, CURVE)
    images, codec, rate = read(tmp_path / "o.mp4")
    assert (codec.name, codec.pix_fmt, rate, len(images)) == ("h264", "yuv420p", 12, 6)
    assert images[0].shape[0] % 2 == images[0].shape[1] % 2 == 0
    assert images[0].shape[:2] == (expected[0] + PANEL_HEIGHT, expected[1])
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
        dark = (panel[60:120] < 90).all(axis=2).mean(axis=0)
        lines.append(int(np.argmax(np.where(np.arange(640) < 70, 0, np.where(np.arange(640) > 505, 0, dark)))))
    assert lines[0] < lines[1] < lines[2]
    assert lines[2] - lines[0] == pytest.approx(2 * (lines[1] - lines[0]) * 29 / 28, abs=4)


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
