"""Times, streams, containers and damage: which frames of a clip are read, and what is said of it."""

import struct
import tempfile
import zlib
from contextlib import nullcontext
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, features

from tests.clips import grey_levels
from videomem_hf.features.catalogue import feature_specs
from videomem_hf.features.clips import pictures
from videomem_hf.features.collecting import collect
from videomem_hf.inference import Predictor
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.video.frame_cache import FrameCache
from videomem_hf.video.video import VideoError, VideoWarning, probe, sample_frames

from .encoding import FPS, encode, encode_sizes, encode_streams, scene
from .test_one_sampler import Brightness

SECOND = 1000
FIVE_SECONDS = grey_levels(5 * FPS)


def read(path: Path, fps: float = 1.0) -> tuple[list[int], list[float], list[str]]:
    """Levels by which frames are told apart, times, and notes."""
    notes: list[str] = []
    frames = list(sample_frames(path, fps, notes))
    return [round(float(frame.image.mean())) - 16 for frame in frames], [frame.time_s for frame in frames], notes


def assert_levels(found: list[int], expected: list[int]) -> None:
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, atol=2)


@pytest.mark.parametrize(
    ("times_ms", "levels", "times", "held"),
    [
        ([*range(0, 1000, 83), *range(1_200_000, 1_201_000, 83)], [0, 12, 13], [0, 1, 1200], "1199 s from 1.0"),
        ([0, *range(3_600_000, 3_603_000, 83)], [0, 1, 13, 25], [0, 3600, 3601, 3602], "3600 s from 0.0"),
        ([*range(0, 3000, 83), 90_000_000], [0, 12, 24, 36], [0, 1, 2, 3], "89997 s from 3.0"),
        ([0, 9_000, 18_000, 18_500], [0, 1, 2], [0, 9, 18], None),
    ],
)
def test_a_held_frame_is_taken_once(
    times_ms: list[int], levels: list[int], times: list[float], held: str | None, tmp_path: Path
) -> None:
    clip = encode(tmp_path / "gap.mkv", grey_levels(len(times_ms)), times_ms=times_ms)
    found, found_times, notes = read(clip)
    if held and "89997" in held:
        levels, times = [*levels, 37], [*times, 90_000]
        found, found_times = [*found, 37], [*found_times, 90_000]  # the last lasts under half a second
    assert_levels(found, levels)
    assert found_times == times
    assert notes == ([f"a frame is held for {held} s on; it counts once"] if held else [])


@pytest.mark.parametrize(
    ("sizes", "defaults", "chosen"),
    [
        ([(64, 36), (96, 54)], [False, True], 1),
        ([(96, 54), (64, 36), (48, 28)], [False, True, False], 1),
        ([(48, 28), (96, 54), (64, 36)], [False, False, False], 1),
        ([(48, 28), (96, 54), (64, 36)], [True, True, True], 1),
    ],
)
def test_of_several_streams_the_default_and_then_the_largest(
    sizes: list[tuple[int, int]], defaults: list[bool], chosen: int, tmp_path: Path
) -> None:
    clip = encode_streams(tmp_path / "c.mkv", sizes, defaults)
    notes: list[str] = []
    frames = list(sample_frames(clip, 1.0, notes))
    assert [frame.image.shape for frame in frames] == [(*sizes[chosen][::-1], 3)] * 3
    assert abs(frames[0].image.mean() - 40 * chosen) < 4
    size = f"{sizes[chosen][0]}x{sizes[chosen][1]}"
    assert notes == [f"holds {len(sizes)} video streams; number {chosen} ({size}) is read"]


def test_cover_art_is_no_stream_of_the_clip(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "c.mp4"), "w") as file:
        cover = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 192, 192, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        stream = file.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        file.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((192, 192, 3), np.uint8), format="rgb24")))
        file.mux(cover.encode())
        for image in FIVE_SECONDS:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())
    levels, _, notes = read(tmp_path / "c.mp4")
    assert_levels(levels, [0, 12, 24, 36, 48])
    assert notes == []


@pytest.mark.parametrize("silence", [(0, 8), (0, 2)])
def test_the_pictures_end_counts_and_not_the_sounds(silence: tuple[int, int], tmp_path: Path) -> None:
    for name, codec in (("c.webm", "libvpx"), ("c.mkv", "libx264"), ("c.mp4", "libx264"), ("c.ts", "libx264")):
        levels, _, notes = read(encode(tmp_path / name, FIVE_SECONDS, codec, silence_s=silence))
        assert_levels(levels, [0, 12, 24, 36, 48])
        assert notes == []


def test_a_file_that_was_cut_is_noted_with_sound_as_well(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = list(rng.integers(0, 255, (120, 48, 64, 3), dtype=np.uint8))
    for silence in (None, (0, 10)):
        clip = encode(tmp_path / "c.webm", noise, "libvpx", silence_s=silence, options={"b": "2M"})
        data = clip.read_bytes()
        clip.write_bytes(data[: len(data) * 2 // 5])
        notes = read(clip)[2]
        assert len(notes) == 1
        assert "although the header says" in notes[0]


def test_times_count_from_the_first_picture(tmp_path: Path) -> None:
    """Sound that begins before the picture, and pictures that begin before zero or late."""
    for start_ms in (-2500, 7300):
        times = [start_ms + round(1000 * i / FPS) for i in range(len(FIVE_SECONDS))]
        clip = encode(tmp_path / "c.mkv", FIVE_SECONDS, times_ms=times, silence_s=(0, 12), options={"bf": "0"})
        levels, found, _ = read(clip)
        assert_levels(levels, [0, 12, 24, 36, 48])
        assert found == [0, 1, 2, 3, 4]


def test_an_edit_list_leaves_out_the_beginning(tmp_path: Path) -> None:
    clip = encode(tmp_path / "c.mp4", FIVE_SECONDS)
    data = bytearray(clip.read_bytes())
    start = data.index(b"elst") + 12  # after version and number of entries: length, start, rate (ISO 14496-12, 8.6.6)
    length, begin = struct.unpack_from(">Ii", data, start)
    struct.pack_into(">Ii", data, start, length - SECOND, begin + 1024 * FPS)
    clip.write_bytes(bytes(data))
    levels, times, _ = read(clip)
    assert_levels(levels, [12, 24, 36, 48])
    assert times == [0, 1, 2, 3]


def test_joined_recordings_go_on_after_their_times_begin_anew(tmp_path: Path) -> None:
    one = encode(tmp_path / "a.ts", FIVE_SECONDS[:36]).read_bytes()
    two = encode(tmp_path / "b.ts", FIVE_SECONDS[24:]).read_bytes()
    (tmp_path / "c.ts").write_bytes(one + two)
    levels, times, _ = read(tmp_path / "c.ts")
    assert_levels(levels, [0, 12, 24, 24, 36, 48])
    assert times == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [("h264", "libx264", {}), ("hevc", "libx265", {"x265-params": "log-level=none"}), ("m4v", "mpeg4", {"qmax": "2"})],
)
def test_raw_streams_have_the_rate_of_their_codec(container: str, codec: str, options: dict, tmp_path: Path) -> None:
    clip = encode(tmp_path / f"raw.{container}", FIVE_SECONDS, codec, container=container, options=options)
    levels, times, _ = read(clip)
    assert_levels(levels, [0, 12, 24, 36, 48])
    assert times == [0, 1, 2, 3, 4]
    assert probe(clip).frames_per_second == FPS


def test_interlaced_pictures_are_read(tmp_path: Path) -> None:
    clip = encode(tmp_path / "c.mkv", FIVE_SECONDS, options={"x264-params": "interlaced=1"})
    assert_levels(read(clip)[0], [0, 12, 24, 36, 48])


@pytest.mark.parametrize("name", ["c.mp4", "c.webm", "c.mkv", "c.avi", "c.gif", "c.ts"])
def test_files_of_one_frame(name: str, tmp_path: Path) -> None:
    codec, pix_fmt = {"c.webm": ("libvpx", "yuv420p"), "c.gif": ("gif", "rgb8"), "c.avi": ("mpeg4", "yuv420p")}.get(
        name, ("libx264", "yuv420p")
    )
    image = np.full((48, 64, 3), 109, np.uint8)  # of GIF's fixed palette
    frames = list(sample_frames(encode(tmp_path / name, [image], codec, pix_fmt), notes=(notes := [])))
    assert len(frames) == 1
    assert abs(frames[0].image.mean() - 109) < 4
    assert notes == []


@pytest.mark.parametrize("suffix", ["webp", "avif", "gif", "png"])
def test_animated_images(suffix: str, tmp_path: Path) -> None:
    if suffix == "avif" and not features.check("avif"):
        pytest.skip("this Pillow does not write AVIF")
    first, *others = (Image.new("RGB", (64, 48), (level,) * 3) for level in (20, 80, 140, 200))
    path = tmp_path / f"c.{suffix}"
    first.save(path, save_all=True, append_images=others, duration=[400, 900, 2000, 1700], loop=0)
    levels, times, _ = read(path)
    assert_levels([level + 16 for level in levels], [20, 80, 140, 200])
    assert times == [0, 1, 2, 4]
    assert probe(path).width == 64


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tiff", "gif"])
def test_images_are_clips_of_one_frame(suffix: str, tmp_path: Path) -> None:
    Image.fromarray(scene(0)).convert("P" if suffix == "gif" else "RGB").save(tmp_path / f"c.{suffix}")
    (frame,) = sample_frames(tmp_path / f"c.{suffix}", notes=[])
    assert np.abs(frame.image.astype(int) - scene(0)).mean() < 12


def test_a_photo_is_upright(tmp_path: Path) -> None:
    picture = Image.fromarray(scene(0))
    exif = picture.getexif()
    exif[0x112] = 6  # turn clockwise
    picture.save(tmp_path / "c.jpg", exif=exif)
    (frame,) = sample_frames(tmp_path / "c.jpg", notes=[])
    assert np.abs(frame.image.astype(int) - np.rot90(scene(0), -1)).mean() < 12


def test_damaged_packets_are_noted_and_passed_over(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clip = encode(
        tmp_path / "c.mov", list(rng.integers(0, 255, (60, 48, 64, 3), dtype=np.uint8)), "png", "rgb24", container="mov"
    )
    data = bytearray(clip.read_bytes())
    starts = [i for i in range(len(data)) if data[i : i + 4] == b"IHDR"]
    assert len(starts) == 60
    for start in starts[20:30]:
        data[start - 12 : start + 4] = bytes(16)
    clip.write_bytes(bytes(data))
    _, times, notes = read(clip)
    assert times == [0, 1, 2, 3, 4]
    assert any(note.startswith("10 damaged part(s) passed over") for note in notes)


def test_every_entrance_reads_the_same(tmp_path: Path) -> None:
    """A clip whose size changes, one with a gap, and plain ones after them."""
    clips = [
        encode_sizes(tmp_path / "sizes.webm", [(96, 54), (33, 17), (54, 96)]),
        encode(tmp_path / "gap.mkv", grey_levels(24), times_ms=[*range(0, 996, 83), *range(900_000, 900_996, 83)]),
        encode(tmp_path / "plain.mp4", FIVE_SECONDS),
    ]
    for size in ({"height": 24, "width": 32}, {"shortest_edge": 24}):
        crop = {"do_center_crop": True, "crop_size": {"height": 24, "width": 24}}
        processor = MemorabilityVideoProcessor(size=size, do_normalize=False, **crop)
        batch = processor(videos=clips, return_tensors="pt")
        assert batch["frame_mask"].sum(dim=1).tolist() == [6, 3, 5]
        cache = FrameCache(tmp_path / "cache", processor)
        with pytest.warns(VideoWarning, match=r"size changes|held for 899 s"):
            cache.fill(clips, progress=False)
        predictions = list(Predictor(Brightness(1), processor, "brightness", device="cpu").predict_many(clips))
        fetched, _ = processor.fetch_videos(clips)
        for clip, pixels, mask, prediction, frames in zip(
            clips, batch["pixel_values_videos"], batch["frame_mask"], predictions, fetched, strict=True
        ):
            np.testing.assert_allclose(pixels[mask] * 255, cache.load(clip), atol=1e-4)
            np.testing.assert_allclose(prediction.frame_scores[:, 0], pixels[mask].mean(dim=(1, 2, 3)), atol=1e-5)
            assert len(frames) == mask.sum()
        assert "size changes" in predictions[0].notes[0]
        assert "held for 899 s" in predictions[1].notes[0]
        assert predictions[2].notes == ()


def test_features_take_pictures_of_one_size_and_shape(tmp_path: Path) -> None:
    changing = encode_sizes(tmp_path / "sizes.webm", [(96, 54), (48, 26)])
    wide = encode(tmp_path / "wide.mp4", [scene(i, 48, 54) for i in range(12)], aspect=Fraction(2))
    for clip in (changing, wide):
        collected = collect(clip, feature_specs(["hmp", "colorhistogram"]))
        assert collected.errors == {}
        assert set(collected.values) == {"hmp", "colorhistogram"}
        with nullcontext() if clip == wide else pytest.warns(VideoWarning, match="size changes"):
            assert {picture.rgb.shape for picture in pictures(clip)} == {(54, 96, 3)}


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def billion_frames(path: Path, box: bytes) -> None:
    """Let the table of sizes, or that of durations, of an MP4 file declare a billion frames."""
    encode(path, FIVE_SECONDS)
    data = bytearray(path.read_bytes())
    start = data.index(box) + 4
    if box == b"stsz":
        struct.pack_into(">II", data, start + 4, 1, 10**9)
    else:
        struct.pack_into(">I", data, start + 8, 10**9)
    path.write_bytes(bytes(data))


def test_what_cannot_be_true_or_is_no_video_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(png(100_000, 100_000))
    (tmp_path / "large.mp4").write_bytes(png(30_000, 30_000))
    (tmp_path / "large.y4m").write_bytes(b"YUV4MPEG2 W100000 H100000 F25:1 Ip C420jpeg\nFRAME\n" + bytes(5000))
    (tmp_path / "large.gif").write_bytes(b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(3) + b"," + bytes(4000))
    billion_frames(tmp_path / "sizes.mp4", b"stsz")
    billion_frames(tmp_path / "durations.mp4", b"stts")
    whole = encode(tmp_path / "whole.mp4", FIVE_SECONDS).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: whole.index(b"moov") - 4])
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video, but a few words\n" * 20)
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nwhole.mp4\n#EXT-X-ENDLIST\n")
    (tmp_path / "concat.mp4").write_text(f"ffconcat version 1.0\nfile {tmp_path / 'whole.mp4'}\n")
    causes = {
        "large.png": "pixels|no frame could be decoded|not a video",
        "large.mp4": "declares pictures of 30000x30000|no frame could be decoded",
        "large.y4m": "declares pictures of 100000x100000|not a video",
        "large.gif": "declares pictures of 65535x65535|no frame could be decoded",
        "sizes.mp4": "declares 1,000,000,000 frames in a file of",
        "durations.mp4": "declares 1,000,000,000 frames in a file of",
        "cut.mp4": "index of the file, at its end, is missing",
        "empty.mp4": "the file is empty",
        "text.mp4": "not a video",
        "list.mp4": "not a video|no frame could be decoded|holds no moving picture",
        "concat.mp4": "not a video",
    }
    for name, cause in causes.items():
        for source in (tmp_path / name, (tmp_path / name).read_bytes()):
            with pytest.raises(VideoError, match=cause) as caught:
                list(sample_frames(source, notes=[]))
            assert "\n" not in str(caught.value)
        with pytest.raises(ValueError, match=name):
            MemorabilityVideoProcessor()(videos=[tmp_path / name])


def test_metadata_in_another_encoding_stop_nothing(tmp_path: Path) -> None:
    clip = encode(tmp_path / "c.avi", FIVE_SECONDS, "mpeg4", options={"qmax": "2"})
    data = clip.read_bytes()
    clip.write_bytes(data.replace(b"Lavf", b"L\xe9vf"))
    assert clip.read_bytes() != data
    assert_levels(read(clip)[0], [0, 12, 24, 36, 48])


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    data = encode(tmp_path / "c.webm", FIVE_SECONDS, "libvpx").read_bytes()

    file = BytesIO(data)

    class Pipe:
        name = "pipe"

        def seekable(self) -> bool:
            return False

        def read(self, size: int) -> bytes:
            return file.read(min(size, 1000))

    assert len(list(sample_frames(Pipe(), notes=[]))) == 5  # type: ignore[arg-type]


@pytest.mark.parametrize("start_ms", [0, 7300])
def test_a_late_start_is_no_missing_end(start_ms: int, tmp_path: Path) -> None:
    times = [start_ms + round(1000 * i / FPS) for i in range(len(FIVE_SECONDS))]
    for name, codec in (("c.mkv", "libx264"), ("c.webm", "libvpx")):
        clip = encode(tmp_path / name, FIVE_SECONDS, codec, times_ms=times)
        assert read(clip)[2] == []
        assert probe(clip).duration_s == pytest.approx(5, abs=0.1)
    noise = list(np.random.default_rng(0).integers(0, 255, (60, 48, 64, 3), dtype=np.uint8))
    clip = encode(tmp_path / "cut.mkv", noise, times_ms=times)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    assert any("although the header says 5.0 s" in note for note in read(clip)[2])


@pytest.mark.parametrize("junk", [b"abc", bytes(64), b"a few words in front of it\n" * 20_000])
def test_bytes_in_front_of_an_mp4_file_are_passed_over(junk: bytes, tmp_path: Path) -> None:
    data = junk + encode(tmp_path / "c.mp4", FIVE_SECONDS).read_bytes()
    (tmp_path / "c.mp4").write_bytes(data)
    for source in (tmp_path / "c.mp4", data):
        notes: list[str] = []
        levels = [frame.image.mean() for frame in sample_frames(source, notes=notes)]
        np.testing.assert_allclose(levels, read(encode(tmp_path / "plain.mp4", FIVE_SECONDS))[0], atol=17)
        assert notes == [f"{len(junk):,} bytes before the beginning of the MP4 file are passed over"]


def test_files_without_a_name_are_called_so(tmp_path: Path) -> None:
    with tempfile.SpooledTemporaryFile() as spooled, tempfile.TemporaryFile() as numbered:
        for file in (spooled, numbered):
            file.write(b"no video")
            for read_file in (lambda file: list(sample_frames(file)), MemorabilityVideoProcessor()):
                with pytest.raises(ValueError, match=r"^open file: not a video"):
                    read_file(file)
