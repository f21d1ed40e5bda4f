"""The frames of a video file at their times, decoded with PyAV in one pass: what a player shows."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from PIL import Image

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
from .video_streams import UnreadableVideoError

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

LONG_HOLD_S = 10.0
"""A frame that is held for longer is noted."""
DEFAULT_RATE = 25.0
"""Frames per second where a file says nothing."""
_NO_TIMESTAMPS = 0x80
"""FFmpeg's flag of formats that hold nothing but the coded pictures."""
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders of these leave the transparency out."""
_RESTART_S = 1.0
"""Times that run back by more start again, as in joined recordings."""
_UNKNOWN_COUNTS = (0xFFFFFFFF, 1 << 30)
"""Numbers of frames that FFmpeg writes to IVF and AVI files in a pipe, where it cannot go back to fill them in."""
_SIZES_NAMED = 4
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

    Raises:
        UnreadableVideoError: It is missing, empty, no video, or declares more pictures or frames than it can hold; the
            message names it.
    """

    screen: Screen

    def __init__(self, source: VideoSource, threads: str = "AUTO") -> None:
        self.name = source_name(source)
        self.notes: list[str] = []
        self.end_s = 0.0
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

    def frames(self) -> Iterator[tuple[float, "VideoFrame"]]:
        """Yield each frame with the time in seconds, from the first, at which it comes on screen.

        Damaged parts are passed over; raises an UnreadableVideoError if none of the frames decodes.
        """
        nominal = 1 / (self.frames_per_second or DEFAULT_RATE)
        offset, start, previous, held = 0.0, 0.0, None, (0.0, 0.0)
        sizes: dict[tuple[int, int], None] = {}
        for frame in self._decode():
            stamp = frame.time if frame.time is not None and not self._is_raw else None
            if previous is None:
                self._start_screen(frame)
                offset = -(stamp or 0.0)
            else:
                time = start + nominal if stamp is None else stamp + offset
                if time < start - _RESTART_S:
                    time, offset = start + nominal, start + nominal - (stamp or 0.0)
                held = max(held, (time - start, -start))
                start = max(time, start)
            if len(sizes) < _SIZES_NAMED:
                sizes[frame.width, frame.height] = None
            previous = frame
            yield start, frame
        if previous is None:
            cause = self._cause or "the stream is empty"
            raise UnreadableVideoError(f"{self.name}: no frame could be decoded ({cause})")
        own = float(previous.duration * previous.time_base) if previous.duration and previous.time_base else 0.0
        self.end_s = start + (nominal if self._is_raw or own <= 0 else own)
        named = ", ".join(f"{width}x{height}" for width, height in sizes)
        self._note(len(sizes) > 1, f"the picture's size changes ({named})")
        held = max(held, (self.end_s - start, -start))
        seconds, since = held[0], -held[1]
        self._note(seconds > LONG_HOLD_S, f"a frame is held for {seconds:.0f} s from {since:.1f} s on; it counts once")
        self._note_missing(offset)

    def _start_screen(self, first: "VideoFrame") -> None:
        self.screen = Screen(first, None if self._picture else self.stream.sample_aspect_ratio)
        if kind := hdr_kind(first):
            what = "HDR" if kind in ("PQ", "HLG") else "a wide gamut"
            self.notes.append(f"converted from {what} ({kind}) to SDR")

    def _note(self, holds: bool, sentence: str) -> None:
        if holds:
            self.notes.append(sentence)

    def _note_missing(self, offset: float) -> None:
        announced, others_end, end = self.duration_s, self._other_end_s + offset, self.end_s
        if self._damaged:
            self.notes.append(f"{self._damaged} damaged part(s) passed over ({self._cause})")
        elif self._lacks_end():
            self.notes.append(f"the file is cut off; it gives {end:.1f} s")
        elif announced and announced - max(end, others_end) > max(1.0, 0.1 * announced):
            self.notes.append(f"the picture ends at {end:.1f} s although the header says {announced:.1f} s")

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

        self._damaged, self._cause, self._other_end_s = 0, "", 0.0
        if self._picture:
            try:
                yield from picture_frames(self._picture, self._file)
            except PILLOW_ERRORS as error:
                self._damaged, self._cause = 1, reason_of(error)
            return
        decoder = _alpha_decoder(self.stream)
        aspects = _PixelAspects(decoder or self.stream.codec_context)
        for packet in self._packets():
            try:
                frames = packet.decode() if decoder is None else decoder.decode(packet if packet.size else None)
                for frame in frames:
                    aspects.mark(frame)
                    yield frame
            except EOFError:
                return
            except av.FFmpegError as error:
                self._damaged, self._cause = self._damaged + 1, reason_of(error)

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
                self._damaged, self._cause = self._damaged + 1, reason_of(error)
                continue
            if packet.stream is self.stream:
                flushed = not packet.size
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


class _PixelAspects:
    """Marks frames whose pixels have another shape than the first's, which is the header's; it changes at key frames.

    `Screen` reads the mark, `VideoFrame.opaque`: PyAV gives no aspect of frames, only the decoder's.
    """

    def __init__(self, decoder: "VideoCodecContext") -> None:
        self._decoder = decoder
        self._first: Fraction | None = None
        self._current: Fraction | None = None

    def mark(self, frame: "VideoFrame") -> None:
        if frame.key_frame or self._first is None:
            self._current = self._decoder.sample_aspect_ratio
            self._first = self._first or self._current
        if self._current and self._current != self._first:
            # each its own: PyAV drops an object with the first frame that has it
            frame.opaque = Fraction(self._current)


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


def _alpha_decoder(stream: "VideoStream") -> "VideoCodecContext | None":
    """A decoder that reads the transparency of WebM; None where the stream's own does or there is none."""
    import av

    decoder = _ALPHA_DECODERS.get(stream.codec_context.codec.canonical_name)
    has_alpha = stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) == "1"
    if not has_alpha or decoder not in av.codecs_available:
        return None
    return cast("VideoCodecContext", av.CodecContext.create(decoder, "r"))


def is_shown(packet: "Packet", vp8: bool) -> bool:
    """Whether a packet holds a frame that is shown; VP8's may only serve to predict others (RFC 6386, 9.1)."""
    return bool(packet.size) and (not vp8 or bool(bytes(packet)[0] >> 4 & 1))
