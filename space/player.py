"""What the visitor's own player shows where the browser cannot play the clip itself; and parts of long clips."""

import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from intake import digest_of, display_name
from work import check

from videomem_hf.schema import InputError
from videomem_hf.video.video import Frame, sample_frames

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

PLAYED_CODECS = {"h264", "vp8", "vp9", "av1"}
PLAYED_FORMATS = {"mp4", "webm"}
PLAYED_COLOURS = {"yuv420p", "yuvj420p"}
PREVIEW_FPS = 15
PREVIEW_SIDE = 640
PREVIEW_END = ".preview.mp4"
MOST_PREVIEWS = 200
LATEST_KEY_S = 1.0
"""How much earlier than asked for a part may begin, at a key frame."""
PART_FPS = 30
PART_CRF = "12"
"""Nothing that can be seen is lost."""


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
        preview = new_path(PREVIEW_END, clip.stem)
        frames = sample_frames(clip, PREVIEW_FPS, notes=[])
        _encode(takewhile(lambda frame: frame.time_s <= most_s, frames), preview, PREVIEW_FPS, "27", PREVIEW_SIDE)
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


def new_path(end: str, stem: str = "clip") -> Path:
    """A path for a new file, in a folder of its own, which is removed with what else visitors hand in."""
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


def _encode(frames: Iterable[Frame], out: Path, fps: int, crf: str, side: int) -> None:
    """Write frames as H.264 without sound, no longer than `side` on either side, from the first one on."""
    import av

    with av.open(str(out), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": crf, "preset": "ultrafast"})
        stream.pix_fmt = "yuv420p"
        begin_s = None
        for frame in frames:
            check()
            height, width = frame.image.shape[:2]
            if begin_s is None:
                begin_s, scale = frame.time_s, min(1.0, side / max(height, width))
                stream.width, stream.height = (max(2, round(length * scale / 2) * 2) for length in (width, height))
            picture = av.VideoFrame.from_ndarray(frame.image, format="rgb24")
            picture = picture.reformat(stream.width, stream.height, "yuv420p")
            picture.pts, picture.time_base = round((frame.time_s - begin_s) * fps), Fraction(1, fps)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def cut_part(clip: Path, start_s: float, seconds: float, most_work_s: float = 180.0) -> tuple[Path, float]:
    """Copy a part of a clip, without encoding it again, from the key frame at or before `start_s`.

    Where that lies over 1 s too early, the part is decoded and encoded again from `start_s` on.

    Returns:
        The part, and the time in seconds at which it begins in the clip.

    Raises:
        InputError: The clip ends before `start_s`, or the part is not cut in the time that the work may take.
        VideoError: The clip cannot be decoded.
    """
    import av

    with av.open(str(clip)) as source:
        stream = source.streams.video[0]
        base = float(stream.time_base or 0)
        origin = (stream.start_time or 0) * base
        source.seek(int((origin + start_s) / base), stream=stream, backward=True)
        part = new_path(".mkv", clip.stem)
        with av.open(str(part), "w", format="matroska") as target:
            begin_s = _copy_packets(source, target, seconds, start_s + origin - LATEST_KEY_S)
        rate = float(stream.average_rate or PART_FPS)
    if begin_s is not None:
        return part, max(0.0, begin_s - origin)
    part = new_path(".mp4", clip.stem)
    return part, _encode_part(clip, part, (start_s, start_s + seconds), (min(rate, PART_FPS), most_work_s))


def _encode_part(clip: Path, part: Path, range_s: tuple[float, float], limits: tuple[float, float]) -> float:
    """Encode what lies between two times; give the time of its first frame. `limits`: frames a second, time of work."""
    fps, until = max(1, round(limits[0])), time.monotonic() + limits[1]

    def inside() -> Iterator[Frame]:
        for frame in sample_frames(clip, fps, notes=[]):
            check()
            if time.monotonic() > until:
                raise InputError(
                    f"{display_name(clip)}: the part is not cut within {limits[1]:.0f} s; hand in that part only"
                )
            if frame.time_s >= range_s[1]:
                return
            if frame.time_s >= range_s[0]:
                yield frame

    frames = inside()
    first = next(frames, None)
    if first is None:
        raise InputError(f"{display_name(clip)}: ends before {range_s[0]:g} s; choose an earlier part")
    _encode(chain([first], frames), part, fps, PART_CRF, max(first.image.shape))
    return first.time_s


def _copy_packets(
    source: "InputContainer", target: "OutputContainer", seconds: float, earliest_s: float
) -> float | None:
    """Copy so many seconds of the video; give the time of its first packet, None if that is too early or missing."""
    stream = source.streams.video[0]
    out = target.add_stream_from_template(stream)
    base, begin = float(stream.time_base or 0), None
    for packet in source.demux(stream):
        check()
        if packet.dts is None or packet.pts is None:
            continue
        if begin is None:
            begin = packet.pts
            if begin * base < earliest_s:
                return None
        if (packet.pts - begin) * base >= seconds:
            break
        packet.pts, packet.dts = packet.pts - begin, packet.dts - begin
        packet.stream = out
        target.mux(packet)
    return None if begin is None else begin * base
