import tracemalloc
import warnings

import av
import numpy as np
import pytest

from tests.clips import grey_levels, quadrants, rotate_mp4, write_audio, write_clip
from videomem_hf.schema import InputError
from videomem_hf.video.finding import find_videos
from videomem_hf.video.video import VideoError, VideoWarning, probe, sample_frames


def levels(source, fps=1.0):
    """Brightness of the sampled frames, which tells their number."""
    return [round(float(frame.image.mean())) - 16 for frame in sample_frames(source, fps)]


def test_seven_frames_of_a_videomem_clip(tmp_path):
    clip = write_clip(tmp_path / "video1.webm", grey_levels(168), live=True)
    assert probe(clip).duration_s is None  # as in the release: the header tells no length
    frames = list(sample_frames(clip))
    assert [f.time_s for f in frames] == [0, 1, 2, 3, 4, 5, 6]
    assert [f.index for f in frames] == list(range(7))
    np.testing.assert_allclose(levels(clip), [0, 24, 48, 72, 96, 120, 144], atol=1)


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (11, 1), (12, 1), (35, 1), (36, 2), (72, 3), (75, 3), (90, 4)])
def test_a_last_interval_under_half_gives_no_frame(tmp_path, count, expected):
    assert len(list(sample_frames(write_clip(tmp_path / "c.mp4", grey_levels(count), codec="libx264")))) == expected


@pytest.mark.parametrize(("fps", "expected"), [(2.0, [0, 12, 24, 36]), (0.5, [0])])
def test_other_sampling_rates(tmp_path, fps, expected):
    clip = write_clip(tmp_path / "c.mp4", grey_levels(48), codec="libx264")
    np.testing.assert_allclose(levels(clip, fps), expected, atol=1)


def test_variable_rate_takes_each_frame_on_screen_once(tmp_path):
    clip = write_clip(tmp_path / "c.webm", grey_levels(60)[::10], times_ms=[0, 400, 900, 3100, 3200, 4600])
    frames = list(sample_frames(clip))
    np.testing.assert_allclose(levels(clip), [0, 20, 40], atol=2)
    assert [frame.time_s for frame in frames] == [0, 1, 4]  # the frame of 0.9 s is held at 1, 2 and 3 s
    np.testing.assert_allclose([frame.end_s for frame in frames], [0.4, 3.1, 4.6])


def test_sampled_pixels_are_those_of_a_plain_decode(tmp_path):
    rng = np.random.default_rng(0)
    clip = write_clip(tmp_path / "c.webm", list(rng.integers(0, 255, (48, 48, 64, 3), dtype=np.uint8)))
    with av.open(str(clip)) as container:
        plain = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)][::24]
    assert len(plain) == 2
    np.testing.assert_array_equal(np.stack([f.image for f in sample_frames(clip)]), np.stack(plain))


@pytest.mark.parametrize(("degrees", "turns"), [(90, -1), (180, 2), (270, 1)])
def test_rotation_is_undone(tmp_path, degrees, turns):
    clip = write_clip(tmp_path / "c.mp4", [quadrants()] * 3, codec="libx264")
    rotate_mp4(clip, degrees)
    image = next(sample_frames(clip)).image
    expected = np.rot90(quadrants(), turns)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 20


def test_bytes_and_file_objects(tmp_path):
    clip = write_clip(tmp_path / "c.webm", grey_levels(30))
    with clip.open("rb") as file:
        assert levels(clip.read_bytes()) == levels(file) == levels(clip)


def test_memory_does_not_grow_with_the_length(tmp_path):
    clip = write_clip(tmp_path / "c.mp4", [np.zeros((480, 640, 3), np.uint8)] * 60, fps=1, codec="libx264")
    tracemalloc.start()
    assert sum(1 for _ in sample_frames(clip)) == 60
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * 480 * 640 * 3


def test_what_cannot_be_read_says_why(tmp_path):
    (tmp_path / "text.mp4").write_text("no video at all")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "playlist.mp4").write_text("ffconcat version 1.0\nfile real.webm\n")
    write_clip(tmp_path / "real.webm", grey_levels(3))
    write_audio(tmp_path / "sound.m4a")
    causes = {
        "text.mp4": "not a video that FFmpeg can read",
        "empty.mp4": "0 bytes",
        "playlist.mp4": "not a video that FFmpeg can read",
        "sound.m4a": "only sound",
        "missing.mp4": "no such file",
        ".": "directory",
    }
    for name, cause in causes.items():
        with pytest.raises(VideoError, match=cause) as caught:
            list(sample_frames(tmp_path / name))
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_truncated_file_warns(tmp_path):
    clip = write_clip(
        tmp_path / "c.webm", list(np.random.default_rng(0).integers(0, 255, (120, 48, 64, 3), dtype=np.uint8))
    )
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    with pytest.warns(VideoWarning, match="the header says"):
        assert len(list(sample_frames(clip))) < 5


def test_damaged_packets_are_passed_over_with_a_warning(tmp_path):
    clip = write_clip(
        tmp_path / "c.avi",
        list(np.random.default_rng(0).integers(0, 255, (72, 48, 64, 3), dtype=np.uint8)),
        codec="mpeg4",
    )
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    clip.write_bytes(bytes(data))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert 1 <= len(list(sample_frames(clip))) <= 3
    assert all(w.category is VideoWarning for w in caught)


def test_sampling_rate_must_be_positive(tmp_path):
    with pytest.raises(InputError, match="above 0"):
        list(sample_frames(write_clip(tmp_path / "c.webm", grey_levels(3)), 0.0))


def test_find_videos(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    for name in ("b.webm", "a.MP4", "sub/c.mov", "notes.txt"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    assert [str(p) for p in find_videos(["."])] == ["a.MP4", "b.webm", "sub/c.mov"]
    assert [str(p) for p in find_videos(["*.webm", "b.webm", "notes.txt"])] == ["b.webm", "notes.txt"]
    assert find_videos([str(tmp_path / "*.MP4")]) == [tmp_path / "a.MP4"]
    for wrong, message in {"x.mp4": "no such file", "*.mkv": "matches no file"}.items():
        with pytest.raises(InputError, match=message):
            find_videos([wrong])
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="holds no file"):
        find_videos(["nothing"])
