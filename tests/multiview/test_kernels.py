"""Kernel ridge models against scikit-learn's, fold by fold; landmarks, unknown scores, missing views, borrowing."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF
from sklearn.kernel_ridge import KernelRidge

from videomem_hf.models.configuration_multiview import MultiViewConfig
from videomem_hf.models.modeling_multiview import MultiViewModel
from videomem_hf.multiview import kernel_ridge, kernels
from videomem_hf.multiview.borrowing import clearly_better, fit_scoring
from videomem_hf.multiview.checkpoint import FitCheckpoint
from videomem_hf.multiview.interval_state import fit_horizons, interval_state
from videomem_hf.multiview.kernel_head import build_kernel_model, fit_kernel_head
from videomem_hf.multiview.kernel_ridge import Solution, solve
from videomem_hf.multiview.kernel_search import Choices, KernelSearch, mean_correlation, view_patterns
from videomem_hf.multiview.kernels import KernelBank, Summand, view_space
from videomem_hf.multiview.predict import model_outputs
from videomem_hf.multiview.targets import make_targets, relative_noise
from videomem_hf.multiview.training_arrays import fold_indices
from videomem_hf.schema import HORIZONS

CLIPS = 150
RIDGE = 0.5
ALONE = Summand(1.0, {0: 3.0})


def _draw(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(CLIPS, 4))
    return x, np.stack([np.sin(x[:, 0]), np.cos(x[:, 1])], axis=1) + 0.2 * rng.normal(size=(CLIPS, 2))


def _solve(bank: KernelBank, y: np.ndarray, folds: Sequence[np.ndarray], noise: np.ndarray | float = RIDGE) -> Solution:
    kernel, missing = bank.weighted_sum([ALONE])
    variances = torch.as_tensor(noise, dtype=torch.float64).expand(len(bank.present)) + missing
    return solve(kernel, variances, torch.from_numpy(y), [torch.from_numpy(fold) for fold in folds], bank.landmarks)


def _reference(bank: KernelBank, y: np.ndarray, rows: np.ndarray) -> KernelRidge:
    model = KernelRidge(kernel="rbf", gamma=3 / bank.medians[0][0], alpha=RIDGE)
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
    kernel = RBF((6 / bank.medians[0][0]) ** -0.5, "fixed")
    reference = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None).fit(vectors, y[:, 0])
    np.testing.assert_allclose(solution.coefficients[:, 0], reference.alpha_, atol=1e-8)


@pytest.mark.parametrize("ridge", [RIDGE, 1e-7])  # conjugate gradients converge for the first alone
def test_many_clips_are_solved_iteratively_with_equal_results(monkeypatch: pytest.MonkeyPatch, ridge: float) -> None:
    x, y = _draw()
    y[::3, 1] = np.nan
    x[:20] = np.nan
    noise = ridge * np.random.default_rng(1).uniform(0.5, 2, CLIPS)
    bank, folds = KernelBank({"x": x}), [torch.from_numpy(fold) for fold in fold_indices(CLIPS, 5, 0)]
    kernel, missing = bank.weighted_sum([ALONE])
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
    smooth = Summand(1.0, {0: 0.5})
    exact = solve(bank.weighted_sum([smooth])[0], noise, torch.from_numpy(y), held_out)
    monkeypatch.setattr(kernel_ridge, "ITERATIVE_ABOVE", CLIPS - 1)
    monkeypatch.setattr(kernel_ridge, "_MAX_ITERATIONS", iterations)
    kernel = bank.weighted_sum([smooth], torch.float32)[0]
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
    kernel, missing = bank.weighted_sum([Summand(0.5, {view: 3.0}) for view in (0, 1)])
    alone, _ = bank.weighted_sum([Summand(0.5, {0: 3.0})])
    assert missing.tolist() == [0.5] * 40 + [0.0] * (CLIPS - 40)
    torch.testing.assert_close(kernel[:40], alone[:40])
    torch.testing.assert_close((kernel.diagonal() + missing), torch.ones(CLIPS, dtype=torch.float64))


def test_distances_for_which_there_is_no_room_are_computed_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    x, _ = _draw()
    views = {"small": x[:, :2], "large": np.stack([x, np.cos(x)], axis=1)}
    summands = [Summand(0.3, {0: 3.0}), Summand(0.3, {1: 3.0}), Summand(0.4, {0: 1.0, 1: 2.0})]
    expected = KernelBank(views).weighted_sum(summands)[0]
    compared: list[int] = []
    compare = kernels.squared_distances
    monkeypatch.setattr(kernels, "squared_distances", lambda *each: compared.append(each[0].shape[1]) or compare(*each))
    monkeypatch.setattr(kernels, "_CACHE_BYTES", 2 * CLIPS**2 * 8)
    bank = KernelBank(views)
    compared.clear()
    torch.testing.assert_close(bank.weighted_sum(summands)[0], expected, rtol=0, atol=0)
    assert sorted(compared) == [2, 2, 4, 4]  # the large one's two parts once


def test_single_precision_agrees() -> None:
    x, y = _draw()
    targets = make_targets(np.clip(0.8 + 0.1 * y, 0, 1), np.full(y.shape, np.nan))
    search = KernelSearch(KernelBank({"x": x}), targets, fold_indices(CLIPS, 5, 0))
    exact = search.solve([ALONE], 0.8, torch.float64).held_out
    torch.testing.assert_close(search.solve([ALONE], 0.8).held_out.double(), exact, atol=1e-4, rtol=0)


def test_spaces_follow_the_numbers() -> None:
    rng = np.random.default_rng(0)
    sphere = rng.normal(size=(50, 4))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    shares = rng.uniform(size=(50, 4)) * (rng.uniform(size=(50, 4)) > 0.5)
    plain = rng.normal(3, 2, size=(50, 4))
    layers = rng.uniform(size=(50, 3, 4))
    found = {name: view_space(x) for name, x in {"a": sphere, "b": shares, "c": plain, "d": layers}.items()}
    kinds = [(True, False), (False, True), (False, False), (True, False)]
    assert [(space.unit, space.root) for space in found.values()] == kinds
    for name, x in {"a": sphere[:, None], "d": layers}.items():
        centred = x - x.mean(axis=0)
        expected = centred / np.linalg.norm(centred, axis=-1, keepdims=True)
        prepared = found[name].prepare(torch.from_numpy(x).flatten(1))
        np.testing.assert_allclose(prepared, expected.reshape(50, -1), atol=1e-12)
    np.testing.assert_allclose(found["b"].prepare(torch.from_numpy(shares)), np.sqrt(shares))
    standardised = found["c"].prepare(torch.from_numpy(plain)).numpy()
    np.testing.assert_allclose([standardised.mean(0), standardised.std(0)], [[0] * 4, [1] * 4], atol=1e-9)


def test_counts_set_the_noise_down_to_a_floor() -> None:
    counts = np.array([[30.0, 10.0], [100.0, 40.0], [30.0, np.nan]])
    noise = relative_noise(counts)
    assert noise[1] < noise[0]
    assert noise[1] > 0.4
    assert relative_noise(np.full((4, 2), 20.0)) == pytest.approx(1.0)
    assert relative_noise(np.full((4, 2), np.nan)).tolist() == [1.0] * 4


def test_targets_are_logits_of_scores_that_are_shrunk_by_their_counts() -> None:
    scores, counts = np.array([[0.9], [0.5], [1.0], [np.nan]]), np.array([[30.0], [30.0], [2.0], [10.0]])
    mean = 0.8
    shrunk = np.array([(30 * 0.9 + 6 * mean) / 36, (30 * 0.5 + 6 * mean) / 36, (2 + 6 * mean) / 8])
    t = np.log(shrunk / (1 - shrunk))
    found = make_targets(scores, counts)
    np.testing.assert_allclose(found.logits[:3, 0], (t - t.mean()) / t.std())
    assert np.isnan(found.logits[3, 0])
    np.testing.assert_allclose(found.values[:3, 0], (scores[:3, 0] - mean) / scores[:3, 0].std())
    plain = make_targets(scores, counts, use_counts=False)
    assert plain.noise.tolist() == [1.0] * 4
    assert plain.logits[2, 0] > found.logits[2, 0]  # not shrunk for its two annotations


def test_a_constant_prediction_has_no_correlation_and_any_other_is_better() -> None:
    y = np.random.default_rng(0).normal(size=(20, 1))
    with pytest.warns(RuntimeWarning, match="constant"):
        undefined = mean_correlation(np.zeros((20, 1)), y)
    assert np.isnan(undefined)
    assert clearly_better(-0.1, undefined)
    assert not clearly_better(undefined, -0.1)
    assert not clearly_better(undefined, undefined)
    assert [clearly_better(quality, 0.5) for quality in (0.5009, 0.5011)] == [False, True]


def test_correlations_leave_out_unknown_scores_and_horizons_borrow() -> None:
    rng = np.random.default_rng(0)
    held_out, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2))
    y[:5, 0] = y[20:, 1] = np.nan
    short = held_out[5:, 0] + 0.3 * held_out[5:, 1]
    expected = spearmanr(short, y[5:, 0])[0], spearmanr(held_out[:20].sum(axis=1), y[:20, 1])[0]
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


def test_strong_views_weigh_more_and_the_product_is_of_mean_distances() -> None:
    choices = Choices([0.4, 0.2, 0.0], [1.1] * 3, product_views=2)
    title, concepts, useless, product = choices.summands([0, 1, 2])
    squares = 0.4**2 + 0.2**2 + 0.05**2
    assert title.weight == pytest.approx(0.5 * 0.4**2 / squares)
    assert concepts.weight == pytest.approx(0.5 * 0.2**2 / squares)
    assert useless.weight == pytest.approx(0.5 * 0.05**2 / squares)
    assert title.widths == {0: 3.0}
    assert product.weight == 0.5
    assert product.widths == pytest.approx({0: 4 * 2 / 3, 1: 4 / 3})
    assert choices.summands([2]) == [Summand(1.0, {2: 3.0})]
    assert Choices.from_dict(json.loads(json.dumps(asdict(choices)))) == choices


def test_the_model_gives_the_gaussian_process_of_scikit_learn() -> None:
    """Mean and variance, of a weighted sum with a product, for clips with all views and with one."""
    rng = np.random.default_rng(0)
    views = {"a": rng.normal(size=(80, 3)), "b": rng.uniform(size=(80, 4))}
    y = np.clip(0.8 + 0.05 * np.sin(views["a"][:, 0]) + 0.02 * rng.normal(size=80), 0, 1)[:, None]
    counts = rng.integers(10, 40, (80, 1)).astype(float)
    bank, targets, folds = KernelBank(views), make_targets(y, counts), fold_indices(80, 5, 0)
    search, choices = KernelSearch(bank, targets, folds), Choices([0.4, 0.3], [1.1, 2.2], ridge=0.55)
    head = fit_kernel_head(search, choices, y, counts, 0.9, FitCheckpoint())
    model = build_kernel_model(search, head, HORIZONS[:1], 0.9)
    new = {"a": rng.normal(size=(6, 3)), "b": rng.uniform(size=(6, 4))}
    a, b = (view_space(x).prepare(torch.from_numpy(x)).numpy() for x in views.values())
    new_a = view_space(views["a"]).prepare(torch.from_numpy(new["a"])).numpy()
    medians = bank.medians[0][0], bank.medians[1][0]
    scaled = np.hstack([a / medians[0] ** 0.5, b / medians[1] ** 0.5])
    new_scaled = np.hstack([new_a / medians[0] ** 0.5, np.sqrt(new["b"]) / medians[1] ** 0.5])
    # One length for each number: views that a kernel leaves out have an infinite one.
    far, squares = 1e6, 0.4**2 + 0.3**2
    alone = [np.r_[np.full(3, 6**-0.5), np.full(4, far)], np.r_[np.full(3, far), np.full(4, 6**-0.5)]]
    both = np.r_[np.full(3, (2 * 4 * 4 / 7) ** -0.5), np.full(4, (2 * 4 * 3 / 7) ** -0.5)]
    fixed = [RBF(lengths, "fixed") for lengths in (*alone, both)]
    kernel = 0.5 * 0.4**2 / squares * fixed[0] + 0.5 * 0.3**2 / squares * fixed[1] + 0.5 * fixed[2]
    processes = {("a", "b"): (kernel, 0.55), ("a",): (fixed[0], 1.1), ("b",): (fixed[1], 2.2)}
    for number, (names, (each, ridge)) in enumerate(processes.items()):
        process = GaussianProcessRegressor(each, alpha=ridge * targets.noise, optimizer=None)
        process.fit(scaled, targets.logits[:, 0])
        mean, std = process.predict(new_scaled, return_std=True)
        output = model_outputs(model, {name: new[name] for name in names})
        line = head.scoring[number]
        expected = targets.means + targets.stds * (line.weights[0, 0] * mean + line.intercepts)
        np.testing.assert_allclose(output["scores"][:, 0], expected, atol=1e-5)
        np.testing.assert_allclose(output["explained"][:, number], 1 - std**2, atol=1e-5)
        if len(names) == 1:
            others = [column for column in range(3) if column != number]
            assert np.isnan(output["explained"][:, others]).all()


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
