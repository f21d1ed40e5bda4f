"""What decoders leave out: transparency, the shape of pixels, and frames that are not shown."""

from fractions import Fraction
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders of these leave the transparency out."""


class PixelAspects:
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


def alpha_decoder(stream: "VideoStream") -> "VideoCodecContext | None":
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
