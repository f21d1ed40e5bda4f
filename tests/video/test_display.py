"""Colours, transparency and shapes: what the frames of a clip look like, against codes worked out by hand."""

import struct
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.clips import quadrants, rotate_mp4
from videomem_hf.models.video_display import tone_curve
from videomem_hf.video.video import open_video, probe, sample_frames

from .encoding import encode, encode_sizes, scene, yuv_frame, yuv_planes

LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}
"""The weights of red and blue by FFmpeg's number of the matrix (ITU-T H.273, table 4)."""
COLOUR = np.array([200, 50, 30])


def yuv_codes(matrix: int, full_range: bool) -> list[int]:
    """The codes of `COLOUR`, by ITU-T H.273, equations 25 to 31."""
    red, green, blue = COLOUR / 255
    kr, kb = LUMA[matrix]
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    differences = (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)
    scale, offset, chroma = (255, 0, 255) if full_range else (219, 16, 224)
    return [round(offset + scale * luma), *(round(128 + chroma * difference) for difference in differences)]


def first_image(path: Path, notes: list[str] | None = None) -> np.ndarray:
    return next(sample_frames(path, notes=[] if notes is None else notes)).image


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", LUMA)
def test_matrix_and_range_are_those_of_the_file(matrix: int, full_range: bool, tmp_path: Path) -> None:
    tags = {"colorspace": matrix, "color_range": 2 if full_range else 1}
    clip = encode(tmp_path / "c.mkv", [yuv_frame(yuv_codes(matrix, full_range))] * 3, "ffv1", "yuv444p", **tags)
    assert np.abs(first_image(clip).astype(int) - COLOUR).max() <= 2


@pytest.mark.parametrize(("size", "matrix"), [((1280, 720), 1), ((720, 576), 5), ((64, 48), 5)])
def test_without_a_tag_high_definition_is_bt709(size: tuple[int, int], matrix: int, tmp_path: Path) -> None:
    clip = encode(tmp_path / "c.mkv", [yuv_frame(yuv_codes(matrix, False), size=size)], "ffv1", "yuv444p")
    assert np.abs(first_image(clip).astype(int) - COLOUR).max() <= 2


@pytest.mark.parametrize(
    ("pix_fmt", "codes"),
    [("yuv420p10le", (64, 940)), ("yuv444p12le", (256, 3760)), ("yuv422p", (16, 235)), ("gray", (0, 255))],
)
def test_black_and_white_of_any_depth(pix_fmt: str, codes: tuple[int, int], tmp_path: Path) -> None:
    bits = {"yuv420p10le": 10, "yuv444p12le": 12}.get(pix_fmt, 8)
    planes = [np.array([codes])] + [np.array([[1 << bits - 1]])] * (0 if pix_fmt == "gray" else 2)
    clip = encode(tmp_path / "c.mkv", [yuv_planes(planes, pix_fmt, (64, 48))], "ffv1", pix_fmt)
    image = first_image(clip)
    assert image[:, :30].max() <= 2
    assert image[:, 34:].min() >= 253


def pq(luminance: float) -> float:
    """The signal of SMPTE ST 2084 for a luminance in cd/m2."""
    power = (luminance / 1e4) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def hlg(luminance: float) -> float:
    """The signal of HLG on a display of 1,000 cd/m2, grey (ITU-R BT.2100, table 5)."""
    scene_light = (luminance / 1000) ** (1 / 1.2)
    if scene_light <= 1 / 12:
        return float(np.sqrt(3 * scene_light))
    return float(0.17883277 * np.log(12 * scene_light - 0.28466892) + 0.55991073)


@pytest.mark.parametrize(("signal", "transfer", "name"), [(pq, 16, "PQ"), (hlg, 18, "HLG")])
@pytest.mark.parametrize(("codec", "suffix"), [("libx265", "mp4"), ("ffv1", "mkv"), ("libx264", "mov")])
def test_hdr_becomes_sdr(signal, transfer: int, name: str, codec: str, suffix: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    luminances = [0, 26, 36.54, 203, 400, 1000]
    luma = np.array([[round(64 + 876 * (signal(value) if value else 0)) for value in luminances]])
    frame = yuv_planes([luma, np.array([[512]]), np.array([[512]])], "yuv420p10le", (192, 96))
    curve = "smpte2084" if transfer == 16 else "arib-std-b67"
    options = {
        "libx265": {"x265-params": f"log-level=none:colorprim=bt2020:transfer={curve}:colormatrix=bt2020nc"},
    }.get(codec, {})
    tags = {"colorspace": 9, "color_range": 1, "color_trc": transfer, "color_primaries": 9}
    clip = encode(tmp_path / f"c.{suffix}", [frame] * 3, codec, "yuv420p10le", options=options, **tags)
    notes: list[str] = []
    (image,) = (sample.image for sample in sample_frames(clip, notes=notes))
    black, card, grey, white, bright, brightest = (int(image[48, 16 + 32 * i].mean()) for i in range(6))
    assert black <= 2
    assert 95 <= card <= 125
    assert 95 <= grey <= 126
    assert 230 < white < bright < brightest <= 255
    assert np.ptp(image, axis=2).max() <= 2  # grey stays grey
    assert notes == [f"converted from HDR ({name}) to SDR"]


def test_the_tone_curve_is_continuous_with_its_slope_and_ends_at_white() -> None:
    luminance = np.linspace(0, 10_000, 200_001)
    mapped = tone_curve(luminance)
    slope = np.diff(mapped) / np.diff(luminance)
    assert mapped[0] == 0
    assert mapped[-1] == pytest.approx(1, abs=1e-3)
    assert mapped[-1] <= 1
    assert (slope > 0).all()
    assert (np.diff(slope) < 1e-9).all()  # concave, without a kink upwards
    np.testing.assert_allclose(slope[:3000], 0.0049)


def test_wide_gamut_is_converted_to_bt709(tmp_path: Path) -> None:
    """BT.709's green has the BT.2020 coordinates (0.3293, 0.9195, 0.0880), of linear light (ITU-R BT.2087)."""
    red, green, blue = np.array([0.3293, 0.9195, 0.0880]) ** (1 / 2.4)
    kr, kb = LUMA[9]
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    codes = [luma, (blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr)]
    planes = [round(64 + 876 * codes[0]), round(512 + 896 * codes[1]), round(512 + 896 * codes[2])]
    tags = {"colorspace": 9, "color_range": 1, "color_trc": 14, "color_primaries": 9}
    frame = yuv_frame(planes, "yuv444p10le")
    clip = encode(tmp_path / "c.mkv", [frame], "ffv1", "yuv444p10le", **tags)
    notes: list[str] = []
    red8, green8, blue8 = first_image(clip, notes)[20, 20]
    assert green8 >= 253
    assert max(red8, blue8) <= 40  # a linear .01 would be 37
    assert notes == ["converted from a wide gamut (BT.2020) to SDR"]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("png.mov", "png", "rgba"),
        ("animation.mov", "qtrle", "argb"),
        ("prores.mov", "prores_ks", "yuva444p10le"),
        ("vp8.webm", "libvpx", "yuva420p"),
        ("vp9.webm", "libvpx-vp9", "yuva420p"),
        ("ffv1.mkv", "ffv1", "bgra"),
    ],
)
def test_transparency_is_over_black(name: str, codec: str, pix_fmt: str, tmp_path: Path) -> None:
    image = np.zeros((48, 96, 4), np.uint8)
    image[..., 0] = 200
    image[:, :32, 3], image[:, 32:64, 3] = 255, 128
    options = {"auto-alt-ref": "0"} if "vp" in codec else {}
    shown = first_image(encode(tmp_path / name, [image] * 24, codec, pix_fmt, options=options)).astype(int)
    np.testing.assert_allclose(shown[24, [10, 48, 86], 0], [200, 100, 0], atol=4)
    assert shown[..., 1:].max() <= 6


def insert_colours(path: Path, primaries: int, transfer: int) -> None:
    """Give a PNG file a chunk that names its colours (PNG, third edition, 11.3.2.6)."""
    data = path.read_bytes()
    chunk = b"cICP" + bytes([primaries, transfer, 0, 1])
    chunk = struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(data[:33] + chunk + data[33:])


@pytest.mark.parametrize(("primaries", "transfer"), [(9, 14), (12, 13), (9, 16), (9, 18)])
@pytest.mark.parametrize("name", ["prores.mov", "ffv1.mkv", "still.png"])
def test_converted_colours_keep_their_transparency(name: str, primaries: int, transfer: int, tmp_path: Path) -> None:
    """Over black after the conversion, by straight alpha."""
    image = np.zeros((48, 96, 4), np.uint8)
    image[..., :3] = 150, 170, 160
    image[:, :32, 3], image[:, 32:64, 3] = 255, 128
    tags = {"color_primaries": primaries, "color_trc": transfer, "colorspace": 9, "color_range": 1}
    if name == "still.png":
        Image.fromarray(image).save(tmp_path / name)
        insert_colours(tmp_path / name, primaries, transfer)
    else:
        codec = "prores_ks" if name == "prores.mov" else "ffv1"
        encode(tmp_path / name, [image] * 3, codec, "yuva444p10le", **tags)
    notes: list[str] = []
    shown = first_image(tmp_path / name, notes).astype(int)
    assert len(notes) == 1
    assert notes[0].startswith("converted from")
    opaque, half, clear = shown[24, [10, 48, 86]]
    assert opaque.min() > 100
    np.testing.assert_allclose(half, opaque * 128 / 255, atol=4)
    assert clear.max() <= 2


@pytest.mark.parametrize(
    ("aspect", "stored", "shown"),
    [
        (Fraction(2), (48, 54), (54, 96)),
        (Fraction(1, 2), (96, 28), (56, 96)),
        (Fraction(16, 15), (720, 576), (576, 768)),
        (Fraction(1, 1_000_000), (96, 54), (54, 96)),
    ],
)
def test_pixels_that_are_not_square(
    aspect: Fraction, stored: tuple[int, int], shown: tuple[int, int], tmp_path: Path
) -> None:
    clip = encode(tmp_path / "c.mkv", [scene(0, *stored)] * 3, "mpeg4" if aspect > 0.001 else "ffv1", aspect=aspect)
    image = first_image(clip)
    assert image.shape[:2] == shown
    info = probe(clip)
    assert (info.height, info.width) == shown or aspect < 0.001
    np.testing.assert_allclose(image[-4, [4, -4], 0], [200 * 4 / shown[1], 200 * (shown[1] - 4) / shown[1]], atol=16)


@pytest.mark.parametrize(("degrees", "turns"), [(90, -1), (180, 2), (270, 1)])
def test_rotation_comes_after_the_shape_of_the_pixels(degrees: int, turns: int, tmp_path: Path) -> None:
    clip = encode(tmp_path / "c.mp4", [quadrants()[:, ::2]] * 3, aspect=Fraction(2))
    rotate_mp4(clip, degrees)
    expected = np.rot90(quadrants(), turns)
    image = first_image(clip)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 25


def test_a_mirrored_picture_is_mirrored(tmp_path: Path) -> None:
    clip = encode(tmp_path / "c.mp4", [quadrants()] * 3)
    data = bytearray(clip.read_bytes())
    start = data.index(b"tkhd") + 44  # the first number of the matrix (ISO 14496-12, 8.3.2)
    data[start : start + 4] = (-(1 << 16)).to_bytes(4, "big", signed=True)
    clip.write_bytes(bytes(data))
    assert np.abs(first_image(clip).astype(int) - quadrants()[:, ::-1]).mean() < 20


@pytest.mark.parametrize(
    "sizes", [[(96, 54), (48, 26)], [(48, 26), (96, 54)], [(96, 54), (33, 17), (131, 75)], [(54, 96), (96, 54)]]
)
def test_every_frame_has_the_shape_of_the_first(sizes: list[tuple[int, int]], tmp_path: Path) -> None:
    clip = encode_sizes(tmp_path / "c.webm", sizes)
    notes: list[str] = []
    frames = list(sample_frames(clip, 1.0, notes))
    assert len(frames) == 2 * len(sizes)
    assert {frame.image.shape for frame in frames} == {(*sizes[0][::-1], 3)}
    named = ", ".join(f"{width}x{height}" for width, height in sizes)
    assert notes == [f"the picture's size changes ({named})"]
    last = frames[-1].image
    if sizes[0] == (54, 96):  # upright, then lying: between black bars, in its own aspect of 96 to 54
        assert last[:30].max() < 30
        assert last[-30:].max() < 30
        assert last[40:56, 45:, 0].mean() > 140
    else:
        assert last[2:-2, -6:-2, 0].mean() > 150  # red grows to the right, to the very edge


@pytest.mark.parametrize(("height", "width"), [(1, 64), (1, 1), (2, 2), (3, 7), (33, 65)])
def test_small_and_odd_pictures(height: int, width: int, tmp_path: Path) -> None:
    clip = encode(tmp_path / "c.mkv", [np.full((height, width, 3), 90, np.uint8)] * 12, "ffv1", "yuv444p")
    np.testing.assert_allclose(first_image(clip), np.full((height, width, 3), 90), atol=3)


@pytest.mark.parametrize("threads", ["AUTO", "NONE"])
def test_pixels_may_change_their_shape(threads: str, tmp_path: Path) -> None:
    """A recording that switches from 1:1 to 2:1 is shown on the first picture's screen, with bars."""
    parts = [
        encode(tmp_path / f"{number}.ts", [np.full((54, 96, 3), 200, np.uint8)] * 24, aspect=Fraction(aspect))
        for number, aspect in enumerate((1, 2, 1))
    ]
    (clip := tmp_path / "c.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    with open_video(clip, threads) as reader:
        images = [reader.screen.rgb(frame) for _, frame in reader.frames()]
    assert {image.shape for image in images} == {(54, 96, 3)}
    for i, image in enumerate(images):
        rows = np.flatnonzero(image[:, 48, 0] > 100)
        assert len(rows) == (27 if 24 <= i < 48 else 54), i
    assert len(images) == 72


def method_c(k1: float, inflection: float, k3: float, luminance: np.ndarray) -> np.ndarray:
    """Report ITU-R BT.2446-1, section 6.1.4, in % of SDR's white; k2 and k4 by continuity of slope and value."""
    k2 = k1 * inflection * (1 - k3)
    k4 = k1 * inflection - k2 * np.log(1 - k3)
    with np.errstate(invalid="ignore", divide="ignore"):
        bent = k2 * np.log(luminance / inflection - k3) + k4
    return np.where(luminance < inflection, k1 * luminance, bent)


def test_the_tone_curve_is_method_c_with_constants_of_its_own() -> None:
    inflection = 100 * 0.8**2.4 / 0.83802  # 80 % of an SDR signal with a gamma of 2.4
    k2 = 0.83802 * inflection * (1 - 0.74204)
    assert k2 == pytest.approx(15.09968, abs=2e-4)  # as the Report gives them
    assert 0.83802 * inflection - k2 * np.log(1 - 0.74204) == pytest.approx(78.99439, abs=2e-3)
    white = method_c(0.83802, inflection, 0.74204, np.array([203.0]))  # 96 % of the signal
    np.testing.assert_allclose((white / 100) ** (1 / 2.4), 0.96, atol=1e-3)
    luminance = np.geomspace(0.01, 10_000, 500)
    np.testing.assert_allclose(tone_curve(luminance), method_c(0.49, 160, 1 - 0.0371, luminance) / 100, atol=1e-6)


XY = {  # of red, green, blue and white (ITU-R BT.709, BT.2020; SMPTE EG 432-1)
    1: [(0.64, 0.33), (0.30, 0.60), (0.15, 0.06), (0.3127, 0.3290)],
    9: [(0.708, 0.292), (0.170, 0.797), (0.131, 0.046), (0.3127, 0.3290)],
    12: [(0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.3127, 0.3290)],
}


def to_xyz(primaries: int) -> np.ndarray:
    """The matrix from linear RGB to XYZ (SMPTE RP 177)."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in XY[primaries]]).T
    return columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3])


@pytest.mark.parametrize("primaries", [9, 12])
def test_primaries_are_converted_by_their_chromaticities(primaries: int, tmp_path: Path) -> None:
    colours = np.array([[0.4, 0.3, 0.2], [0.2, 0.4, 0.3], [0.5, 0.5, 0.5], [0.3, 0.3, 0.5]])
    expected = 255 * (colours @ (np.linalg.inv(to_xyz(1)) @ to_xyz(primaries)).T) ** (1 / 2.4)
    codes = np.round(1023 * colours ** (1 / 2.4)).astype(int)
    frame = yuv_planes([codes[None, :, channel] for channel in (1, 2, 0)], "gbrp10le", (64, 48))
    tags = {"color_trc": 14, "color_primaries": primaries, "color_range": 2}
    clip = encode(tmp_path / "c.mkv", [frame], "ffv1", "gbrp10le", **tags)
    np.testing.assert_allclose(first_image(clip)[24, 8::16], expected, atol=2)
