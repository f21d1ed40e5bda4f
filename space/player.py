"""What the visitor's own player shows where the browser cannot play the clip itself; and parts of long clips."""

import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np
from intake import digest_of, display_name
from work import check

from videomem_hf.schema import InputError
from videomem_hf.video.video import sample_frames

PLAYED_FORMATS = {"mp4", "webm"}
PREVIEW_FPS = 15
PREVIEW_SIDE = 640
PREVIEW_END = ".preview.mp4"
MOST_PREVIEWS = 200
LATEST_KEY_S = 1.0
"""How much earlier than asked for a part may begin, at a key frame."""


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
        from videomem_hf.films.clip_frames import reduce
        from videomem_hf.films.cutting import write_preview

        def small() -> Iterator[tuple[float, np.ndarray]]:
            for frame in takewhile(lambda frame: frame.time_s <= most_s, sample_frames(clip, PREVIEW_FPS, notes=[])):
                check()
                yield frame.time_s, reduce(frame.image, PREVIEW_SIDE)

        preview = new_path(PREVIEW_END, clip.stem)
        write_preview(preview, small())
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

    from videomem_hf.films.cutting import PLAYED, PLAYED_COLOURS

    try:
        with av.open(str(clip)) as container:
            stream = container.streams.video[0]
            formats = set(container.format.name.split(","))
            return bool(
                formats & PLAYED_FORMATS
                and stream.codec_context.codec.canonical_name in PLAYED
                and stream.codec_context.pix_fmt in PLAYED_COLOURS
            )
    except (av.FFmpegError, IndexError):
        return True  # scoring says what is wrong with it


def cut_part(clip: Path, start_s: float, seconds: float, most_work_s: float = 180.0) -> tuple[Path, float]:
    """Write a part of a clip to be scored, copied from the key frame at or before `start_s` where that is possible.

    Where that lies over 1 s too early, the part is decoded and encoded again from `start_s` on.

    Returns:
        The part, and the time in seconds at which it begins in the clip.

    Raises:
        InputError: The part is not cut in the time that the work may take.
        VideoError: The clip cannot be decoded, or ends before `start_s`.
    """
    from videomem_hf.films.cutting import key_time, write_part
    from videomem_hf.films.span import Span

    until = time.monotonic() + most_work_s

    def watch(_: float) -> None:
        check()
        if time.monotonic() > until:
            raise InputError(
                f"{display_name(clip)}: the part is not cut within {most_work_s:.0f} s; hand in that part only"
            )

    key_s = key_time(clip, start_s)
    begin_s = start_s if key_s is None or key_s < start_s - LATEST_KEY_S else key_s
    part = write_part(clip, new_path("", clip.stem), Span(begin_s, begin_s + seconds), to_score=True, on_frame=watch)
    return part.path, begin_s
