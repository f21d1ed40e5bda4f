"""A clip whose picture and sound tell its time: frame and click at each full second."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 25
SOUND = 48_000


def write_sounding(path: Path, seconds: int = 8, codec: str = "libx264", sound: str = "aac", keys: int = 25) -> Path:
    """Encode a clip that is white, and clicks, for 40 ms from each full second on; key frames every `keys` frames."""
    options = {"g": str(keys)} if codec == "libx264" else {"g": str(keys), "deadline": "realtime", "cpu-used": "8"}
    with av.open(str(path), "w") as out:
        picture = out.add_stream(codec, rate=RATE, options=options)
        picture.width, picture.height, picture.pix_fmt = 96, 64, "yuv420p"
        heard = out.add_stream(sound, rate=SOUND)
        heard.layout = "stereo"
        for index in range(seconds * RATE):
            level = 255 if index % RATE == 0 else 20 + index // RATE * 10
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), level, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            out.mux(picture.encode(frame))
        times = np.arange(seconds * SOUND) / SOUND
        wave = (np.sin(2 * np.pi * 1000 * times) * (times % 1 < 0.04)).astype(np.float32)
        size = heard.codec_context.frame_size or 960
        for start in range(0, len(wave), size):
            piece = np.ascontiguousarray(np.stack([wave[start : start + size]] * 2))
            tone = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
            tone.sample_rate, tone.pts, tone.time_base = SOUND, start, Fraction(1, SOUND)
            out.mux(heard.encode(tone))
        out.mux(heard.encode(None))
        out.mux(picture.encode(None))
    return path


def flashes(path: Path) -> list[float]:
    """When the picture is white."""
    with av.open(str(path)) as file:
        return [frame.time for frame in file.decode(video=0) if frame.to_ndarray(format="gray").mean() > 180]


def clicks(path: Path) -> list[float]:
    """When a click begins."""
    found: list[float] = []
    last = -1.0
    with av.open(str(path)) as file:
        resampler = av.AudioResampler("flt", "mono", SOUND)
        for frame in file.decode(audio=0):
            for piece in resampler.resample(frame):
                for index in np.flatnonzero(np.abs(piece.to_ndarray()[0]) > 0.3):
                    time_s = frame.time + index / SOUND
                    if time_s - last > 0.3:
                        found.append(time_s)
                    last = time_s
    return found
