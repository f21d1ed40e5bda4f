"""The statistics against scipy, closed forms and a plain loop."""

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from videomem_hf import statistics


def _scores(items: int, noise: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """References with many ties, as in the release (three decimals), and predictions that follow them."""
    generator = np.random.default_rng(seed)
    references = np.round(generator.normal(0.86, 0.08, items), 2)
    return references + generator.normal(0, noise, items), references


def draws_of(
    predictions: np.ndarray, references: np.ndarray, statistic: statistics.Statistic = "spearman", **options: int
) -> np.ndarray:
    """The statistic on every resample."""
    found = statistics.resample([predictions], references, statistics=(statistic,), **options)
    return found[statistic].draws[0, 0]


@pytest.mark.parametrize("items", [2, 3, 50, 1000])
def test_correlations_equal_scipys(items: int) -> None:
    predictions, references = _scores(items)
    assert statistics.spearman(predictions, references) == pytest.approx(stats.spearmanr(predictions, references)[0])
    assert statistics.pearson(predictions, references) == pytest.approx(stats.pearsonr(predictions, references)[0])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=30))
def test_ties_share_their_average_rank(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, actual = stats.spearmanr(x, y)[0], statistics.spearman(x, y)
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_closed_forms() -> None:
    ranks = np.arange(10.0)
    assert statistics.spearman(ranks, np.exp(ranks)) == 1
    assert statistics.spearman(ranks, -ranks) == -1
    swapped = ranks.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    assert statistics.spearman(ranks, swapped) == pytest.approx(1 - 6 * 2 / (10 * 99))
    assert statistics.mse([0.0, 1.0, 1.0], [0.0, 0.5, 1.0]) == pytest.approx(0.25 / 3)


@pytest.mark.parametrize("function", [statistics.spearman, statistics.pearson])
def test_constant_input_is_nan_with_a_warning(function) -> None:  # type: ignore[no-untyped-def]
    with pytest.warns(RuntimeWarning, match="constant"):
        assert np.isnan(function([0.1, 0.1, 0.1], [0.3, 0.2, 0.1]))
    with pytest.warns(RuntimeWarning, match="constant"):
        assert np.isnan(function([0.3, 0.2, 0.1], [0.1, 0.1, 0.1]))


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0, 3.0], "one length"),
        ([[1.0], [2.0]], [[1.0], [2.0]], "one length"),
        ([1.0], [1.0], "at least two"),
        ([1.0, np.nan], [1.0, 2.0], "finite"),
        ([1.0, 2.0], [np.inf, 2.0], "finite"),
    ],
)
def test_bad_input_is_named(predictions: list[float], references: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        statistics.spearman(predictions, references)


def test_parameters_out_of_range_are_named() -> None:
    predictions, references = _scores(10)
    with pytest.raises(ValueError, match="confidence"):
        statistics.bootstrap_interval(predictions, references, confidence=1.0)
    with pytest.raises(ValueError, match="confidence"):
        statistics.bootstrap_interval(predictions, references, confidence=0.0)
    assert len(draws_of(predictions, references, resamples=1)) == 1
    with pytest.raises(ValueError, match="resamples"):
        statistics.bootstrap_interval(predictions, references, resamples=0)
    with pytest.raises(ValueError, match="kendall"):
        statistics.bootstrap_interval(predictions, references, "kendall")  # type: ignore[arg-type]


@pytest.mark.parametrize("statistic", ["spearman", "pearson", "mse"])
def test_resamples_equal_a_plain_loop(statistic: statistics.Statistic) -> None:
    predictions, references = _scores(40)
    plain = {
        "spearman": lambda x, y: stats.spearmanr(x, y)[0],
        "pearson": lambda x, y: stats.pearsonr(x, y)[0],
        "mse": lambda x, y: np.mean((x - y) ** 2),
    }[statistic]
    counts = np.concatenate(list(statistics.resample_counts(40, 200, seed=3))).astype(int)
    order = np.lexsort((predictions, references))  # in which they are resampled
    x, y = predictions[order], references[order]
    expected = [plain(np.repeat(x, row), np.repeat(y, row)) for row in counts]
    actual = draws_of(predictions, references, statistic, resamples=200, seed=3)
    np.testing.assert_allclose(actual, expected, atol=1e-12)


def test_resamples_draw_every_item_equally_often() -> None:
    counts = np.concatenate(list(statistics.resample_counts(items=1000, resamples=2000, seed=1)))
    assert counts.shape == (2000, 1000)
    assert (counts.sum(axis=1) == 1000).all()
    # The number of times that one item is drawn is binomial: 1,000 draws, probability 1/1,000.
    assert counts.mean(axis=0).std() == pytest.approx(np.sqrt(0.999 / 2000), rel=0.15)
    assert counts.var() == pytest.approx(0.999, rel=0.02)


def test_intervals_equal_scipys() -> None:
    predictions, references = _scores(60)
    reference = stats.bootstrap(
        (predictions, references),
        lambda x, y: stats.spearmanr(x, y)[0],
        paired=True,
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(5),
    ).confidence_interval
    actual = statistics.bootstrap_interval(predictions, references, resamples=20_000)
    # Two independent sets of resamples: the tolerance is three Monte Carlo errors of the ends of the smaller set.
    assert actual.low == pytest.approx(reference.low, abs=0.02)
    assert actual.high == pytest.approx(reference.high, abs=0.02)


def test_intervals_cover_the_true_correlation() -> None:
    """Normal pairs with correlation r have a Spearman's of 6/pi asin(r/2); 95 % intervals hold it 95 times in 100."""
    generator, true = np.random.default_rng(0), 6 / np.pi * np.arcsin(0.3)
    covered = 0
    for _ in range(200):
        x, y = generator.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=150).T
        interval = statistics.bootstrap_interval(x, y, resamples=400)
        covered += interval.low <= true <= interval.high
    assert 180 <= covered <= 198


def test_wider_confidence_gives_a_wider_interval_and_seeds_matter_little() -> None:
    predictions, references = _scores(200)
    narrow = statistics.bootstrap_interval(predictions, references, confidence=0.8)
    wide = statistics.bootstrap_interval(predictions, references, confidence=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high
    again = statistics.bootstrap_interval(predictions, references, confidence=0.8, seed=1)
    assert again != narrow
    assert again.low == pytest.approx(narrow.low, abs=0.01)


def test_interval_of_a_constant_is_nan_and_constant_resamples_are_reported() -> None:
    with pytest.warns(RuntimeWarning, match="constant"):
        assert np.isnan(statistics.spearman([0.5] * 10, np.arange(10.0)))
    assert np.isnan(statistics.bootstrap_interval([0.5] * 10, np.arange(10.0)).low)
    for statistic in ("spearman", "pearson"):
        with pytest.warns(RuntimeWarning, match="left out"):
            interval = statistics.bootstrap_interval([0.1, 0.2, 0.7], [0.1, 0.3, 0.31], statistic, resamples=200)
        assert -1 <= interval.low <= interval.high <= 1


def test_comparison_pairs_the_resamples() -> None:
    predictions, references = _scores(300)
    worse = predictions + np.random.default_rng(1).normal(0, 0.05, 300)
    comparison = statistics.compare(predictions, worse, references, resamples=2000)
    expected = stats.spearmanr(predictions, references)[0] - stats.spearmanr(worse, references)[0]
    assert comparison.difference == pytest.approx(expected)
    assert comparison.interval.low < expected < comparison.interval.high
    draws = statistics.resample((predictions, worse), references, resamples=2000)["spearman"].draws[:, 0]
    np.testing.assert_allclose(
        [comparison.interval.low, comparison.interval.high], np.quantile(draws[0] - draws[1], [0.025, 0.975])
    )
    differences = draws[0] - draws[1]
    smaller = min((differences <= 0).sum(), (differences >= 0).sum())
    assert comparison.p_value == pytest.approx(2 * (smaller + 1) / 2001)
    unpaired_width = np.hypot(np.std(draws[0]), np.std(draws[1]))
    assert comparison.interval.high - comparison.interval.low < 3 * unpaired_width


def test_p_values_are_small_for_a_real_difference_and_uniform_without_one() -> None:
    predictions, references = _scores(300)
    noise = np.random.default_rng(2).normal(size=300)
    assert statistics.compare(predictions, noise, references, resamples=1000).p_value < 0.01
    assert statistics.compare(predictions, predictions, references, resamples=100).p_value == 1
    p_values = []
    for seed in range(100):
        x, y, z = np.random.default_rng(seed).normal(size=(3, 80))
        p_values.append(statistics.compare(x, y, z, resamples=300).p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.01


def test_memory_is_bounded_whatever_the_number_of_resamples() -> None:
    predictions, references = _scores(2000)
    tracemalloc.start()
    statistics.bootstrap_interval(predictions, references, resamples=5000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # All resamples at once would be 5,000 x 2,000 x 8 bytes = 80 MB for one array alone.
    assert peak < 50e6


def test_noise_ceiling_is_the_correlation_of_the_truth_with_what_was_measured() -> None:
    generator = np.random.default_rng(0)
    truth = generator.beta(7, 3, 40_000)
    counts = generator.integers(8, 40, truth.size)
    measured = generator.binomial(counts, truth) / counts
    assert statistics.noise_ceiling(measured, counts) == pytest.approx(np.corrcoef(truth, measured)[0, 1], abs=0.01)
    noise = generator.binomial(10, 0.8, 5000) / 10
    assert statistics.noise_ceiling(noise, np.full(5000, 10)) < 0.2
    assert np.isnan(statistics.noise_ceiling([0.5, 0.5, 0.5], [9, 9, 9]))
    assert np.isnan(statistics.noise_ceiling([0.5, 0.7], [1, 1]))


def test_a_large_offset_changes_no_correlation() -> None:
    predictions, references = _scores(50)
    for x, y in ((1e9 + predictions, references), (predictions, 1e9 + references)):
        assert statistics.pearson(x, y) == pytest.approx(stats.pearsonr(x - x.mean(), y - y.mean())[0])
    for x, y in ((1e12 + np.round(predictions, 2), references), (predictions, 1e12 + references)):
        assert np.isfinite(draws_of(x, y, "pearson", resamples=20)).all()


def test_the_default_seed_is_0() -> None:
    predictions, references = _scores(20)
    interval = statistics.bootstrap_interval(predictions, references, resamples=50)
    assert interval == statistics.bootstrap_interval(predictions, references, resamples=50, seed=0)
    assert interval == statistics.bootstrap_intervals(predictions, references, resamples=50)["spearman"]
    draws = draws_of(predictions, references, resamples=50)
    assert interval.low == pytest.approx(np.quantile(draws, 0.025))


def test_no_difference_of_constants_is_defined() -> None:
    with pytest.warns(RuntimeWarning, match="constant"):
        comparison = statistics.compare([0.5] * 9, [0.4] * 9, np.arange(9.0), resamples=20)
    assert np.isnan([comparison.difference, comparison.interval.low, comparison.p_value]).all()


def test_spearman_brown_in_closed_form() -> None:
    assert statistics.spearman_brown(0.5, 2) == pytest.approx(2 / 3)
    assert statistics.spearman_brown(0.6, 0.5) == pytest.approx(3 / 7)
    with pytest.raises(ValueError, match="factor"):
        statistics.spearman_brown(0.5, 0)


def test_interval_of_the_noise_ceiling_is_that_of_drawing_items_again() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(5, 30, 60)
    scores = rng.binomial(counts, rng.beta(8, 2, 60)) / counts
    found = statistics.noise_ceiling_interval(scores, counts, confidence=0.8, resamples=2000)
    drawn = rng.integers(0, 60, (2000, 60))
    expected = np.quantile([statistics.noise_ceiling(scores[rows], counts[rows]) for rows in drawn], [0.1, 0.9])
    assert (found.low, found.high) == pytest.approx(expected, abs=0.03)
    assert found.low < statistics.noise_ceiling(scores, counts) < found.high
    assert np.isnan(statistics.noise_ceiling_interval([0.5, 0.5], [9, 9]).low)


def test_noise_ceiling_by_hand_leaves_out_single_annotations() -> None:
    scores, counts = np.array([0.5, 1.0, 0.25, 0.0, 0.9]), np.array([2, 9, 4, 1, np.nan])
    noise = np.mean([0.25 / 1, 0.0, 0.1875 / 3])
    expected = np.sqrt(1 - noise / np.var([0.5, 1.0, 0.25], ddof=1))
    assert statistics.noise_ceiling(scores, counts) == pytest.approx(expected)
    assert statistics.noise_ceiling([0.2, 0.9], [100, 100]) == pytest.approx(np.sqrt(1 - 0.25 / 198 / 0.245))


def test_intervals_do_not_hang_on_the_order_of_the_items():
    generator = np.random.default_rng(5)
    y = generator.integers(0, 6, 40) / 10  # with ties
    x, other = y + generator.normal(0, 0.2, 40), generator.random(40)
    order = generator.permutation(40)
    assert statistics.bootstrap_intervals(x, y, resamples=200) == statistics.bootstrap_intervals(
        x[order], y[order], resamples=200
    )
    for statistic in ("spearman", "mse"):
        assert statistics.bootstrap_interval(x, y, statistic, resamples=200) == statistics.bootstrap_interval(
            x[order], y[order], statistic, resamples=200
        )
    assert (
        statistics.compare(x, other, y, resamples=200).interval
        == statistics.compare(x[order], other[order], y[order], resamples=200).interval
    )


def test_holm_is_as_in_r() -> None:
    """`p.adjust(c(.01, .04, .03, .005), "holm")` of R; a missing test does not count."""
    np.testing.assert_allclose(statistics.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(statistics.holm([0.01, np.nan, 0.04, 0.03, 0.005]), [0.03, np.nan, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(statistics.holm([0.7, 0.6]), [1, 1])
    assert statistics.holm([]).size == 0


def test_two_predictors_are_compared_as_scipy_does() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=120)
    a, b, c = (y + noise * rng.normal(size=120) for noise in (0.5, 0.6, 3.0))

    def apart(first: np.ndarray, second: np.ndarray, y: np.ndarray) -> float:
        return stats.spearmanr(first, y)[0] - stats.spearmanr(second, y)[0]

    theirs = stats.bootstrap(
        (a, c, y), apart, paired=True, vectorized=False, method="percentile", n_resamples=2000, rng=2
    ).confidence_interval
    found = statistics.compare(a, c, y, resamples=2000)
    assert found.difference == pytest.approx(apart(a, c, y))
    assert found.interval.low == pytest.approx(theirs.low, abs=0.03)
    assert found.interval.high == pytest.approx(theirs.high, abs=0.03)
    assert found.p_value < 0.01 < 0.05 < statistics.compare(a, b, y, resamples=2000).p_value


def test_predictors_on_folds_equal_a_plain_loop() -> None:
    generator = np.random.default_rng(0)
    y = np.sort(generator.uniform(size=40).round(1))  # with ties; resamples draw among items in the references' order
    x = np.array([y + generator.normal(0, 0.3, 40), generator.uniform(size=40).round(1)])
    order = np.lexsort((*x, y))
    x, y = x[:, order], y[order]
    folds = [np.arange(25), np.arange(15, 40)]
    found = statistics.resample(x, y, folds, resamples=20, seed=3)
    drawn = np.concatenate(list(statistics.resample_counts(40, 20, 3))).astype(int)
    functions = {
        "spearman": lambda a, b: stats.spearmanr(a, b)[0],
        "pearson": lambda a, b: stats.pearsonr(a, b)[0],
        "mse": lambda a, b: np.mean((a - b) ** 2),
    }
    for name, function in functions.items():
        for row, column in np.ndindex(2, 2):
            fold = folds[column]
            expected = [function(x[row, items], y[items]) for items in (np.repeat(fold, n[fold]) for n in drawn)]
            each = found[name]  # type: ignore[index]
            np.testing.assert_allclose(each.draws[row, column], expected, atol=1e-10)
            assert each.values[row, column] == pytest.approx(function(x[row, fold], y[fold]))
    shuffled = generator.permutation(40)
    position = np.argsort(shuffled)
    again = statistics.resample(x[:, shuffled], y[shuffled], [position[fold] for fold in folds], resamples=20, seed=3)
    np.testing.assert_array_equal(again["spearman"].draws, found["spearman"].draws)


def test_a_constant_predictor_has_no_correlation_on_any_resample() -> None:
    y = np.linspace(0, 1, 20)
    found = statistics.resample(np.array([np.full(20, 0.3), y]), y, resamples=10)
    for name in ("spearman", "pearson"):
        assert np.isnan(found[name].values[0]).all()  # type: ignore[index]
        assert np.isnan(found[name].draws[0]).all()  # type: ignore[index]
        assert np.allclose(found[name].draws[1], 1)  # type: ignore[index]
