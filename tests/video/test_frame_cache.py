"""The frame cache: the same pixels as the processor gives, decoded once, whole after any failure."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

from videomem_hf.models.video_processing_memorability import MemorabilityVideoProcessor
from videomem_hf.schema import InputError
from videomem_hf.video import frame_cache
from videomem_hf.video import sources as video_sources
from videomem_hf.video.frame_cache import FrameCache
from videomem_hf.video.sources import StillImage, StoredVideo
from videomem_hf.video.video import Segment, sample_clip, sample_frames


def write_clip(path: Path, seed: int = 0, seconds: int = 2, size: tuple[int, int] = (64, 48)) -> Path:
    """A clip of random blocks that change every second."""
    generator = np.random.default_rng(seed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=8)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for _ in range(seconds):
            blocks = generator.integers(0, 255, (size[1] // 8, size[0] // 8, 3), dtype=np.uint8)
            image = blocks.repeat(8, axis=0).repeat(8, axis=1)
            for _ in range(8):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("clips")
    return [write_clip(folder / f"video{i}.webm", seed=i) for i in range(4)]


@pytest.fixture
def processor() -> MemorabilityVideoProcessor:
    return MemorabilityVideoProcessor(size={"height": 27, "width": 48})


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the clips that are decoded, one entry each time."""
    names: list[str] = []

    def recording(source: str | Path | bytes, *arguments: Any) -> Iterator[Segment]:
        names.append(source.name if isinstance(source, Path) else "bytes")
        return sample_clip(source, *arguments)

    monkeypatch.setattr(video_sources, "sample_clip", recording)
    return names


def test_cached_frames_normalise_to_the_processors_output(
    clips: list[Path], processor: MemorabilityVideoProcessor, tmp_path: Path
) -> None:
    cache = FrameCache(tmp_path, processor)
    cache.fill(clips, progress=False)
    for clip in clips:
        cached = cache.load(clip)
        assert cached.dtype == np.uint8
        assert cached.shape == (2, 3, 27, 48)
        raw = np.stack([frame.image for frame in sample_frames(clip)])
        whole = processor(videos=[raw], do_sample_frames=False, return_tensors="pt")["pixel_values_videos"][0]
        normalised = (torch.from_numpy(cached.copy()) / 255 - 0.5) / 0.5
        torch.testing.assert_close(normalised, whole, atol=1e-6, rtol=0)


def test_clips_are_decoded_once(
    clips: list[Path], processor: MemorabilityVideoProcessor, tmp_path: Path, decoded: list[str]
) -> None:
    cache = FrameCache(tmp_path, processor)
    assert clips[0] not in cache
    cache.fill([*clips, clips[0]], progress=False)
    FrameCache(tmp_path, processor).fill(clips, progress=False)
    assert sorted(decoded) == [clip.name for clip in clips]
    assert clips[0] in cache


def test_bytes_of_a_file_are_a_source(
    clips: list[Path], processor: MemorabilityVideoProcessor, tmp_path: Path, decoded: list[str]
) -> None:
    cache = FrameCache(tmp_path, processor)
    content = clips[0].read_bytes()
    cache.fill([content], progress=False)
    cache.fill([clips[0]], progress=False)
    cache.fill([clips[0].read_bytes()], progress=False)
    assert len(decoded) == 1  # the same content
    np.testing.assert_array_equal(cache.load(content), cache.load(clips[0]))


def test_a_changed_file_is_decoded_again(processor: MemorabilityVideoProcessor, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "video1.webm", seed=1)
    cache = FrameCache(tmp_path / "cache", processor)
    cache.fill([clip], progress=False)
    before = cache.load(clip).copy()
    write_clip(clip, seed=2)
    os.utime(clip, ns=(1, 1))
    with pytest.raises(KeyError, match="video1"):
        cache.load(clip)
    cache.fill([clip], progress=False)
    assert (cache.load(clip) != before).any()


@pytest.mark.parametrize(
    "other",
    [
        {"size": {"height": 27, "width": 40}},
        {"size": {"height": 27, "width": 48}, "fps": 2.0},
        {"size": {"height": 27, "width": 48}, "do_center_crop": True, "crop_size": {"height": 20, "width": 20}},
    ],
)
def test_other_sampling_is_another_entry(
    clips: list[Path], processor: MemorabilityVideoProcessor, tmp_path: Path, other: dict
) -> None:
    cache = FrameCache(tmp_path, processor)
    cache.fill(clips[:1], progress=False)
    second = FrameCache(tmp_path, MemorabilityVideoProcessor(**other))
    assert clips[0] not in second
    second.fill(clips[:1], progress=False)
    assert second.load(clips[0]).shape != cache.load(clips[0]).shape


def test_normalisation_shares_the_entry(
    clips: list[Path], processor: MemorabilityVideoProcessor, tmp_path: Path
) -> None:
    FrameCache(tmp_path, processor).fill(clips[:1], progress=False)
    other = MemorabilityVideoProcessor(size={"height": 27, "width": 48}, image_mean=[0.1] * 3, do_normalize=False)
    assert clips[0] in FrameCache(tmp_path, other)


def test_bad_clips_are_named_together_and_the_others_kept(
    clips: list[Path], processor: MemorabilityVideoProcessor, tmp_path: Path
) -> None:
    text, empty = tmp_path / "text.webm", tmp_path / "empty.webm"
    text.write_text("no video")
    empty.touch()
    cache = FrameCache(tmp_path / "cache", processor)
    with pytest.raises(InputError, match="2 of 6 clips") as error:
        cache.fill([text, *clips, empty], progress=False)
    assert "text.webm: not a video" in str(error.value)
    assert "empty.webm: the file is empty" in str(error.value)
    assert all(clip in cache for clip in clips)


def test_a_missing_clip_is_named(processor: MemorabilityVideoProcessor, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.webm: cannot be opened"):
        FrameCache(tmp_path, processor).fill([tmp_path / "gone.webm"], progress=False)


def test_an_interrupted_fill_keeps_finished_clips_and_nothing_else(
    clips: list[Path], processor: MemorabilityVideoProcessor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = threading.Semaphore(2)

    def interrupted(file, frames, **options) -> None:  # type: ignore[no-untyped-def]
        if not calls.acquire(blocking=False):
            file.write(b"half an ent")
            raise KeyboardInterrupt
        np.lib.format.write_array(file, frames)

    monkeypatch.setattr(frame_cache.np, "save", interrupted)
    cache = FrameCache(tmp_path, processor)
    with pytest.raises(KeyboardInterrupt):
        cache.fill(clips, workers=1, progress=False)
    monkeypatch.undo()
    assert [clip in cache for clip in clips] == [True, True, False, False]
    assert sorted(path.suffix for path in cache.folder.iterdir()) == [".json", ".key", ".key", ".npy", ".npy"]
    cache.fill(clips, progress=False)
    assert all(cache.load(clip).shape[0] == 2 for clip in clips)


def test_a_full_disk_is_one_clear_error(
    clips: list[Path], processor: MemorabilityVideoProcessor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments, **options) -> None:  # type: ignore[no-untyped-def]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(frame_cache.np, "save", full)
    with pytest.raises(InputError, match="no space left on device"):
        FrameCache(tmp_path, processor).fill(clips, progress=False)


def test_a_folder_that_cannot_be_made_is_named(processor: MemorabilityVideoProcessor, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="frames cannot be kept here"):
        FrameCache(tmp_path / "file", processor)


def test_two_fills_at_once_share_the_folder(
    clips: list[Path], processor: MemorabilityVideoProcessor, tmp_path: Path
) -> None:
    caches = [FrameCache(tmp_path, processor) for _ in range(2)]
    threads = [threading.Thread(target=cache.fill, args=(clips,), kwargs={"progress": False}) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(caches[0].folder.glob("*.npy"))) == len(clips)
    assert not list(caches[0].folder.glob("*.part"))
    assert all(caches[1].load(clip).shape[0] == 2 for clip in clips)


def test_a_copy_elsewhere_finds_its_frames_again(
    clips: list[Path], processor: MemorabilityVideoProcessor, tmp_path: Path, decoded: list[str]
) -> None:
    cache = FrameCache(tmp_path / "cache", processor)
    cache.fill(clips[:1], progress=False)
    copy = tmp_path / "elsewhere.webm"
    copy.write_bytes(clips[0].read_bytes())
    assert copy not in cache
    cache.fill([copy], progress=False)
    assert decoded == [clips[0].name]
    np.testing.assert_array_equal(cache.load(copy), cache.load(clips[0]))


def test_networks_of_clips_get_their_consecutive_frames(clips: list[Path], tmp_path: Path) -> None:
    processor = MemorabilityVideoProcessor(size={"shortest_edge": 24}, segment_length=4, max_segments=2)
    cache = FrameCache(tmp_path, processor)
    cache.fill(clips[:1], progress=False)
    frames, times = processor.decode(clips[0])
    assert times == [0.0, 1.0]
    resized = processor(videos=[frames], do_sample_frames=False, do_rescale=False, do_normalize=False)
    np.testing.assert_array_equal(cache.load(clips[0]), resized["pixel_values_videos"][0])
    assert cache.load(clips[0]).shape == (8, 3, 24, 32)
    assert clips[0] not in FrameCache(
        tmp_path, MemorabilityVideoProcessor(size={"shortest_edge": 24}, segment_length=2)
    )


def test_images_are_clips_of_one_frame(tmp_path: Path) -> None:
    grey = tmp_path / "grey.jpg"
    Image.new("L", (40, 30), 128).save(grey)
    cmyk = tmp_path / "cmyk.jpg"
    Image.new("CMYK", (40, 30), (0, 255, 255, 0)).save(cmyk)
    processor = MemorabilityVideoProcessor(size={"height": 6, "width": 8})
    cache = FrameCache(tmp_path / "cache", processor)
    cache.fill([StillImage(grey), StillImage(cmyk)], progress=False)
    assert cache.load(StillImage(grey)).shape == (1, 3, 6, 8)
    np.testing.assert_allclose(cache.load(StillImage(grey)), 128, atol=1)
    red = cache.load(StillImage(cmyk)).mean(axis=(0, 2, 3))
    assert red[0] > 200 > 60 > max(red[1:])
    (tmp_path / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"bad\.jpg: not an image"):
        cache.fill([StillImage(tmp_path / "bad.jpg")], progress=False)
    clip_network = FrameCache(tmp_path / "cache", MemorabilityVideoProcessor(segment_length=16))
    with pytest.raises(InputError, match="an image has no 16 consecutive frames"):
        clip_network.fill([StillImage(grey)], progress=False)


def test_rows_of_a_data_set_are_read_when_needed(
    clips: list[Path], processor: MemorabilityVideoProcessor, tmp_path: Path
) -> None:
    reads: list[str] = []

    def read() -> bytes:
        reads.append("read")
        return clips[0].read_bytes()

    cache = FrameCache(tmp_path, processor)
    stored = StoredVideo("row 3", "fingerprint/3", read)
    cache.fill([stored], progress=False)
    seen = len(reads)
    assert seen > 0
    cache.fill([stored], progress=False)
    assert cache.load(stored).shape == (2, 3, 27, 48)
    assert len(reads) == seen
    with pytest.raises(InputError, match=r"row 4: .*not a video"):
        cache.fill([StoredVideo("row 4", "fingerprint/4", lambda: b"text")], progress=False)


def test_a_limit_lets_the_longest_unused_go_and_never_what_is_wanted(
    clips: list[Path], processor: MemorabilityVideoProcessor, tmp_path: Path
) -> None:
    size = 2 * 3 * 27 * 48 + 128
    plain = FrameCache(tmp_path, processor)
    for age, clip in enumerate(clips[:3]):
        plain.fill([clip], progress=False)
        os.utime(str(plain._find(video_sources.identity_of(clip))), ns=(age, age))
    plain.fill(clips[:1], progress=False)  # asked for again: now the newest
    limited = FrameCache(tmp_path, processor, limit_gb=3.2 * size / 1e9)
    limited.fill(clips[3:], progress=False)
    assert [clip in limited for clip in clips] == [True, False, True, True]
    with pytest.raises(KeyError, match="video1"):
        plain.load(clips[1])
    with pytest.raises(InputError, match=r"need more than the .* GB that the cache may hold"):
        FrameCache(tmp_path, processor, limit_gb=2.2 * size / 1e9).fill(clips, progress=False)
