"""Two versions of a clip: the game's length, its size, and the comparison, against other ways to compute them."""

import numpy as np
import pytest
from scipy import stats

from videomem_hf.protocol.design import StudyDesign
from videomem_hf.protocol.schedule import step1_slots
from videomem_hf.protocol.two_versions import compare_versions, design_for_length, responses_needed
from videomem_hf.schema import InputError


def test_clips_of_7_s_have_the_papers_design() -> None:
    assert design_for_length(7) == design_for_length(5) == StudyDesign()


@pytest.mark.parametrize("seconds", [10, 20, 30, 60, 90])
def test_longer_clips_have_a_game_of_as_many_minutes(seconds: float) -> None:
    design, paper = design_for_length(seconds), StudyDesign()

    def minutes(of: StudyDesign) -> float:
        return of.step1.showings * (of.presentation.window_s + of.presentation.gap_s) / 60

    assert design.presentation.window_s == seconds
    assert minutes(design) == pytest.approx(minutes(paper), rel=0.45)
    assert len(step1_slots(design.step1, 0)) == design.step1.showings


def test_too_long_clips_have_none() -> None:
    with pytest.raises(InputError, match="a clip of 200 s: too long"):
        design_for_length(200)


def test_so_many_responses_find_the_difference_in_80_percent_of_studies() -> None:
    needed = responses_needed(0.7, 0.8)
    assert needed == pytest.approx(294, abs=2)  # Fleiss, Levin and Paik's table A.4, without correction
    hits = np.random.default_rng(0).binomial(needed, [0.7, 0.8], (4000, 2))
    pooled = hits.sum(axis=1) / (2 * needed)
    z = (hits[:, 1] - hits[:, 0]) / needed / np.sqrt(2 * pooled * (1 - pooled) / needed)
    assert np.mean(np.abs(z) > stats.norm.isf(0.025)) == pytest.approx(0.8, abs=0.02)
    with pytest.raises(InputError, match="give two different ones"):
        responses_needed(0.7, 0.7)


def test_the_comparison_of_two_versions() -> None:
    # Newcombe (1998), table II: 56/70 - 48/80 = .2, method 10: .0524 to .3339
    found = compare_versions(before=(48 / 80, 80), after=(56 / 70, 70))
    assert found.difference == pytest.approx(0.2)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert found.p_value == pytest.approx(stats.fisher_exact([[48, 32], [56, 14]]).pvalue)
    with pytest.raises(InputError, match="give a score from 0 to 1"):
        compare_versions((1.2, 10), (0.5, 10))
