"""The frames that features are given: their number, planes and colours, and how several features share a decode."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.clips import grey_levels, quadrants, rotate_mp4, write_audio, write_clip
from tests.features.media import moving_frames, real_clip, write_yuv
from videomem_hf.features import clips as clips_module
from videomem_hf.features import collecting
from videomem_hf.features.catalogue import feature_specs
from videomem_hf.features.clips import Clip, Picture, pictures, survey
from videomem_hf.features.collecting import collect
from videomem_hf.features.spec import WHOLE, FeatureSpec, FrameValues, evenly_spaced, one_per_second, thirds
from videomem_hf.models.video_codecs import is_shown
from videomem_hf.video.video import VideoError


def levels(path: Path) -> list[int]:
    return [int(picture.luma[8, 8]) for picture in pictures(path)]


@pytest.mark.parametrize("name", ["b.mp4", "b.avi", "world.mp4"])
def test_packets_tell_the_number_of_frames(name: str) -> None:
    with av.open(str(real_clip(name))) as container:
        expected = sum(1 for _ in container.decode(video=0))
    assert survey(real_clip(name)).frames == expected


def test_hidden_frames_of_vp8_are_not_counted(tmp_path: Path) -> None:
    """Encoders that look ahead write frames that are never shown; the fifth bit of the frame's first byte says so."""
    clip = write_clip(tmp_path / "c.webm", moving_frames(12))
    with av.open(str(clip)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    shown = [is_shown(av.Packet(data), vp8=True) for data in packets]
    assert shown == [True] * 12
    hidden = [bytes([data[0] & ~0x10]) + data[1:] for data in packets]
    assert not any(is_shown(av.Packet(data), vp8=True) for data in hidden)
    assert all(is_shown(av.Packet(data), vp8=False) for data in hidden)


def test_a_damaged_clip_is_decoded_again_with_the_right_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path / "c.webm", moving_frames(30))
    whole = collect(clip, feature_specs(["colorhistogram"]))
    monkeypatch.setattr(collecting, "survey", lambda source, title: Clip("c", 45, 24.0, title))
    again = collect(clip, feature_specs(["colorhistogram"]))
    assert again.clip.frames == 30
    for expected, found in zip(whole.values["colorhistogram"], again.values["colorhistogram"], strict=True):
        np.testing.assert_array_equal(found, expected)


def test_one_decode_serves_all_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = write_clip(tmp_path / "c.webm", moving_frames(30))
    decodes = []
    monkeypatch.setattr(collecting, "pictures", lambda *args: decodes.append(1) or clips_module.pictures(*args))
    together = collect(clip, feature_specs(["hmp", "lbp", "hog", "colorhistogram"]))
    assert len(decodes) == 1
    for name in together.values:
        alone = collect(clip, feature_specs([name]))
        for expected, found in zip(alone.values[name], together.values[name], strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("frames", "expected"), [(168, [0, 56, 112]), (1, [0, 0, 0]), (2, [0, 0, 1]), (100, [0, 33, 66])]
)
def test_frames_that_the_release_describes(frames: int, expected: list[int]) -> None:
    assert thirds(Clip("c", frames)) == expected


def test_frames_that_networks_see() -> None:
    assert one_per_second(Clip("c", 168, 24.0)) == [0, 24, 48, 72, 96, 120, 144]
    assert one_per_second(Clip("c", 5, 24.0)) == [0]
    assert one_per_second(Clip("c", 100_000, 25.0)) == evenly_spaced(Clip("c", 100_000), 64)
    assert evenly_spaced(Clip("c", 3), 4) == [0, 0, 1, 2]


def test_very_short_clips_have_features(tmp_path: Path) -> None:
    for count in (1, 2):
        clip = write_clip(tmp_path / f"{count}.webm", moving_frames(count))
        values = collect(clip, feature_specs(["hmp", "lbp", "colorhistogram"])).values
        assert values["hmp"][0].sum() == pytest.approx(1)
        assert len(values["lbp"]) == len(values["colorhistogram"]) == 3
        np.testing.assert_array_equal(values["lbp"][0], values["lbp"][1])
        assert np.array_equal(values["colorhistogram"][0], values["colorhistogram"][2]) == (count == 1)


def planes(kind: type, scale: int, chroma: tuple[int, int], seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    luma = rng.integers(0, 256, (48, 70)) * scale + rng.integers(0, scale, (48, 70))
    others = [rng.integers(0, 256, (48 // chroma[0], 70 // chroma[1])) * scale for _ in range(2)]
    return [plane.astype(kind) for plane in (luma, *others)]


@pytest.mark.parametrize(("pixel_format", "chroma"), [("yuv420p", (2, 2)), ("yuv422p", (1, 2)), ("yuv444p", (1, 1))])
def test_luma_is_the_plane_as_decoded(tmp_path: Path, pixel_format: str, chroma: tuple[int, int]) -> None:
    given = planes(np.uint8, 1, chroma)
    path = write_yuv(tmp_path / "c.mkv", [given], pixel_format)
    np.testing.assert_array_equal(next(pictures(path)).luma, given[0])


@pytest.mark.parametrize(("pixel_format", "bits", "chroma"), [("yuv420p10le", 10, (2, 2)), ("yuv422p12le", 12, (1, 2))])
def test_more_than_8_bits_are_cut_to_the_upper_8(
    tmp_path: Path, pixel_format: str, bits: int, chroma: tuple[int, int]
) -> None:
    given = planes(np.uint16, 1 << (bits - 8), chroma)
    path = write_yuv(tmp_path / "c.mkv", [given], pixel_format)
    np.testing.assert_array_equal(next(pictures(path)).luma, given[0] >> (bits - 8))


def test_full_range_is_not_converted(tmp_path: Path) -> None:
    given = planes(np.uint8, 1, (2, 2))
    path = write_yuv(tmp_path / "c.avi", [given], "yuvj420p", codec="mjpeg")
    picture = next(pictures(path))
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert frame.format.name == "yuvj420p"
        plane = np.frombuffer(frame.planes[0], np.uint8).reshape(48, -1)[:, :70]
    np.testing.assert_array_equal(picture.luma, plane)
    assert picture.luma.min() < 16 or picture.luma.max() > 235


def test_rgb_video_is_converted_to_limited_range(tmp_path: Path) -> None:
    path = tmp_path / "c.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        frame = av.VideoFrame.from_ndarray(quadrants(), format="rgb24").reformat(format="bgr0")
        frame.pts = 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    luma = next(pictures(path)).luma
    # BT.601 in limited range: red 81, green 145, blue 41, white 235
    assert np.abs(luma[[5, 5, 40, 40], [5, 60, 5, 60]].astype(int) - [81, 145, 41, 235]).max() <= 1


def test_rotated_clips_are_turned_upright(tmp_path: Path) -> None:
    image = quadrants()
    path = write_clip(tmp_path / "c.mp4", [image] * 3, codec="mpeg4")
    upright = next(pictures(path))
    rotate_mp4(path, 90)
    turned = next(pictures(path))
    assert turned.luma.shape == (64, 48)
    np.testing.assert_array_equal(turned.luma, np.rot90(upright.luma, -1))
    np.testing.assert_array_equal(turned.rgb, np.rot90(upright.rgb, -1))


def test_rgb_equals_opencvs_reader() -> None:
    """The release's frames were read with OpenCV."""
    cv2 = pytest.importorskip("cv2")
    reader = cv2.VideoCapture(str(real_clip("b.mp4")))
    for picture in pictures(real_clip("b.mp4")):
        _, expected = reader.read()
        if picture.index % 50 == 0:
            np.testing.assert_array_equal(picture.rgb[..., ::-1], expected)
    assert picture.index == 149


def test_order_of_frames(tmp_path: Path) -> None:
    found = levels(write_clip(tmp_path / "c.webm", grey_levels(40)))
    assert len(found) == 40
    assert found == sorted(found)
    assert len(set(found)) > 30


class EveryFrame(FeatureSpec):
    """What a function makes of each frame."""

    def __init__(self, name: str, function: Callable[[Picture], Any]) -> None:
        super().__init__(name, name, WHOLE)
        object.__setattr__(self, "function", function)

    def frames(self, clip: Clip) -> Sequence[int]:
        return range(clip.frames)

    def collector(self, clip: Clip) -> FrameValues:
        return FrameValues(self.function)


def test_decoding_is_not_far_ahead_of_a_slow_feature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames keep their order; however slow a feature is, few of them wait."""
    clip = write_clip(tmp_path / "c.webm", moving_frames(60))
    decoded: list[int] = []

    def counted(*args: Any) -> Iterator[Picture]:
        for picture in clips_module.pictures(*args):
            decoded.append(picture.index)
            yield picture

    def slow(picture: Picture) -> tuple[int, int]:
        time.sleep(0.005)
        return picture.index, len(decoded)

    monkeypatch.setattr(collecting, "pictures", counted)
    made = [EveryFrame("slow", slow), EveryFrame("fast", lambda picture: picture.rgb.shape)]
    values = collect(clip, made).values
    assert [index for index, _ in values["slow"]] == list(range(60))
    assert 1 < max(count - index for index, count in values["slow"]) <= 2 + collecting._AHEAD
    assert len(values["fast"]) == 60


def test_what_goes_wrong_beside_the_decoding_costs_one_feature(tmp_path: Path) -> None:
    def fail(picture: Picture) -> None:
        raise RuntimeError(f"frame {picture.index}")

    clip = write_clip(tmp_path / "c.webm", moving_frames(6))
    collected = collect(clip, [EveryFrame("broken", fail), *feature_specs(["hmp"])])
    assert list(collected.values) == ["hmp"]
    assert "frame 0" in collected.errors["broken"]


def test_what_is_no_video_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_text("no video")
    for path in (tmp_path / "x.mp4", tmp_path / "none.mp4", write_audio(tmp_path / "a.m4a")):
        with pytest.raises(VideoError, match=path.name) as caught:
            collect(path, feature_specs(["hmp"]))
        assert "\n" not in str(caught.value)


def test_what_is_odd_about_a_file_is_told_once(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "c.webm", moving_frames(120))
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) // 2])
    collected = collect(clip, feature_specs(["hmp", "colorhistogram"]))
    assert 30 < collected.clip.frames < 90
    (note,) = collected.notes
    assert "although the header says 5.0 s" in note


def test_a_feature_that_is_not_to_be_had_leaves_the_others(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "small.webm", [frame[:24, :40] for frame in moving_frames(9)])
    collected = collect(clip, feature_specs(["hog", "lbp", "hmp"]))
    assert set(collected.values) == {"lbp", "hmp"}
    assert "at least 32x32" in collected.errors["hog"]
