"""The adaptive policy: what it takes, that it leaves out nothing, when it stops, and its speed in simulated studies."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from videomem_hf.protocol.assignment import policy
from videomem_hf.protocol.assignment.policy import Tally, assign_step1, assign_step2, empty_tally
from videomem_hf.protocol.design import Assignment, StudyDesign
from videomem_hf.protocol.plan import plan_design
from videomem_hf.protocol.plan_adaptive import adaptive_design
from videomem_hf.protocol.schedule import choose_step1_videos
from videomem_hf.protocol.scoring import score_study
from videomem_hf.protocol.simulate import draw_videos
from videomem_hf.protocol.simulate_study import simulate_study
from videomem_hf.schema import HORIZONS, InputError

ADAPTIVE = Assignment("adaptive")
SMALL = replace(plan_design(62), assignment=ADAPTIVE)


def tallies(videos: int = 60) -> dict:
    return {horizon: empty_tally(videos) for horizon in HORIZONS}


def drawn(videos: int, given: int, seed: int = 0) -> tuple[Tally, np.ndarray]:
    generator = np.random.default_rng(seed)
    rates = generator.beta(17, 3, videos)
    counts = np.full(videos, given)
    return Tally(counts, counts.copy(), generator.binomial(counts, rates), np.zeros_like(counts)), rates


def test_the_papers_policy_is_that_of_the_schedule() -> None:
    design = replace(SMALL, assignment=Assignment())
    known = tallies()
    known["short_term"].counts[:] = np.arange(60)
    assert assign_step1(design, range(60), known, 3) == choose_step1_videos(design, range(60), np.arange(60), 3)


def test_a_gain_falls_with_what_is_known_and_rises_with_the_density() -> None:
    tally, _ = drawn(2000, 20)
    prior = policy.fit_prior(tally)
    gains = policy.expected_gains(tally, prior, tally.counts)
    means = (prior.weight * prior.mean + tally.hits) / (prior.weight + 20)
    width = np.sqrt(2 * (means * (1 - means) / (prior.weight + 21)).mean())
    density = stats.norm.pdf(means[:, None], means, width).mean(axis=1)
    assert gains == pytest.approx((density / density.max()) ** 2, abs=0.02)
    tally.counts[0] += 10
    assert policy.expected_gains(tally, prior, tally.counts)[0] / gains[0] == pytest.approx(
        ((prior.weight + 21) / (prior.weight + 31)) ** 2, rel=1e-6
    )


def test_the_prior_is_that_of_the_videos() -> None:
    tally, _ = drawn(4000, 30)
    prior = policy.fit_prior(tally)
    assert prior.mean == pytest.approx(0.85, abs=0.01)
    assert prior.weight == pytest.approx(20, rel=0.15)


def test_what_is_under_way_lowers_the_gain_and_what_is_behind_comes_first() -> None:
    tally, _ = drawn(60, 10)
    first = policy.order_by_need(tally, np.zeros(60))[0]
    tally.counts[first] += 10
    assert policy.order_by_need(tally, np.zeros(60))[0] != first
    tally.counts[7] = 4
    assert policy.order_by_need(tally, np.zeros(60))[0] == 7


def test_a_step_has_the_right_numbers_of_different_videos() -> None:
    design = replace(StudyDesign(), assignment=ADAPTIVE).for_collection(300)
    known = {horizon: drawn(300, 12, seed)[0] for seed, horizon in enumerate(HORIZONS)}
    videos = [f"v{number}" for number in range(300)]
    first = assign_step1(design, videos, known, 5)
    assert len(set(first)) == len(first) == design.step1.videos
    tally = known["short_term"]
    gains = policy.expected_gains(tally, policy.fit_prior(tally), tally.counts)
    chosen = [int(video[1:]) for video in first[: design.step1.targets]]
    assert gains[chosen].min() >= np.delete(gains, chosen).max()
    assert first == assign_step1(design, videos, known, 5)
    second = assign_step2(design, videos, known, first, 6, unseen={first[-1]})
    fillers = first[-design.step1.fillers :]
    assert len(set(second)) == design.step2.showings
    assert set(second[: design.step2.targets]) <= set(fillers) - {first[-1]}
    assert not set(second[design.step2.targets :]) & set(first)


def test_fillers_are_those_to_which_the_fewest_may_return() -> None:
    known = tallies(300)
    known["long_term"].waiting[:] = 9
    few = [5, 50, 150, 250]
    known["long_term"].waiting[few] = 4
    design = replace(StudyDesign(), assignment=ADAPTIVE).for_collection(300)
    for seed in range(5):
        first = assign_step1(design, range(300), known, seed)
        fillers, targets = first[-design.step1.fillers :], first[: design.step1.targets]
        assert set(few) <= {*fillers, *targets}


@pytest.mark.parametrize("videos", [60, 300])
def test_no_video_is_left_out_in_either_step(videos: int) -> None:
    """With the paper's annotation counts times .65, a third of the participants return."""
    design = adaptive_design(plan_design(videos + 2).for_collection(videos))
    collection = draw_videos([f"v{number}" for number in range(videos)], 2)
    people = round(0.65 * 38 * videos / design.step1.targets)
    study = simulate_study(collection, design, participants=people, returning=people // 3, seed=2)
    for horizon, scores in score_study(study.annotations, design).scores.items():
        assert scores.annotations.min() >= 0.35 * scores.annotations.mean(), horizon


def test_a_small_collection_is_refused() -> None:
    with pytest.raises(InputError, match="Add"):
        assign_step1(SMALL, range(20), tallies(20), 0)


def test_the_reliability_is_the_squared_correlation_with_the_truth() -> None:
    found = [
        (policy.reliability(tally), np.corrcoef(tally.hits / tally.given, rates)[0, 1] ** 2)
        for tally, rates in (drawn(300, 20, seed) for seed in range(12))
    ]
    estimated, true = np.mean(found, axis=0)
    assert estimated == pytest.approx(true, abs=0.03)
    assert policy.reliability(empty_tally(20)) == 0


def test_a_study_stops_by_itself_and_leaves_out_no_video() -> None:
    design = replace(SMALL, assignment=Assignment("adaptive", 0.4, 0.3))
    videos = draw_videos([f"v{number}" for number in range(60)], 1)
    study = simulate_study(videos, design, participants=2000, returning=2000, seed=1, at_once=10)
    scores = score_study(study.annotations, design).scores
    assert len(study.participants) < 600
    for horizon in HORIZONS:
        annotations = scores[horizon].annotations
        assert annotations.min() >= 0.35 * annotations.mean()


@pytest.mark.parametrize("wrong", [1.0, -0.1])
def test_a_reliability_is_below_one(wrong: float) -> None:
    with pytest.raises(InputError, match="from 0 to below 1"):
        Assignment("adaptive", wrong)
