"""Bounds from held-out errors, against their definition, closed forms and cases by hand."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from videomem_hf import conformal


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-40, 40), max_size=90), st.sampled_from([0.05, 0.5, 0.9, 0.95, 0.99]))
def test_a_conformal_quantile_covers_as_promised_and_no_lower_one_does(errors: list[int], coverage: float) -> None:
    """Of n + 1 exchangeable errors each may be the new one: at least `coverage` of them lie below the others' bound."""
    bound = conformal.conformal_quantile(errors, coverage)
    needed = math.ceil((len(errors) + 1) * Fraction(str(coverage)))
    assert bound == (sorted(errors)[needed - 1] if needed <= len(errors) else None)
    everyone = [*errors, 7]
    inside = 0
    for index, error in enumerate(everyone):
        bound = conformal.conformal_quantile(everyone[:index] + everyone[index + 1 :], coverage)
        inside += bound is None or error <= bound
    assert inside >= coverage * len(everyone)


def test_conformal_quantiles_of_both_sides_cover_skewed_errors_as_often_as_they_say() -> None:
    errors = np.random.default_rng(0).exponential(size=20_000)
    low, high = (conformal.conformal_quantile(side, 0.9) for side in (-errors, errors))
    np.testing.assert_allclose([-low, high], stats.expon.ppf([0.1, 0.9]), rtol=0.05)  # type: ignore[operator, list-item]


@pytest.mark.parametrize("r", [0.8, 0.9])
def test_the_error_of_a_difference_holds_for_pairs_that_differ_by_just_as_much(r: float) -> None:
    """For normal scores a pair with a difference of d is in the right order in `Phi(d r / sqrt(2 (1 - r^2)))`."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=1500)
    y = r * x + np.sqrt(1 - r**2) * rng.normal(size=1500)
    error = conformal.difference_error(x, y)
    assert error is not None
    assert stats.norm.cdf(error * r / np.sqrt(2 * (1 - r**2))) == pytest.approx(0.9, abs=0.03)


def test_the_error_of_a_difference_by_hand() -> None:
    assert conformal.difference_error(np.arange(49), np.arange(49)) is None
    assert conformal.difference_error(np.arange(60), np.arange(60)) == 1
    assert conformal.difference_error(np.arange(60), -np.arange(60)) == math.inf
    # Neighbours are in the wrong order, all others in the right one.
    assert conformal.difference_error(np.arange(60), np.arange(60) ^ 1) == 2
