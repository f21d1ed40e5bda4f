"""Sec. 4 against scipy and hand-made annotations."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from tests.protocol.null_studies import false_positives
from tests.protocol.studies import RIGHT, TINY, annotations_of, played_study, rows_of
from videomem_hf.protocol.annotations import FILLER
from videomem_hf.protocol.clustered import fit_slope
from videomem_hf.protocol.paper import PAPER
from videomem_hf.protocol.scoring import TargetAnnotations, score_study
from videomem_hf.protocol.study_analysis import (
    StudyAnalysis,
    analyse_study,
    relative_means,
    retention,
    splits_in_all,
)
from videomem_hf.protocol.study_table import study_content, study_markdown, study_rows


@pytest.fixture(scope="module")
def analysis() -> StudyAnalysis:
    study = played_study()
    done: list[int] = []
    scores = score_study(study.annotations, study.design)
    found = analyse_study(study.annotations, scores, splits=5, progress=done.append)
    assert sum(done) == splits_in_all(scores, 5) == 20
    return found


def test_retention_is_the_rate_at_each_interval() -> None:
    interval = np.array([45.0, 45.0, 47.0, 47.0, 47.0, 50.0])
    hit = np.array([True, True, True, False, True, False])
    annotations = TargetAnnotations(np.arange(6), np.zeros(6, int), hit, interval, np.full(6, np.nan))
    found = retention(annotations)
    assert found.interval.tolist() == [45, 47, 50]
    assert found.rate == pytest.approx([1, 2 / 3, 0])
    assert found.annotations.tolist() == [2, 3, 1]
    line = stats.linregress(interval, hit.astype(float))
    assert found.line is not None
    assert (found.line.slope, found.line.intercept) == pytest.approx((line.slope, line.intercept))
    # One response a participant: the line fitted again without each of them.
    without = [stats.linregress(np.delete(interval, who), np.delete(hit, who).astype(float)).slope for who in range(6)]
    error = math.sqrt(5 / 6 * ((np.array(without) - line.slope) ** 2).sum())
    assert found.line.p_value == pytest.approx(2 * stats.t.sf(abs(line.slope) / error, 5))
    binned = retention(annotations, np.array([44.0, 46.0, 52.0]))
    assert binned.interval.tolist() == [45, 49]
    assert binned.rate == pytest.approx([1, 0.5])


def test_p_values_hold_with_many_responses_of_a_participant() -> None:
    """Nothing depends on the delay, people differ: 5 of 100 tests are significant at .05, not 40."""
    draw = np.random.default_rng(5)
    participant = np.repeat(np.arange(60), 40)
    found, naive = [], []
    for _ in range(300):
        ability = draw.normal(0.7, 0.15, 60).clip(0.05, 0.95)
        hit = draw.random(2400) < ability[participant]
        hours = draw.uniform(24, 72, 60)[participant]
        line = retention(TargetAnnotations(participant, draw.integers(0, 90, 2400), hit, hours, hours)).line
        assert line is not None
        found.append(line.p_value < 0.05)
        naive.append(stats.linregress(hours, hit).pvalue < 0.05)
    assert np.mean(naive) > 0.2
    assert 0.02 <= np.mean(found) <= 0.09


def test_able_and_quick_people_do_not_make_a_correlation_significant() -> None:
    """Response times and hits depend on the person alone; each video is seen by a few people."""
    draw = np.random.default_rng(6)
    found, naive = [], []
    for _ in range(100):
        people = np.repeat(np.arange(40), 20)
        videos = np.concatenate([draw.permutation(40)[:20] for _ in range(40)])
        ability = draw.uniform(0.3, 1, 40)
        hit = draw.random(800) < ability[people]
        rt_ms = np.where(hit, 2500 - 1500 * ability[people] + draw.normal(0, 150, 800), np.nan)
        times = relative_means(rt_ms[hit], people[hit], videos[hit], 40)
        found.append(stats.pearsonr(times, relative_means(hit.astype(float), people, videos, 40)).pvalue < 0.05)
        rate = np.bincount(videos, hit, 40) / np.bincount(videos, minlength=40)
        mean = np.bincount(videos[hit], rt_ms[hit], 40) / np.bincount(videos[hit], minlength=40)
        naive.append(stats.pearsonr(mean, rate).pvalue < 0.05)
    assert np.mean(naive) > 0.15
    assert np.mean(found) <= 0.12


def test_a_slope_is_fitted_again_without_each_participant() -> None:
    """Against dummy variables for the groups, by NumPy's least squares, in which some participants repeat a group."""
    draw = np.random.default_rng(8)
    participant, group = np.repeat(np.arange(9), 12), draw.integers(0, 14, 108)
    group[-1] = 99  # a group of one participant
    x, y = draw.normal(5, 2, 108), draw.normal(0, 1, 108)

    def slope(rows: np.ndarray) -> float:
        dummies = (group[rows, None] == np.unique(group[rows])).astype(float)
        return float(np.linalg.lstsq(np.column_stack([x[rows], dummies]), y[rows], rcond=None)[0][0])

    found = fit_slope(x, y, participant, group)
    assert found is not None
    assert found.slope == pytest.approx(slope(np.ones(108, bool)))
    without = np.array([slope(participant != who) for who in range(9)])
    error = math.sqrt(8 / 9 * ((without - found.slope) ** 2).sum())
    assert (found.standard_error, found.p_value) == pytest.approx((error, 2 * stats.t.sf(abs(found.slope) / error, 8)))


@pytest.mark.slow
def test_every_printed_p_value_is_below_its_level_as_often_as_that() -> None:
    """200 small studies without any effect; three standard errors of a share of .05 are .046."""
    studies = list(false_positives(200, people=40, returning=30))
    shares = {name: np.mean([[p < 0.05 for p in study[name]] for study in studies], axis=0) for name in studies[0]}
    assert len(shares) == 8
    assert {name: printed for name, (printed, _) in shares.items() if not 0.004 < printed < 0.096} == {}
    assert shares["delay_slope"][1] > 0.1  # as if each response came from another person


def test_unknown_intervals_have_no_curve() -> None:
    annotations = TargetAnnotations(
        np.arange(2), np.zeros(2, int), np.ones(2, bool), np.full(2, np.nan), np.full(2, np.nan)
    )
    found = retention(annotations, np.linspace(24, 72, 13))
    assert len(found.interval) == 0
    assert found.line is None


def test_correlations_and_tests_are_scipys(analysis: StudyAnalysis) -> None:
    short, long = analysis.scores.scores["short_term"], analysis.scores.scores["long_term"]
    assert analysis.short_with_long.value == pytest.approx(stats.spearmanr(short.score, long.score).statistic)
    hits = relative_by_hand(analysis, "short_term"), relative_by_hand(analysis, "long_term")
    assert analysis.short_with_long.p_value == pytest.approx(stats.spearmanr(*hits).pvalue)
    assert analysis.short_with_long_pearson.p_value == pytest.approx(stats.pearsonr(*hits).pvalue)
    assert analysis.short_with_long.videos == 300
    most = np.argsort(-long.annotations, kind="stable")[:100]
    assert long.annotations[most].min() >= np.sort(long.annotations)[-100]
    assert analysis.short_with_long_most[100].value == pytest.approx(
        stats.spearmanr(short.score[most], long.score[most])[0]
    )
    assert 500 not in analysis.short_with_long_most
    assert analysis.rt_short_with_long.value == pytest.approx(stats.pearsonr(short.rt_ms, long.rt_ms)[0])
    test = stats.ttest_rel(short.rt_ms, long.rt_ms)
    assert (analysis.rt_test.t, analysis.rt_test.degrees_of_freedom) == (pytest.approx(test.statistic), 299)
    for horizon, values in (("short_term", short), ("long_term", long)):
        found = analysis.horizons[horizon]  # type: ignore[index]
        assert found.rt_with_score.value == pytest.approx(stats.pearsonr(values.rt_ms, values.score)[0])
        assert found.rt_with_score.value < 0
    test = stats.ttest_rel(
        *(by_person(analysis, horizon) for horizon in ("short_term", "long_term")), nan_policy="omit"
    )
    assert analysis.rt_test.p_value == pytest.approx(test.pvalue)


def relative_by_hand(analysis: StudyAnalysis, horizon: str) -> list[float]:
    """Each video's mean hit less the hit rate of the person, along the line of the lag."""
    part, line = analysis.scores.annotations[horizon], analysis.scores.correction  # type: ignore[index]
    assert line is not None
    hit = part.hit + (
        line.slope * (100 - part.interval) if horizon == "short_term" and analysis.scores.corrected else 0.0
    )
    rate = {who: hit[part.participant == who].mean() for who in set(part.participant.tolist())}
    less = hit - np.array([rate[who] for who in part.participant.tolist()])
    return [less[part.video == video].mean() for video in range(300)]


def by_person(analysis: StudyAnalysis, horizon: str) -> list[float]:
    """Mean response time of each person's hits; NaN without any."""
    part = analysis.scores.annotations[horizon]  # type: ignore[index]
    people = range(len(analysis.scores.screening.participants))
    return [part.rt_ms[part.hit & (part.participant == who)].mean() if who in part.participant else np.nan
            for who in people]  # fmt: skip


def test_response_times_are_of_those_who_passed(analysis: StudyAnalysis) -> None:
    data, screening = played_study().annotations, analysis.scores.screening
    wanted = (data.step == 2) & (data.role == FILLER) & data.pressed & screening.step2.passed[data.participant]
    assert analysis.horizons["long_term"].false_rt_ms == pytest.approx(float(data.rt_ms[wanted].mean()), rel=1e-5)
    annotations = analysis.scores.annotations["long_term"]
    assert analysis.horizons["long_term"].rt_ms == pytest.approx(np.nanmean(annotations.rt_ms))
    assert analysis.horizons["long_term"].rt_ms > 2 * analysis.horizons["short_term"].rt_ms


def test_the_table_has_every_value_of_the_paper(analysis: StudyAnalysis) -> None:
    rows = {row.name: row for row in study_rows(analysis)}
    assert set(PAPER) - set(rows) == {"short_with_long_500"}
    assert rows["short_term_human_consistency"].paper == 0.481
    assert rows["long_term_consistency_each"].paper == 0.364
    assert rows["short_term_sd"].paper is None
    assert rows["rt_t"].value == analysis.rt_test.t
    assert all(row.definition for row in rows.values())
    assert rows["short_term_participants"].value == 400
    assert rows["short_term_consistency_each"].value > rows["short_term_consistency"].value


def test_the_report(analysis: StudyAnalysis) -> None:
    content = json.loads(json.dumps(study_content(analysis), allow_nan=False))
    assert len(content["table"]) == len(study_rows(analysis))
    assert len(content["retention"]["short_term"]["interval"]) == 56
    assert len(content["retention"]["long_term"]["interval"]) == 12
    text = study_markdown(analysis, {"A figure.": "a.png"})
    assert "| Long-term human consistency |" in text
    assert "| < .0001 |" in text
    assert "![A figure.](a.png)" in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {8}
    assert all(row["unit"] for row in content["table"])


def test_a_study_of_step_1_alone(analysis: StudyAnalysis) -> None:
    study = played_study()
    first = study.annotations.select(study.annotations.step == 1)
    scores = score_study(first, study.design)
    found = analyse_study(first, scores, splits=2)
    assert list(found.horizons) == ["short_term"]
    assert math.isnan(found.short_with_long.value)
    assert found.horizons["short_term"].rt_ms == analysis.horizons["short_term"].rt_ms
    text = study_markdown(found, {})
    assert "- Long-term: no annotations." in text
    json.dumps(study_content(found), allow_nan=False)


def test_a_correlation_of_constant_scores_is_nan_with_a_warning() -> None:
    study = played_study()
    repeat = study.annotations.repeat
    perfect = replace(study.annotations, pressed=repeat, rt_ms=np.where(repeat, 1000.0, np.nan).astype(np.float32))
    scores = score_study(perfect, study.design, ignore=["copies", "times", "response_times"])
    with pytest.warns(RuntimeWarning) as warned:
        found = analyse_study(perfect, scores, splits=1)
    assert {str(warning.message).split()[0] for warning in warned} == {"spearman", "pearson"}
    for correlation in (found.short_with_long, found.short_with_long_pearson, found.rt_short_with_long):
        assert math.isnan(correlation.value)
        assert math.isnan(correlation.p_value)
        assert correlation.videos == 300


def test_two_participants_are_a_study_too() -> None:
    data = annotations_of(rows_of("p1", RIGHT) + rows_of("p2", RIGHT))
    found = analyse_study(data, score_study(data, TINY), splits=2)
    assert math.isnan(found.horizons["short_term"].human.spearman)
    json.dumps(study_content(found), allow_nan=False)
    assert "| Short-term human consistency | - |" in study_markdown(found, {})
