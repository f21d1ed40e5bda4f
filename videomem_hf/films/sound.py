"""The sound of parts of a video: its packets as they are, or encoded again, cut at the sample."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from videomem_hf.films.span import Span
from videomem_hf.models.video_decoding import VideoReader

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet

_SOUND_RATE: Final = 48_000
_SOUND_FRAME: Final = 1024
_SOUND_AHEAD_S: Final = 0.2
"""Sound is decoded from so long before a part: codecs begin with silence."""
_SOUND_GAP: Final = _SOUND_RATE // 50
"""Samples by which sound may be off before it is put back to its time."""


def sound_of(reader: VideoReader) -> "AudioStream | None":
    return next((each for each in reader.container.streams.audio if each.codec_context is not None), None)


def sound_packets(
    container: "InputContainer", sound: "AudioStream", start_s: float, length_s: float
) -> "Iterator[Packet]":
    base = float(sound.time_base or 0)
    container.seek(int(start_s / base), stream=sound, backward=True)
    for packet in container.demux(sound):
        if packet.pts is None or packet.dts is None or packet.pts * base < start_s:
            continue
        if (packet.pts + (packet.duration or 0) / 2) * base >= start_s + length_s:
            return
        yield packet


def add_sound(out: "OutputContainer") -> Any:
    stream: Any = out.add_stream("aac", rate=_SOUND_RATE)
    stream.layout = "stereo"
    return stream


def encode_sound(
    reader: VideoReader, sound: "AudioStream", stream: Any, spans: Sequence[Span], origin_s: float
) -> "Iterator[Packet]":
    """Encode the sound of parts, cut at the sample, with silence where the clip has none."""
    import av

    samples = np.concatenate([_samples(reader.container, sound, span, origin_s) for span in spans], axis=1)
    for start in range(0, samples.shape[1], _SOUND_FRAME):
        piece = np.ascontiguousarray(samples[:, start : start + _SOUND_FRAME])
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = _SOUND_RATE, start, Fraction(1, _SOUND_RATE)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _samples(container: "InputContainer", sound: "AudioStream", span: Span, origin_s: float) -> np.ndarray:
    """The sound of a part, `(2, samples)` float32 at 48 kHz."""
    import av

    found = np.zeros((2, round(span.length_s * _SOUND_RATE)), np.float32)
    resampler = av.AudioResampler("fltp", "stereo", _SOUND_RATE)
    start_s = origin_s + span.start_s
    container.seek(max(0, int((start_s - _SOUND_AHEAD_S) / float(sound.time_base or 1))), stream=sound, backward=True)
    position: int | None = None
    for frame in _heard(container, sound):
        due = round(((frame.time or 0.0) - start_s) * _SOUND_RATE)
        for piece in resampler.resample(frame):
            if position is None or abs(due - position) > _SOUND_GAP:
                position = due  # it begins here, or goes on after a gap
            values = piece.to_ndarray()
            first, last = max(position, 0), min(position + values.shape[1], found.shape[1])
            if first < last:
                found[:, first:last] = values[:, first - position : last - position]
            position += values.shape[1]
            due += values.shape[1]
        if position is not None and position >= found.shape[1]:
            break
    return found


def _heard(container: "InputContainer", sound: "AudioStream") -> "Iterator[AudioFrame]":
    """Decode sound; what is damaged is passed over."""
    import av

    for packet in container.demux(sound):
        try:
            yield from packet.decode()
        except EOFError:
            return
        except av.FFmpegError:
            continue
