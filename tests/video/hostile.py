"""Writes files that would cost a reader which believes them its memory or its time."""

import struct
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, features

from .encoding import encode, scene

LARGE = 100_000
BILLION = 10**9


def box(kind: bytes, content: bytes) -> bytes:
    """A box of MP4 (ISO 14496-12, 4.2)."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def element(identity: str, content: bytes) -> bytes:
    """An element of Matroska (RFC 8794)."""
    return bytes.fromhex(identity) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def number(identity: str, value: int) -> bytes:
    return element(identity, value.to_bytes(8, "big"))


def png(width: int, height: int, content: bytes, colours: int = 2) -> bytes:
    """A PNG file with the given (compressed) rows; colours 2 is RGB, 6 RGBA."""
    parts = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0)), (b"IDAT", content), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def webm(width: int, height: int, frames: Sequence[bytes], before: bytes = b"", duration_ns: int = 10**8) -> bytes:
    """WebM of VP8 frames, 100 ms apart, with other elements before its track."""
    header = element("1a45dfa3", element("4282", b"webm"))
    size = element("e0", number("b0", width) + number("ba", height))
    track = number("d7", 1) + number("73c5", 1) + number("83", 1) + number("23e383", duration_ns)
    track += element("86", b"V_VP8")
    blocks = b"".join(element("a3", b"\x81" + struct.pack(">hB", 100 * i, 0x80) + f) for i, f in enumerate(frames))
    info = element("1549a966", number("2ad7b1", 1_000_000))
    tracks, cluster = element("1654ae6b", element("ae", track + size)), element("1f43b675", number("e7", 0) + blocks)
    return header + element("18538067", info + before + tracks + cluster)


def vp8_key_frame(width: int, height: int) -> bytes:
    """The beginning of a key frame of VP8 (RFC 6386, 9.1), and zeros."""
    return b"\x10\x02\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(64)


def patch(data: bytes, after: bytes, offset: int, form: str, *values: int) -> bytes:
    """Overwrite numbers at an offset from the beginning of the first occurrence of some bytes."""
    patched = bytearray(data)
    struct.pack_into(form, patched, patched.index(after) + offset, *values)
    return bytes(patched)


def animation(form: str, side: int, frames: int) -> bytes:
    """Pictures of one colour, which compress to nothing."""
    content = BytesIO()
    first, *others = (Image.new("RGB", (side, side), (80 * i, 0, 0)) for i in range(frames))
    options = {"webp": {"method": 0}, "avif": {"speed": 10}}.get(form, {})
    first.save(content, form, save_all=True, append_images=others, duration=1000, **options)
    return content.getvalue()


def hostile_files(folder: Path) -> dict[str, bytes]:
    """Make them, by name."""
    pictures = [scene(i, 64, 36) for i in range(3)]
    mp4 = encode(folder / "c.mp4", pictures, "mpeg4").read_bytes()
    avi = encode(folder / "c.avi", pictures, "mpeg4").read_bytes()
    gif = b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\xf0\0\0" + bytes(6)
    gif += b"," + struct.pack("<HHHH", 0, 0, 65535, 65535) + b"\0\x02\x02\x4c\x01\0;"
    long = patch(patch(mp4, b"mvhd", 20, ">I", 36_000_000), b"mdhd", 20, ">I", 36_000 * 12_288)
    tags = b"\x12\x54\xc3\x67\xff\x73\x73\xff" + b"\x67\xc8\xff" * 100_000
    files = {
        "size.mp4": patch(mp4, b"mp4v", 28, ">HH", 65535, 65535),
        "size.avi": patch(patch(avi, b"strf", 12, "<II", LARGE, LARGE), b"avih", 40, "<II", LARGE, LARGE),
        "size.gif": gif,
        "size.png": png(LARGE, LARGE, zlib.compress(bytes(1000))),
        "size.webm": webm(LARGE, LARGE, [vp8_key_frame(64, 36)]),
        "size_of_frames.webm": webm(64, 36, [vp8_key_frame(16383, 16383)] * 20),
        "frames.avi": patch(patch(avi, b"strh", 40, "<I", BILLION), b"avih", 24, "<I", BILLION),
        "rate.avi": patch(avi, b"strh", 28, "<II", 1, BILLION),
        "rate.webm": webm(64, 36, [vp8_key_frame(64, 36)] * 3, duration_ns=1),
        "slow.avi": patch(avi, b"strh", 28, "<II", BILLION, 1),
        "ten_hours.mp4": long,
        "durations.mp4": patch(mp4, b"stts", 16, ">I", 12_000 * 12_288),
        "tables.mp4": box(b"moov", b"stts" * 500_000) + mp4,
        "nested.mp4": box(b"moov", b"\x7f\xff\xff\xffmoov" * 20_000) + mp4,
        "nested_tags.mkv": webm(64, 36, [vp8_key_frame(64, 36)], tags),
        "nested_segments.mkv": webm(64, 36, [], b"\x18\x53\x80\x67\xff" * 50_000),
        "bomb.png": png(8192, 8192, zlib.compress(bytes(8192 * (4 * 8192 + 1))), 6),
        "bomb_large.png": png(40_000, 40_000, zlib.compress(bytes(10**8))),
        "bomb.gif": animation("gif", 4200, 3),
        "bomb.webp": animation("webp", 4200, 3),
        "animated.webp": animation("webp", 4096, 2),
        "still.webp": animation("webp", 4200, 1),
        "canvas.webp": patch(animation("webp", 64, 3), b"VP8X", 12, "<HBHB", 16383, 0, 16383, 0),
        "canvas_of_100m.webp": patch(animation("webp", 64, 3), b"VP8X", 12, "<HBHB", 9999, 0, 9999, 0),
        "list.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/c.mp4\n#EXT-X-ENDLIST\n",
        "concat.mp4": f"ffconcat version 1.0\nfile {folder / 'c.mp4'}\n".encode(),
        "dash.mp4": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        b'profiles="urn:mpeg:dash:profile:isoff-on-demand:2011"><Period><AdaptationSet>'
        b'<Representation id="1" bandwidth="1" mimeType="video/mp4">'
        + f"<BaseURL>{folder / 'c.mp4'}</BaseURL></Representation></AdaptationSet></Period></MPD>".encode(),
        "session.mp4": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        b"m=video 9 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
    }
    if features.check("avif"):
        files["bomb.avif"] = animation("avif", 4200, 2)
    return files
