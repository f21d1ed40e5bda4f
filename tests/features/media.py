"""Clips and pictures for tests of features: generated, and real ones that gradio's package brings."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest


def real_clip(name: str) -> Path:
    """A clip of gradio's: `b.mp4` (480x270, 150 frames), `world.mp4` (901), `a.mp4` (1080p)."""
    return _gradio() / "videos" / name


def real_picture(name: str = "lion.jpg") -> np.ndarray:
    """A photograph, `(height, width, 3)` RGB."""
    from PIL import Image

    with Image.open(_gradio() / "images" / name) as image:
        return np.asarray(image.convert("RGB"))


def _gradio() -> Path:
    spec = find_spec("gradio")
    if spec is None or spec.origin is None:
        pytest.skip("gradio is not installed")
    return Path(spec.origin).parent / "media_assets"


def moving_frames(count: int, height: int = 144, width: int = 176, seed: int = 0) -> list[np.ndarray]:
    """RGB frames: coarse noise that drifts over a still, partly uniform background."""
    rng = np.random.default_rng(seed)
    texture = np.kron(rng.integers(0, 256, (height // 4, width // 4, 3)), np.ones((5, 5, 1))).astype(np.uint8)
    background = np.full((height, width, 3), 90, np.uint8)
    background[:, width // 2 :] = texture[:height, : width - width // 2]
    frames = []
    for index in range(count):
        frame = background.copy()
        left = 3 * index % (width // 2)
        frame[height // 4 : height // 2, left : left + width // 4] = texture[: height // 2 - height // 4, : width // 4]
        frames.append(frame)
    return frames


def write_yuv(path: Path, planes: Sequence[Sequence[np.ndarray]], pixel_format: str, codec: str = "ffv1") -> Path:
    """Encode planes without loss, exactly as given: for each frame luma and two chroma planes."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24)
        stream.height, stream.width = planes[0][0].shape
        stream.pix_fmt = pixel_format
        for number, frame_planes in enumerate(planes):
            height, width = frame_planes[0].shape
            frame = av.VideoFrame(width, height, pixel_format)
            for plane, values in zip(frame.planes, frame_planes, strict=True):
                padded = np.zeros((plane.height, plane.line_size // values.itemsize), values.dtype)
                padded[:, : plane.width] = values
                plane.update(padded.tobytes())
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
