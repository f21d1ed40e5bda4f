"""Files that are decoded: opened, and refused where they declare what cannot be, before FFmpeg makes room for it."""

import re
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import numpy as np
from PIL import Image

from .video_addresses import slashes_hint
from .video_display import MAX_PIXELS
from .video_streams import StoredStream, UnreadableVideoError, store_stream

if TYPE_CHECKING:
    from av.container import InputContainer

VideoSource = str | Path | bytes | BinaryIO | StoredStream | Image.Image
"""A path, the bytes of a file, a binary file object, or a picture of Pillow, which may be animated."""

_DECODER_OPTIONS: Final = {"max_pixels": str(MAX_PIXELS)}
_ISO_BOXES: Final = (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"wide", b"free", b"skip")
_PARENT_BOXES: Final = (
    b"trak", b"mdia", b"minf", b"stbl", b"traf", b"moov", b"moof", b"edts", b"mvex", b"dinf", b"udta"
)  # fmt: skip
_ISO_START: Final = re.compile(rb"\0\0(..)ftyp[ -~]{4}", re.S)
_DEEPEST_BOX: Final = 10
"""FFmpeg follows no further."""
_MAX_INDEX_BYTES: Final = 1 << 26
_MAX_JUNK_BYTES: Final = 1 << 20
_SIZE_OF_GIF: Final = re.compile(rb"GIF8[79]a(?P<width>..)(?P<height>..)", re.S)
_SIZE_OF_PNG: Final = re.compile(rb"\x89PNG\r\n\x1a\n.{4}IHDR(?P<width>.{4})(?P<height>.{4})", re.S)
_SIZE_OF_Y4M: Final = re.compile(rb"YUV4MPEG2 (?=[^\n]*\bW(?P<width>\d{1,9}))(?=[^\n]*\bH(?P<height>\d{1,9}))")


def source_name(source: VideoSource) -> str:
    """A short name for messages and tables."""
    if isinstance(source, str | Path):
        return str(source)
    if isinstance(source, Image.Image):
        return str(getattr(source, "filename", "")) or "the given picture"
    if isinstance(source, bytes | BytesIO) and not hasattr(source, "name"):
        return "the given bytes"
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name else "open file"


def reason_of(error: Exception) -> str:
    """An error's reason without number and file name."""
    return str(getattr(error, "strerror", None) or error).strip().rstrip(".").lower()


def open_file(source: VideoSource, name: str, stack: ExitStack) -> tuple[BinaryIO, int]:
    """Open a source as a file that can seek, without the junk before an MP4 file, of which it gives the bytes.

    Raises an UnreadableVideoError if it is missing or empty.
    """
    try:
        if isinstance(source, str | Path):
            file: BinaryIO = stack.enter_context(Path(source).open("rb"))  # noqa: SIM115 - the stack closes it
        else:
            file = BytesIO(source) if isinstance(source, bytes) else cast("BinaryIO", source)
        file = file if file.seekable() else cast("BinaryIO", store_stream(file, name))
        empty = not file.seek(0, 2)
    except UnreadableVideoError:
        raise
    except (OSError, ValueError) as error:
        cause = reason_of(error)
        cause += slashes_hint(name) if isinstance(error, FileNotFoundError) else ""
        raise UnreadableVideoError(f"{name}: cannot be opened ({cause})") from None
    if empty:
        raise UnreadableVideoError(f"{name}: the file is empty (0 bytes)")
    return _pass_junk(file)


def open_container(file: BinaryIO, size: int, name: str) -> "InputContainer":
    """Open a file of so many bytes with PyAV; raises an UnreadableVideoError if it is no video."""
    import av

    _check_index(file, size, name)
    _check_size(file, name)
    options = {"protocol_whitelist": "none", **_DECODER_OPTIONS}
    try:
        container = av.open(file, "r", options=options, metadata_errors="replace")
    except (OSError, av.FFmpegError, ValueError) as error:
        raise UnreadableVideoError(f"{name}: not a video that FFmpeg can read ({reason_of(error)})") from None
    if container.format.name == "tty":  # FFmpeg draws text files
        container.close()
        raise UnreadableVideoError(f"{name}: is a text file, not a video")
    for stream in container.streams.video:
        if stream.codec_context is not None:
            stream.codec_context.options = _DECODER_OPTIONS  # for pictures that grow
    return container


class _FromStart:
    """A file that begins later than its bytes do."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self._file, self._start = file, start

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset + (0 if whence else self._start), whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start


def _pass_junk(file: BinaryIO) -> tuple[BinaryIO, int]:
    """Let an MP4 file begin where its first box does, as players do; also gives the number of bytes before it."""
    file.seek(0)
    head = file.read(_MAX_JUNK_BYTES)
    file.seek(0)
    if head[4:8] not in _ISO_BOXES:
        for found in _ISO_START.finditer(head):
            start = found.start()
            second = start + int.from_bytes(found[1], "big")
            if head[second + 4 : second + 8] in (*_ISO_BOXES, b"meta", b"uuid"):
                later = _FromStart(file, start)
                later.seek(0)
                return cast("BinaryIO", later), start
    return file, 0


def _check_index(file: BinaryIO, size: int, name: str) -> None:
    """Refuse an MP4 or MOV file whose index is missing, or counts more frames than the file can hold.

    FFmpeg would make room for all of them when it opens the file.
    """
    found = set[bytes]()
    for kind, begin, end in _boxes(file, size):
        found.add(kind)
        if kind in (b"moov", b"moof"):
            index = file.read(min(end - begin, size - begin, _MAX_INDEX_BYTES))
            counts = _sample_counts(index, 0, len(index))
            if (most := max(counts, default=0)) > 4 * size:  # old sound formats count several samples per byte
                raise UnreadableVideoError(f"{name}: declares {most:,} frames in a file of {size:,} bytes")
    file.seek(0)
    if b"mdat" in found and not found & {b"moov", b"moof", b"meta"}:  # images are indexed in "meta"
        cause = "the index of the file, at its end, is missing"
        raise UnreadableVideoError(f"{name}: not a video that FFmpeg can read ({cause})")


def ends_in_fragment(file: BinaryIO, size: int) -> bool:
    """Whether a fragmented MP4 file, which may tell no duration, is cut off within one of its boxes."""
    kinds, last_end = set[bytes](), 0
    for kind, _, end in _boxes(file, size):
        if kind in _ISO_BOXES:
            kinds.add(kind)
            last_end = end
    return b"moof" in kinds and last_end > size


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield the outer boxes of an ISO file as kind, and begin and declared end of the content, at which it is read."""
    position = 0
    while position + 8 <= size:
        file.seek(position)
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind not in _ISO_BOXES and not position:
            break
        if length == 1:
            length = struct.unpack(">Q", file.read(8).rjust(8, b"\0"))[0]
        length = length or size - position
        yield kind, file.tell(), position + length
        if length < 8:
            break
        position += length


def _check_size(file: BinaryIO, name: str) -> None:
    """Refuse pictures whose size FFmpeg would not name when it refuses them."""
    head = file.read(256)
    file.seek(0)
    sides = ("width", "height")
    if found := _SIZE_OF_Y4M.match(head):
        width, height = (int(found[side]) for side in sides)
    elif found := _SIZE_OF_GIF.match(head):
        width, height = (int.from_bytes(found[side], "little") for side in sides)
    elif found := _SIZE_OF_PNG.match(head):
        width, height = (int.from_bytes(found[side], "big") for side in sides)
    else:
        return
    check_pixels(width, height, MAX_PIXELS, name)


def check_pixels(width: int, height: int, most: int, name: str) -> None:
    """Refuse pictures of more pixels than are read, with an UnreadableVideoError."""
    if width * height > most:
        size = f"{width}x{height}"
        raise UnreadableVideoError(f"{name}: declares pictures of {size}; at most {most:,} pixels are read")


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
