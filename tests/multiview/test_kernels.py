"""Kernel ridge models against scikit-learn's, fold by fold; landmarks, unknown scores and missing views."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy.optimize import nnls
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.kernel_ridge import KernelRidge

from videomem_hf.features.title_views import word_counts
from videomem_hf.models.configuration_multiview import MultiViewConfig
from videomem_hf.models.modeling_multiview import MultiViewModel
from videomem_hf.multiview import kernel_ridge
from videomem_hf.multiview.interval_state import fit_horizons, interval_state
from videomem_hf.multiview.kernel_ridge import Solution, solve
from videomem_hf.multiview.kernel_search import KernelSearch, clearly_better, mean_correlation, view_patterns
from videomem_hf.multiview.kernels import KernelBank, view_space
from videomem_hf.multiview.stacking import fit_stack
from videomem_hf.multiview.targets import make_targets, relative_noise
from videomem_hf.multiview.training_arrays import fold_indices

CLIPS = 150
RIDGE = 0.5


def _draw(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(CLIPS, 4))
    return x, np.stack([np.sin(x[:, 0]), np.cos(x[:, 1])], axis=1) + 0.2 * rng.normal(size=(CLIPS, 2))


def _solve(bank: KernelBank, y: np.ndarray, folds: Sequence[np.ndarray], noise: np.ndarray | float = RIDGE) -> Solution:
    kernel, missing = bank.weighted_sum([[0]], [1.0], [3.0])
    variances = torch.as_tensor(noise, dtype=torch.float64).expand(len(bank.present)) + missing
    return solve(kernel, variances, torch.from_numpy(y), [torch.from_numpy(fold) for fold in folds], bank.landmarks)


def _reference(bank: KernelBank, y: np.ndarray, rows: np.ndarray) -> KernelRidge:
    model = KernelRidge(kernel="rbf", gamma=bank.gamma(0, 3.0), alpha=RIDGE)
    return model.fit(bank.vectors[0].numpy()[rows], y[rows])


def test_held_out_predictions_are_those_of_models_fitted_without_the_fold() -> None:
    x, y = _draw()
    bank, folds = KernelBank({"x": x}), fold_indices(CLIPS, 5, 0)
    solution = _solve(bank, y, folds)
    for fold in folds:
        rest = np.setdiff1d(np.arange(CLIPS), fold)
        expected = _reference(bank, y, rest).predict(bank.vectors[0].numpy()[fold])
        np.testing.assert_allclose(solution.held_out[fold], expected, atol=1e-10)
    whole = _reference(bank, y, np.arange(CLIPS))
    np.testing.assert_allclose(solution.coefficients, whole.dual_coef_, atol=1e-10)


def test_a_clip_without_a_score_has_no_influence() -> None:
    x, y = _draw()
    y[::3, 1] = np.nan
    bank, folds = KernelBank({"x": x}), fold_indices(CLIPS, 5, 0)
    solution = _solve(bank, y, folds)
    for fold in folds:
        rest = np.setdiff1d(np.flatnonzero(np.isfinite(y[:, 1])), fold)
        expected = _reference(bank, y[:, 1], rest).predict(bank.vectors[0].numpy()[fold])
        np.testing.assert_allclose(solution.held_out[fold, 1], expected, atol=1e-10)
    assert not solution.coefficients[::3, 1].any()


def test_noise_by_clip_is_the_gaussian_process_likelihood() -> None:
    x, y = _draw()
    noise = np.random.default_rng(1).uniform(0.1, 2, CLIPS)
    bank = KernelBank({"x": x})
    solution = _solve(bank, y, fold_indices(CLIPS, 5, 0), noise)
    vectors = bank.vectors[0].numpy()
    kernel = RBF((2 * bank.gamma(0, 3.0)) ** -0.5, "fixed")
    reference = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None).fit(vectors, y[:, 0])
    np.testing.assert_allclose(solution.coefficients[:, 0], reference.alpha_, atol=1e-8)


@pytest.mark.parametrize("ridge", [RIDGE, 1e-7])  # conjugate gradients converge for the first alone
def test_many_clips_are_solved_iteratively_with_equal_results(monkeypatch: pytest.MonkeyPatch, ridge: float) -> None:
    x, y = _draw()
    y[::3, 1] = np.nan
    x[:20] = np.nan
    noise = ridge * np.random.default_rng(1).uniform(0.5, 2, CLIPS)
    bank, folds = KernelBank({"x": x}), [torch.from_numpy(fold) for fold in fold_indices(CLIPS, 5, 0)]
    kernel, missing = bank.weighted_sum([[0]], [1.0], [3.0])
    system = kernel.clone(), torch.from_numpy(noise) + missing, torch.from_numpy(y), folds
    exact = solve(kernel.clone(), *system[1:])
    factorised: list[torch.Tensor] = []
    monkeypatch.setattr(kernel_ridge, "ITERATIVE_ABOVE", CLIPS - 1)
    cholesky = torch.linalg.cholesky
    monkeypatch.setattr(torch.linalg, "cholesky", lambda each: factorised.append(each) or cholesky(each))
    iterative = solve(*system, tolerance=1e-8)
    assert len(factorised) == int(ridge < RIDGE)
    torch.testing.assert_close(iterative.coefficients, exact.coefficients, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(iterative.held_out, exact.held_out, atol=1e-6, rtol=1e-6)
    assert not iterative.coefficients[::3, 1].any()


@pytest.mark.parametrize(("folds", "iterations"), [(30, 150), (5, 1)], ids=["many folds", "no convergence"])
def test_a_single_precision_kernel_is_factorised_in_double(
    monkeypatch: pytest.MonkeyPatch, folds: int, iterations: int
) -> None:
    x, y = _draw()
    bank, noise = KernelBank({"x": x}), torch.full((CLIPS,), 0.08, dtype=torch.float64)  # the least of a fit
    held_out = [torch.from_numpy(fold) for fold in fold_indices(CLIPS, folds, 0)]
    exact = solve(bank.weighted_sum([[0]], [1.0], [0.5])[0], noise, torch.from_numpy(y), held_out)
    monkeypatch.setattr(kernel_ridge, "ITERATIVE_ABOVE", CLIPS - 1)
    monkeypatch.setattr(kernel_ridge, "_MAX_ITERATIONS", iterations)
    kernel = bank.weighted_sum([[0]], [1.0], [0.5], torch.float32)[0]
    found = solve(kernel, noise.float(), torch.from_numpy(y).float(), held_out)
    error = (found.held_out - exact.held_out).abs().max()
    assert error < 3e-6, error


def test_landmarks_at_every_clip_are_exact_and_fewer_come_near() -> None:
    x, y = _draw()
    y[::4, 1] = np.nan
    folds = fold_indices(CLIPS, 5, 0)
    exact = _solve(KernelBank({"x": x}), y, folds).held_out
    everywhere = _solve(KernelBank({"x": x}, exact_up_to=10, landmarks=CLIPS), y, folds).held_out
    torch.testing.assert_close(everywhere, exact, atol=1e-5, rtol=0)
    some = _solve(KernelBank({"x": x}, exact_up_to=10, landmarks=60), y, folds)
    assert some.coefficients.shape == (60, 2)
    assert np.corrcoef(some.held_out[:, 0], exact[:, 0])[0, 1] > 0.97


def test_a_missing_view_is_unknown_and_not_zero() -> None:
    """In an additive Gaussian process a missing part keeps its prior: no covariance, its variance as noise."""
    x, _ = _draw()
    other = np.random.default_rng(2).normal(size=(CLIPS, 3))
    other[:40] = np.nan
    bank = KernelBank({"x": x, "other": other})
    kernel, missing = bank.weighted_sum([[0], [1]], [0.5, 0.5], [3.0, 3.0])
    alone, _ = bank.weighted_sum([[0]], [0.5], [3.0])
    assert missing.tolist() == [0.5] * 40 + [0.0] * (CLIPS - 40)
    torch.testing.assert_close(kernel[:40], alone[:40])
    torch.testing.assert_close((kernel.diagonal() + missing), torch.ones(CLIPS, dtype=torch.float64))


def test_single_precision_agrees() -> None:
    x, y = _draw()
    search = KernelSearch(
        KernelBank({"x": x}), make_targets(np.clip(0.8 + 0.1 * y, 0, 1), None), fold_indices(CLIPS, 5, 0)
    )
    exact = search.solve([[0]], [1.0], [3.0], 0.8, torch.float64).held_out
    torch.testing.assert_close(search.solve([[0]], [1.0], [3.0], 0.8).held_out.double(), exact, atol=1e-4, rtol=0)


def test_spaces_follow_the_numbers() -> None:
    rng = np.random.default_rng(0)
    sphere = rng.normal(size=(50, 4))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    shares = rng.uniform(size=(50, 4)) * (rng.uniform(size=(50, 4)) > 0.5)
    plain = rng.normal(3, 2, size=(50, 4))
    found = {name: view_space(name, x) for name, x in {"a": sphere, "b": shares, "c": plain}.items()}
    assert [(space.unit, space.root) for space in found.values()] == [(True, False), (False, True), (False, False)]
    np.testing.assert_allclose(found["b"].prepare(torch.from_numpy(shares)), np.sqrt(shares))
    standardised = found["c"].prepare(torch.from_numpy(plain)).numpy()
    np.testing.assert_allclose([standardised.mean(0), standardised.std(0)], [[0] * 4, [1] * 4], atol=1e-9)


def test_words_are_compared_as_scikit_learn_compares_them() -> None:
    titles = ["red car on street", "red car at night", "blue car on street", "cat at night", "cat on street"] * 2
    counts = word_counts(titles)
    vectors = view_space("title_words", counts).prepare(torch.from_numpy(counts))
    reference = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"[^\W_]+").fit_transform(titles)
    np.testing.assert_allclose(vectors @ vectors.T, (reference @ reference.T).toarray(), atol=1e-9)


def test_counts_set_the_noise_down_to_a_floor() -> None:
    counts = np.array([[30.0, 10.0], [100.0, 40.0], [30.0, np.nan]])
    noise = relative_noise(counts, 3)
    assert noise[1] < noise[0]
    assert noise[1] > 0.4
    assert relative_noise(np.full((4, 2), 20.0), 4) == pytest.approx(1.0)
    assert relative_noise(None, 4).tolist() == [1.0] * 4


def test_a_constant_prediction_has_no_correlation_and_any_other_is_better() -> None:
    y = np.random.default_rng(0).normal(size=(20, 1))
    with pytest.warns(RuntimeWarning, match="constant"):
        undefined = mean_correlation(np.zeros((20, 1)), y)
    assert np.isnan(undefined)
    assert clearly_better(-0.1, undefined)
    assert not clearly_better(undefined, -0.1)
    assert not clearly_better(undefined, undefined)
    assert [clearly_better(quality, 0.5) for quality in (0.5009, 0.5011)] == [False, True]


def test_correlations_leave_out_unknown_scores_and_long_term_borrows() -> None:
    rng = np.random.default_rng(0)
    held_out, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    y[:5, 0] = y[20:, 1] = np.nan
    expected = spearmanr(held_out[5:, 0], y[5:, 0])[0], spearmanr(held_out[:20].sum(axis=1), y[:20, 1])[0]
    assert mean_correlation(held_out, y) == pytest.approx(np.mean(expected))


def test_groups_stay_together_in_folds() -> None:
    groups = np.random.default_rng(0).integers(0, 30, 200)
    folds = fold_indices(200, 5, 0, groups)
    assert sorted(np.concatenate(folds)) == list(range(200))
    assert max(map(len, folds)) - min(map(len, folds)) <= 10
    for first, fold in enumerate(folds):
        others = np.concatenate([other for index, other in enumerate(folds) if index != first])
        assert not set(groups[fold]) & set(groups[others])


def test_patterns_of_views() -> None:
    assert view_patterns(1) == [[0]]
    assert view_patterns(3)[0] == [0, 1, 2]
    assert sorted(map(tuple, view_patterns(3))) == [(0,), (0, 1), (0, 1, 2), (0, 2), (1,), (1, 2), (2,)]
    assert len(view_patterns(4)) == 15
    many = view_patterns(6)
    assert many[0] == list(range(6))
    assert len(many) == 1 + 6 + 15


def test_a_stack_adds_what_the_main_component_lacks() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(600, 2))
    y = truth.sum(axis=1)[:, None] + 0.3 * rng.normal(size=(600, 1))
    outputs = np.stack([truth[:, :1] + rng.normal(size=(600, 1)), truth[:, :1], truth[:, 1:]], axis=1)
    folds = fold_indices(600, 5, 0)
    stack = fit_stack(outputs, y, 0, [1, 2], folds)
    expected, _ = nnls(outputs[:, :, 0] - outputs[:, :, 0].mean(0), y[:, 0] - y.mean())
    np.testing.assert_allclose(stack.weights[0], expected, atol=0.1)  # shrunk a little towards the main component
    plain = fit_stack(outputs[:, [1]], y, 0, [], folds)
    np.testing.assert_allclose(plain.weights[0, 0], np.polyfit(truth[:, 0], y[:, 0], 1)[0], atol=1e-6)


def test_long_term_borrows_from_short_term() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=1000)
    outputs = np.stack([truth + 0.3 * rng.normal(size=1000), truth + 1.5 * rng.normal(size=1000)], axis=1)[:, None]
    y = np.stack([truth, truth], axis=1) + 2 * rng.normal(size=(1000, 2))
    weights = fit_stack(outputs, y, 0, [], fold_indices(1000, 5, 0)).weights
    assert weights[1, 0] > 0
    assert weights.shape == (2, 2)


def test_the_model_computes_the_intervals_that_were_fitted() -> None:
    """In the model's buffers, for each pattern of views, with known counts and with typical ones."""
    rng = np.random.default_rng(0)
    clips, patterns = 400, [[0, 1], [0], [1]]
    truth = rng.beta(12, 3, (clips, 2))
    counts = rng.integers(9, 40, (clips, 2)).astype(float)
    measured = rng.binomial(counts.astype(int), truth) / counts
    fits = [fit_horizons(truth + rng.normal(0, sd, truth.shape), measured, counts, 0.9) for sd in (0.02, 0.05, 0.1)]
    config = MultiViewConfig(
        view_names=["a", "b"], view_sizes=[3, 4], view_roots=[False] * 2, view_units=[True] * 2,
        view_kernels=["rbf"] * 2, summands=[[0], [1]], anchors=5, components=3, patterns=patterns,
    )  # fmt: skip
    model = MultiViewModel(config).eval()
    for name, values in interval_state(fits).items():
        model.get_buffer(name).copy_(values)
    views = {"a": torch.randn(6, 3), "b": torch.randn(6, 4)}
    views["b"][2:4] = torch.nan
    views["a"][4:] = torch.nan
    n = torch.tensor([[5.0, 40.0], [torch.nan, 10.0]]).repeat(3, 1)
    with torch.no_grad():
        found, typical = model(views=views, interval_counts=n), model(views=views)
    for row, pattern in enumerate((0, 0, 1, 1, 2, 2)):
        for h in range(2):
            score = found.scores[row, h].item()
            expected = fits[pattern][h].ends([score], [n[row, h].item()])[0]
            np.testing.assert_allclose(found.intervals[row, h], expected, atol=1e-5)
            np.testing.assert_allclose(typical.intervals[row, h], fits[pattern][h].ends([score])[0], atol=1e-5)
    assert (found.intervals - typical.intervals).abs().max() > 0.01


def test_too_few_clips_for_a_level_give_intervals_without_ends() -> None:
    predicted, counts = np.full((30, 1), 0.8), np.full((30, 1), 20.0)
    measured = predicted + np.random.default_rng(0).normal(0, 0.05, (30, 1))
    assert np.isfinite(fit_horizons(predicted, measured, counts, 0.9)[0].quantiles).all()
    (without,) = fit_horizons(predicted, measured, counts, 0.99)
    assert without.ends([0.8]).tolist() == [[0.0, 1.0]]
