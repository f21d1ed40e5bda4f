"""Frames from a time on are those of the whole video, at the same times."""

from pathlib import Path

import numpy as np
import pytest

from tests.clips import write_clip
from videomem_hf.video.video import open_video

TILES = [
    np.kron(np.random.default_rng(i).integers(0, 256, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for i in range(8)
]
FRAMES = [TILES[i // 25] for i in range(200)]


def read(path: Path, start_s: float = 0.0) -> tuple[list[float], list[np.ndarray], float]:
    with open_video(path) as reader:
        found = [(time_s, reader.screen.rgb(frame)) for time_s, frame in reader.frames(start_s)]
        return [time_s for time_s, _ in found], [image for _, image in found], reader.end_s


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.webm", "libvpx"), ("a.mkv", "ffv1"), ("a.avi", "mpeg4"), ("a.ts", "libx264")],
)
def test_frames_after_a_seek_are_the_same(tmp_path: Path, name: str, codec: str) -> None:
    path = write_clip(tmp_path / name, FRAMES, fps=25, codec=codec)
    times, images, end_s = read(path)
    later, of_later, later_end_s = read(path, 6.0)
    assert later == pytest.approx(times[-len(later) :])
    assert later[0] <= 6
    assert later_end_s == end_s
    assert all((a == b).all() for a, b in zip(of_later, images[-len(later) :], strict=True))
    if name in ("a.mkv", "a.mp4", "a.avi"):
        assert later[0] > 1, "nothing was passed over"


def test_what_cannot_seek_is_read_from_the_start(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.h264", FRAMES, fps=25, codec="libx264")
    assert len(read(path, 6.0)[0]) == len(read(path)[0]) == 200


def test_times_that_run_back_are_not_sought(tmp_path: Path) -> None:
    first = write_clip(tmp_path / "a.ts", FRAMES[:100], fps=25, codec="mpeg2video").read_bytes()
    joined = tmp_path / "b.ts"
    joined.write_bytes(first + first)
    with open_video(joined) as reader:
        times = [time_s for time_s, _ in reader.frames()]
        seen = reader.seen
    assert seen.restarts
    with open_video(joined) as reader:
        assert [time_s for time_s, _ in reader.frames(6.0, seen)] == times
