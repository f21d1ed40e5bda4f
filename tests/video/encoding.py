"""Encodes clips of every kind for the reader's tests."""

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

FPS = 12
TAGS = ("colorspace", "color_range", "color_trc", "color_primaries")


def scene(i: int, width: int = 96, height: int = 54) -> np.ndarray:
    """A picture without symmetry, with a bar that moves."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 200 // width, y * 200 // height, np.full_like(x, 4 * i % 200)], -1).astype(np.uint8)
    image[:, i % width] = 250
    return image


def encode(
    path: Path,
    frames: Sequence[np.ndarray | av.VideoFrame],
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    times_ms: Sequence[int] | None = None,
    aspect: Fraction | None = None,
    container: str | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    silence_s: tuple[float, float] | None = None,
    **tags: int,
) -> Path:
    """Write RGB or RGBA arrays, or frames as they are, at 12 frames a second, with silence from one time to another."""
    base = Fraction(1, 1000) if times_ms else Fraction(1, FPS)
    with av.open(str(path), "w", format=container, container_options=container_options or {}) as file:
        stream: Any = file.add_stream(codec, rate=FPS, options=options or {})
        first = frames[0]
        stream.width, stream.height = (
            (first.shape[1], first.shape[0]) if isinstance(first, np.ndarray) else (first.width, first.height)
        )
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = base
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        sound: Any = file.add_stream("libopus", rate=48_000) if silence_s else None
        for i, image in enumerate(frames):
            frame = image
            if isinstance(image, np.ndarray):
                frame = av.VideoFrame.from_ndarray(image, format="rgba" if image.shape[2] == 4 else "rgb24")
            frame.pts, frame.time_base = (times_ms[i] if times_ms else i), base
            for name, value in tags.items():
                setattr(frame, name, value)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        for i in range(*(round(50 * end) for end in silence_s or (0, 0))):
            quiet = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="fltp", layout="mono")
            quiet.sample_rate, quiet.pts = 48_000, 960 * i
            file.mux(sound.encode(quiet))
        if sound:
            file.mux(sound.encode())
    if codec == "libsvtav1":
        _leave_real_time()
    return path


def _leave_real_time() -> None:
    """Undo what SVT-AV1 does as root: it gives this process real-time priority, and then libvpx's threads starve."""
    for thread in Path("/proc/self/task").glob("*"):
        os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))


def yuv_frame(values: Sequence[int], pix_fmt: str = "yuv444p", size: tuple[int, int] = (64, 48)) -> av.VideoFrame:
    """A frame of one colour, given as the codes of its planes."""
    return yuv_planes([np.array([[value]]) for value in values], pix_fmt, size)


def yuv_planes(columns: Sequence[np.ndarray], pix_fmt: str, size: tuple[int, int]) -> av.VideoFrame:
    """A frame whose planes repeat rows of codes, `(1, n)` each, in n stripes of equal width."""
    frame = av.VideoFrame(*size, pix_fmt)
    dtype = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    for plane, row in zip(frame.planes, columns, strict=True):
        codes = np.zeros((plane.height, plane.line_size // np.dtype(dtype).itemsize), dtype)
        codes[:, : plane.width] = row.repeat(plane.width // row.shape[1], axis=1)
        plane.update(codes)
    return frame


def encode_sizes(path: Path, sizes: Sequence[tuple[int, int]], frames_each: int = 24) -> Path:
    """Write WebM whose picture has one size after another."""
    packets = []
    for number, (width, height) in enumerate(sizes):
        coder: Any = av.CodecContext.create("libvpx", "w")
        coder.width, coder.height, coder.pix_fmt = width, height, "yuv420p"
        coder.time_base, coder.framerate, coder.options = Fraction(1, FPS), FPS, {"lag-in-frames": "0"}
        for i in range(number * frames_each, (number + 1) * frames_each):
            frame = av.VideoFrame.from_ndarray(scene(i, width, height), format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            packets += coder.encode(frame)
        packets += coder.encode(None)
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("libvpx", rate=FPS)
        (stream.width, stream.height), stream.pix_fmt = sizes[0], "yuv420p"
        file.start_encoding()
        for packet in packets:
            packet.stream, packet.time_base = stream, Fraction(1, FPS)
            file.mux(packet)
    return path


def encode_streams(path: Path, sizes: Sequence[tuple[int, int]], defaults: Sequence[bool], seconds: int = 3) -> Path:
    """Write several video streams; the frames of the n-th are grey of the level 40 n."""
    with av.open(str(path), "w") as file:
        streams: list[Any] = [file.add_stream("libx264", rate=FPS) for _ in sizes]
        for stream, (width, height), default in zip(streams, sizes, defaults, strict=True):
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = av.stream.Disposition.default if default else av.stream.Disposition(0)
        for i in range(seconds * FPS):
            for number, (stream, (width, height)) in enumerate(zip(streams, sizes, strict=True)):
                frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), 40 * number, np.uint8), format="rgb24")
                frame.pts, frame.time_base = i, Fraction(1, FPS)
                file.mux(stream.encode(frame))
        for stream in streams:
            file.mux(stream.encode())
    return path
