"""What visitors may hand in: limits, parts of long clips, previews, and what errors say."""

from pathlib import Path

import av
import cards
import intake
import models as space_models
import numpy as np
import player
import pytest
import scoring as space_scoring

from tests.clips import grey_levels, write_clip
from tests.space.served import silent
from videomem_hf.schema import InputError


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (intake.Limits(megabytes=0), "the file has 0 MB; clips may have up to 0 MB"),
        (intake.Limits(seconds=2), "the clip lasts 4 s; clips may have up to 200 MB, 2 s"),
        (intake.Limits(pixels=64 * 48 - 1), "the picture is 64x48; clips may have"),
    ],
)
def test_limits_are_one_sentence_without_the_place_of_the_file(clip, limits, message):
    with pytest.raises(InputError, match=message) as caught:
        intake.check_clip(clip, limits)
    assert str(clip.parent) not in str(caught.value)
    assert str(caught.value).startswith("c.webm: ")
    assert intake.check_clip(clip, intake.Limits()) == pytest.approx(4, abs=0.1)


def test_a_header_that_lies_is_found_out(model_folder, tmp_path):
    clip = write_clip(tmp_path / "live.webm", grey_levels(40), fps=4, live=True)
    limits = intake.Limits(seconds=5)
    assert intake.check_clip(clip, limits) is None
    scoring = space_scoring.Scoring(space_models.Models([str(model_folder)]), limits)
    with pytest.raises(InputError, match=r"live.webm: the clip lasts over 5 s"):
        scoring.score(clip, scoring.models.labels[0], silent)
    slow = space_scoring.Scoring(scoring.models, intake.Limits(work_s=0))
    with pytest.raises(InputError, match="not scored within 0 s"):
        slow.score(clip, scoring.models.labels[0], silent)


def test_names_are_on_one_line_and_not_long():
    name = intake.display_name(Path("a" * 300 + "\n\x1b[31m.mp4"))
    assert len(name) == intake.LONGEST_NAME
    assert name.isprintable()
    assert name.endswith(".mp4")


def write_keyed_clip(path: Path, frames, fps: int, between: int | None = None) -> Path:
    """A key frame every second, or `between` frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=fps, options={"g": str(between or fps), "bf": "2", "sc_threshold": "0"}
        )
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_a_part_is_the_frames_of_its_time(scoring, own_files, tmp_path, model_folder):
    """A key frame every second; each second is of one grey, so that its scores say which second it is."""
    levels = [np.full((48, 64, 3), 20 * second, np.uint8) for second in range(10) for _ in range(4)]
    clip = write_keyed_clip(tmp_path / "ten.mp4", levels, fps=4)
    short = space_scoring.Scoring(scoring.models, intake.Limits(seconds=3))
    whole = scoring.explain(clip, model_folder.name, silent).prediction
    part = short.explain(clip, model_folder.name, silent, start_s=5)
    assert (part.start_s, part.name) == (5.0, "ten.mp4, from 5 s to 7 s")
    np.testing.assert_allclose(part.prediction.frame_scores, whole.frame_scores[5:8], atol=1e-6)
    with pytest.raises(InputError, match=r"ten.mp4: lasts 10 s; a part begins at 0 s or later"):
        short.explain(clip, model_folder.name, silent, start_s=10)
    with pytest.raises(intake.TooLongError, match="the clip lasts 10 s") as caught:
        short.explain(clip, model_folder.name, silent)
    assert caught.value.duration_s == pytest.approx(10, abs=0.3)


def test_a_part_begins_where_it_is_asked_for_whatever_the_key_frames(scoring, own_files, tmp_path, model_folder):
    """One key frame in all: a part that began there would be another one."""
    levels = [np.full((48, 64, 3), 20 * second, np.uint8) for second in range(10) for _ in range(4)]
    clip = write_keyed_clip(tmp_path / "ten.mp4", levels, fps=4, between=1000)
    short = space_scoring.Scoring(scoring.models, intake.Limits(seconds=3))
    whole = scoring.explain(clip, model_folder.name, silent).prediction
    part = short.explain(clip, model_folder.name, silent, start_s=5)
    assert (part.start_s, part.name) == (5.0, "ten.mp4, from 5 s to 7 s")
    np.testing.assert_allclose(part.prediction.frame_scores, whole.frame_scores[5:8], atol=1e-4)
    impatient = space_scoring.Scoring(scoring.models, intake.Limits(seconds=3, work_s=0))
    with pytest.raises(InputError, match=r"ten.mp4: the part is not cut within 0 s"):
        impatient.explain(clip, model_folder.name, silent, start_s=5)


def test_a_clip_whose_header_says_no_length_has_parts(scoring, own_files, tmp_path, model_folder):
    clip = write_clip(tmp_path / "webcam.webm", grey_levels(40), fps=4, live=True)
    short = space_scoring.Scoring(scoring.models, intake.Limits(seconds=3))
    with pytest.raises(intake.TooLongError, match=r"webcam.webm: the clip lasts over 3 s") as caught:
        short.explain(clip, model_folder.name, silent)
    assert "lasts over 3 s; up to 3 s are scored" in cards.offer("webcam.webm", caught.value.duration_s, 3)
    whole = space_scoring.Scoring(scoring.models, intake.Limits()).explain(clip, model_folder.name, silent)
    part = short.explain(clip, model_folder.name, silent, start_s=6)
    assert part.start_s == pytest.approx(6, abs=1)
    first = round(part.start_s)
    scores = whole.prediction.frame_scores[first : first + len(part.prediction.times_s)]
    np.testing.assert_allclose(part.prediction.frame_scores, scores, atol=1e-3)
    with pytest.raises(InputError, match=r"webcam.webm: has no frames from 20 s on"):
        short.explain(clip, model_folder.name, silent, start_s=20)


def test_a_preview_is_of_its_clip(clip, own_files):
    old = own_files / "b.avi"
    with av.open(str(old), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(stream.encode())
    assert player.plays_in_browsers(clip)
    assert not player.plays_in_browsers(old)
    previews = player.Previews()
    preview = previews.make(old, 60)
    assert player.plays_in_browsers(preview)
    renamed = own_files / f"x{player.PREVIEW_END}"  # as the browser sends it back
    renamed.write_bytes(preview.read_bytes())
    assert previews.clip_of(renamed) == old
    assert previews.clip_of(clip) == clip
    old.unlink()
    assert previews.clip_of(renamed) == renamed


def test_no_error_shows_a_folder_of_this_machine(scoring, own_files, model_folder, monkeypatch):
    handed_in = own_files / "0a1b2c" / "long clip.mp4"
    part = own_files / "tmp-x1_y" / "long clip.mkv"
    for error in (InputError(f"{part}: holds no frames (a/v)"), InputError(f"'{part}': bad; {handed_in}: worse")):
        found = intake.message(error, handed_in)
        assert str(own_files) not in found
        assert found.count("long clip.m") == str(error).count("long clip.m")
    assert intake.message(InputError(f"{part}: holds no frames (a/v)")) == "long clip.mkv: holds no frames (a/v)"
