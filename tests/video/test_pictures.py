"""Pictures of every format and mode, as files and as Pillow's objects, and what is read of damaged ones."""

import io
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from videomem_hf.features.clips import pictures
from videomem_hf.inference.sources import open_source
from videomem_hf.models.video_input import to_frames
from videomem_hf.models.video_pictures import to_rgb
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.video.frame_cache import FrameCache
from videomem_hf.video.sources import StillImage
from videomem_hf.video.video import Frame, VideoError, sample_frames

from .encoding import encode, scene, yuv_planes
from .test_display import pq

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow does not write AVIF")
RGB = scene(0)
GREY = RGB[..., 0]
RAW = {"do_resize": False, "do_rescale": False, "do_normalize": False}


def read(source: object) -> tuple[list[Frame], list[str]]:
    notes: list[str] = []
    return list(sample_frames(open_source(source), notes=notes)), notes


def transparent() -> Image.Image:
    alpha = np.full(GREY.shape, 255, np.uint8)
    alpha[:, 48:] = 64
    return Image.fromarray(np.dstack([RGB, alpha]))


def over_black() -> np.ndarray:
    expected = RGB.astype(float)
    expected[:, 48:] *= 64 / 255
    return expected


MODES = {
    "RGB": (Image.fromarray(RGB), RGB, "png"),
    "RGBA": (transparent(), over_black(), "png"),
    "LA": (Image.fromarray(np.dstack([GREY, np.asarray(transparent())[..., 3]])), over_black()[..., :1], "png"),
    "L": (Image.fromarray(GREY), GREY[..., None], "png"),
    "1": (Image.fromarray(GREY > 100), 255 * (GREY > 100)[..., None], "png"),
    "P": (Image.fromarray(RGB).quantize(256), RGB, "png"),
    "CMYK": (Image.fromarray(RGB).convert("CMYK"), RGB, "tiff"),
    "I;16": (Image.fromarray(GREY.astype(np.uint16) * 257), GREY[..., None], "png"),
    "I": (Image.fromarray(GREY.astype(np.int32) * 257), GREY[..., None], "tiff"),
    "F": (Image.fromarray(GREY.astype(np.float32)), GREY[..., None], "tiff"),
    "F to 1": (Image.fromarray(GREY.astype(np.float32) / 255), GREY[..., None], "tiff"),
    "La": (Image.fromarray(GREY).convert("LA").convert("La"), GREY[..., None], None),
    "RGBa": (transparent().convert("RGBa"), over_black(), None),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_picture_and_its_file_are_the_same(mode: str, tmp_path: Path) -> None:
    """As predictions, the processor and caches of still images read them."""
    picture, expected, suffix = MODES[mode]
    before = picture.tobytes()
    (frame,), notes = read(picture)
    tolerance = 24 if mode == "P" else 1.01
    np.testing.assert_allclose(frame.image, np.broadcast_to(expected, RGB.shape), atol=tolerance)
    assert notes == []
    assert picture.tobytes() == before
    processor = MemorabilityVideoProcessor(**RAW)
    for videos in (picture, [picture], [[picture, picture]]):
        (pixels,) = processor(videos=videos, return_tensors="np")["pixel_values_videos"]
        np.testing.assert_array_equal(pixels[-1].transpose(1, 2, 0), frame.image)
    if suffix is None:
        return
    picture.save(path := tmp_path / f"c.{suffix}")
    for source in (path, path.read_bytes(), Image.open(path)):
        np.testing.assert_array_equal(read(source)[0][0].image, frame.image)
    cache = FrameCache(tmp_path / "cache", MemorabilityVideoProcessor(do_resize=False))
    cache.fill([StillImage(path)], progress=False)
    np.testing.assert_array_equal(cache.load(StillImage(path))[0].transpose(1, 2, 0), frame.image)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "avif"])
def test_every_picture_is_upright(suffix: str, orientation: int, tmp_path: Path) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow does not write AVIF")
    upright = {  # what is stored, for a picture that is seen as RGB (Exif 2.32, 4.6.4, tag 274)
        1: RGB, 2: RGB[:, ::-1], 3: RGB[::-1, ::-1], 4: RGB[::-1], 5: RGB.swapaxes(0, 1),
        6: np.rot90(RGB), 7: np.rot90(RGB, 2).swapaxes(0, 1), 8: np.rot90(RGB, -1),
    }[orientation]  # fmt: skip
    picture = Image.fromarray(np.ascontiguousarray(upright))
    exif = Image.Exif()
    exif[0x112] = orientation
    picture.save(tmp_path / f"c.{suffix}", exif=exif, quality=95)
    (frame,), _ = read(tmp_path / f"c.{suffix}")
    assert frame.image.shape == RGB.shape
    assert np.abs(frame.image.astype(int) - RGB).mean() < 8
    np.testing.assert_array_equal(to_rgb(Image.open(tmp_path / f"c.{suffix}")), frame.image)


def test_damaged_exif_costs_nothing(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "c.webp", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(9), lossless=True)
    np.testing.assert_array_equal(read(tmp_path / "c.webp")[0][0].image, RGB)


ANIMATED = [Image.new("RGB", (64, 48), (level,) * 3) for level in (20, 80, 140, 200)]


@pytest.mark.parametrize("suffix", ["webp", "gif", "png", "avif"])
def test_an_animated_object_gives_all_its_frames(suffix: str, tmp_path: Path) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow does not write AVIF")
    path = tmp_path / f"c.{suffix}"
    ANIMATED[0].save(path, save_all=True, append_images=ANIMATED[1:], duration=[400, 900, 2000, 1700], loop=0)
    expected, _ = read(path)
    with Image.open(path) as picture:
        picture.seek(2)
        for source in (picture, [picture]):
            found, notes = read(source)
            assert [frame.time_s for frame in found] == [frame.time_s for frame in expected] == [0, 1, 2, 4]
            np.testing.assert_allclose([f.image for f in found], [f.image for f in expected], atol=2)
            assert notes == []
        assert picture.tell() == 2
    if suffix == "gif":  # others are read into memory when they are opened
        with pytest.raises(VideoError, match="no frame could be decoded"):
            read(picture)


@pytest.mark.parametrize("suffix", ["webp", "gif", "png"])
def test_the_frames_before_a_cut_are_given_with_a_note(suffix: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    first, *others = (Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8)) for _ in range(6))
    path = tmp_path / f"c.{suffix}"
    first.save(path, save_all=True, append_images=others, duration=1000, lossless=True)
    whole, notes = read(path)
    assert len(whole) == 6
    assert notes == []
    for part in (0.4, 0.6, 0.9):
        (cut := tmp_path / f"cut.{suffix}").write_bytes(path.read_bytes()[: round(path.stat().st_size * part)])
        for source in (cut, cut.read_bytes()):
            frames, notes = read(source)
            assert round(6 * part) - 2 <= len(frames) <= round(6 * part) + 1
            complete = len(frames) - 1  # of the last one FFmpeg shows a part
            for frame, expected in zip(frames[:complete], whole, strict=False):
                np.testing.assert_array_equal(frame.image, expected.image)
            assert any("the file is cut off" in note for note in notes)


LUMINANCES = (0, 26, 36.54, 203, 400, 1000)


def hdr_frame() -> object:
    luma = np.array([[round(64 + 876 * (pq(value) if value else 0)) for value in LUMINANCES]])
    return yuv_planes([luma, np.array([[512]]), np.array([[512]])], "yuv420p10le", (192, 96))


@needs_avif
@pytest.mark.parametrize("count", [1, 3])
def test_hdr_avif_becomes_sdr(count: int, tmp_path: Path) -> None:
    tags = {"colorspace": 9, "color_range": 1, "color_trc": 16, "color_primaries": 9}
    path = encode(tmp_path / "c.avif", [hdr_frame()] * count, "libsvtav1", "yuv420p10le", **tags)  # type: ignore[list-item]
    for source in (path, path.read_bytes(), Image.open(path)):
        (frame,), notes = read(source)
        _, card, grey, white, bright, brightest = (int(frame.image[48, 16 + 32 * i].mean()) for i in range(6))
        assert 95 <= card <= 125
        assert 95 <= grey <= 127
        assert 230 < white < bright < brightest <= 255
        assert notes == ["converted from HDR (PQ) to SDR"]


def test_hdr_png_becomes_sdr(tmp_path: Path) -> None:
    """The chunk cICP (PNG 3, 11.3.2.6): BT.2020, PQ, RGB, full range."""
    levels = [round(255 * (pq(value) if value else 0)) for value in LUMINANCES]
    picture = Image.fromarray(np.repeat(np.repeat(np.uint8([levels])[..., None], 3, axis=2), 20, axis=0))
    picture.save(path := tmp_path / "c.png")
    data = path.read_bytes()
    content = b"cICP" + bytes([9, 16, 0, 1])
    chunk = struct.pack(">I", 4) + content + struct.pack(">I", zlib.crc32(content))
    path.write_bytes(data[:33] + chunk + data[33:])
    for source in (path, path.read_bytes(), Image.open(path)):
        (frame,), notes = read(source)
        np.testing.assert_allclose(frame.image[9, [1, 3], 0], [108, 238], atol=3)
        assert notes == ["converted from HDR (PQ) to SDR"]


def test_joined_pictures_are_a_stream_and_pages_are_not(tmp_path: Path) -> None:
    two = [Image.new("RGB", (64, 48), (level,) * 3) for level in (40, 160)]
    for number, picture in enumerate(two):
        picture.copy().save(tmp_path / f"{number}.png")
    (tmp_path / "joined.png").write_bytes(b"".join((tmp_path / f"{number}.png").read_bytes() for number in range(2)))
    motion = encode(tmp_path / "motion.mjpeg", [scene(i) for i in range(12)], "mjpeg", "yuvj420p")
    assert [len(list(pictures(path))) for path in (tmp_path / "joined.png", motion)] == [2, 12]
    two[0].save(tmp_path / "pages.tiff", save_all=True, append_images=two[1:])
    two[0].save(tmp_path / "c.mpo", save_all=True, append_images=two[1:])
    for name in ("pages.tiff", "c.mpo"):
        assert [int(picture.rgb.mean()) for picture in pictures(tmp_path / name)] == [40]


def test_large_photos_are_read_and_warn_of_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (5000, 3600), (9, 99, 199)).save(tmp_path / "c.webp", quality=10, method=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (frame,), _ = read(tmp_path / "c.webp")
    np.testing.assert_allclose(frame.image[1800, 2500], [9, 99, 199], atol=6)


def test_levels_of_all_frames_have_one_range() -> None:
    fading = [Image.fromarray(np.full((4, 4), level, np.int32)) for level in (100, 255, 256, 40000)]
    np.testing.assert_array_equal(to_frames(fading)[:, 0, 0, 0], [0, 1, 1, 156])
    shares = [Image.fromarray(np.full((4, 4), level, np.float32)) for level in (0.9, 1.0, 1.2)]
    np.testing.assert_array_equal(to_frames(shares)[:, 0, 0, 0], [1, 1, 1])
    np.testing.assert_array_equal(to_frames(shares[:2])[:, 0, 0, 0], [229, 255])


def test_a_photo_that_is_cut_off_says_so(tmp_path: Path) -> None:
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)).save(whole, "JPEG")
    path = tmp_path / "a.jpg"
    for content, cut in ((whole.getvalue(), False), (whole.getvalue()[: len(whole.getvalue()) // 2], True)):
        path.write_bytes(content)
        notes: list[str] = []
        assert len(list(sample_frames(path, notes=notes))) == 1
        assert ("cut off" in " ".join(notes)) is cut, notes


@pytest.mark.parametrize(
    "frames", [torch.zeros(2, 8, 8, 3, dtype=torch.bfloat16), torch.zeros(2, 8, 8, 3, device="meta", dtype=torch.uint8)]
)
def test_tensors_without_such_values_are_refused_in_one_sentence(frames: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="must be uint8 RGB"):
        to_frames(frames)
