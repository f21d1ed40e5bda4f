"""The frames of a video file at their times, decoded with PyAV in one pass: what a player shows."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Self

from PIL import Image

from .video_codecs import PixelAspects, alpha_decoder, is_shown
from .video_containers import (
    VideoSource,
    check_pixels,
    ends_in_fragment,
    open_container,
    open_file,
    reason_of,
    source_name,
)  # fmt: skip
from .video_display import MAX_PIXELS, Screen, hdr_kind
from .video_pictures import MAX_ANIMATION_PIXELS, PILLOW_ERRORS, number_of_pictures, open_picture, picture_frames
from .video_seeking import Seen, seek_before
from .video_streams import UnreadableVideoError

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

LONG_HOLD_S = 10.0
"""A frame that is held for longer is noted."""
DEFAULT_RATE = 25.0
"""Frames per second where a file says nothing."""
_NO_TIMESTAMPS = 0x80
"""FFmpeg's flag of formats that hold nothing but the coded pictures."""
_RESTART_S = 1.0
"""Times that run back by more start again, as in joined recordings."""
_UNKNOWN_COUNTS = (0xFFFFFFFF, 1 << 30)
"""Numbers of frames that FFmpeg writes to IVF and AVI files in a pipe, where it cannot go back to fill them in."""
MISSING_END = "the picture ends at"
_KINDS = {"audio": "sound", "subtitle": "subtitles", "attachment": "attached files"}
"""What a file may hold beside pictures, by FFmpeg's name."""
_LAST_BYTES = {
    "gif": b";", "apng": b"IEND", "png": b"IEND", "png_pipe": b"IEND", "jpeg_pipe": b"\xff\xd9",
    "mjpeg_pipe": b"\xff\xd9",
}  # fmt: skip
"""How files end whose decoders are silent about a cut, by FFmpeg's format or Pillow's."""
_BLOCK = 1 << 20


class VideoReader:
    """An open video, for a `with` statement.

    Of several streams the one is read that players choose: marked as default, then the largest. FFmpeg may open nothing
    but the given file, so that a playlist leads nowhere.

    Args:
        source: An open file is read from its start.
        threads: "NONE" where several clips are decoded at once.

    Attributes:
        name: For messages.
        notes: What is odd about the file, one sentence each; complete when all frames are read.
        screen: Converts frames to images; there once the first frame is decoded.
        end_s: When the last frame leaves the screen, in seconds from the first; known when all frames are read.
        missing_s: How much earlier that is than the header says, but for sound that goes on; known then as well.
        seen: What was odd so far.

    Raises:
        UnreadableVideoError: It is missing, empty, no video, or declares more pictures or frames than it can hold; the
            message names it.
    """

    screen: Screen

    def __init__(self, source: VideoSource, threads: str = "AUTO") -> None:
        self.name = source_name(source)
        self.notes: list[str] = []
        self.end_s = self.missing_s = 0.0
        self.seen = Seen()
        self._picture: Image.Image | None = source if isinstance(source, Image.Image) else None
        self._file: BinaryIO | None = None
        with ExitStack() as stack:
            if not isinstance(source, Image.Image):
                self._file = self._open(source, threads, stack)
            self._check_declared()
            self._stack = stack.pop_all()

    def _open(self, source: VideoSource, threads: str, stack: ExitStack) -> BinaryIO:
        file, junk = open_file(source, self.name, stack)
        self._note(junk > 0, f"{junk:,} bytes before the beginning of the MP4 file are passed over")
        self._bytes = file.seek(0, 2)
        file.seek(0)
        self._picture = open_picture(file)
        if self._picture is None:
            self.container = stack.enter_context(open_container(file, self._bytes, self.name))
            self.stream = self._choose_stream()
            self.stream.thread_type = threads
        return file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec, or Pillow's of a picture."""
        return str(self._picture.format).lower() if self._picture else self.stream.codec_context.name

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as a player shows them, by the header: of the pixels' shape, but not of rotation."""
        if self._picture:
            return self._picture.size
        width, height = self.stream.codec_context.width, self.stream.codec_context.height
        aspect = float(self.stream.sample_aspect_ratio or 1)
        return round(width * max(aspect, 1.0)), round(height * max(1 / aspect, 1.0))

    @property
    def frames_per_second(self) -> float | None:
        """As the header says; None where it says nothing."""
        if self._picture:
            return None
        rate = self.stream.average_rate or self.stream.guessed_rate
        if self._is_raw:
            rate = self.stream.codec_context.framerate or rate
        return float(rate) if rate and rate < 100_000 else None

    @property
    def duration_s(self) -> float | None:
        """Duration of the picture in seconds that the header announces; None where it does not."""
        if self._picture or self.stream.frames > self._bytes:  # what writes to a pipe cannot know the number
            return None
        if self.stream.duration and self.stream.time_base:
            return float(self.stream.duration * self.stream.time_base)
        start = self._start_s
        if found := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", self.stream.metadata.get("DURATION", "")):
            return 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3]) - start
        return self.container.duration / 1e6 - start if self.container.duration else None

    @property
    def _start_s(self) -> float:
        """When the picture starts, in Matroska, whose header gives the time of its end and not its duration."""
        start, base = self.stream.start_time, self.stream.time_base
        return float(start * base) if "matroska" in self.container.format.name and start and base else 0.0

    def count_frames(self) -> int:
        """Count frames by their packets, without decoding; a damaged file may have fewer. Frames are gone then."""
        if self._picture:
            return number_of_pictures(self._picture)
        vp8 = self.stream.codec_context.name in {"vp8", "libvpx"}
        return sum(is_shown(packet, vp8) for packet in self.container.demux(self.stream))

    def frames(self, start_s: float = 0.0, seen: Seen | None = None) -> Iterator[tuple[float, "VideoFrame"]]:
        """Yield each frame with the time in seconds, from the first, at which it comes on screen.

        Damaged parts are passed over; raises an UnreadableVideoError if none of the frames decodes.

        Args:
            start_s: Where the container can seek, frames come from the last key frame before this on; else all do.
            seen: What an earlier reader saw of the video up to there or further.
        """
        nominal = 1 / (self.frames_per_second or DEFAULT_RATE)
        frames, origin = self._decode_from(start_s, (seen or Seen()).copy())
        offset, start, previous = -(origin or 0.0), 0.0, None
        for frame in frames:
            stamp = self._stamp(frame)
            if previous is None and origin is None:
                self._start_screen(frame)
                offset = -(stamp or 0.0)
            elif previous is None:
                start = (stamp or 0.0) + offset
            else:
                time = start + nominal if stamp is None else stamp + offset
                if time < start - _RESTART_S:
                    time, offset = start + nominal, start + nominal - (stamp or 0.0)
                    self.seen.restarts = True
                self.seen.held = max(self.seen.held, (time - start, -start))
                start = max(time, start)
            self.seen.add_size(frame.width, frame.height)
            previous = frame
            yield start, frame
        if previous is None:
            cause = self.seen.cause or "the stream is empty"
            raise UnreadableVideoError(f"{self.name}: no frame could be decoded ({cause})")
        own = float(previous.duration * previous.time_base) if previous.duration and previous.time_base else 0.0
        self.end_s = start + (nominal if self._is_raw or own <= 0 else own)
        self.seen.held = max(self.seen.held, (self.end_s - start, -start))
        self._note_seen()
        self._note_missing(offset)

    def _stamp(self, frame: "VideoFrame") -> float | None:
        return frame.time if frame.time is not None and not self._is_raw else None

    def _decode_from(self, start_s: float, known: Seen) -> tuple[Iterator["VideoFrame"], float | None]:
        """Decode from the last key frame before a time, and give the first frame's time stamp; else None, and all."""
        self.seen = Seen()
        frames = self._decode()
        if start_s <= 0 or self._picture or known.restarts:
            return frames, None
        first = next(frames, None)
        origin = None if first is None else self._stamp(first)
        if first is None or origin is None or not seek_before(self.container, self.stream, origin + start_s):
            return (frames if first is None else chain([first], frames)), None
        self._start_screen(first)
        found = next(self._decode(), None)
        stamp = None if found is None else self._stamp(found)
        reached = stamp is not None and origin <= stamp <= origin + start_s
        seek_before(self.container, self.stream, origin + (start_s if reached else 0.0))
        self.seen = known if reached else Seen()
        return self._decode(), origin

    def _start_screen(self, first: "VideoFrame") -> None:
        self.screen = Screen(first, None if self._picture else self.stream.sample_aspect_ratio)
        if kind := hdr_kind(first):
            what = "HDR" if kind in ("PQ", "HLG") else "a wide gamut"
            self.notes.append(f"converted from {what} ({kind}) to SDR")

    def _note(self, holds: bool, sentence: str) -> None:
        if holds:
            self.notes.append(sentence)

    def _note_seen(self) -> None:
        sizes, (seconds, since) = self.seen.sizes, self.seen.held
        named = ", ".join(f"{width}x{height}" for width, height in sizes)
        self._note(len(sizes) > 1, f"the picture's size changes ({named})")
        self._note(seconds > LONG_HOLD_S, f"a frame is held for {seconds:.0f} s from {-since:.1f} s on; it counts once")

    def _note_missing(self, offset: float) -> None:
        announced, end = self.duration_s, self.end_s
        self.missing_s = max(0.0, (announced or 0.0) - max(end, self._other_end_s + offset))
        if self.seen.damaged:
            self.notes.append(f"{self.seen.damaged} damaged part(s) passed over ({self.seen.cause})")
        elif self._lacks_end():
            self.notes.append(f"the file is cut off; it gives {end:.1f} s")
        elif is_cut_short(self.missing_s, announced or 0.0):
            self.notes.append(f"{MISSING_END} {end:.1f} s although the header says {announced:.1f} s")

    def _lacks_end(self) -> bool:
        """Whether a file that says nothing of its duration is cut off."""
        if self._file is None:
            return False
        if self._picture and self._picture.format == "WEBP":
            self._file.seek(4)
            return int.from_bytes(self._file.read(4), "little") + 8 > self._bytes
        form = self.codec if self._picture else self.container.format.name
        form = f"{self.codec}_pipe" if form == "image2" else form  # found by the ending of its name
        if "mp4" in form:
            return ends_in_fragment(self._file, self._bytes)
        ending = _LAST_BYTES.get(form)
        return ending is not None and ending not in _last_bytes(self._file, self._bytes)

    @property
    def _is_raw(self) -> bool:
        return self._picture is None and bool(self.container.format.flags & _NO_TIMESTAMPS)

    def _decode(self) -> Iterator["VideoFrame"]:
        """Yield decoded frames; counts the packets that do not decode, and keeps the cause of the last."""
        import av

        self._known_dts = self.seen.last_dts
        self._other_end_s = 0.0
        if self._picture:
            try:
                yield from picture_frames(self._picture, self._file)
            except PILLOW_ERRORS as error:
                self._pass_over(error, None)
            return
        decoder = alpha_decoder(self.stream)
        aspects = PixelAspects(decoder or self.stream.codec_context)
        for packet in self._packets():
            try:
                frames = packet.decode() if decoder is None else decoder.decode(packet if packet.size else None)
                for frame in frames:
                    aspects.mark(frame)
                    yield frame
            except EOFError:
                return
            except av.FFmpegError as error:
                self._pass_over(error, packet.dts)

    def _pass_over(self, error: Exception, dts: int | None) -> None:
        """Count a damaged part, but for one that an earlier reader passed over."""
        if dts is None or self._known_dts is None or dts > self._known_dts:
            self.seen.damaged, self.seen.cause = self.seen.damaged + 1, reason_of(error)

    def _packets(self) -> Iterator["Packet"]:
        """Yield the packets of the picture, the last one empty, for the frames that the decoder still holds."""
        import av

        # Sound as well where only it may tell that the file goes on after the picture's end.
        has_duration = self.stream.duration or "DURATION" in self.stream.metadata
        sound = [] if has_duration else self.container.streams.audio
        packets, flushed = self.container.demux([self.stream, *sound]), False
        while True:
            try:
                packet = next(packets)
            except (StopIteration, EOFError):  # PyAV's end of file is an EOFError
                break
            except av.FFmpegError as error:
                self._pass_over(error, self.seen.last_dts)
                continue
            if packet.stream is self.stream:
                flushed = not packet.size
                if packet.dts is not None:
                    self.seen.last_dts = max(packet.dts, self.seen.last_dts or packet.dts)
                yield packet
            elif packet.pts is not None:
                end = (packet.pts + (packet.duration or 0)) * packet.time_base
                self._other_end_s = max(self._other_end_s, float(end))
        if not flushed:  # an error ended the iterator
            last = av.Packet()
            last.stream = self.stream
            yield last

    def _choose_stream(self) -> "VideoStream":
        import av

        kinds = av.stream.Disposition
        aside = kinds.attached_pic | kinds.timed_thumbnails | kinds.dependent
        streams = [stream for stream in self.container.streams.video if not stream.disposition & aside]
        if not streams:
            raise UnreadableVideoError(f"{self.name}: {self._content_without_picture()}")
        decodable = [stream for stream in streams if stream.codec_context is not None]
        if not decodable:
            raise UnreadableVideoError(f"{self.name}: this build of FFmpeg has no decoder for its video")

        def rank(stream: "VideoStream") -> tuple[bool, bool, bool, int]:
            pixels = stream.codec_context.width * stream.codec_context.height
            moving = stream.frames != 1  # the first stream of a damaged animated AVIF is its first picture
            return moving, bool(stream.disposition & kinds.default), not stream.disposition & kinds.still_image, pixels

        best = max(decodable, key=rank)
        tiles = [stream for stream in self.container.streams.video if stream.disposition & kinds.dependent]
        if tiles and best.frames == 1:
            raise UnreadableVideoError(f"{self.name}: {self._content_without_picture()}")  # the thumbnail of a photo
        size = f"{best.codec_context.width}x{best.codec_context.height}"
        self._note(len(streams) > 1, f"holds {len(streams)} video streams; number {best.index} ({size}) is read")
        return best

    def _content_without_picture(self) -> str:
        """Say what a file holds that has no moving picture."""
        import av

        kinds = av.stream.Disposition
        streams = list(self.container.streams)
        if tiles := sum(bool(stream.disposition & kinds.dependent) for stream in self.container.streams.video):
            return f"is a photo of {tiles} tiles, which are not put together here; save it as JPEG or PNG"
        found = sorted({_KINDS.get(stream.type, stream.type) for stream in streams if stream.type != "video"})
        cover = any(stream.disposition & kinds.attached_pic for stream in self.container.streams.video)
        found += ["a cover picture"] if cover else []
        return f"holds no moving picture, only {' and '.join(found) or 'an empty container'}"

    def _check_declared(self) -> None:
        if self._picture:
            (width, height), frames = self._picture.size, number_of_pictures(self._picture)
        else:
            context = self.stream.codec_context
            width, height, frames = context.width, context.height, self.stream.frames
            frames = 0 if frames in _UNKNOWN_COUNTS else frames
        animated = frames > 1 if self._picture else self.codec in ("gif", "apng")
        most = MAX_ANIMATION_PIXELS if animated else MAX_PIXELS
        check_pixels(width, height, most, self.name)
        if self._file and frames > self._bytes:
            raise UnreadableVideoError(f"{self.name}: declares {frames:,} frames in a file of {self._bytes:,} bytes")


def _last_bytes(file: BinaryIO, end: int, count: int = 64) -> bytes:
    """The last bytes of a file before the zeros that may fill it up."""
    while end > 0:
        start = max(0, end - _BLOCK)
        file.seek(start)
        if block := file.read(end - start).rstrip(b"\0"):
            file.seek(max(0, start + len(block) - count))
            return file.read(min(count, start + len(block)))
        end = start
    return b""


def is_cut_short(missing_s: float, announced_s: float) -> bool:
    """Whether so much of the end is missing that it is said: over a second, and over a tenth of the announced time."""
    return missing_s > max(1.0, 0.1 * announced_s)
