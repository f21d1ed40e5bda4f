"""Shots have the scores of the clips that they are; a stopped run goes on; odd films have a timeline or a reason."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import videomem_hf
from tests.clips import rotate_mp4, write_clip
from tests.films.films import RATE, OfFeatures, picture, still, write_film
from videomem_hf.films import shot_scores
from videomem_hf.films.advice import advise
from videomem_hf.films.ray_engine import summary_of
from videomem_hf.films.shot_scores import ScoredShot
from videomem_hf.films.timeline import Timeline
from videomem_hf.inference import Predictor
from videomem_hf.inference.reference import Reference
from videomem_hf.schema import InputError
from videomem_hf.video.video import VideoError


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shots of 3.12, .6, 2.28 and 12 s."""
    path = tmp_path_factory.mktemp("films") / "f.webm"
    return write_film(path, still(1, 3.12), still(2, 0.6), still(3, 2.28), still(4, 12))


def test_a_shot_of_up_to_7_s_has_the_score_of_the_clip_that_it_is(tiny: Predictor, film: Path, tmp_path: Path) -> None:
    shots = videomem_hf.timeline(film, tiny).shots
    assert [shot.start_s for shot in shots] == pytest.approx([0, 3.12, 3.72, 6], abs=2e-3)
    clip = tiny.predict(write_film(tmp_path / "c.webm", still(1, 3)))
    assert shots[0].scores["short_term"] == pytest.approx(clip.scores["short_term"], abs=2e-3)
    assert [shot.frames for shot in shots] == [4, 1, 2, 12]
    scores = [shot.scores["short_term"] for shot in shots]
    assert np.ptp(scores) > 5e-3, "the shots differ, or this test says nothing"


def test_a_shot_between_two_samples_is_scored_by_a_frame_of_its_own(tiny: Predictor, tmp_path: Path) -> None:
    film = write_film(tmp_path / "f.webm", still(1, 2.2), still(2, 0.6), still(3, 2))
    middle = videomem_hf.timeline(film, tiny).shots[1]
    assert 2.2 <= middle.best_time_s < 2.8
    alone = tiny.predict(write_film(tmp_path / "c.webm", still(2, 1)))
    assert middle.scores["short_term"] == pytest.approx(alone.scores["short_term"], abs=2e-3)


def test_scores_that_are_no_numbers_are_refused(tiny: Predictor, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weigh = tiny.weigh_rows
    monkeypatch.setattr(tiny, "weigh_rows", lambda rows: (weigh(rows)[0] * np.nan, None))
    with pytest.raises(InputError, match="the model's score is not a number"):
        videomem_hf.timeline(film, tiny)
    with pytest.raises(InputError, match="the model's score is not a number"):
        advise(film, tiny)


def test_a_longer_shot_is_the_mean_of_its_windows(tiny: Predictor, film: Path) -> None:
    shot = videomem_hf.timeline(film, tiny).shots[-1]
    ends = [(window.start_s, window.end_s) for window in shot.windows]
    assert ends == [pytest.approx(each, abs=0.02) for each in [(6, 13), (9.5, 16.5), (11, 18)]]
    values = [window.scores["short_term"] for window in shot.windows]
    assert shot.scores["short_term"] == pytest.approx(np.average(values, weights=[1, 1, 1.5 / 3.5]), abs=1e-4)


def test_frames_that_show_nothing_new_are_not_scored_again(
    tiny: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = []
    measure = tiny.describe_segments
    monkeypatch.setattr(tiny, "describe_segments", lambda pieces: scored.append(len(pieces)) or measure(pieces))
    film = write_clip(tmp_path / "f.webm", [np.zeros((54, 96, 3), np.uint8)] * 120, fps=1)
    (shot,) = videomem_hf.timeline(film, tiny).shots
    assert (shot.frames, sum(scored)) == (120, 2), "one for each minute"


def test_batches_change_nothing(tiny: Predictor, film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = videomem_hf.timeline(film, tiny)
    monkeypatch.setattr(shot_scores, "FRAMES_PER_BATCH", 3)
    assert_same(videomem_hf.timeline(film, tiny), whole)


def test_a_stopped_run_goes_on_with_the_same_result(tiny: Predictor, film: Path, tmp_path: Path) -> None:
    journal = tmp_path / "j"
    whole = videomem_hf.timeline(film, tiny, journal=journal)
    lines = journal.read_text().splitlines(keepends=True)
    assert len(lines) == 2 + len(whole.shots)
    for kept in range(len(whole.shots) + 1):
        journal.write_text("".join(lines[: 1 + kept]) + '{"shot": {"sta')
        assert_same(videomem_hf.timeline(film, tiny, journal=journal), whole)
        assert journal.read_text().splitlines(keepends=True)[: 1 + kept] == lines[: 1 + kept]


def test_a_finished_film_is_not_read_again(
    tiny: Predictor, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = videomem_hf.timeline(film, tiny, journal=tmp_path / "j")
    monkeypatch.setattr("videomem_hf.films.timeline.open_video", None)
    assert videomem_hf.timeline(film, tiny, journal=tmp_path / "j") == whole


@pytest.mark.parametrize("change", ["fps", "film", "damage"])
def test_a_journal_of_something_else_is_begun_again(tiny: Predictor, film: Path, tmp_path: Path, change: str) -> None:
    journal, copy = tmp_path / "j", tmp_path / "f.webm"
    copy.write_bytes(film.read_bytes())
    first = videomem_hf.timeline(copy, tiny, journal=journal)
    if change == "film":
        write_film(copy, still(5, 2))
    elif change == "damage":
        journal.write_text("no JSON\n")
    again = videomem_hf.timeline(copy, tiny, fps=2 if change == "fps" else None, journal=journal)
    assert (again == first) == (change == "damage")
    assert json.loads(journal.read_text().splitlines()[0])["fps"] == again.fps


def test_progress_goes_to_the_end(tiny: Predictor, film: Path) -> None:
    told: list[tuple[float, float | None]] = []
    videomem_hf.timeline(film, tiny, on_progress=lambda *each: told.append(each))
    assert told[-1] == (pytest.approx(18, abs=0.05), pytest.approx(18, abs=0.05))
    assert [time_s for time_s, _ in told] == sorted(time_s for time_s, _ in told)


def test_shots_that_cannot_be_told_apart_share_a_rank(tiny: Predictor, film: Path) -> None:
    found = videomem_hf.timeline(film, tiny)
    scores = [{"short_term": 0.8}, {"short_term": 0.9}, {"short_term": 0.7}, {"short_term": 0.8}]
    shots = tuple(replace(shot, scores=each) for shot, each in zip(found.shots, scores, strict=True))
    assert replace(found, shots=shots).ranks() == [2, 1, 4, 2]
    assert replace(found, shots=shots, rank_error=0.15).ranks() == [1, 1, 2, 1]  # as `shared_ranks` says
    assert replace(found, shots=shots, rank_error=np.inf).ranks() == [1, 1, 1, 1]
    tied = [summary_of(replace(found, shots=shots, rank_error=error)).tied for error in (0.0, 0.15, np.inf)]
    assert tied == [0, 2, 3]
    assert replace(found, shots=shots).ranked() == [1, 0, 3, 2]


@pytest.mark.parametrize("known", [{"short_term": 0.02}, {}])
def test_the_error_of_ranks_is_the_models(
    tiny: Predictor, film: Path, known: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = replace(tiny.claims, reference=Reference("test", difference_error=known))
    monkeypatch.setattr(tiny, "claims", claims)
    assert videomem_hf.timeline(film, tiny).rank_error == known.get("short_term", 0.0)


def test_odd_films(tiny: Predictor, tmp_path: Path) -> None:
    two = videomem_hf.timeline(write_film(tmp_path / "two.webm", still(1, 0.08)), tiny)
    assert (len(two.shots), two.shots[0].frames) == (1, 1)
    turned = write_clip(tmp_path / "turned.mp4", still(1, 1), fps=RATE, codec="mpeg4")
    rotate_mp4(turned, 90)
    assert len(videomem_hf.timeline(turned, tiny).shots) == 1
    whole = write_clip(tmp_path / "whole.mkv", [*still(1, 2), *still(2, 2), *still(3, 4)], fps=RATE)
    cut_off = tmp_path / "cut.mkv"
    cut_off.write_bytes(whole.read_bytes()[: whole.stat().st_size * 8 // 10])
    found = videomem_hf.timeline(cut_off, tiny)
    assert 2 <= found.duration_s < 8
    ending = f"ends at 0:0{found.duration_s:.0f} where the container says 0:08: what follows is missing or damaged"
    assert ending in found.notes[-1]
    with pytest.raises(VideoError, match="frames without their times"):
        videomem_hf.timeline(np.stack(still(1, 1)), tiny)
    for fps in (0, np.inf, np.nan):
        with pytest.raises(InputError, match=f"fps is {fps}; it must be a number above 0"):
            videomem_hf.timeline(whole, tiny, fps=fps)


def test_a_shot_survives_json(tiny: Predictor, film: Path) -> None:
    shot = videomem_hf.timeline(film, tiny).shots[0]
    known = replace(shot, intervals={"short_term": (0.1, 0.9)}, percentiles={"short_term": 12.0}, typicality=3.5)
    assert ScoredShot.from_dict(json.loads(json.dumps(known.to_dict())), known.picture) == known


def test_the_picture_is_the_best_frame(tiny: Predictor, tmp_path: Path) -> None:
    import io

    from PIL import Image

    (shot,) = videomem_hf.timeline(write_film(tmp_path / "f.webm", still(1, 2)), tiny).shots
    shown = np.asarray(Image.open(io.BytesIO(shot.picture)))
    assert shown.shape == (54, 96, 3)
    assert np.abs(shown.astype(int) - picture(1)).mean() < 12


def assert_same(found: Timeline, expected: Timeline) -> None:
    assert [(shot.start_s, shot.end_s, shot.frames) for shot in found.shots] == [
        (shot.start_s, shot.end_s, shot.frames) for shot in expected.shots
    ]
    for mine, other in zip(found.shots, expected.shots, strict=True):
        assert mine.scores["short_term"] == pytest.approx(other.scores["short_term"], abs=1e-5)
        assert len(mine.windows) == len(other.windows)


def test_a_model_of_features_is_refused(film: Path) -> None:
    with pytest.raises(InputError, match="best: reads features of whole files, and a timeline needs a model"):
        videomem_hf.timeline(film, OfFeatures())
