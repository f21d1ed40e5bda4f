"""What files declare and how they end: pipes, images in HEIF, fragments, cut files, and what is refused."""

import struct
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, features

from tests.clips import grey_levels, write_audio
from videomem_hf.models import video_pictures
from videomem_hf.video.video import VideoError, probe, sample_frames

from .encoding import FPS, encode, scene
from .hostile import box

FIVE_SECONDS = grey_levels(5 * FPS)


def read(source: Any) -> tuple[list[int], list[str]]:
    """Levels by which frames are told apart, and notes."""
    notes: list[str] = []
    frames = list(sample_frames(source, 1.0, notes))
    return [round(float(frame.image.mean())) - 16 for frame in frames], notes


def refusal(source: Any) -> str:
    with pytest.raises(VideoError) as refused:
        list(sample_frames(source, notes=[]))
    assert "\n" not in str(refused.value)
    return str(refused.value)


class WriteOnly:
    """What a pipe is to a muxer, which cannot go back to fill in numbers."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes) -> int:
        self.content += data
        return len(data)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("ivf", "libvpx-vp9"), ("avi", "mpeg4"), ("avi", "mjpeg"), ("flv", "flv"), ("matroska", "libx264")],
)
def test_what_is_written_to_a_pipe_is_read(container: str, codec: str) -> None:
    pipe = WriteOnly()
    with av.open(pipe, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=FPS, options={"qmax": "2"} if codec == "mpeg4" else {})
        stream.width, stream.height = FIVE_SECONDS[0].shape[1::-1]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for image in FIVE_SECONDS:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())
    levels, notes = read(bytes(pipe.content))
    np.testing.assert_allclose(levels, [0, 12, 24, 36, 48], atol=4)
    assert notes == []
    duration = probe(bytes(pipe.content)).duration_s
    assert duration is None or duration < 10


def encode_held_end(path: Path, held_ms: int) -> Path:
    """Write frames of 100 ms, the last of which is held, as the packet's duration tells."""
    with av.open(str(path), "w") as file:
        codec = "libvpx" if path.suffix == ".webm" else "libx264"
        stream: Any = file.add_stream(codec, rate=10, options={"bf": "0"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        packets = []
        for i, image in enumerate(grey_levels(13)):
            frame = av.VideoFrame.from_ndarray(image[:48, :64], format="rgb24")
            frame.pts, frame.time_base = 100 * i, Fraction(1, 1000)
            packets += stream.encode(frame)
        packets += stream.encode()
        for packet in packets:
            packet.duration = held_ms if packet is packets[-1] else 100
            file.mux(packet)
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm"])
def test_a_last_frame_that_is_held_is_no_missing_end(suffix: str, tmp_path: Path) -> None:
    clip = encode_held_end(tmp_path / f"c.{suffix}", 5800)
    notes: list[str] = []
    frames = list(sample_frames(clip, notes=notes))
    assert frames[-1].end_s == pytest.approx(7, abs=0.02)
    assert probe(clip).duration_s == pytest.approx(7, abs=0.02)
    assert notes == []


def test_an_animation_with_a_pause_at_its_end_is_whole(tmp_path: Path) -> None:
    first, *others = (Image.new("RGB", (64, 48), (level,) * 3) for level in range(20, 220, 20))
    first.save(tmp_path / "c.gif", save_all=True, append_images=others, duration=[100] * 9 + [4000])
    assert read(tmp_path / "c.gif")[1] == []


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("c.mov", "png", "rgb24"), ("c.avi", "png", "rgb24"), ("c.nut", "gif", "rgb8"),
        ("c.mov", "gif", "rgb8"),
    ],
)  # fmt: skip
def test_pictures_inside_another_container_are_not_taken_for_cut(
    name: str, codec: str, pix_fmt: str, tmp_path: Path
) -> None:
    levels, notes = read(encode(tmp_path / name, FIVE_SECONDS, codec, pix_fmt))
    assert len(levels) == 5
    assert notes == []


@pytest.mark.parametrize("zeros", [0, 200, 3 << 20])
@pytest.mark.parametrize("suffix", ["gif", "png"])
def test_zeros_after_an_animation_are_not_taken_for_a_cut(suffix: str, zeros: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first, *others = (Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8)) for _ in range(3))
    first.save(tmp_path / f"c.{suffix}", save_all=True, append_images=others, duration=1000)
    whole = (tmp_path / f"c.{suffix}").read_bytes()
    levels, notes = read(whole + bytes(zeros))
    assert len(levels) == 3
    assert notes == []
    cut = whole[: len(whole) * 4 // 5] + b"\1" * 64
    assert any("cut off" in note or "damaged" in note for note in read(cut + bytes(zeros))[1])


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "dash+frag_keyframe+global_sidx"])
def test_a_fragmented_file_that_was_cut_is_noted(flags: str, tmp_path: Path) -> None:
    noise = list(np.random.default_rng(0).integers(0, 255, (60, 48, 64, 3), dtype=np.uint8))
    options: dict[str, Any] = {"options": {"g": "12"}, "container_options": {"movflags": flags}}
    whole = encode(tmp_path / "c.mp4", noise, **options).read_bytes()
    assert read(whole)[1] == []
    levels, notes = read(whole[: len(whole) * 2 // 5])
    assert len(levels) == 2
    assert notes == ["the file is cut off; it gives 1.7 s"]


def full_box(kind: bytes, content: bytes, version: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24) + content)


def tiled_photo(tiles: int, thumbnail: bool) -> bytes:
    """A HEIF photo of tiles of 64x64 side by side (ISO 23008-12, 6.6.2.3), which may have one more as thumbnail."""
    coded = []
    for number in range(tiles + thumbnail):
        Image.new("RGB", (64, 64), (40 * number,) * 3).save(content := BytesIO(), "avif")
        data = content.getvalue()
        coded.append(data[data.index(b"mdat") + 4 :])
    start = data.index(b"av1C") - 4
    configuration = data[start : start + int.from_bytes(data[start : start + 4], "big")]
    grid = bytes([0, 0, 0, tiles - 1]) + struct.pack(">HH", 64 * tiles, 64)
    items, numbers = [grid, *coded], range(2, 2 + len(coded))
    kinds = [b"grid"] + [b"av01"] * len(coded)
    entries = b"".join(full_box(b"infe", struct.pack(">HH4sB", i, 0, k, 0), 2) for i, k in enumerate(kinds, 1))
    sizes = [full_box(b"ispe", struct.pack(">II", width, 64)) for width in (64 * tiles, 64)]
    links = struct.pack(">I", len(items)) + struct.pack(">HBB", 1, 1, 1)
    links += b"".join(struct.pack(">HBBB", i, 2, 2, 0x83) for i in numbers)
    references = box(b"dimg", struct.pack(f">HH{tiles}H", 1, tiles, *numbers[:tiles]))
    references += box(b"thmb", struct.pack(">HHH", numbers[-1], 1, 1)) if thumbnail else b""

    def meta(begin: int) -> bytes:
        places = b""
        for i, item in enumerate(items, 1):
            places += struct.pack(">HHHII", i, 0, 1, begin, len(item))
            begin += len(item)
        return full_box(
            b"meta",
            full_box(b"hdlr", struct.pack(">I4s13x", 0, b"pict"))
            + full_box(b"pitm", struct.pack(">H", 1))
            + full_box(b"iloc", struct.pack(">BBH", 0x44, 0, len(items)) + places)
            + full_box(b"iinf", struct.pack(">H", len(items)) + entries)
            + full_box(b"iref", references)
            + box(b"iprp", box(b"ipco", b"".join(sizes) + configuration) + full_box(b"ipma", links)),
        )

    head = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", b"".join(items))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not write AVIF")
@pytest.mark.parametrize("thumbnail", [False, True])
def test_one_tile_of_a_photo_is_not_taken_for_the_photo(thumbnail: bool) -> None:
    message = refusal(tiled_photo(3, thumbnail))
    assert message.endswith("is a photo of 3 tiles, which are not put together here; save it as JPEG or PNG")


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not write AVIF")
def test_images_in_heif_need_no_index_of_a_video(monkeypatch: pytest.MonkeyPatch) -> None:
    content = BytesIO()
    Image.new("RGB", (96, 64), (31, 160, 96)).save(content, "avif", quality=95)
    avif = content.getvalue()
    heif = avif[:8] + b"mif1" + avif[12:]
    for large in (False, True):
        if large:  # photos beyond this are left to FFmpeg
            monkeypatch.setattr(video_pictures, "MAX_ANIMATION_PIXELS", 1000)
        for data in (avif, heif):
            notes: list[str] = []
            (frame,) = sample_frames(data, notes=notes)
            np.testing.assert_allclose(frame.image.mean(axis=(0, 1)), [31, 160, 96], atol=3)
            assert notes == []


def test_sound_with_a_cover_is_named_so(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "c.mp4"), "w") as file:
        cover: Any = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 96, 54, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound: Any = file.add_stream("aac", rate=48_000)
        file.mux(cover.encode(av.VideoFrame.from_ndarray(scene(0), format="rgb24")))
        quiet = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        quiet.sample_rate, quiet.pts = 48_000, 0
        file.mux(sound.encode(quiet))
        file.mux(sound.encode())
    assert refusal(tmp_path / "c.mp4").endswith("holds no moving picture, only sound and a cover picture")
    assert refusal(write_audio(tmp_path / "s.mp4")).endswith("holds no moving picture, only sound")


@pytest.mark.parametrize(
    ("name", "data", "size"),
    [
        ("c.y4m", b"YUV4MPEG2 W100000 H90000 F25:1 Ip C420jpeg\nFRAME\n" + bytes(5000), "100000x90000"),
        ("c.y4m", b"YUV4MPEG2 C420jpeg H90000 F25:1 W100000\nFRAME\n" + bytes(5000), "100000x90000"),
        ("c.gif", b"GIF89a" + struct.pack("<HH", 65535, 65534) + b"\x80" + bytes(8) + b"," + bytes(20), "65535x65534"),
        ("c.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 30_000, 20_000) + bytes(99), "30000x20000"),
    ],
)
def test_a_size_that_cannot_be_read_is_named(name: str, data: bytes, size: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    for source in (tmp_path / name, data):
        assert f"declares pictures of {size}; at most 67,108,864 pixels are read" in refusal(source)
