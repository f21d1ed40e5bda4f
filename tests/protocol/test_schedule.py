"""Orders of showings against the rules of Sec. 3.2, checked without the code that makes them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from videomem_hf.protocol import schedule
from videomem_hf.protocol.design import FirstStep, SecondStep, StudyDesign
from videomem_hf.protocol.schedule import (
    Showing,
    choose_step1_videos,
    choose_step2_videos,
    draw_step1,
    draw_step2,
    step1_filler_slots,
)
from videomem_hf.schema import InputError

PAPER = StudyDesign()


def check_step1(step: FirstStep, showings: list[Showing]) -> None:
    assert [showing.position for showing in showings] == list(range(1, step.showings + 1))
    of_slot: dict[int, list[Showing]] = {}
    for showing in showings:
        of_slot.setdefault(showing.slot, []).append(showing)
    assert sorted(of_slot) == list(range(step.videos))
    roles = Counter(shown[0].role for shown in of_slot.values())
    assert roles == Counter(target=step.targets, vigilance=step.vigilance_fillers, filler=step.fillers)
    ranges = {
        "target": (step.target_lag_min, step.target_lag_max),
        "vigilance": (step.vigilance_lag_min, step.vigilance_lag_max),
    }
    for shown in of_slot.values():
        assert len({showing.role for showing in shown}) == 1
        assert not shown[0].repeat
        assert shown[0].lag is None
        if shown[0].role == "filler":
            assert len(shown) == 1
            continue
        first, second = shown
        low, high = ranges[first.role]
        assert second.repeat
        assert second.lag == second.position - first.position
        assert low <= second.lag <= high


def lags(seeds: range, role: str) -> np.ndarray:
    """`(seeds, slots)` lags of the repeats of a role."""
    orders = [sorted(draw_step1(PAPER, seed), key=lambda showing: showing.slot) for seed in seeds]
    return np.array([[s.lag for s in order if s.repeat and s.role == role] for order in orders])


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**70])
def test_the_papers_step1(seed: int) -> None:
    check_step1(PAPER.step1, draw_step1(PAPER, seed))


def test_an_order_is_a_function_of_the_seed() -> None:
    assert draw_step1(PAPER, 5) == draw_step1(PAPER, 5)
    assert draw_step1(PAPER, 5) != draw_step1(PAPER, 6)
    assert draw_step2(PAPER, 5) == draw_step2(PAPER, 5)
    assert draw_step2(PAPER, 5) != draw_step2(PAPER, 6)


def test_lags_are_even_in_every_order_and_over_many() -> None:
    target, vigilance = lags(range(300), "target"), lags(range(300), "vigilance")
    assert target.shape == (300, 40)
    # In each order, as many lags in every fifth of the range as there can be: 56 lags, 40 repeats, one in each part.
    for row in target:
        assert np.abs(np.sort(row) - (45 + (np.arange(40) + 0.5) * 56 / 40 - 0.5)).max() <= 1.4
    assert (np.sort(vigilance, axis=1) == np.repeat([3, 4, 5, 6], 5)).all()
    # Over many orders, no lag is more frequent than chance allows; and the lag does not depend on the slot.
    assert stats.chisquare(np.bincount(target.ravel())[45:101]).pvalue > 0.001
    assert stats.f_oneway(*[target[:, slot] for slot in range(0, 40, 8)]).pvalue > 0.001


def test_vigilance_is_spread_over_the_step() -> None:
    for seed in range(50):
        positions = [s.position for s in draw_step1(PAPER, seed) if s.role == "vigilance" and s.repeat]
        thirds = np.histogram(positions, bins=[0, 60, 120, 180])[0]
        assert thirds.min() >= 3


@given(
    st.builds(
        lambda targets, shortest, width, vigilance, vigilance_shortest, fillers: (
            targets, shortest, shortest + width, vigilance, vigilance_shortest, vigilance_shortest + 2, fillers
        ),
        targets=st.integers(1, 30), shortest=st.integers(1, 40), width=st.integers(0, 60),
        vigilance=st.integers(0, 12), vigilance_shortest=st.integers(1, 6), fillers=st.integers(0, 60),
    ),
    st.integers(0, 2**64),
)  # fmt: skip
@settings(max_examples=150)
def test_other_designs_are_satisfied_or_refused(numbers: tuple[int, ...], seed: int) -> None:
    try:
        step = FirstStep(*numbers, candidates=1000)
        showings = draw_step1(StudyDesign(step1=step, step2=SecondStep(targets=1)), seed) if step.fillers else None
    except InputError:
        return
    if showings is not None:
        check_step1(step, showings)


def test_an_order_without_room_to_spare_is_found() -> None:
    # 10 repeats at exactly lag 10 in 20 positions: the only orders show ten videos, and then the ten again.
    slots = schedule.step1_slots(FirstStep(10, 10, 10, 0, 1, 1, 0), seed=3)
    assert (slots[:10] == slots[10:]).all()
    # Three pairs at lags 2 to 4 beside a pair at lag 1: possible, but not for any lags that one draws.
    for seed in range(30):
        step = FirstStep(3, 2, 4, 1, 1, 1, 0)
        slots = schedule.step1_slots(step, seed)
        assert sorted(slots) == sorted([0, 0, 1, 1, 2, 2, 3, 3])
        found = [np.ptp(np.flatnonzero(slots == slot)) for slot in range(4)]
        assert found[3] == 1
        assert min(found[:3]) >= 2
        assert max(found[:3]) <= 4


def test_an_impossible_order_is_refused() -> None:
    # Lag 10 exactly: 20 positions hold ten pairs, 22 hold no eleventh.
    with pytest.raises(InputError, match="No order found for step 1: 11 targets repeated 10 to 10"):
        schedule.step1_slots(FirstStep(11, 10, 10, 0, 1, 1, 0), seed=0)


def test_step2_mixes_targets_and_new_videos() -> None:
    means = []
    for seed in range(100):
        showings = draw_step2(PAPER, seed)
        assert [s.position for s in showings] == list(range(1, 121))
        assert sorted(s.slot for s in showings) == list(range(120))
        assert all((s.role == "target") == (s.slot < 40) == s.repeat for s in showings)
        means.append(np.mean([s.position for s in showings if s.repeat]))
    assert abs(np.mean(means) - 60.5) < 4 * 4.5 / 10


def test_step1_videos_come_from_the_least_annotated() -> None:
    videos = [f"v{number}" for number in range(2000)]
    counts = np.r_[np.full(900, 1), np.full(300, 2), np.full(800, 3)]
    drawn = [choose_step1_videos(PAPER, videos, counts, seed) for seed in range(200)]
    assert all(len(set(chosen)) == 120 for chosen in drawn)
    number = np.array([[int(video[1:]) for video in chosen] for chosen in drawn])
    assert number.max() < 1200
    # 900 candidates have one annotation, the other 100 are drawn anew among the 300 that have two.
    share = (number >= 900).mean()
    assert abs(share - 0.1) < 4 * np.sqrt(0.09 / number.size)
    assert len(np.unique(number[number >= 900])) > 290
    assert stats.chisquare(np.histogram(number[:, :40], bins=9, range=(0, 900))[0]).pvalue > 0.001
    assert drawn[0] == choose_step1_videos(PAPER, videos, counts, 0)


@pytest.mark.parametrize("collection", [200, 450])
def test_counts_stay_even(collection: int) -> None:
    """Each participant's targets are those with the fewest annotations, so that counts hardly differ."""
    design, counts = PAPER.for_collection(collection), np.zeros(collection, dtype=int)
    for seed in range(100):
        chosen = choose_step1_videos(design, range(collection), counts, seed)
        counts[chosen[:40]] += 1
    assert counts.sum() == 4000
    assert np.ptp(counts) <= 3
    fillers = [choose_step1_videos(design, range(collection), counts, seed)[60:] for seed in range(300)]
    assert len(np.unique(fillers)) >= 0.9 * design.step1.candidates


def test_step2_videos() -> None:
    videos = list(range(300))
    first = choose_step1_videos(PAPER, videos, np.zeros(300), 1)
    fillers = {first[slot] for slot in step1_filler_slots(PAPER.step1)}
    taken: Counter[int] = Counter()
    for seed in range(100):
        second = choose_step2_videos(PAPER, videos, first, seed)
        assert len(set(second)) == 120
        assert set(second[:40]) <= fillers
        assert not set(second[40:]) & set(first)
        taken.update(second[:40])
    assert len(taken) == 60
    assert max(taken.values()) < 85


def test_step2_targets_can_be_the_least_annotated() -> None:
    design = StudyDesign(step2=SecondStep(targets_by="least_annotated"))
    videos = list(range(300))
    first = choose_step1_videos(design, videos, np.zeros(300), 1)
    fillers = [first[slot] for slot in step1_filler_slots(design.step1)]
    counts = np.arange(300)
    second = choose_step2_videos(design, videos, first, 7, counts)
    assert sorted(second[:40]) == sorted(fillers)[:40]
    assert sorted(choose_step2_videos(PAPER, videos, first, 7, counts)[:40]) != sorted(fillers)[:40]
    with pytest.raises(InputError, match="one count per video"):
        choose_step2_videos(design, videos, first, 7)


def test_wrong_arguments() -> None:
    with pytest.raises(InputError, match="Seed -1"):
        draw_step1(PAPER, -1)
    with pytest.raises(InputError, match="199 videos"):
        choose_step1_videos(PAPER, range(199), np.zeros(199), 0)
    with pytest.raises(InputError, match=r"shape \(3,\) for 300 videos"):
        choose_step1_videos(PAPER, range(300), [1, 2, 3], 0)
