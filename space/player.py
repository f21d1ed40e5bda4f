"""What the visitor's own player shows where the browser cannot play the clip itself; and parts of long clips."""

import os
import tempfile
import threading
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from intake import digest_of
from work import check

from videomem_hf.video.video import sample_frames

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

PLAYED_CODECS = {"h264", "vp8", "vp9", "av1"}
PLAYED_FORMATS = {"mp4", "webm"}
PLAYED_COLOURS = {"yuv420p", "yuvj420p"}
PREVIEW_FPS = 15
PREVIEW_SIDE = 640
PREVIEW_END = ".preview.mp4"
MOST_PREVIEWS = 200


class Previews:
    """Previews of clips, and the clips that they are of: who analyses a preview again means the clip."""

    def __init__(self) -> None:
        self._clips: OrderedDict[str, Path] = OrderedDict()
        self._changing = threading.Lock()

    def make(self, clip: Path, most_s: float) -> Path:
        """Write a preview (H.264, 15 frames a second, no sound) of the first seconds of a clip.

        Raises:
            VideoError: The clip cannot be decoded.
        """
        preview = new_file(PREVIEW_END, clip.stem)
        _write_preview(clip, preview, most_s)
        with self._changing:
            self._clips[digest_of(preview)] = clip
            while len(self._clips) > MOST_PREVIEWS:
                self._clips.popitem(last=False)
        return preview

    def clip_of(self, path: Path) -> Path:
        """The clip that a preview is of; anything else is itself."""
        if not path.name.endswith(PREVIEW_END):
            return path
        clip = self._clips.get(digest_of(path), path)
        return clip if clip.is_file() else path


def new_file(end: str, stem: str = "clip") -> Path:
    """A new empty file in a folder of its own, which is removed with what else visitors hand in."""
    folder = Path(tempfile.mkdtemp(dir=os.environ["GRADIO_TEMP_DIR"], prefix="tmp-"))
    return folder / f"{stem}{end}"


def plays_in_browsers(clip: Path) -> bool:
    """Whether every current browser plays a clip: by its container, its codec and its colours."""
    import av

    try:
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            formats = set(container.format.name.split(","))
            return bool(
                formats & PLAYED_FORMATS
                and stream.codec_context.name.removeprefix("lib").split("-")[0] in PLAYED_CODECS
                and stream.codec_context.pix_fmt in PLAYED_COLOURS
            )
    except (av.FFmpegError, IndexError):
        return True  # scoring says what is wrong with it


def _write_preview(clip: Path, preview: Path, most_s: float) -> None:
    import av

    with av.open(str(preview), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=PREVIEW_FPS, options={"crf": "27", "preset": "ultrafast"})
        stream.pix_fmt = "yuv420p"
        for frame in sample_frames(clip, PREVIEW_FPS, notes=[]):
            check()
            if frame.time_s > most_s:
                break
            height, width = frame.image.shape[:2]
            scale = min(1.0, PREVIEW_SIDE / max(height, width))
            if frame.index == 0:
                stream.width, stream.height = (max(2, round(side * scale / 2) * 2) for side in (width, height))
            picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
            picture = picture.reformat(stream.width, stream.height, "yuv420p")
            picture.pts, picture.time_base = round(frame.time_s * PREVIEW_FPS), Fraction(1, PREVIEW_FPS)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def cut_part(clip: Path, start_s: float, seconds: float) -> tuple[Path, float]:
    """Copy a part of a clip, without encoding it again, from the key frame at or before `start_s`.

    Returns:
        The part, and the time in seconds at which it begins in the clip.
    """
    import av

    part = new_file(".mkv", clip.stem)
    with av.open(str(clip)) as source:
        stream = source.streams.video[0]
        base = float(stream.time_base or 0)
        origin = (stream.start_time or 0) * base
        source.seek(int((origin + start_s) / base), stream=stream, backward=True)
        with av.open(str(part), "w", format="matroska") as target:
            begin_s = _copy_packets(source, target, seconds)
    return part, max(0.0, begin_s - origin)


def _copy_packets(source: "InputContainer", target: "OutputContainer", seconds: float) -> float:
    """Copy so many seconds of the video; give the time of its first packet."""
    stream = source.streams.video[0]
    out = target.add_stream_from_template(stream)
    base, begin = float(stream.time_base or 0), None
    for packet in source.demux(stream):
        check()
        if packet.dts is None or packet.pts is None:
            continue
        if begin is None:
            begin = packet.pts
        if (packet.pts - begin) * base >= seconds:
            break
        packet.pts, packet.dts = packet.pts - begin, packet.dts - begin
        packet.stream = out
        target.mux(packet)
    return (begin or 0) * base
