"""Half-splits against plain loops, closed forms and known reliability."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from videomem_hf.protocol.consistency import (
    ConsistencyCurve,
    RandomHalves,
    annotation_consistency,
    expected_consistency,
    human_consistency,
    reliability,
)
from videomem_hf.protocol.scoring import TargetAnnotations, sum_by_video
from videomem_hf.statistics import spearman_brown


def draw_annotations(
    strength: np.ndarray, counts: np.ndarray, seed: int, people: int | None = None
) -> TargetAnnotations:
    """Independent annotations to videos of these strengths, without decay."""
    generator = np.random.default_rng(seed)
    video = np.repeat(np.arange(len(strength)), counts)
    number = len(video)
    participant = np.arange(number) if people is None else generator.integers(0, people, number)
    hit = generator.random(number) < strength[video]
    return TargetAnnotations(
        participant, video, hit, generator.integers(45, 101, number).astype(float), np.full(number, np.nan)
    )


@pytest.fixture(scope="module")
def strength() -> np.ndarray:
    return np.random.default_rng(1).beta(8, 3, 1500)


def test_halves_are_balanced_and_drawn_anew() -> None:
    video = np.random.default_rng(0).permutation(np.repeat(np.arange(50), np.arange(50)))
    halves, generator = RandomHalves(video, 50), np.random.default_rng(5)
    extra = []
    masks = []
    for _ in range(40):
        half, rank = halves.draw(generator)
        first, second = np.bincount(video[half], minlength=50), np.bincount(video[~half], minlength=50)
        assert (first + second == np.arange(50)).all()
        assert np.abs(first - second).max() == 1
        for kept in (2, 10, 24):
            part = np.bincount(video[half & (rank < kept)], minlength=50)
            assert (part[kept:] == kept // 2).all()
        extra.append((first - second)[1::2])
        masks.append(half)
    # Every answer falls into either half about as often, and so does a video's odd answer.
    assert 0.2 < np.mean(masks, axis=0).min() < np.mean(masks, axis=0).max() < 0.8
    assert abs(np.mean(extra)) < 0.15


def test_annotation_consistency_equals_a_plain_loop(strength: np.ndarray) -> None:
    counts = np.random.default_rng(2).integers(2, 30, 1500)
    annotations = draw_annotations(strength, counts, 3)
    curve = annotation_consistency(annotations, 1500, splits=25)
    generator = np.random.default_rng(99)
    values = []
    for _ in range(25):
        scores: list[list[float]] = [[], []]
        by_video: list[list[bool]] = [[] for _ in range(1500)]
        for row in generator.permutation(len(annotations)).tolist():
            by_video[annotations.video[row]].append(annotations.hit[row])
        for mine in by_video:
            cut = len(mine) // 2
            scores[0].append(np.mean(mine[:cut]))
            scores[1].append(np.mean(mine[cut:]))
        values.append(stats.spearmanr(*scores).statistic)
    assert curve.at_least[0] == 2
    assert curve.videos[0] == 1500
    assert curve.annotations[0] == counts.mean()
    error = np.std(values) / 5
    assert curve.spearman[0] == pytest.approx(np.mean(values), abs=5 * error)
    assert curve.sd[0] == pytest.approx(np.std(values), rel=0.6)
    above = counts >= curve.at_least[5]
    assert curve.videos[5] == above.sum()
    assert curve.annotations[5] == counts[above].mean()
    assert curve.videos[-1] >= 100
    assert curve.spearman[-1] > curve.spearman[0] + 0.1


def test_halves_of_known_reliability(strength: np.ndarray) -> None:
    """With n annotations in each half, the Pearson correlation of the halves is var / (var + mean noise / n)."""
    annotations = draw_annotations(strength, np.full(1500, 20), 4)
    expected = strength.var() / (strength.var() + (strength * (1 - strength)).mean() / 10)
    human = human_consistency(annotations, 1500, splits=10)
    curve = annotation_consistency(annotations, 1500, splits=10)
    assert human.spearman == pytest.approx(expected, abs=0.05)
    assert curve.spearman[0] == pytest.approx(expected, abs=0.05)
    assert human.annotations == pytest.approx(20)
    assert len(curve.at_least) == 1
    sums = sum_by_video(annotations, 1500)
    whole = strength.var() / (strength.var() + (strength * (1 - strength)).mean() / 20)
    assert reliability(sums, sums.hits / sums.annotations) == pytest.approx(whole, abs=0.03)
    assert spearman_brown(expected, 2) == pytest.approx(whole)


def test_thinning_gives_the_consistency_of_fewer_annotations(strength: np.ndarray) -> None:
    thinned = annotation_consistency(draw_annotations(strength, np.full(1500, 24), 5), 1500, thin=True, splits=8)
    assert thinned.at_least[-1] == 24
    for number in (4, 12):
        fewer = annotation_consistency(draw_annotations(strength, np.full(1500, number), 6), 1500, splits=8)
        assert np.interp(number, thinned.annotations, thinned.spearman) == pytest.approx(fewer.spearman[0], abs=0.05)
    assert (np.diff(thinned.spearman) > 0).all()


def test_human_consistency_splits_people_not_answers() -> None:
    """Two people who remember opposite halves of the videos disagree wholly, whatever each says on its own."""
    participant, video = np.repeat(np.arange(2), 400), np.tile(np.repeat(np.arange(100), 4), 2)
    hit = (video < 50) == (participant == 0)
    annotations = TargetAnnotations(participant, video, hit, np.full(800, 50.0), np.full(800, np.nan))
    found = human_consistency(annotations, 100, splits=6, seed=1)
    assert found.spearman == pytest.approx(-1)
    assert (found.splits, found.annotations, found.videos) == (6, 8, 100)


def test_splits_are_a_function_of_the_seed(strength: np.ndarray) -> None:
    annotations = draw_annotations(strength, np.full(1500, 6), 4, people=200)
    for measure in (human_consistency, annotation_consistency, partial(annotation_consistency, thin=True)):
        first, again, other = (np.mean(measure(annotations, 1500, splits=3, seed=seed).spearman) for seed in (1, 1, 2))
        assert first == again
        assert first != other


def test_one_participant_has_no_consistency() -> None:
    only = human_consistency(
        TargetAnnotations(np.zeros(10, int), np.arange(10), np.ones(10, bool), np.ones(10), np.ones(10)), 10
    )
    assert np.isnan(only.spearman)


def test_lag_correction_is_made_in_each_half() -> None:
    """Videos that are alike but were asked at different lags agree only as long as nothing is corrected."""
    generator = np.random.default_rng(3)
    video = np.repeat(np.arange(400), 40)
    lag = np.where(video < 200, generator.integers(45, 73, 16000), generator.integers(73, 101, 16000)).astype(float)
    hit = generator.random(16000) < 0.9 - 0.008 * (lag - 45)
    annotations = TargetAnnotations(np.arange(16000), video, hit, lag, np.full(16000, np.nan))
    assert annotation_consistency(annotations, 400, splits=5).spearman[0] > 0.4
    assert abs(annotation_consistency(annotations, 400, splits=5, to_lag=100).spearman[0]) < 0.2
    assert human_consistency(annotations, 400, splits=5).spearman > 0.4
    assert abs(human_consistency(annotations, 400, splits=5, to_lag=100).spearman) < 0.2


def curve_of(annotations: list[float], spearman: list[float], videos: list[int]) -> ConsistencyCurve:
    arrays = (np.array(annotations), np.array(videos), np.array(spearman), np.zeros(len(videos)))
    return ConsistencyCurve(np.arange(len(videos)), *arrays)


def test_reading_off_a_curve() -> None:
    curve = curve_of([38.0, 50.0, 80.0], [0.36, 0.42, 0.57], [1000, 600, 450])
    assert curve.at(44.0) == pytest.approx(0.39)
    assert curve.at(37.6) == pytest.approx(0.36)
    assert np.isnan(curve.at(30.0))
    assert np.isnan(curve.at(81.0))
    found = expected_consistency(curve, 38.0)
    assert found.measured
    assert found.spearman == pytest.approx(0.42 + 26 / 30 * 0.15)
    few = curve_of([38.0, 50.0, 80.0], [0.36, 0.42, 0.57], [1000, 600, 100])
    projected = expected_consistency(few, 38.0)
    assert not projected.measured
    assert projected.spearman == pytest.approx(2 * 0.36 / 1.36)
    assert np.isnan(expected_consistency(curve_of([], [], []), 38.0).spearman)


def test_spearman_brown() -> None:
    assert spearman_brown(0.36, 2) == pytest.approx(0.5294, abs=1e-4)
    assert spearman_brown(spearman_brown(0.4, 3), 1 / 3) == pytest.approx(0.4)
    with pytest.raises(ValueError, match="factor"):
        spearman_brown(0.4, 0)


def test_a_study_of_nothing_to_compare() -> None:
    annotations = TargetAnnotations(np.array([0]), np.array([0]), np.array([True]), np.array([50.0]), np.array([1.0]))
    assert len(annotation_consistency(annotations, 3).at_least) == 0
    assert len(annotation_consistency(annotations, 3, thin=True).at_least) == 0
    assert np.isnan(reliability(sum_by_video(annotations, 3), np.ones(3)))
