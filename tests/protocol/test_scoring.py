"""Scores against hand-counted annotations, ordinary least squares, and the truth of a simulation."""

import csv
import json
import math
import statistics
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse, stats
from scipy.sparse import linalg

from tests.protocol.studies import RIGHT, TINY, annotations_of, played_study, rows_of
from videomem_hf.data.release.reader import open_release, read_records
from videomem_hf.protocol.annotations import MISSING_REASONS, TARGET
from videomem_hf.protocol.design import Controls, StudyDesign, load_design
from videomem_hf.protocol.score_files import release_names, write_scores
from videomem_hf.protocol.scoring import (
    LagCorrection,
    StudyScores,
    Sums,
    TargetAnnotations,
    correct_scores,
    fit_correction,
    score_study,
    sum_by_video,
    summary,
)
from videomem_hf.protocol.simulate import MemoryModel
from videomem_hf.protocol.simulate_study import SimulatedStudy, simulate_study
from videomem_hf.schema import InputError


@pytest.fixture(scope="module")
def study() -> SimulatedStudy:
    return played_study()


@pytest.fixture(scope="module")
def scores(study: SimulatedStudy) -> StudyScores:
    return score_study(study.annotations, study.design)


def test_hand_counted_scores() -> None:
    missed = {showing: rt for showing, rt in RIGHT.items() if showing not in {(1, 6), (2, 3)}}
    rows = rows_of("p1", RIGHT) + rows_of("p2", missed) + rows_of("out", {})
    found = score_study(annotations_of(rows), TINY)
    index = {name: number for number, name in enumerate(found.videos)}
    short, long = found.scores["short_term"], found.scores["long_term"]
    a, b, f, g, v = (index[name] for name in "abfgv")
    assert (short.hits[a], short.annotations[a], short.hits[b], short.annotations[b]) == (1, 2, 2, 2)
    assert (long.hits[f], long.annotations[f], long.hits[g], long.annotations[g]) == (2, 2, 1, 2)
    assert (long.score[f], long.score[g]) == (1.0, 0.5)
    assert np.isnan(short.score[v])
    assert short.annotations[v] == 0
    assert short.mean_lag[[a, b]].tolist() == [5, 4]
    assert short.rt_ms[b] == 1200
    assert long.rt_ms[g] == 3500
    assert found.screening.step1.passed.tolist() == [True, True, False]
    # Every video has one lag, so that nothing can be fitted and nothing is corrected.
    assert found.correction is not None
    assert found.correction.slope == 0
    assert short.score[a] == 0.5


def test_the_slope_is_that_of_least_squares_with_an_intercept_a_video() -> None:
    generator = np.random.default_rng(0)
    video = generator.integers(0, 30, 2000)
    lag = generator.integers(45, 101, 2000).astype(float)
    hit = generator.random(2000) < 0.5 + 0.015 * video - 0.002 * (lag - 45)
    annotations = TargetAnnotations(np.arange(2000), video, hit, lag, np.full(2000, np.nan))
    sums = sum_by_video(annotations, 30)
    found = fit_correction(sums, 100)
    assert found is not None
    rows = np.arange(2000)
    dummies = sparse.csr_matrix((np.ones(2000), (rows, video)), (2000, 30))
    matrix = sparse.hstack([dummies, sparse.csr_matrix(lag[:, None])]).tocsr()
    solution = linalg.lsqr(matrix, hit.astype(float), atol=1e-14, btol=1e-14)[0]
    assert found.slope == pytest.approx(solution[-1], abs=1e-9)
    residual = hit - matrix @ solution
    inverse = np.linalg.inv((matrix.T @ matrix).toarray())
    assert found.standard_error == pytest.approx(np.sqrt(residual @ residual / (2000 - 31) * inverse[-1, -1]))
    # The score is the fitted value of the video at lag 100.
    assert correct_scores(sums, found) == pytest.approx(solution[:-1] + 100 * solution[-1], abs=1e-8)


@pytest.mark.parametrize("count", [2, 3, 12])
def test_the_slope_of_one_video_is_scipys(count: int) -> None:
    generator = np.random.default_rng(count)
    lag, hit = generator.permutation(50)[:count] + 45.0, np.arange(count) % 2 == 0
    zeros = np.zeros(count, dtype=int)
    found = fit_correction(sum_by_video(TargetAnnotations(zeros, zeros, hit, lag, lag), 1), 100)
    expected = stats.linregress(lag, hit.astype(float))
    assert found is not None
    assert found.slope == pytest.approx(expected.slope)
    # Two points determine the line, so nothing is left to estimate its error from.
    assert found.standard_error == pytest.approx(expected.stderr if count > 2 else np.nan, nan_ok=True)


def expected_errors(scores: StudyScores, horizon: str) -> list[float]:
    """Standard errors by plain loops: binomial at hit rates shrunk by the method of moments, and that of the slope."""
    found = scores.scores[horizon]  # type: ignore[index]
    hits, counts = found.hits.tolist(), found.annotations.tolist()
    mean = sum(hits) / sum(counts)
    rates = [(h / n, n) for h, n in zip(hits, counts, strict=True) if n >= 2]
    noise = sum(p * (1 - p) / (n - 1) for p, n in rates) / len(rates)
    spread = statistics.pvariance([p for p, _ in rates]) - noise
    prior = min(max(mean * (1 - mean) / spread - 1, 2), 1000) if spread > 0 else 1000
    errors = []
    for h, n, lag in zip(hits, counts, found.mean_lag.tolist(), strict=True):
        if n == 0:
            errors.append(math.nan)
            continue
        rate = (h + prior * mean) / (n + prior)
        slope_part = (
            (100 - lag) * scores.correction.standard_error if horizon == "short_term" and scores.corrected else 0.0
        )
        errors.append(math.sqrt(rate * (1 - rate) / n + slope_part**2))
    return errors


@pytest.mark.parametrize("kind", ["all", "twelve participants", "even videos", "every other annotation"])
def test_standard_errors_are_those_of_plain_loops(study: SimulatedStudy, kind: str) -> None:
    """Of a whole study; of videos with 0 or 1 annotations; and at the largest and the smallest shrinkage."""
    data = study.annotations
    target = data.repeat & (data.role == TARGET)
    untimed: dict[str, Any] = {"rt_ms": data.rt_ms * np.nan, "time": np.full_like(data.time, "NaT")}
    if kind == "twelve participants":
        data = data.select(data.participant < 12)
    elif kind == "even videos":
        data = replace(data, pressed=np.where(target, data.video % 2 == 0, data.pressed), **untimed)
    elif kind == "every other annotation":
        seen: Counter[tuple[int, int]] = Counter()
        pressed = data.pressed.copy()
        for row in np.flatnonzero(target).tolist():
            key = int(data.step[row]), int(data.video[row])
            pressed[row] = seen[key] % 2 == 0
            seen[key] += 1
        data = replace(data, pressed=pressed, **untimed)
    found = score_study(data, study.design)
    for horizon in ("short_term", "long_term"):
        errors = found.scores[horizon].standard_error
        assert errors == pytest.approx(expected_errors(found, horizon), rel=1e-9, nan_ok=True)
    if kind == "twelve participants":
        counts = found.scores["short_term"].annotations
        assert {0, 1, 2} <= set(counts.tolist())
        content = summary(found)["short_term"]
        assert (content["videos_scored"], content["annotations_min"]) == (int((counts > 0).sum()), 1)


def test_the_mean_response_time_is_of_the_hits_whose_time_is_known() -> None:
    unknown = [(*row[:7], None, row[8]) for row in rows_of("p2", RIGHT)]
    found = score_study(annotations_of(rows_of("p1", RIGHT) + unknown), TINY)
    index = found.videos.index("a")
    assert found.scores["short_term"].hits[index] == 2
    assert found.scores["short_term"].rt_ms[index] == 1000


def test_scores_stay_in_their_range() -> None:
    sums = Sums(*(np.array(values, float) for values in ([2, 2], [0, 2], [90, 180], [4050, 16200], [0, 180])))
    assert correct_scores(sums, LagCorrection(-0.01, 0.0, 100)).tolist() == pytest.approx([0.0, 0.9])
    assert correct_scores(sums, LagCorrection(0.01, 0.0, 100)).tolist() == pytest.approx([0.55, 1.0])


def test_long_term_scores_are_k_of_n_and_short_term_brought_to_lag_100(
    scores: StudyScores, study: SimulatedStudy
) -> None:
    data, passed = study.annotations, scores.screening.step2.passed
    rows = (data.step == 2) & (data.role == TARGET) & passed[data.participant]
    for video in (0, 17, 299):
        mine = rows & (data.video == video)
        assert scores.scores["long_term"].score[video] == data.pressed[mine].sum() / mine.sum()
    short, line = scores.scores["short_term"], scores.correction
    assert line is not None
    assert line.to_lag == 100
    assert np.allclose(short.score, np.clip(short.raw + line.slope * (100 - short.mean_lag), 0, 1))
    assert scores.screening.step1.passed.sum() == 400
    assert scores.screening.step2.passed.sum() == 200


def test_scoring_recovers_the_known_strengths(scores: StudyScores, study: SimulatedStudy) -> None:
    for horizon in ("short_term", "long_term"):
        found, truth = scores.scores[horizon], getattr(study.videos, horizon)
        error = found.score - truth
        # Three standard errors of the mean: of the annotations, the participants' abilities, and the slope.
        assert abs(error.mean()) < 0.018
        z = error / found.standard_error
        assert 0.85 < z.std() < 1.15
        assert np.corrcoef(found.score, truth)[0, 1] > 0.6
        assert abs(np.polyfit(truth, found.score, 1)[0] - 1) < 0.25
    assert scores.correction is not None
    assert abs(scores.correction.slope + 0.016 / 27.5) < 4 * scores.correction.standard_error


def test_a_design_changes_who_counts_and_where_scores_are_brought(study: SimulatedStudy) -> None:
    stricter = score_study(study.annotations, StudyDesign(controls=Controls(vigilance_hits_min=0.95)))
    assert stricter.screening.step1.passed.sum() < 350
    assert stricter.scores["short_term"].annotations.sum() == 40 * stricter.screening.step1.passed.sum()


def test_a_missing_response_is_no_annotation() -> None:
    """Of two people one did not see video a the first time: it has one annotation, not a miss."""
    data = annotations_of(
        [*rows_of("p1", RIGHT), *rows_of("p2", {key: rt for key, rt in RIGHT.items() if key != (1, 6)})]
    )
    data.missing[11] = MISSING_REASONS.index("stalled")
    lenient = replace(TINY, controls=Controls(missing_max=0.2))
    found = score_study(data, lenient)
    values = found.scores["short_term"]
    assert dict(zip(found.videos, values.annotations.tolist(), strict=True)) | {"a": 1, "b": 2} == {
        **dict.fromkeys("avbfgn", 0), "a": 1, "b": 2,
    }  # fmt: skip
    assert values.raw[found.videos.index("a")] == 1
    assert summary(found)["showings_missing"] == {"stalled": 1}
    strict = score_study(data, TINY)
    assert strict.screening.step1.reasons(1) == ["missing 0.125, at most 0.1"]


def test_a_slope_that_cannot_be_told_from_0_is_applied_only_if_asked(study: SimulatedStudy) -> None:
    """Nothing is forgotten over the lags, so no score moves unless that is asked for."""
    model = MemoryModel(decay_per_video=1e-9)
    flat = simulate_study(study.videos, study.design, participants=60, returning=10, seed=8, model=model).annotations
    plain, asked = (score_study(flat, study.design, lag_correction=choice) for choice in ("significant", "always"))
    assert plain.correction is not None
    assert plain.correction.p_value > 0.05
    assert not plain.corrected
    short = plain.scores["short_term"]
    assert np.array_equal(short.score, short.raw, equal_nan=True)
    assert asked.corrected
    assert not np.array_equal(asked.scores["short_term"].score, short.raw, equal_nan=True)
    never = score_study(study.annotations, study.design, lag_correction="never")
    assert score_study(study.annotations, study.design).corrected
    assert np.array_equal(never.scores["short_term"].score, never.scores["short_term"].raw, equal_nan=True)


def test_nobody_passes(study: SimulatedStudy) -> None:
    with pytest.raises(InputError, match=r"step 1: 1 of 1 fail, such as: vigilance hits 0\.000"):
        score_study(annotations_of(rows_of("p", {}, steps=(1,))), TINY)


def test_the_summary(scores: StudyScores) -> None:
    content = json.loads(json.dumps(summary(scores)))
    assert content["videos"] == 300
    assert content["short_term"]["participants_passed"] == 400
    assert content["short_term"]["annotations"] == 16000
    failed = content["short_term"]["participants_failed"]
    assert set(failed) <= {"vigilance hits", "false alarms"}
    assert max(failed.values()) <= content["short_term"]["participants"] - 400 <= sum(failed.values())
    assert content["long_term"]["annotations"] == 8000
    assert content["short_term"]["score_mean"] == pytest.approx(scores.scores["short_term"].score.mean())
    assert 0.005 < content["lag_correction"]["mean_correction"] < 0.027


def test_the_files(tmp_path: Path, scores: StudyScores) -> None:
    release = write_scores(scores, tmp_path / "out")
    records = {record.video_id: record for record in read_records(open_release(release))}
    assert len(records) == 300
    for index in (0, 9, 150):
        record = records[scores.videos[index]]
        assert record.short_term == scores.scores["short_term"].score[index]
        assert (
            record.long_term == scores.scores["long_term"].hits[index] / scores.scores["long_term"].annotations[index]
        )
        assert record.short_term_annotations == scores.scores["short_term"].annotations[index]
        assert record.part == "dev"
    assert len(read_records(open_release(tmp_path / "out"))) == 300
    with (tmp_path / "out" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows[:3]] == ["video1", "video2", "video3"]
    assert float(rows[0]["short_term_raw"]) == pytest.approx(scores.scores["short_term"].raw[0], abs=1e-6)
    with (tmp_path / "out" / "screening.csv").open(newline="") as file:
        screened = list(csv.DictReader(file))
    took_part = [step.took_part.sum() for step in scores.screening.steps()]
    assert len(screened) == sum(took_part)
    assert sum(row["passed"] == "1" for row in screened) == 600
    assert all((row["reasons"] == "") == (row["passed"] == "1") for row in screened)
    assert load_design(tmp_path / "out" / "design.yaml") == scores.design
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary(scores)
    write_scores(scores, tmp_path / "out")


def test_a_foreign_folder_is_left_alone(tmp_path: Path, scores: StudyScores) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty and holds no scores"):
        write_scores(scores, tmp_path)
    with pytest.raises(InputError, match="is a file"):
        write_scores(scores, tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_own_names_are_numbered_and_their_clips_placed(tmp_path: Path) -> None:
    rows = rows_of("p1", RIGHT)
    names = {"a": "A big dog.mp4", "b": "beach", "f": "Zoo_visit.webm", "g": "boat.mov", "n": "new.mp4", "v": "v.mp4"}
    rows = [(*row[:3], names[row[3]], *row[4:]) for row in rows]
    clips = tmp_path / "clips"
    (clips / "more").mkdir(parents=True)
    for name in ("A big dog.mp4", "beach.mkv", "Zoo_visit.webm", "boat.mov", "new.mp4"):
        (clips / name).write_bytes(name.encode())
    found = score_study(annotations_of(rows), TINY)
    with pytest.raises(InputError, match=r"no clip for 1 of 6 videos, such as v\.mp4"):
        write_scores(found, tmp_path / "out", clips)
    assert not (tmp_path / "out").exists()
    (clips / "more" / "v.mp4").write_bytes(b"v.mp4")
    release = write_scores(found, tmp_path / "out", clips)
    with pytest.warns(UserWarning, match=r"2 of 4 videos have no short-term score \(video2, video4\)"):
        records = {record.video_id: record for record in read_records(open_release(release))}
    assert {video: record.title for video, record in records.items()} == {
        "video1": "a-big-dog", "video2": "zoo-visit", "video3": "beach", "video4": "boat",
    }  # fmt: skip
    assert records["video1"].short_term == 1.0
    assert records["video1"].long_term is None
    assert records["video2"].long_term == 1.0
    with (tmp_path / "out" / "scores.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert (row["name"], row["short_term_score"], row["long_term_score"]) == ("A big dog.mp4", "1.0", "")
    assert (release / "videos" / "video1.mp4").read_bytes() == b"A big dog.mp4"
    assert (release / "videos" / "video3.mkv").read_bytes() == b"beach.mkv"


def test_release_names() -> None:
    assert release_names(["video7.webm", "video10"]) == ["video7", "video10"]
    assert release_names(["video7.webm", "video7.mp4"]) == ["video2", "video1"]
    assert release_names(["video7", "x"]) == ["video1", "video2"]


def test_the_scores_load_as_a_dataset(tmp_path: Path, scores: StudyScores) -> None:
    datasets = pytest.importorskip("datasets")
    import videomem_hf  # noqa: F401

    release = write_scores(scores, tmp_path / "out")
    loaded = datasets.load_dataset("videomem", "scores", data_dir=str(release), cache_dir=str(tmp_path / "cache"))
    rows = {row["video_id"]: row for split in loaded.values() for row in split}
    assert len(rows) == 300
    assert rows["video5"]["short_term"] == pytest.approx(scores.scores["short_term"].score[4])
    assert rows["video5"]["long_term_annotations"] == scores.scores["long_term"].annotations[4]


def test_the_papers_design_is_the_default(study: SimulatedStudy, scores: StudyScores) -> None:
    found = score_study(study.annotations)
    assert found.design == StudyDesign()
    assert np.array_equal(found.scores["short_term"].score, scores.scores["short_term"].score)
