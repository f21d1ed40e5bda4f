"""The metric as its users reach it: `evaluate.load` by path, in batches, combined, and its documented example."""

import doctest
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pandas
import pytest
import torch
from scipy import stats

from videomem_hf import statistics
from videomem_hf.metrics import metric_path


@pytest.fixture(scope="module")
def metric() -> evaluate.Metric:
    return evaluate.load(metric_path())


def _scores(items: int = 300) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    references = np.round(generator.normal(0.86, 0.08, items), 3)
    return references + generator.normal(0, 0.1, items), references


def test_arrays_of_one_column_are_taken_as_a_trainer_gives_them(metric: evaluate.Metric) -> None:
    predictions, references = _scores(40)
    expected = metric.compute(predictions=predictions, references=references, other_predictions=references[::-1])
    found = metric.compute(
        predictions=predictions[:, None].astype(np.float64),
        references=references[:, None],
        other_predictions=references[::-1, None],
    )
    assert found == expected
    for start in (0, 20):
        metric.add_batch(predictions=predictions[start:, None][:20], references=references[start:, None][:20])
    assert metric.compute()["spearman"] == expected["spearman"]
    with pytest.raises(ValueError, match="format"):
        metric.compute(predictions=np.zeros((3, 2)), references=np.zeros((3, 2)))


@pytest.mark.parametrize("make", [
    lambda values: torch.tensor(values, dtype=torch.float64, requires_grad=True),
    lambda values: torch.tensor(values).to(torch.bfloat16)[:, None],
    lambda values: pandas.Series(values, index=range(7, 7 + len(values))),
])  # fmt: skip
def test_tensors_and_series_are_taken(metric: evaluate.Metric, make: Callable[[np.ndarray], Any]) -> None:
    predictions, references = _scores(40)
    rounded = np.asarray(torch.tensor(predictions).to(torch.bfloat16).double()), references
    for values in (rounded[0], rounded[1]):
        assert len(np.unique(values)) > 20
    found = metric.compute(predictions=make(rounded[0]), references=references.tolist())
    assert found["spearman"] == pytest.approx(stats.spearmanr(rounded[0], references)[0], abs=1e-6)


def test_values_equal_scipys(metric: evaluate.Metric) -> None:
    predictions, references = _scores()
    result = metric.compute(predictions=predictions, references=references)
    assert result["spearman"] == pytest.approx(stats.spearmanr(predictions, references)[0], abs=1e-12)
    assert result["pearson"] == pytest.approx(stats.pearsonr(predictions, references)[0], abs=1e-12)
    assert result["mse"] == pytest.approx(np.mean((predictions - references) ** 2), abs=1e-12)
    assert result["items"] == 300


def test_each_statistic_has_its_own_interval(metric: evaluate.Metric) -> None:
    predictions, references = _scores()
    result = metric.compute(predictions=predictions, references=references, resamples=500)
    for name in ("spearman", "pearson", "mse"):
        expected = statistics.bootstrap_interval(predictions, references, name, resamples=500)
        assert (result[f"{name}_low"], result[f"{name}_high"]) == (expected.low, expected.high)
        assert result[f"{name}_low"] < result[name] < result[f"{name}_high"]


def test_ties_share_their_average_rank(metric: evaluate.Metric) -> None:
    # Ranks 1.5, 1.5, 3 against 1, 2, 3: covariance 1.5, variances 1.5 and 2.
    with pytest.warns(RuntimeWarning, match="left out"):  # three videos are easily drawn alike
        result = metric.compute(predictions=[0.2, 0.2, 0.9], references=[0.1, 0.2, 0.3], resamples=10)
    assert result["spearman"] == pytest.approx(1.5 / np.sqrt(1.5 * 2))


def test_scores_are_kept_in_double_precision(metric: evaluate.Metric) -> None:
    references = 0.8 + np.arange(50) * 1e-12  # all equal in single precision
    assert metric.compute(predictions=references, references=references, resamples=10)["spearman"] == 1


def test_batches_give_the_whole_splits_value(metric: evaluate.Metric) -> None:
    predictions, references = _scores()
    for start in range(0, 300, 70):
        metric.add_batch(predictions=predictions[start : start + 70], references=references[start : start + 70])
    assert metric.compute() == metric.compute(predictions=predictions, references=references)


def test_options_are_wired(metric: evaluate.Metric) -> None:
    predictions, references = _scores()
    data = {"predictions": predictions, "references": references}
    plain = metric.compute(**data)
    assert metric.compute(**data, confidence=0.5)["spearman_low"] > plain["spearman_low"]
    assert metric.compute(**data, seed=1)["spearman_low"] != plain["spearman_low"]
    assert metric.compute(**data, resamples=7)["spearman_low"] != plain["spearman_low"]


def test_two_predictors_are_compared(metric: evaluate.Metric) -> None:
    predictions, references = _scores()
    other = predictions + np.random.default_rng(1).normal(0, 0.1, 300)
    result = metric.compute(predictions=predictions, references=references, other_predictions=other)
    expected = statistics.compare(predictions, other, references)
    assert result["difference"] == expected.difference
    assert (result["difference_low"], result["difference_high"]) == (expected.interval.low, expected.interval.high)
    assert result["p_value"] == expected.p_value < 0.05
    reversed_roles = metric.compute(predictions=other, references=references, other_predictions=predictions)
    assert reversed_roles["difference"] == -result["difference"]
    same = metric.compute(predictions=predictions, references=references, other_predictions=predictions)
    assert (same["difference"], same["difference_low"], same["difference_high"], same["p_value"]) == (0, 0, 0, 1)


def test_a_second_predictor_on_other_videos_is_refused(metric: evaluate.Metric) -> None:
    predictions, references = _scores(20)
    with pytest.raises(ValueError, match="one length"):
        metric.compute(predictions=predictions, references=references, other_predictions=predictions[:19])


def test_a_constant_prediction_is_nan_with_a_warning(metric: evaluate.Metric) -> None:
    with pytest.warns(RuntimeWarning, match="constant"):
        result = metric.compute(predictions=[0.8] * 5, references=[0.7, 0.8, 0.9, 0.6, 0.5])
    assert np.isnan(result["spearman"])
    assert np.isnan(result["spearman_low"])
    assert result["mse"] == pytest.approx(0.03)


def test_missing_scores_are_refused(metric: evaluate.Metric) -> None:
    with pytest.raises(ValueError, match="finite"):
        metric.compute(predictions=[0.8, 0.7, 0.6], references=[0.7, float("nan"), 0.9])


def test_combined_with_a_second_copy(metric: evaluate.Metric) -> None:
    predictions, references = _scores(20)
    both = evaluate.combine({"short_term": metric, "long_term": evaluate.load(metric_path())})
    result = both.compute(predictions=predictions, references=references)
    assert result["short_term_spearman"] == result["long_term_spearman"]


def test_documented_example_runs(metric: evaluate.Metric) -> None:
    examples = doctest.DocTestParser().get_doctest(metric.inputs_description, {}, "memorability", None, 0)
    assert len(examples.examples) >= 5
    results = doctest.DocTestRunner().run(examples)
    assert results.failed == 0


def test_loads_in_a_fresh_process_without_the_packages_registration(tmp_path: Path) -> None:
    code = (
        "import sys, evaluate\n"
        f"metric = evaluate.load({metric_path()!r})\n"
        "print(metric.compute(predictions=[1., 2., 3.], references=[1., 2., 3.], resamples=5)['spearman'])\n"
    )
    root = str(Path(__file__).parents[2])
    environment = {"PYTHONPATH": root, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PATH": "/usr/bin"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip().endswith("1.0")
