"""The video processor's decoding against the package's own, and its preprocessing against torchvision."""

import json
from pathlib import Path

import av
import gradio
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from transformers import AutoVideoProcessor

from tests.clips import grey_levels, quadrants, write_clip
from videomem_hf.models.video_input import to_frames
from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.video.video import sample_frames

REAL_CLIP = Path(gradio.__file__).parent / "media_assets" / "videos" / "a.mp4"
RAW = {"do_resize": False, "do_rescale": False, "do_normalize": False}


def assert_frames(frames: np.ndarray, clip: Path, numbers: list[int]) -> None:
    """Compare with the frames of these numbers, in the order in which PyAV decodes the file."""
    with av.open(str(clip)) as container:
        every = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert np.array_equal(frames, np.stack([every[n] for n in numbers]))


@pytest.mark.parametrize("fps", [0.3, 1.0, 60.0])
@pytest.mark.parametrize(
    "clip",
    [
        {"frames": 168},
        {"frames": 180, "fps": 30},
        {"frames": 37},
        {"frames": 1},
        {"frames": 13, "live": True},
        {"frames": 9, "times_ms": [0, 40, 80, 700, 1100, 1101, 2600, 4000, 4490]},
    ],
    ids=["7 s", "6 s at 30", "1.5 s", "one frame", "half a second, no length", "variable rate"],
)
def test_frames_are_those_of_the_packages_own_sampling(clip: dict, fps: float, tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "clip.webm", grey_levels(clip["frames"]), **{k: clip[k] for k in clip if k != "frames"}
    )
    expected = list(sample_frames(path, fps))
    frames, times = MemorabilityVideoProcessor(fps=fps).decode(path)
    assert np.array_equal(frames, np.stack([frame.image for frame in expected]))
    np.testing.assert_allclose(times, [frame.time_s for frame in expected], atol=1e-9)


@pytest.mark.parametrize("name", ["a.mp4", "b.mp4", "b.avi"])
def test_real_clips_too(name: str) -> None:
    path = REAL_CLIP.with_name(name)
    frames, _ = MemorabilityVideoProcessor().decode(path)
    assert np.array_equal(frames, np.stack([frame.image for frame in sample_frames(path)]))


def test_segmentes_are_consecutive_frames(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.webm", grey_levels(168))
    frames, times = MemorabilityVideoProcessor(segment_length=16).decode(clip)
    assert times == [0, 1, 2, 3, 4, 5, 6]
    assert_frames(frames, clip, [24 * second + i for second in range(7) for i in range(16)])
    frames, times = MemorabilityVideoProcessor(segment_length=16, max_segments=1).decode(clip)
    assert_frames(frames, clip, list(range(16)))
    pixels = MemorabilityVideoProcessor(**RAW)(videos=clip, segment_length=4, max_segments=2, return_tensors="np")
    assert_frames(pixels["pixel_values_videos"][0].transpose(0, 2, 3, 1), clip, [0, 1, 2, 3, 24, 25, 26, 27])


def test_a_segment_that_the_end_cuts_short_is_left_out_unless_it_is_the_first(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.webm", grey_levels(39))  # 1.6 s: from 1 s on there are 15 frames
    processor = MemorabilityVideoProcessor(segment_length=16)
    assert processor.decode(clip)[1] == [0]
    short = write_clip(tmp_path / "short.webm", grey_levels(5))
    assert_frames(processor.decode(short)[0], short, [0, 1, 2, 3] + [4] * 12)


def test_overlapping_segments(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.webm", grey_levels(24))
    frames, _ = MemorabilityVideoProcessor(segment_length=8, fps=6.0).decode(clip)
    assert_frames(frames, clip, [start + i for start in (0, 4, 8, 12, 16) for i in range(8)])


def test_a_file_and_its_frames_give_the_same_input() -> None:
    processor = MemorabilityVideoProcessor(size={"height": 64, "width": 96})
    frames = np.stack([frame.image for frame in sample_frames(REAL_CLIP)])
    expected = processor(videos=[frames], return_tensors="pt")["pixel_values_videos"]
    assert expected.shape == (1, 7, 3, 64, 96)
    for source in (REAL_CLIP, str(REAL_CLIP), REAL_CLIP.read_bytes()):
        assert torch.equal(processor(videos=[source], return_tensors="pt")["pixel_values_videos"], expected)
        assert torch.equal(processor(videos=source, return_tensors="pt")["pixel_values_videos"], expected)
    fewer = processor(videos=REAL_CLIP, fps=0.5, size={"height": 32, "width": 32}, return_tensors="pt")
    assert fewer["pixel_values_videos"].shape == (1, 3, 3, 32, 32)  # of 6.97 s


def test_transformers_own_entry_reads_files_as_well() -> None:
    (frames,), (metadata,) = MemorabilityVideoProcessor().fetch_videos([str(REAL_CLIP)])
    assert len(frames) == metadata.total_num_frames == 7
    assert (metadata.height, metadata.width) == frames.shape[1:3]


def test_clips_of_different_length_are_padded_and_masked(tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / f"{n}.webm", grey_levels(24 * n)) for n in (3, 1, 2)]
    batch = MemorabilityVideoProcessor(**RAW)(videos=clips, return_tensors="pt")
    assert batch["pixel_values_videos"].shape == (3, 3, 3, 48, 64)
    assert batch["frame_mask"].tolist() == [[True, True, True], [True, False, False], [True, True, False]]
    assert not batch["pixel_values_videos"][~batch["frame_mask"]].any()
    assert "frame_mask" not in MemorabilityVideoProcessor(**RAW)(videos=clips[:1], return_tensors="pt")


def test_imagenet_preprocessing_is_torchvisions_on_pillow_images() -> None:
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    with Image.open(REAL_CLIP.parents[1] / "images" / "cheetah.jpg") as picture:
        frame = np.asarray(picture.convert("RGB"))
    peer = transforms.Compose(
        [transforms.Resize(112), transforms.CenterCrop(100), transforms.ToTensor(), transforms.Normalize(mean, std)]
    )
    processor = MemorabilityVideoProcessor(
        size={"shortest_edge": 112},
        do_center_crop=True,
        crop_size={"height": 100, "width": 100},
        image_mean=mean,
        image_std=std,
    )
    ours = processor(videos=[frame[None]], return_tensors="pt")["pixel_values_videos"][0, 0]
    torch.testing.assert_close(ours, peer(Image.fromarray(frame)), atol=1e-6, rtol=0)


def test_pixels_can_stay_from_0_to_255() -> None:
    processor = MemorabilityVideoProcessor(
        do_resize=False, do_rescale=False, image_mean=[114.7748, 107.7354, 99.475], image_std=[1.0, 1.0, 1.0]
    )
    ours = processor(videos=[quadrants()[None]], return_tensors="pt")["pixel_values_videos"][0, 0]
    expected = quadrants().transpose(2, 0, 1) - np.array([114.7748, 107.7354, 99.475])[:, None, None]
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_sampling_is_saved_with_it(tmp_path: Path) -> None:
    saved = MemorabilityVideoProcessor(fps=2.0, segment_length=16, max_segments=3, size={"shortest_edge": 112})
    saved.save_pretrained(tmp_path)
    loaded = AutoVideoProcessor.from_pretrained(tmp_path)
    assert isinstance(loaded, MemorabilityVideoProcessor)
    assert (loaded.fps, loaded.segment_length, loaded.max_segments, loaded.size) == (2.0, 16, 3, {"shortest_edge": 112})


def test_bad_files_and_numbers_are_one_clear_error(tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(ValueError, match=r"text\.mp4: not a video that FFmpeg can read"):
        MemorabilityVideoProcessor()(videos=text)
    with pytest.raises(ValueError, match=r"missing\.mp4: cannot be opened"):
        MemorabilityVideoProcessor()(videos=tmp_path / "missing.mp4")
    with pytest.raises(ValueError, match=r"the given bytes: not a video"):
        MemorabilityVideoProcessor()(videos=[b"nothing"])
    with pytest.raises(ValueError, match="fps=0 must be above 0"):
        MemorabilityVideoProcessor().decode(REAL_CLIP, fps=0)


def test_processors_saved_under_former_names_still_load(tmp_path: Path) -> None:
    MemorabilityVideoProcessor(segment_length=16, max_segments=3).save_pretrained(tmp_path)
    file = tmp_path / "video_preprocessor_config.json"
    if not file.exists():
        file = tmp_path / "preprocessor_config.json"
    saved = json.loads(file.read_text())
    former = {"segment_length": "clip_length", "max_segments": "max_clips"}
    file.write_text(json.dumps({former.get(name, name): value for name, value in saved.items()}))
    loaded = AutoVideoProcessor.from_pretrained(tmp_path)
    assert (loaded.segment_length, loaded.max_segments) == (16, 3)
    loaded.save_pretrained(tmp_path / "again")
    assert json.loads((tmp_path / "again" / file.name).read_text()) == saved


def test_narrow_frames_are_frames() -> None:
    """The last axis has the colours where it has 3, else the second; `input_data_format` says otherwise."""
    processor = MemorabilityVideoProcessor(**RAW)
    rng = np.random.default_rng(0)
    for height, width in ((3, 40), (1, 3), (1, 1), (3, 3), (40, 1), (3, 1), (40, 3)):
        frames = rng.integers(0, 255, (2, height, width, 3), np.uint8)
        expected = frames.transpose(0, 3, 1, 2)
        for videos in ([frames], torch.from_numpy(frames), [list(frames)], frames[None]):
            found = processor(videos=videos, return_tensors="np")["pixel_values_videos"]
            np.testing.assert_array_equal(found[0], expected)
            np.testing.assert_array_equal(to_frames(videos[0] if len(videos) == 1 else videos), frames)
        first = processor(videos=[expected], input_data_format="channels_first", return_tensors="np")
        np.testing.assert_array_equal(first["pixel_values_videos"][0], expected)
        if width != 3:
            np.testing.assert_array_equal(to_frames(torch.from_numpy(expected)), frames)


@pytest.mark.parametrize(
    ("videos", "arguments", "cause"),
    [
        ([], {}, "videos is empty"),
        ([5], {}, "a int is no clip"),
        ([np.zeros((0, 9, 9, 3), np.uint8)], {}, r"frames of shape \(0, 9, 9, 3\), uint8: must be .* at least one"),
        (np.zeros((3, 9, 11), np.uint8), {}, r"frames of shape \(3, 9, 11\), uint8: must be"),
        ([np.zeros((3, 9, 11), np.uint8)], {}, r"one array \(3, 9, 11\) is a frame .* or three of grey"),
        ([np.zeros((2, 9, 11, 3))], {}, "float64: must be .* uint8 RGB"),
        ([[Image.new("L", (9, 9)), Image.new("L", (9, 8))]], {}, "of several sizes"),
        (None, {"fps": "a"}, "fps='a' must be above 0"),
        (None, {"fps": float("nan")}, "fps=nan must be above 0"),
        (None, {"segment_length": 1.5}, "segment_length=1.5.* whole numbers of at least 1"),
        (None, {"max_segments": 0}, "max_segments=0 whole numbers of at least 1"),
        (None, {"frames": 3}, "unknown argument frames; allowed are .*segment_length"),
        (None, {"input_data_format": "last"}, "input_data_format='last' must be channels_first or channels_last"),
        (None, {"size": {"longest_edge": 9}}, "size must give height and width, or shortest_edge.*longest_edge"),
        (None, {"size": {"shortest_edge": 9, "longest_edge": 20}}, "size must give"),
        (None, {"size": "big"}, "size"),
        (None, {"video_metadata": {"fps": 25}}, "VideoMetadata.* missing .* argument: 'total_num_frames'"),
        (None, {"video_metadata": [{"total_num_frames": 2, "rate": 1}]}, "VideoMetadata.* unexpected .* 'rate'"),
    ],
)
def test_wrong_arguments_are_one_clear_error(videos: object, arguments: dict, cause: str) -> None:
    clip = [np.zeros((2, 9, 11, 3), np.uint8)] if videos is None else videos
    with pytest.raises(ValueError, match=cause) as caught:
        MemorabilityVideoProcessor()(videos=clip, **arguments)
    assert "\n" not in str(caught.value)


def test_of_very_long_frames_the_middle_is_resized() -> None:
    frame = np.zeros((4, 60_000, 3), np.uint8)
    frame[:, 29_990:30_010] = 200
    crop = {"do_center_crop": True, "crop_size": {"height": 32, "width": 32}}
    processor = MemorabilityVideoProcessor(size={"shortest_edge": 64}, do_normalize=False, do_rescale=False, **crop)
    for turned in (frame, frame.swapaxes(0, 1)):
        (pixels,) = processor(videos=[turned[None]], return_tensors="np")["pixel_values_videos"]
        np.testing.assert_array_equal(pixels, np.full((1, 3, 32, 32), 200))
    resized = MemorabilityVideoProcessor(size={"shortest_edge": 256})
    assert resized(videos=[frame[None]], return_tensors="np")["pixel_values_videos"][0].shape == (1, 3, 256, 4096)
    usual = np.zeros((1, 10, 160, 3), np.uint8)
    assert resized(videos=[usual], return_tensors="np")["pixel_values_videos"][0].shape == (1, 3, 256, 4096)
