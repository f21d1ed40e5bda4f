"""Parts of files show what they should, with the sound at its time, and are copied where that is possible."""

from pathlib import Path

import av
import numpy as np
import pytest

from tests.clips import rotate_mp4, write_clip
from tests.films.sounding import RATE, clicks, flashes, write_sounding
from videomem_hf.films.cutting import frame_at, key_time, write_part, write_preview, write_spans
from videomem_hf.films.span import Span
from videomem_hf.video.video import VideoError, probe, sample_frames


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sounding(tmp_path_factory.mktemp("cut") / "clip.mp4")


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(video=0) if packet.size]


def test_a_part_between_key_frames_is_copied_bit_by_bit(clip: Path, tmp_path: Path) -> None:
    part = write_part(clip, tmp_path / "part", Span(2, 5))
    assert part.copied
    assert part.path == tmp_path / "part.mp4"
    assert set(packets(part.path)) <= set(packets(clip))
    assert len(packets(part.path)) == 3 * RATE
    assert flashes(part.path) == pytest.approx([0, 1, 2], abs=1e-3)
    assert clicks(part.path) == pytest.approx([0, 1, 2], abs=0.04)


@pytest.mark.parametrize(("codec", "sound"), [("libvpx", "libopus"), ("libvpx-vp9", "libopus")])
def test_webm_stays_webm(tmp_path: Path, codec: str, sound: str) -> None:
    part = write_part(write_sounding(tmp_path / "c.webm", 4, codec, sound), tmp_path / "part", Span(1, 3))
    assert (part.copied, part.path.suffix) == (True, ".webm")
    assert flashes(part.path) == pytest.approx([0, 1], abs=2e-3)
    assert clicks(part.path) == pytest.approx([0, 1], abs=0.04)


def test_elsewhere_a_part_is_encoded_again_and_begins_with_its_first_frame(clip: Path, tmp_path: Path) -> None:
    part = write_part(clip, tmp_path / "part", Span(2.4, 4.6))
    assert not part.copied
    assert flashes(part.path) == pytest.approx([0.6, 1.6], abs=2e-3)
    assert clicks(part.path) == pytest.approx([0.6, 1.6], abs=2e-3)
    with av.open(str(part.path)) as file:
        assert file.duration / 1e6 == pytest.approx(2.2, abs=0.05)
        assert file.streams.video[0].codec_context.pix_fmt == "yuv420p"


@pytest.mark.parametrize("sound", ["pcm_s16le", "flac"])
def test_sound_that_browsers_do_not_play_is_encoded_again(tmp_path: Path, sound: str) -> None:
    part = write_part(write_sounding(tmp_path / "c.mkv", 4, sound=sound), tmp_path / "part", Span(1, 3))
    assert (part.copied, part.path.suffix) == (False, ".mp4")
    assert clicks(part.path) == pytest.approx([0, 1], abs=2e-3)


def test_a_part_for_a_model_is_copied_whatever_the_codec_and_has_no_sound(tmp_path: Path) -> None:
    clip = write_sounding(tmp_path / "c.mkv", 4, "mpeg4", "pcm_s16le", keys=25)
    part = write_part(clip, tmp_path / "part", Span(1, 3), to_score=True)
    assert (part.copied, part.path.suffix) == (True, ".mkv")
    assert set(packets(part.path)) <= set(packets(clip))
    assert flashes(part.path) == pytest.approx([0, 1], abs=2e-3)
    with av.open(str(part.path)) as file:
        assert [stream.type for stream in file.streams] == ["video"]
    encoded = write_part(clip, tmp_path / "other", Span(1.4, 3), to_score=True)
    assert not encoded.copied
    assert flashes(encoded.path) == pytest.approx([0.6], abs=2e-3)
    with av.open(str(encoded.path)) as file:
        assert [stream.type for stream in file.streams] == ["video"]


def test_key_times_are_those_of_key_frames(clip: Path, tmp_path: Path) -> None:
    assert [key_time(clip, time_s) for time_s in (0, 0.9, 1, 2.5)] == pytest.approx([0, 0, 1, 2], abs=1e-3)
    raw = write_clip(tmp_path / "a.h264", [np.zeros((48, 64, 3), np.uint8)] * 50, codec="libx264")
    assert key_time(raw, 1) in (None, 0.0)


def test_what_is_called_with_each_frame_can_end_the_work(clip: Path, tmp_path: Path) -> None:
    def stop(time_s: float) -> None:
        if time_s > 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write_part(clip, tmp_path / "part", Span(0.4, 3), on_frame=stop)
    assert not list(tmp_path.iterdir())


def test_a_turned_clip_is_upright(clip: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    turned.write_bytes(clip.read_bytes())
    rotate_mp4(turned, 90)
    part = write_part(turned, tmp_path / "part", Span(2, 4))
    assert not part.copied
    assert (probe(part.path).width, probe(part.path).height) == (64, 96)


def test_parts_follow_each_other_in_their_order(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "edited.mp4"
    write_spans(clip, path, [Span(6, 7.5), Span(1.5, 3.5)], lambda image, time_s: image // 2)
    assert clicks(path) == pytest.approx([0, 1, 2, 3], abs=2e-3)
    levels = [frame.image.mean() for frame in sample_frames(path, 4)]
    # a second of the clip is as bright as 20 + 10 times its number, here half of it
    assert levels[1] == pytest.approx((20 + 60) / 2, abs=3)
    assert levels[-1] == pytest.approx((20 + 30) / 2, abs=3)


def test_the_frame_at_a_time_and_a_preview(clip: Path, tmp_path: Path) -> None:
    assert frame_at(clip, 3.5).mean() == pytest.approx(50, abs=3)
    assert frame_at(clip, 4.0).mean() == pytest.approx(255, abs=3)
    with pytest.raises(VideoError, match="shows nothing at 9 s"):
        frame_at(clip, 9.0)
    path = tmp_path / "preview.mp4"
    write_preview(path, [(0.0, np.zeros((20, 30, 3), np.uint8)), (0.5, np.full((20, 30, 3), 200, np.uint8))], 2.0)
    assert probe(path).duration_s == pytest.approx(2.0, abs=0.1)


def test_what_cannot_be_cut_has_a_reason(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="has no frames from 20 s on"):
        write_part(clip, tmp_path / "part", Span(20, 22))
    assert not list(tmp_path.iterdir())


def test_a_frame_that_is_held_is_shown_until_the_next_one(tmp_path: Path) -> None:
    levels = [np.full((48, 64, 3), level, np.uint8) for level in (40, 120, 200)]
    film = write_clip(tmp_path / "v.webm", levels, times_ms=[0, 1000, 3000])
    shown = [frame_at(film, time_s).mean() for time_s in (0.5, 0.99, 1.0, 2.5)]
    assert shown == pytest.approx([40, 40, 120, 120], abs=6)
    write_spans(film, tmp_path / "part.mp4", [Span(1.5, 2.5)])
    assert [frame.image.mean() for frame in sample_frames(tmp_path / "part.mp4", 1)] == pytest.approx([120], abs=6)
