"""The frames of a video file at their times, decoded with PyAV in one pass: what a player shows."""

import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

import numpy as np
from PIL import Image, ImageSequence

from .video_display import MAX_PIXELS, Screen, hdr_kind

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

VideoSource = str | Path | bytes | BinaryIO
"""A path, the bytes of a file, or a binary file object."""

MAX_ANIMATION_PIXELS = MAX_PIXELS // 4
"""Of GIF, WebP and the like, whose black pictures compress a thousandfold, and whose decoders keep several."""
LONG_HOLD_S = 10.0
"""A frame that is held for longer is noted."""
DEFAULT_RATE = 25.0
"""Frames per second where a file says nothing."""
_NO_TIMESTAMPS = 0x80
"""FFmpeg's flag of formats that hold nothing but the coded pictures."""
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders of these leave the transparency out."""
_RESTART_S = 1.0
"""Times that run back by more begin anew, as in joined recordings."""
_ISO_BOXES = (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"wide", b"free", b"skip")
_PARENT_BOXES = (b"trak", b"mdia", b"minf", b"stbl", b"traf", b"moov", b"moof", b"edts", b"mvex", b"dinf", b"udta")
_DEEPEST_BOX = 10
"""FFmpeg follows no further."""
_MAX_INDEX_BYTES = 1 << 26
_DECODER_OPTIONS = {"max_pixels": str(MAX_PIXELS)}
_SIZES_NAMED = 4
PILLOW_ERRORS = (
    OSError, EOFError, ValueError, RuntimeError, SyntaxError, ArithmeticError, LookupError, struct.error,
    Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow raises of damaged files."""


class UnreadableVideoError(ValueError):
    """A file that gives no frames; the message names it and the cause."""


class VideoReader:
    """An open video: use it in a `with` statement.

    Of several streams the one is read that players choose: marked as default, then the largest. FFmpeg may open nothing
    but the given file, so that a playlist leads nowhere.

    Args:
        source: A path, the bytes of a file, or an open binary file, which is read from its start.
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
        self._animation: Image.Image | None = None
        with ExitStack() as stack:
            file = _open_file(source, self.name, stack)
            self._bytes = file.seek(0, 2)
            file.seek(0)
            self._animation = _open_animation(file, stack)
            if self._animation is None:
                _check_index(file, self._bytes, self.name)
                self.container = stack.enter_context(_open_container(file, self.name))
                self.stream = self._choose_stream()
                self.stream.thread_type = threads
                self.stream.codec_context.options = _DECODER_OPTIONS  # for pictures that grow
            self._check_declared()
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec, or Pillow's of an animation."""
        return str(self._animation.format).lower() if self._animation else self.stream.codec_context.name

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as a player shows them, by the header: of the pixels' shape, but not of rotation."""
        if self._animation:
            return self._animation.size
        width, height = self.stream.codec_context.width, self.stream.codec_context.height
        aspect = float(self.stream.sample_aspect_ratio or 1)
        return round(width * max(aspect, 1.0)), round(height * max(1 / aspect, 1.0))

    @property
    def frames_per_second(self) -> float | None:
        """As the header says; None where it says nothing."""
        if self._animation:
            return None
        rate = self.stream.average_rate or self.stream.guessed_rate
        if self._is_raw:
            rate = self.stream.codec_context.framerate or rate
        return float(rate) if rate and rate < 100_000 else None

    @property
    def duration_s(self) -> float | None:
        """Duration of the picture in seconds that the header announces; None where it does not."""
        if self._animation:
            return None
        if self.stream.duration and self.stream.time_base:
            return float(self.stream.duration * self.stream.time_base)
        if found := re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", self.stream.metadata.get("DURATION", "")):
            return 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3])
        return self.container.duration / 1e6 if self.container.duration else None

    def count_frames(self) -> int:
        """Count frames by their packets, without decoding; a damaged file may have fewer. Frames are gone then."""
        if self._animation:
            return _number_of_frames(self._animation)
        vp8 = self.stream.codec_context.name in {"vp8", "libvpx"}
        return sum(is_shown(packet, vp8) for packet in self.container.demux(self.stream))

    def frames(self) -> Iterator[tuple[float, "VideoFrame"]]:
        """Yield each frame with the time in seconds, from the first, at which it comes on screen.

        Damaged parts are passed over.

        Raises:
            UnreadableVideoError: None of the frames decodes.
        """
        nominal = 1 / (self.frames_per_second or DEFAULT_RATE)
        offset, start, previous, held = 0.0, 0.0, None, (0.0, 0.0)
        sizes: dict[tuple[int, int], None] = {}
        for frame in self._decoded():
            stamp = frame.time if frame.time is not None and not self._is_raw else None
            if previous is None:
                self._begin(frame)
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
            raise UnreadableVideoError(
                f"{self.name}: no frame could be decoded ({self._cause or 'the stream is empty'})"
            )
        own = float(previous.duration * previous.time_base) if previous.duration and previous.time_base else 0.0
        self.end_s = start + (nominal if self._is_raw or own <= 0 else own)
        named = ", ".join(f"{width}x{height}" for width, height in sizes)
        self._note(len(sizes) > 1, f"the picture's size changes ({named})")
        held = max(held, (self.end_s - start, -start))
        self._note(
            held[0] > LONG_HOLD_S, f"a frame is held for {held[0]:.0f} s from {-held[1]:.1f} s on; it counts once"
        )
        self._note_missing(nominal + start)

    def _begin(self, first: "VideoFrame") -> None:
        self.screen = Screen(first, None if self._animation else self.stream.sample_aspect_ratio)
        if kind := hdr_kind(first):
            what = "HDR" if kind in ("PQ", "HLG") else "a wide gamut"
            self.notes.append(f"converted from {what} ({kind}) to SDR")

    def _note(self, holds: bool, sentence: str) -> None:
        if holds:
            self.notes.append(sentence)

    def _note_missing(self, end: float) -> None:
        announced = self.duration_s
        if self._damaged:
            self.notes.append(f"{self._damaged} damaged part(s) passed over ({self._cause})")
        elif announced and announced - max(end, self._other_end_s) > max(1.0, 0.1 * announced):
            self.notes.append(f"the picture ends at {end:.1f} s although the header says {announced:.1f} s")

    @property
    def _is_raw(self) -> bool:
        return self._animation is None and bool(self.container.format.flags & _NO_TIMESTAMPS)

    def _decoded(self) -> Iterator["VideoFrame"]:
        """Yield decoded frames; counts the packets that do not decode, and keeps the cause of the last."""
        import av

        self._damaged, self._cause, self._other_end_s = 0, "", 0.0
        if self._animation:
            try:
                yield from _animation_frames(self._animation)
            except PILLOW_ERRORS as error:
                self._damaged, self._cause = 1, _reason(error)
            return
        decoder = _alpha_decoder(self.stream)
        packets = self.container.demux(self._streams_to_demux())
        while True:
            try:
                packet = next(packets)
                if packet.stream is not self.stream:
                    self._other_end_s = max(self._other_end_s, _end_of(packet))
                    continue
                frames = packet.decode() if decoder is None else decoder.decode(packet if packet.size else None)
                yield from cast("list[VideoFrame]", frames)
            except (StopIteration, EOFError):  # PyAV's end of file is an EOFError
                return
            except av.FFmpegError as error:
                self._damaged, self._cause = self._damaged + 1, _reason(error)

    def _streams_to_demux(self) -> list[Any]:
        """The picture, and sound as well where only it may tell that the file goes on after the picture's end."""
        if self.stream.duration or "DURATION" in self.stream.metadata:
            return [self.stream]
        return [self.stream, *self.container.streams.audio]

    def _choose_stream(self) -> "VideoStream":
        import av

        kinds = av.stream.Disposition
        aside = kinds.attached_pic | kinds.timed_thumbnails | kinds.dependent
        streams = [stream for stream in self.container.streams.video if not stream.disposition & aside]
        if not streams:
            found = ", ".join(sorted({stream.type for stream in self.container.streams})) or "an empty container"
            raise UnreadableVideoError(f"{self.name}: holds no moving picture, only {found}")
        decodable = [stream for stream in streams if stream.codec_context is not None]
        if not decodable:
            raise UnreadableVideoError(f"{self.name}: this build of FFmpeg has no decoder for its video")

        def rank(stream: "VideoStream") -> tuple[bool, bool, int]:
            pixels = stream.codec_context.width * stream.codec_context.height
            return bool(stream.disposition & kinds.default), not stream.disposition & kinds.still_image, pixels

        best = max(decodable, key=rank)
        size = f"{best.codec_context.width}x{best.codec_context.height}"
        self._note(len(streams) > 1, f"holds {len(streams)} video streams; number {best.index} ({size}) is read")
        return best

    def _check_declared(self) -> None:
        if self._animation:
            (width, height), frames = self._animation.size, _number_of_frames(self._animation)
        else:
            context = self.stream.codec_context
            width, height, frames = context.width, context.height, self.stream.frames
        animated = frames > 1 if self._animation else self.codec in ("gif", "apng")
        most = MAX_ANIMATION_PIXELS if animated else MAX_PIXELS
        if width * height > most:
            raise UnreadableVideoError(
                f"{self.name}: declares pictures of {width}x{height}; at most {most:,} pixels are read"
            )
        if frames > self._bytes:
            raise UnreadableVideoError(f"{self.name}: declares {frames:,} frames in a file of {self._bytes:,} bytes")


def source_name(source: VideoSource) -> str:
    """A short name for messages and tables."""
    return str(source) if isinstance(source, str | Path) else str(getattr(source, "name", "the given bytes"))


def _reason(error: Exception) -> str:
    """An error's reason without number and file name."""
    return str(getattr(error, "strerror", None) or error).strip().rstrip(".").lower()


def _open_file(source: VideoSource, name: str, stack: ExitStack) -> BinaryIO:
    """Open a source as a file that can seek; a pipe is read to its end.

    Raises:
        UnreadableVideoError: It is missing or empty.
    """
    try:
        if isinstance(source, str | Path):
            file: BinaryIO = stack.enter_context(Path(source).open("rb"))  # noqa: SIM115 - the stack closes it
        else:
            file = BytesIO(source) if isinstance(source, bytes) else source
        file = file if file.seekable() else BytesIO(file.read())
        empty = not file.seek(0, 2)
    except (OSError, ValueError) as error:
        raise UnreadableVideoError(f"{name}: cannot be opened ({_reason(error)})") from None
    if empty:
        raise UnreadableVideoError(f"{name}: the file is empty (0 bytes)")
    return file


def _open_container(file: BinaryIO, name: str) -> "InputContainer":
    import av

    options = {"protocol_whitelist": "none", **_DECODER_OPTIONS}
    try:
        container = av.open(file, "r", options=options, metadata_errors="replace")
    except (OSError, av.FFmpegError, ValueError) as error:
        raise UnreadableVideoError(f"{name}: not a video that FFmpeg can read ({_reason(error)})") from None
    if container.format.name == "tty":  # FFmpeg draws text files
        container.close()
        raise UnreadableVideoError(f"{name}: is a text file, not a video")
    return container


def _check_index(file: BinaryIO, size: int, name: str) -> None:
    """Refuse an MP4 or MOV file whose index is missing, or counts more frames than the file can hold.

    FFmpeg would make room for all of them when it opens the file.
    """
    position, found = 0, set[bytes]()
    while position + 8 <= size:
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind not in _ISO_BOXES and not found:
            break
        found.add(kind)
        if length == 1:
            length = struct.unpack(">Q", file.read(8).rjust(8, b"\0"))[0]
        length = length or size - position
        if kind in (b"moov", b"moof"):
            index = file.read(min(length, size - position, _MAX_INDEX_BYTES))
            counts = _sample_counts(index, 0, len(index))
            if (most := max(counts, default=0)) > 4 * size:  # old sound formats count several samples per byte
                raise UnreadableVideoError(f"{name}: declares {most:,} frames in a file of {size:,} bytes")
        if length < 8:
            break
        position += length
    file.seek(0)
    if b"mdat" in found and not found & {b"moov", b"moof"}:
        raise UnreadableVideoError(
            f"{name}: not a video that FFmpeg can read (the index of the file, at its end, is missing)"
        )


def _sample_counts(index: bytes, start: int, stop: int, depth: int = 0) -> Iterator[int]:
    """Numbers of samples that the boxes of an index declare (ISO 14496-12, 8.6.1, 8.7.3 and 8.8.8)."""
    while start + 8 <= stop:
        length, kind = struct.unpack_from(">I4s", index, start)
        head = 16 if length == 1 else 8
        if length == 1:
            length = int.from_bytes(index[start + 8 : start + 16], "big")
        begin, end = start + head, min(start + length, stop) if length else stop
        if kind in _PARENT_BOXES and depth < _DEEPEST_BOX:
            yield from _sample_counts(index, begin, end, depth + 1)
        elif kind in (b"stsz", b"trun"):
            at = begin + (8 if kind == b"stsz" else 4)
            yield int.from_bytes(index[at : at + 4], "big")
        elif kind in (b"stts", b"ctts"):
            count = min(int.from_bytes(index[begin + 4 : begin + 8], "big"), max(0, end - begin - 8) // 8)
            yield int(np.frombuffer(index, ">u4", 2 * count, begin + 8)[::2].sum(dtype=np.int64)) if count else 0
        start = max(end, begin)


def _open_animation(file: BinaryIO, stack: ExitStack) -> Image.Image | None:
    """Open animated WebP, and AVIF, with Pillow, which reads them better than FFmpeg; None for anything else."""
    head = file.read(12)
    file.seek(0)
    if not (head[:4] == b"RIFF" and head[8:] == b"WEBP") and head[4:] not in (b"ftypavif", b"ftypavis"):
        return None
    try:
        with without_pillow_warnings():
            animation = stack.enter_context(Image.open(file))
        if animation.width * animation.height <= MAX_ANIMATION_PIXELS or _number_of_frames(animation) > 1:
            return animation
    except PILLOW_ERRORS:
        pass
    file.seek(0)
    return None  # FFmpeg, which takes less memory, reads a large photo


@contextmanager
def without_pillow_warnings() -> Iterator[None]:
    """Keep Pillow's warnings of large and damaged images to ourselves: limits and errors of ours say the same."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _number_of_frames(animation: Image.Image) -> int:
    return getattr(animation, "n_frames", 1)


def _animation_frames(animation: Image.Image) -> Iterator["VideoFrame"]:
    import av

    time_ms = 0
    for picture in ImageSequence.Iterator(animation):
        picture.load()
        form = "RGB" if picture.mode == "RGB" else "RGBA"
        pixels = np.asarray(picture if picture.mode == form else picture.convert(form))
        frame = av.VideoFrame.from_ndarray(pixels, format={"RGB": "rgb24", "RGBA": "rgba"}[form])
        frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
        frame.duration = round(picture.info.get("duration", 0)) or 100
        time_ms += frame.duration
        yield frame


def _alpha_decoder(stream: "VideoStream") -> "VideoCodecContext | None":
    """A decoder that reads the transparency of WebM; None where the stream's own does or there is none."""
    import av

    decoder = _ALPHA_DECODERS.get(stream.codec_context.codec.canonical_name)
    if (
        stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE")) != "1"
        or decoder not in av.codecs_available
    ):
        return None
    return cast("VideoCodecContext", av.CodecContext.create(decoder, "r"))


def is_shown(packet: "Packet", vp8: bool) -> bool:
    """Whether a packet holds a frame that is shown; VP8's may only serve to predict others (RFC 6386, 9.1)."""
    return bool(packet.size) and (not vp8 or bool(bytes(packet)[0] >> 4 & 1))


def _end_of(packet: "Packet") -> float:
    return float((packet.pts + (packet.duration or 0)) * packet.time_base) if packet.pts is not None else 0.0
