"""Reading a video from a time on: the last key frame before it, and what was seen of the part before."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

SIZES_NAMED = 4


@dataclass
class Seen:
    """What was odd so far about the frames of a video; given to a later reader, it goes on from there.

    Attributes:
        sizes: Of the first few frames that differ, width and height.
        held: Seconds for which a frame was held at most, and minus the time since when.
        damaged: Packets that did not decode.
        cause: Of the last of them.
        last_dts: Decoding time of the last packet, in units of the stream's time base.
        restarts: Whether time stamps ran back, as in joined recordings: then no time can be sought.
    """

    sizes: list[tuple[int, int]] = field(default_factory=list)
    held: tuple[float, float] = (0.0, 0.0)
    damaged: int = 0
    cause: str = ""
    last_dts: int | None = None
    restarts: bool = False

    def copy(self) -> Self:
        return replace(self, sizes=list(self.sizes))

    def add_size(self, width: int, height: int) -> None:
        if len(self.sizes) < SIZES_NAMED and (width, height) not in self.sizes:
            self.sizes.append((width, height))


def seek_before(container: "InputContainer", stream: "VideoStream", time_s: float) -> bool:
    """Go to the last key frame before a time on the container's clock; False where the container cannot seek."""
    import av

    if not stream.time_base:
        return False
    try:
        container.seek(int(time_s / stream.time_base), stream=stream, backward=True)
    except av.FFmpegError:
        return False
    return True
