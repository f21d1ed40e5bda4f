"""Encodes a scene in the release's format: VP8 in WebM, 168 frames at 24 per second, no sound."""

from pathlib import Path
from typing import IO, Final

from videomem_hf.sample.render import Shots
from videomem_hf.sample.scene import FPS, FRAMES, Scene

KEYFRAME_EVERY: Final = 128
_RELEASE_BITS: Final = 3_000_000
_RELEASE_PIXELS: Final = 1920 * 1080


def bit_rate(size: tuple[int, int]) -> int:
    """Bits per second: the release's 3 Mb/s at 1920x1080; smaller frames get less, but more per pixel."""
    return round(_RELEASE_BITS * (size[0] * size[1] / _RELEASE_PIXELS) ** 0.7)


def write_video(scene: Scene, path: Path | IO[bytes], size: tuple[int, int]) -> None:
    """Render and encode one scene as WebM, into a file or an open one; width and height are even.

    One thread, a fixed speed (a positive `cpu-used` would follow the clock) and a bit-exact container: the same
    libraries write the same bytes. The header holds no frame count.
    """
    import av

    shots = Shots(scene, size)
    options = {"deadline": "realtime", "cpu-used": "-8", "g": str(KEYFRAME_EVERY)}
    with av.open(
        str(path) if isinstance(path, Path) else path, "w", format="webm", options={"fflags": "+bitexact"}
    ) as container:
        stream = container.add_stream("libvpx", rate=FPS, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = bit_rate(size)
        stream.codec_context.thread_count = 1
        for number in range(FRAMES):
            frame = av.VideoFrame.from_image(shots.frame(number / FPS))
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
