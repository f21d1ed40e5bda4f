"""The simulator: what it says of memory is what its participants do, and its scores are like the release's."""

import numpy as np
import pytest

from tests.protocol.play import SimulatedParticipant
from tests.protocol.studies import played_study
from videomem_hf.protocol.annotations import TARGET, VIGILANCE
from videomem_hf.protocol.checks import find_contradiction
from videomem_hf.protocol.consistency import (
    annotation_consistency,
    expected_consistency,
    human_consistency,
    reliability,
)
from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.schedule import choose_step1_videos, choose_step2_videos, draw_step1, draw_step2
from videomem_hf.protocol.scoring import correct_scores, fit_correction, score_study, sum_by_video, summary
from videomem_hf.protocol.simulate import (
    MemoryModel,
    Participants,
    SimulatedVideos,
    draw_participants,
    draw_rt_ms,
    draw_videos,
)
from videomem_hf.protocol.simulate_counts import draw_released_counts, independent_annotations
from videomem_hf.protocol.simulate_study import SimulatedStudy, simulate_study
from videomem_hf.schema import HORIZONS, InputError
from videomem_hf.statistics import spearman


@pytest.fixture
def study() -> SimulatedStudy:
    return played_study()


def equal_videos(names: list[str], short_term: float, long_term: float) -> SimulatedVideos:
    """Videos of equal strength, with the model's mean response times."""
    arrays = (np.full(len(names), value) for value in (short_term, long_term, 1430.0, 3370.0))
    return SimulatedVideos(tuple(names), *arrays)


def person(ability: float = 0.0, attention: float = 1.0, guessing: float = 0.0) -> Participants:
    return Participants(*(np.array([value]) for value in (ability, attention, guessing, 1.0)))


def test_videos_have_the_models_strengths() -> None:
    model = MemoryModel(short_term_mean=0.7, short_term_sd=0.1, long_term_mean=0.5, long_term_sd=0.15, correlation=0.4)
    videos = draw_videos(range(20_000), 1, model)  # type: ignore[arg-type]
    assert videos.short_term.mean() == pytest.approx(0.7, abs=0.003)
    assert videos.short_term.std() == pytest.approx(0.1, abs=0.003)
    assert videos.long_term.mean() == pytest.approx(0.5, abs=0.004)
    assert videos.long_term.std() == pytest.approx(0.15, abs=0.004)
    # The rank correlation of a Gaussian copula is 6 / pi asin(rho / 2).
    assert spearman(videos.short_term, videos.long_term) == pytest.approx(6 / np.pi * np.arcsin(0.2), abs=0.02)
    assert np.corrcoef(videos.short_term, videos.short_rt_ms)[0, 1] < -0.4


def test_response_times() -> None:
    drawn = draw_rt_ms(np.full(20_000, 1430.0), 7000.0, np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(1430, abs=30)
    assert drawn.min() >= 250
    assert drawn.max() <= 7000
    assert draw_rt_ms(np.full(100, 5000.0), 800.0, np.random.default_rng(0)).max() <= 800


def test_a_participant_answers_from_memory_alone() -> None:
    names = [f"v{number}" for number in range(4000)]
    videos = equal_videos(names, 0.8, 0.6)
    someone = SimulatedParticipant(videos, person(ability=0.5, guessing=0.1), seed=4)
    new = [someone.respond(name) for name in names[:2000]]
    assert np.mean([rt is not None for rt in new]) == pytest.approx(0.1, abs=0.03)
    # Lag 2000 is far beyond where the line is fitted: strength 0.
    again = [someone.respond(name) for name in names[:2000]]
    assert np.mean([rt is not None for rt in again]) < 0.02
    later = [someone.respond(name, step=2) for name in names[:2000]]
    assert np.mean([rt is not None for rt in later]) == pytest.approx(0.6 + 0.5 * 0.24, abs=0.04)
    unseen = [someone.respond(name, step=2) for name in names[2000:]]
    assert np.mean([rt is not None for rt in unseen]) == pytest.approx(0.1, abs=0.03)
    times = [rt for rt in later if rt is not None]
    assert np.mean(times) == pytest.approx(videos.long_rt_ms[0], rel=0.05)


@pytest.mark.parametrize(("lag", "chance"), [(1, 0.8 + 99 * 0.016 / 27.5), (60, 0.8 + 40 * 0.016 / 27.5)])
def test_memory_falls_along_the_line(lag: int, chance: float) -> None:
    names = [f"v{number}" for number in range(lag)]
    videos = equal_videos(names, 0.8, 0.6)
    someone = SimulatedParticipant(videos, person(), seed=lag)
    for name in names:
        assert someone.respond(name) is None
    pressed = [someone.respond(names[number % lag]) is not None for number in range(6000)]
    assert np.mean(pressed) == pytest.approx(chance, abs=0.02)


def test_inattention_lets_guesses_through() -> None:
    names = ["a"]
    someone = SimulatedParticipant(
        equal_videos(names, 0.9, 0.9),
        person(attention=0.5, guessing=0.2),
        seed=1,
        model=MemoryModel(decay_per_video=0.0),
    )
    someone.respond("a")
    pressed = [someone.respond("a") is not None for _ in range(4000)]
    assert np.mean(pressed) == pytest.approx(0.5 * 0.9 + 0.5 * 0.2, abs=0.03)


def test_the_study_and_the_single_participant_agree(study: SimulatedStudy) -> None:
    """The same people, one showing at a time, do what the study in memory does on average."""
    design, model = study.design, MemoryModel()
    collection = list(study.videos.names)
    rates: dict[str, list[bool]] = {"target": [], "vigilance": [], "new": [], "later": []}
    everybody = draw_participants(60, np.random.default_rng(8), MemoryModel(careless=0.0))
    for number in range(60):
        one = Participants(*(values[[number]] for values in vars(everybody).values()))
        someone = SimulatedParticipant(study.videos, one, seed=number, model=model)
        chosen = choose_step1_videos(design, collection, np.zeros(300), number)
        for showing in draw_step1(design, number):
            kind = showing.role if showing.repeat else "new"
            rates[kind].append(someone.respond(chosen[showing.slot]) is not None)
        second = choose_step2_videos(design, collection, chosen, number)
        for showing in draw_step2(design, number):
            pressed = someone.respond(second[showing.slot], step=2) is not None
            rates["later" if showing.repeat else "new"].append(pressed)
    data = study.annotations
    good = study.participants.attention[data.participant] == 1
    played = {
        "target": data.pressed[good & (data.role == TARGET) & data.repeat & (data.step == 1)],
        "vigilance": data.pressed[good & (data.role == VIGILANCE) & data.repeat],
        "new": data.pressed[good & ~data.repeat],
        "later": data.pressed[good & data.repeat & (data.step == 2)],
    }
    for kind, annotations in rates.items():
        assert np.mean(annotations) == pytest.approx(played[kind].mean(), abs=0.025), kind


def test_the_study_follows_its_design(study: SimulatedStudy) -> None:
    data, step = study.annotations, study.design.step1
    assert find_contradiction(data) is None
    first = (data.step == 1) & (data.participant == 5)
    assert first.sum() == 180
    lag = data.lag[(data.step == 1) & (data.role == TARGET) & data.repeat]
    assert (lag.min(), lag.max()) == (step.target_lag_min, step.target_lag_max)
    lag = data.lag[(data.role == VIGILANCE) & data.repeat]
    assert sorted(set(lag.tolist())) == [3, 4, 5, 6]
    counts = np.bincount(data.video[(data.step == 1) & (data.role == TARGET) & data.repeat], minlength=300)
    # Uneven only by those who played last, 200 at a time; drawn at random the counts would range over about 40.
    assert np.ptp(score_study(data, study.design).scores["short_term"].annotations) <= 10
    assert counts.sum() == 40 * len(study.participants)
    started = data.time[data.position == 1]
    assert np.diff(data.time[first].astype(np.int64)).min() > 1000
    assert len(started) == len(study.participants) + (data.step == 2).sum() // 120


def test_a_study_is_a_function_of_its_seed() -> None:
    videos = draw_videos([f"video{number}" for number in range(1, 221)], 0)
    first, again, other = (
        simulate_study(videos, StudyDesign().for_collection(220), participants=5, returning=2, seed=seed)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first.annotations.pressed, again.annotations.pressed)
    assert np.array_equal(first.annotations.video, again.annotations.video)
    assert not np.array_equal(first.annotations.video[:180], other.annotations.video[:180])


def test_careless_people_are_found_out(study: SimulatedStudy) -> None:
    screening = score_study(study.annotations, study.design).screening
    careless = study.participants.attention < 0.6
    assert careless.sum() > 20
    assert screening.step1.passed[careless].mean() < 0.1
    assert screening.step1.passed[study.participants.attention == 1].mean() > 0.95


def test_released_counts() -> None:
    uniform = np.random.default_rng(0).random
    for horizon, lowest, mode, mean, highest in (("short_term", 30, 33, 38, 100), ("long_term", 9, 10, 13, 40)):
        counts = draw_released_counts(horizon, 20_000, uniform)
        assert counts.min() == lowest
        assert counts.max() <= highest
        assert abs(np.bincount(counts).argmax() - mode) <= 1
        assert counts.mean() == pytest.approx(mean, abs=0.4)


@pytest.mark.parametrize("seed", [0, 1])
def test_scores_at_the_released_counts_are_like_the_releases(seed: int) -> None:
    """The statistics of the released scores (means .859 and .779, sd .082 and .145, Spearman .305), and their noise."""
    count, uniform = 8000, np.random.default_rng(seed).random
    videos, scores = draw_videos([str(number) for number in range(count)], seed), {}
    expected = {"short_term": (0.859, 0.082, 0.56, 0.37), "long_term": (0.778, 0.145, 0.35, 0.20)}
    for horizon in HORIZONS:
        mean, sd, reliable, half = expected[horizon]
        numbers = draw_released_counts(horizon, count, uniform)
        annotations = independent_annotations(horizon, getattr(videos, horizon), numbers, uniform)
        sums = sum_by_video(annotations, count)
        line = fit_correction(sums, 100) if horizon == "short_term" else None
        scores[horizon] = correct_scores(sums, line)
        if line is not None:
            assert (sums.hits / sums.annotations - scores[horizon]).mean() == pytest.approx(0.016, abs=0.004)
        to_lag = 100 if line is not None else None
        assert scores[horizon].mean() == pytest.approx(mean, abs=0.01)
        assert scores[horizon].std() == pytest.approx(sd, abs=0.005)
        assert reliability(sums, scores[horizon]) == pytest.approx(reliable, abs=0.04)
        assert human_consistency(annotations, count, to_lag=to_lag, splits=4).spearman == pytest.approx(half, abs=0.03)
        curve = annotation_consistency(annotations, count, to_lag=to_lag, splits=4)
        assert curve.at(numbers.mean()) == pytest.approx(half, abs=0.03)
        assert expected_consistency(curve, numbers.mean()).spearman == pytest.approx(reliable, abs=0.05)
    assert spearman(scores["short_term"], scores["long_term"]) == pytest.approx(0.305, abs=0.04)


@pytest.mark.slow
def test_a_study_of_the_papers_size() -> None:
    videos = draw_videos([f"video{number}" for number in range(1, 10_001)], 5)
    study = simulate_study(videos, seed=5)
    scores = score_study(study.annotations)
    content = summary(scores)
    assert content["short_term"]["participants_passed"] == 9402
    assert content["long_term"]["participants_passed"] == 3246
    assert content["short_term"]["annotations_mean"] == pytest.approx(37.6, abs=0.1)
    assert content["short_term"]["annotations_min"] >= 35
    assert content["long_term"]["annotations_mean"] == pytest.approx(13.0, abs=0.1)
    assert content["lag_correction"]["mean_correction"] == pytest.approx(0.016, abs=0.003)
    for horizon, mean, sd in (("short_term", 0.859, 0.082), ("long_term", 0.778, 0.148)):
        found, truth = scores.scores[horizon], getattr(study.videos, horizon)
        scored = found.annotations > 0
        assert content[horizon]["score_mean"] == pytest.approx(mean, abs=0.005)
        assert content[horizon]["score_sd"] == pytest.approx(sd, abs=0.005)
        assert abs((found.score - truth)[scored].mean()) < 0.005
        assert ((found.score - truth) / found.standard_error)[scored].std() == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"participants": 0}, "0 participants"),
        ({"participants": 3, "returning": 4}, "4 return"),
        ({"model": MemoryModel(short_term_mean=0.05, short_term_sd=0.01, decay_per_video=0.0)}, "Nobody passes"),
    ],
)
def test_what_cannot_be_played(keywords: dict, message: str) -> None:
    videos = draw_videos(["v"] * 200, 0, keywords.get("model"))
    with pytest.raises(InputError, match=message):
        simulate_study(videos, StudyDesign().for_collection(200), **{"participants": 2, "returning": 0, **keywords})


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"short_term_mean": 1.0}, "short_term strengths of mean 1.0"),
        ({"long_term_sd": 0.5}, "long_term strengths of mean 0.778"),
        ({"correlation": 1.0}, "correlation 1.0"),
        ({"careless": 1.0}, "careless 1.0"),
    ],
)
def test_what_no_memory_is_like(keywords: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MemoryModel(**keywords)
