"""Prediction intervals keep their promise where the truth is known: in all, and where scores or counts are low."""

import numpy as np
import pytest

from videomem_hf.conformal import conformal_ends
from videomem_hf.inference.intervals import IntervalFit, IntervalScale, fit_intervals
from videomem_hf.inference.json_fields import Fields


def draw(rng: np.random.Generator, clips: int, annotations: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predicted, measured and counts: true scores of a beta distribution, annotated by few or many participants."""
    truth = rng.beta(19.0, 3.1, clips)
    counts = np.maximum(3, rng.gamma(3, annotations / 3, clips)).astype(int)
    predicted = np.clip(truth + rng.normal(0, 0.07, clips), 0.02, 0.99)
    return predicted, rng.binomial(counts, truth) / counts, counts.astype(float)


def covered(fit: IntervalFit, predicted: np.ndarray, measured: np.ndarray, counts: np.ndarray | None) -> np.ndarray:
    low, high = fit.ends(predicted, counts).T
    assert (low <= predicted).all()
    assert (predicted <= high).all()
    return (low <= measured) & (measured <= high)


@pytest.mark.parametrize("annotations", [13.0, 40.0])
def test_intervals_hold_on_new_clips(annotations: float) -> None:
    """Over 20 held-out sets of 300 clips: the mean coverage, and that of the lowest and highest fifths."""
    rng = np.random.default_rng(0)
    shares, typical = [], []
    for _ in range(20):
        fit = fit_intervals(*draw(rng, 300, annotations))
        assert fit is not None
        predicted, measured, counts = draw(rng, 2000, annotations)
        inside = covered(fit, predicted, measured, counts)
        fifths = [
            np.argsort(values)[part] for values in (predicted, counts) for part in (slice(400), slice(-400, None))
        ]
        shares.append([inside.mean(), *(inside[rows].mean() for rows in fifths)])
        inside = covered(fit, predicted, measured, None)
        typical.append([inside.mean(), *(inside[rows].mean() for rows in np.split(np.argsort(predicted), 5))])
    overall, *by_fifth = np.mean(shares, axis=0)
    assert 0.89 <= overall <= 0.915
    assert min(by_fifth) >= 0.85
    assert max(by_fifth) <= 0.95
    overall, *by_fifth = np.mean(typical, axis=0)
    assert 0.89 <= overall <= 0.92
    assert min(by_fifth) >= 0.86
    assert max(by_fifth) <= 0.96


def test_expected_errors_grow_as_the_truth_says() -> None:
    """Errors of variance .004 over the binomial one, twice as large at high predictions as at low ones."""
    rng = np.random.default_rng(0)
    predicted = rng.uniform(0.6, 0.95, 20_000)
    counts = rng.choice([8.0, 80.0], 20_000)
    noise = np.sqrt(0.004 + predicted * (1 - predicted) / counts)
    fit = fit_intervals(predicted, predicted + noise * rng.normal(size=20_000), counts)
    assert fit is not None
    assert fit.scale.variance == pytest.approx(0.004, rel=0.1)
    assert fit.scale.count_factor == pytest.approx(1, abs=0.1)
    assert fit.quantiles == (pytest.approx(-1.645, abs=0.05), pytest.approx(1.645, abs=0.05))
    assert fit.scale.log_spread == pytest.approx(0, abs=0.02)
    growing = fit_intervals(predicted, predicted + 0.02 * np.exp(predicted / 0.35) * rng.normal(size=20_000) / 10)
    assert growing is not None
    assert growing.scale.log_spread == pytest.approx(predicted.std() / 0.35, rel=0.15)


def test_few_errors_give_no_interval_and_unknown_counts_no_binomial_noise() -> None:
    assert fit_intervals(np.full(8, 0.5), np.full(8, 0.6)) is None
    fit = fit_intervals(np.full(30, 0.5), np.linspace(0.4, 0.6, 30))
    assert fit is not None
    assert fit.typical_count is None
    np.testing.assert_array_equal(fit.ends([0.5], [10.0]), fit.ends([0.5]))
    assert IntervalFit.from_fields(Fields(fit.to_dict())) == fit


def test_a_fit_of_before_takes_the_typical_count_where_a_count_is_unknown() -> None:
    fit = fit_intervals(*draw(np.random.default_rng(0), 100, 13))
    assert fit is not None
    stored = fit.to_dict() | {"typical_quantiles": [-2.0, 2.0]}
    del stored["lines"]
    old = IntervalFit.from_fields(Fields(stored))
    np.testing.assert_allclose(old.ends([0.7]), old.ends([0.7], [fit.typical_count]))
    assert (old.ends([0.7]) != fit.ends([0.7])).all()


def test_ends_are_within_the_range_of_scores_and_hold_the_prediction() -> None:
    scale = IntervalScale(variance=0.01, shift=-3.0, centre=0.9, width=0.05)
    ends = scale.ends(np.array([0.99, 0.9]), 0.0, (-1.0, 1.0))
    np.testing.assert_allclose(ends, [[0.99 - 0.1 * (1 + 3 * 1.8), 0.99], [0.8, 1.0]])


@pytest.mark.parametrize(("items", "outside"), [(8, None), (9, (0, 0)), (19, (1, 1)), (75, (3, 4)), (199, (10, 10))])
def test_conformal_ends_leave_out_as_many_as_they_may(items: int, outside: tuple[int, int] | None) -> None:
    """Of n + 1 equally likely places a new item falls outside `floor((n + 1) / 10)`."""
    values = np.arange(items) - items / 2
    ends = conformal_ends(values, 0.9)
    if outside is None:
        assert ends is None
        return
    assert ends is not None
    inside = (values >= ends[0]) & (values <= ends[1])
    places = inside.sum() - 1  # between the values that are inside
    if items >= 19:
        assert ((values < ends[0]).sum(), (values > ends[1]).sum()) == (outside[0] - 1, outside[1] - 1)
        assert places / (items + 1) >= 0.9 - 1e-9
    else:
        assert ends == (-4.5, 4.5)
