"""Resampled measures of several predictors and folds, against a plain loop."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from videomem_hf.benchmark.resampling import resample_folds
from videomem_hf.statistics import resample_counts


def test_every_resample_equals_a_plain_loop() -> None:
    generator = np.random.default_rng(0)
    y = generator.uniform(size=40).round(1)  # with ties
    x = np.array([y + generator.normal(0, 0.3, 40), generator.uniform(size=40).round(1)])
    folds = [np.arange(25), np.arange(15, 40)]
    found = resample_folds(x, y, folds, resamples=20, seed=3)
    expected = {name: np.zeros((2, 20)) for name in ("spearman", "pearson", "rmse")}
    for number, times in enumerate(np.concatenate(list(resample_counts(40, 20, 3))).astype(int)):
        for fold in folds:
            drawn = np.repeat(fold, times[fold])
            for row in range(2):
                expected["spearman"][row, number] += spearmanr(x[row, drawn], y[drawn]).statistic / 2
                expected["pearson"][row, number] += pearsonr(x[row, drawn], y[drawn]).statistic / 2
                expected["rmse"][row, number] += np.sqrt(np.mean((x[row, drawn] - y[drawn]) ** 2)) / 2
    for name, values in expected.items():
        np.testing.assert_allclose(found.draws[name], values, atol=1e-10)  # type: ignore[index]
    assert found.values["spearman"][0, 1] == pytest.approx(spearmanr(x[0, folds[1]], y[folds[1]]).statistic)


def test_a_constant_predictor_has_no_correlation() -> None:
    y = np.linspace(0, 1, 20)
    found = resample_folds(np.array([np.full(20, 0.5), y]), y, [np.arange(20)], resamples=10)
    assert np.isnan(found.values["spearman"][0]).all()
    assert np.isnan(found.draws["pearson"][0]).all()
    assert np.allclose(found.draws["spearman"][1], 1)
