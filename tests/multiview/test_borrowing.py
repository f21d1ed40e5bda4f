"""From outputs to scores: horizons borrow from each other, and models of single views are added where they help."""

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.stats import spearmanr

from videomem_hf.multiview.borrowing import fit_scoring, stack_models
from videomem_hf.multiview.training_arrays import fold_indices


def _outputs(noise: tuple[float, float], shared: bool) -> tuple[np.ndarray, np.ndarray]:
    """Outputs for both horizons of truths that are the same or independent, and measured scores."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(4000, 2))
    truth[:, 1] = truth[:, 0] if shared else truth[:, 1]
    return truth + noise * rng.normal(size=truth.shape), truth + 2 * rng.normal(size=truth.shape)


def test_horizons_borrow_from_each_other_where_they_share_the_truth() -> None:
    outputs, y = _outputs((0.5, 1.0), shared=True)
    folds = fold_indices(len(y), 5, 0)
    scoring = fit_scoring(outputs, y, folds)
    combined = outputs @ [[1.0, 1.0], [0.3, 1.0]]
    for horizon in (0, 1):
        slope, intercept = np.polyfit(combined[:, horizon], y[:, horizon], 1)
        np.testing.assert_allclose(scoring.weights[horizon], slope * np.array([[1.0, 0.3], [1.0, 1.0]][horizon]))
        assert scoring.intercepts[horizon] == pytest.approx(intercept)
        rest = np.setdiff1d(np.arange(len(y)), folds[0])
        line = np.polyfit(combined[rest, horizon], y[rest, horizon], 1)
        np.testing.assert_allclose(scoring.held_out[folds[0], horizon], np.polyval(line, combined[folds[0], horizon]))
    single = fit_scoring(outputs[:, :1], y[:, :1], folds)
    np.testing.assert_allclose(single.weights[0, 0], np.polyfit(outputs[:, 0], y[:, 0], 1)[0])


def test_horizons_without_anything_in_common_keep_to_themselves() -> None:
    outputs, y = _outputs((0.5, 0.5), shared=False)
    weights = fit_scoring(outputs, y, fold_indices(len(y), 5, 0)).weights
    assert weights[0, 1] == weights[1, 0] == 0
    assert weights[0, 0] > 0


def test_a_model_of_one_view_is_added_where_that_is_clearly_better() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(400, 2))
    y[:9, 0] = np.nan
    strong = np.nan_to_num(y) + rng.normal(size=y.shape)
    weak = 0.1 * np.nan_to_num(y) + rng.normal(size=y.shape)
    weak[:, 1] = strong[:, 1]  # nothing is gained for the long term
    folds = fold_indices(400, 5, 0)
    own = fit_scoring(weak, y, folds)
    outputs = np.stack([weak, strong], axis=1)
    found = stack_models(own, outputs, [3], y, folds)
    known = np.isfinite(y[:, 0])
    x = outputs.reshape(400, 4)[known]
    expected = nnls(x - x.mean(axis=0), y[known, 0] - y[known, 0].mean())[0]
    np.testing.assert_allclose([*found.weights[0], *found.others[3][0]], expected)
    assert found.intercepts[0] == pytest.approx((y[known, 0] - x @ expected).mean())
    assert spearmanr(found.held_out[known, 0], y[known, 0])[0] > spearmanr(own.held_out[known, 0], y[known, 0])[0] + 0.3
    np.testing.assert_array_equal(found.weights[1], own.weights[1])
    np.testing.assert_array_equal(found.held_out[:, 1], own.held_out[:, 1])
    assert not found.others[3][1].any()
    assert not stack_models(own, np.stack([weak, weak], axis=1), [3], y, folds).others
