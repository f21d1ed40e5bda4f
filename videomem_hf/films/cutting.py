"""Parts of a video as files that play in a browser: copied where key frames allow, else encoded again."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from videomem_hf.films.sound import add_sound, encode_sound, sound_of, sound_packets
from videomem_hf.films.span import Span
from videomem_hf.models.video_decoding import DEFAULT_RATE, VideoReader
from videomem_hf.models.video_display import Screen
from videomem_hf.models.video_sampling import TIME_TOLERANCE_S
from videomem_hf.models.video_seeking import seek_before
from videomem_hf.system import atomic_write
from videomem_hf.video.video import VideoError, VideoSource, open_video

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame

PLAYED: Final = {
    "h264": (".mp4", {"aac", "mp3"}), "av1": (".mp4", {"aac", "mp3", "opus"}),
    "vp8": (".webm", {"opus", "vorbis"}), "vp9": (".webm", {"opus", "vorbis"}),
}  # fmt: skip
"""Codecs of the picture that every current browser plays: the file's ending, and the codecs of sound beside it."""
PLAYED_COLOURS: Final = frozenset({"yuv420p", "yuvj420p"})
_TIME_BASE: Final = Fraction(1, 90_000)
_CRF: Final = "18"
"""Nothing that can be seen is lost."""
_CRF_TO_SCORE: Final = "12"
_PRESET: Final = "veryfast"
_PREVIEW: Final = {"crf": "28", "preset": "veryfast"}
_BT709, _LIMITED_RANGE = 1, 1

Picture = Callable[[np.ndarray, float], np.ndarray]
"""Gives what is shown in place of an image `(height, width, 3)` uint8 RGB at a time of the source in seconds."""

OnFrame = Callable[[float], object]


@dataclass(frozen=True)
class WrittenPart:
    """A part of a clip as a file.

    Attributes:
        path: The file, MP4 or WebM.
        span: Of the clip, what it shows.
        copied: Whether picture and sound are those of the clip, bit by bit; else they were encoded again.
    """

    path: Path
    span: Span
    copied: bool


def write_part(
    source: VideoSource, stem: Path, span: Span, *, to_score: bool = False, on_frame: OnFrame | None = None
) -> WrittenPart:
    """Write a part of a clip, with its sound.

    It is copied where the browser plays the clip's codecs, a key frame begins it, and no frame in it needs a later one.

    Args:
        source: The clip.
        stem: The file to write, without its ending.
        span: What to write.
        to_score: Whether it is only for a model: then without sound, and copied whatever the codec, as .mkv.
        on_frame: As of `write_spans`.

    Raises:
        VideoError: The clip cannot be decoded, or ends before the part begins.
    """
    with open_video(source) as reader:
        packets = _packets_to_copy(reader, span, to_score)
        suffix = ".mp4" if not packets else ".mkv" if to_score else PLAYED[_codec(reader)][0]
        path = stem.with_name(stem.name + suffix)
        if packets:
            with atomic_write(path) as partial:
                _copy(reader, packets, partial, span)
            return WrittenPart(path, span, True)
    write_spans(source, path, [span], to_score=to_score, on_frame=on_frame)
    return WrittenPart(path, span, False)


def write_spans(
    source: VideoSource,
    path: Path,
    spans: Sequence[Span],
    picture: Picture | None = None,
    *,
    to_score: bool = False,
    on_frame: OnFrame | None = None,
) -> None:
    """Write parts of a clip one after the other as MP4 (H.264 and AAC), with their sound.

    Args:
        source: The clip.
        path: File to write, ending in .mp4; it appears whole or not at all.
        spans: The parts in the order in which they are shown.
        picture: Changes the images; None shows them as they are.
        to_score: Whether it is only for a model: then without sound, and closer to the clip.
        on_frame: Called with the time of each frame that is decoded; what it raises ends the work.

    Raises:
        VideoError: The clip cannot be decoded, or has no frames in these parts.
    """
    import av

    with (
        open_video(source) as reader,
        open_video(source) as heard,
        atomic_write(path) as partial,
        av.open(str(partial), "w", format="mp4", options={"movflags": "+faststart"}) as out,
    ):
        if not hasattr(reader, "stream"):
            raise VideoError(f"{reader.name}: is a picture; give a video")
        sound = None if to_score else sound_of(heard)
        shown = _encoded_picture(reader, out, spans, picture, _CRF_TO_SCORE if to_score else _CRF, on_frame)
        first = next(shown, None)
        if first is None:
            raise VideoError(f"{reader.name}: has no frames from {spans[0].start_s:g} s on; choose an earlier part")
        # Both streams are there before the first packet is written, and the header with it.
        spoken = add_sound(out) if sound is not None else None
        heard_s = () if sound is None else encode_sound(heard, sound, spoken, spans, _origin(reader))
        for packet in heapq.merge(chain([first], shown), heard_s, key=_time_of):
            out.mux(packet)


def frame_at(source: VideoSource, time_s: float) -> np.ndarray:
    """The frame of a clip that is on screen at a time, `(height, width, 3)` uint8 RGB as a player shows it.

    Raises:
        VideoError: The clip cannot be decoded, or ends before.
    """
    with open_video(source) as reader:
        if not hasattr(reader, "stream"):
            raise VideoError(f"{reader.name}: is a picture; give a video")
        for _, frame, screen in _decoded(reader, Span(time_s, time_s + 2 * TIME_TOLERANCE_S)):
            return screen.rgb(frame)
        raise VideoError(f"{reader.name}: shows nothing at {time_s:g} s; choose an earlier time")


def key_time(source: VideoSource, time_s: float) -> float | None:
    """When the last key frame of a clip at a time or before is shown, in seconds; None where none can be sought.

    Raises a VideoError if the clip cannot be decoded.
    """
    with open_video(source) as reader:
        if not hasattr(reader, "stream"):
            return None
        origin = _origin(reader)
        if not seek_before(reader.container, reader.stream, origin + time_s + TIME_TOLERANCE_S):
            return None
        packet = next((each for each in reader.container.demux(reader.stream) if each.pts is not None), None)
        if packet is None or not packet.is_keyframe or _seconds(packet) - origin > time_s + TIME_TOLERANCE_S:
            return None
        return max(0.0, _seconds(packet) - origin)


def write_preview(path: Path, frames: Iterable[tuple[float, np.ndarray]], length_s: float | None = None) -> None:
    """Write images as a small MP4 without sound.

    Args:
        path: File to write, ending in .mp4.
        frames: Time in seconds and image `(height, width, 3)` uint8 RGB with even sides, the first at 0.
        length_s: When the last one leaves the screen; None: soon.
    """
    import av

    with atomic_write(path) as partial, av.open(str(partial), "w", options={"movflags": "+faststart"}) as out:
        stream: Any = None
        image, time_s = None, 0.0
        for time_s, image in frames:
            stream = stream or _add_picture(out, image.shape[:2], 15, _PREVIEW)
            out.mux(stream.encode(_frame_of(image, time_s)))
        if image is not None and length_s is not None and length_s - time_s > 0.1:
            out.mux(stream.encode(_frame_of(image, length_s - 0.04)))  # players stop at the last frame
        if stream is not None:
            out.mux(stream.encode(None))


def _codec(reader: VideoReader) -> str:
    return reader.stream.codec_context.codec.canonical_name


def _origin(reader: VideoReader) -> float:
    """When the first frame is shown, on the clock of the container."""
    stream = reader.stream
    return float((stream.start_time or 0) * (stream.time_base or 0))


def _packets_to_copy(reader: VideoReader, span: Span, to_score: bool) -> "list[Packet]":
    """The packets of the picture in a part that can be copied, in the order of decoding; none where it cannot be."""
    import av

    if not hasattr(reader, "stream"):
        raise VideoError(f"{reader.name}: is a picture; give a video")
    stream, rate = reader.stream, reader.frames_per_second or DEFAULT_RATE
    is_fit = to_score or _plays(reader)
    if not is_fit or stream.metadata.get("alpha_mode") == "1" or not _shown_as_coded(reader):
        return []
    origin, base = _origin(reader), float(stream.time_base or 0)
    start, end = (origin + each - TIME_TOLERANCE_S for each in (span.start_s, span.end_s))
    try:
        reader.container.seek(int((start + 2 * TIME_TOLERANCE_S) / base), stream=stream, backward=True)
        packets = []
        for packet in reader.container.demux(stream):
            if packet.pts is None or packet.dts is None:
                continue
            if packet.dts * base >= end:
                break
            packets.append(packet)
    except av.FFmpegError:
        return []
    times = [_seconds(packet) for packet in packets]
    if not packets or not packets[0].is_keyframe or not start <= times[0] < start + 0.5 / rate + 2 * TIME_TOLERANCE_S:
        return []
    shown = [time >= times[0] and time < end for time in times]
    last = max(index for index, each in enumerate(shown) if each)
    if any(time >= end for time in times[:last]):
        return []  # a frame at the end is made from one beyond it
    return [packet for packet, each in zip(packets, shown, strict=True) if each]


def _plays(reader: VideoReader) -> bool:
    """Whether every browser plays the codecs of the picture and the sound together."""
    sound, endings = sound_of(reader), PLAYED.get(_codec(reader))
    if endings is None or reader.stream.codec_context.pix_fmt not in PLAYED_COLOURS:
        return False
    return sound is None or sound.codec_context.codec.canonical_name in endings[1]


def _shown_as_coded(reader: VideoReader) -> bool:
    """Whether a player shows the picture as it is coded: upright, with square pixels and in SDR colours."""
    import av

    try:
        frame = next(reader.container.decode(reader.stream))
    except (av.FFmpegError, StopIteration):
        return False
    return not frame.rotation and not Screen(frame, reader.stream.sample_aspect_ratio).changes(frame)


def _copy(reader: VideoReader, packets: "list[Packet]", path: Path, span: Span) -> None:
    import av

    form = {".webm": "webm", ".mkv": "matroska"}.get(path.suffix, "mp4")
    sound = None if form == "matroska" else sound_of(reader)
    shift_s = _seconds(packets[0])
    options = {"movflags": "+faststart"} if form == "mp4" else {}
    with av.open(str(path), "w", format=form, options=options) as out:
        shown = out.add_stream_from_template(reader.stream)
        spoken = out.add_stream_from_template(sound) if sound is not None else None
        heard = list(sound_packets(reader.container, sound, shift_s, span.length_s)) if sound is not None else []
        for packet in heapq.merge(packets, heard, key=_time_of):
            shift = round(shift_s / packet.time_base)
            packet.pts, packet.dts = (packet.pts or 0) - shift, (packet.dts or 0) - shift
            packet.stream = spoken if packet.stream.type == "audio" else shown
            out.mux(packet)


def _seconds(packet: "Packet") -> float:
    """When a packet's frame is shown, on the clock of the container."""
    return float((packet.pts or 0) * packet.time_base)


def _time_of(packet: "Packet") -> float:
    return float((packet.dts if packet.dts is not None else packet.pts or 0) * packet.time_base)


def _encoded_picture(
    reader: VideoReader,
    out: "OutputContainer",
    spans: Sequence[Span],
    picture: Picture | None,
    crf: str,
    on_frame: OnFrame | None,
) -> "Iterator[Packet]":
    stream: Any = None
    begin_s = 0.0
    for span in spans:
        for time_s, frame, screen in _decoded(reader, span, on_frame):
            shown = _for_encoder(frame, screen, picture, time_s)
            if stream is None:
                rate = min(round(reader.frames_per_second or DEFAULT_RATE), 120)
                stream = _add_picture(out, (shown.height, shown.width), max(1, rate), {"crf": crf, "preset": _PRESET})
            if (shown.width, shown.height) != (stream.width, stream.height) or shown.format.name != "yuv420p":
                shown = shown.reformat(stream.width, stream.height, "yuv420p")
            shown.pict_type = 0
            shown.pts = round((begin_s + max(0.0, time_s - span.start_s)) / _TIME_BASE)
            shown.time_base = _TIME_BASE
            yield from stream.encode(shown)
        begin_s += span.length_s
    if stream is not None:
        yield from stream.encode(None)


def _decoded(
    reader: VideoReader, span: Span, on_frame: OnFrame | None = None
) -> "Iterator[tuple[float, VideoFrame, Screen]]":
    """Yield the frames that are on screen in a part, with their times in the clip."""
    stream, origin = reader.stream, _origin(reader)
    base = float(stream.time_base or 0)
    if base and span.start_s > 0:
        reader.container.seek(int((origin + span.start_s) / base), stream=stream, backward=True)
    else:
        reader.container.seek(0)
    held: tuple[float, VideoFrame] | None = None
    screen = None
    for frame in reader.container.decode(stream):
        time_s = (frame.time or 0.0) - origin
        if on_frame is not None:
            on_frame(time_s)
        screen = screen or Screen(frame, stream.sample_aspect_ratio)
        if time_s >= span.end_s - TIME_TOLERANCE_S:
            break
        if time_s < span.start_s - TIME_TOLERANCE_S:
            held = time_s, frame
            continue
        if held is not None and time_s > span.start_s + TIME_TOLERANCE_S:
            yield span.start_s, held[1], screen
        held = None
        yield time_s, frame, screen
    else:  # the last frame is on screen for as long as it says
        own = float((held[1].duration or 0) * base) if held is not None else 0.0
        own = own or 1 / (reader.frames_per_second or DEFAULT_RATE)
        if held is not None and held[0] + own <= span.start_s + TIME_TOLERANCE_S:
            held = None
    if held is not None and screen is not None:
        yield span.start_s, held[1], screen


def _for_encoder(frame: "VideoFrame", screen: Screen, picture: Picture | None, time_s: float) -> "VideoFrame":
    """Bring a frame to 8 bits with even sides; it stays in its own colours where nothing is changed."""
    import av

    if picture is None and not screen.changes(frame) and not frame.rotation:
        return frame.reformat(frame.width // 2 * 2, frame.height // 2 * 2, "yuv420p")
    image = screen.rgb(frame)
    return _yuv(av.VideoFrame.from_ndarray(_even(image if picture is None else picture(image, time_s)), format="rgb24"))


def _even(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])


def _yuv(frame: "VideoFrame") -> "VideoFrame":
    converted = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
    converted.colorspace, converted.color_range = _BT709, _LIMITED_RANGE
    return converted


def _frame_of(image: np.ndarray, time_s: float) -> "VideoFrame":
    import av

    frame = _yuv(av.VideoFrame.from_ndarray(_even(image), format="rgb24"))
    frame.pts, frame.time_base = round(time_s / _TIME_BASE), _TIME_BASE
    return frame


def _add_picture(out: "OutputContainer", shape: tuple[int, int], rate: int, options: dict[str, str]) -> Any:
    stream: Any = out.add_stream("libx264", rate=rate, options=options)
    stream.height, stream.width = (side // 2 * 2 for side in shape)
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = _TIME_BASE
    return stream
