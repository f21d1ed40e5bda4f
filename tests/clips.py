"""Writes small video files for tests, with PyAV alone."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CLOCKWISE = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
"""a, b, c, d of x' = a x + c y, y' = b x + d y, y pointing down."""


def grey_levels(count: int) -> list[np.ndarray]:
    """Frames whose brightness tells their number: frame i is `16 + i` everywhere (i below 220)."""
    return [np.full((48, 64, 3), 16 + i, dtype=np.uint8) for i in range(count)]


def quadrants() -> np.ndarray:
    """A frame with red top left, green top right, blue bottom left, white bottom right, 64 wide and 48 high."""
    image = np.zeros((48, 64, 3), dtype=np.uint8)
    image[:24, :32, 0] = image[:24, 32:, 1] = image[24:, :32, 2] = 255
    image[24:, 32:] = 255
    return image


def write_clip(
    path: Path,
    frames: Sequence[np.ndarray],
    fps: int = 24,
    times_ms: Sequence[int] | None = None,
    codec: str = "libvpx",
    live: bool = False,
) -> Path:
    """Encode RGB frames; `times_ms` gives a variable rate; `live` leaves the length out of a WebM header."""
    options = {"live": "1"} if live else {}
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 2_000_000
        time_base = Fraction(1, 1000) if times_ms else Fraction(1, fps)
        stream.codec_context.time_base = time_base
        for i, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = times_ms[i] if times_ms else i
            frame.time_base = time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_audio(path: Path) -> Path:
    """One second of a tone, no picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        samples = np.sin(np.arange(44100) * 0.05).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def rotate_mp4(path: Path, degrees: int) -> None:
    """Write a clockwise rotation into the track header's matrix (ISO 14496-12, 8.3.2), as a phone held upright does."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4
    matrix = start + 40  # version 0: after flags, times, track, duration, layer and volume
    a, b, c, d = CLOCKWISE[degrees]
    data[matrix : matrix + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(bytes(data))
