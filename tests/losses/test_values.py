"""Each loss against another formula: scipy, scikit-learn, numpy, plain loops, closed forms."""

from itertools import permutations

import numpy as np
import pytest
import torch
from scipy import optimize, special, stats
from sklearn.isotonic import IsotonicRegression

from videomem_hf.losses import BinomialLoss, build_loss, load_sorter, soft_ranks
from videomem_hf.losses.soft_rank import _decreasing_regression


def _scores(items: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    targets = np.round(generator.beta(6, 2, items), 2)
    return targets + generator.normal(0, 0.2, items), targets


def _value(name: str, predictions: np.ndarray, targets: np.ndarray, **options: object) -> float:
    return float(build_loss(name, **options)(torch.tensor(predictions), torch.tensor(targets)))


def test_errors_are_numpys() -> None:
    x, y = _scores(50)
    assert _value("mse", x, y) == pytest.approx(np.mean((x - y) ** 2))
    assert _value("l1", x, y) == pytest.approx(np.mean(np.abs(x - y)))


@pytest.mark.parametrize("n", [2, 3, 10, 100])
def test_without_softness_sodeep_is_spearmans_correlation(n: int) -> None:
    generator = np.random.default_rng(n)
    x, y = generator.permutation(n).astype(float), generator.permutation(n).astype(float)
    from videomem_hf.losses import SpearmanLoss
    from videomem_hf.losses.sorter_networks import ExactSorter

    error = float(SpearmanLoss(ExactSorter(1e6), l1_weight=0)(torch.tensor(x), torch.tensor(y)))
    assert 1 - 6 * n**2 / (n**2 - 1) * error == pytest.approx(stats.spearmanr(x, y)[0])


def test_sodeeps_exact_sorter_is_its_formula() -> None:
    x, y = _scores(20)
    sigmoids = special.expit(6.8 / x.std() * (x[None, :] - x[:, None]))
    np.fill_diagonal(sigmoids, 0.0)
    soft = (1 + sigmoids.sum(axis=1)) / 20
    error = np.mean((soft - stats.rankdata(-y) / 20) ** 2)
    assert _value("sodeep", x, y, sorter="exact", l1_weight=0) == pytest.approx(error)
    assert _value("sodeep", x, y, sorter="exact", l1_weight=2) == pytest.approx(error + 2 * np.abs(x - y).mean())


def test_the_exact_sorters_scale_is_a_constant_in_the_gradient() -> None:
    x, y = _scores(15)
    target_ranks, std = stats.rankdata(-y) / 15, x.std()

    def frozen(values: np.ndarray) -> float:
        beaten_by = special.expit(6.8 / std * (values[None, :] - values[:, None])).sum(axis=1)
        return float(np.mean(((beaten_by + 0.5) / 15 - target_ranks) ** 2))

    predictions = torch.tensor(x, requires_grad=True)
    build_loss("sodeep", sorter="exact", l1_weight=0.0)(predictions, torch.tensor(y)).backward()
    assert predictions.grad is not None
    np.testing.assert_allclose(predictions.grad.numpy(), optimize.approx_fprime(x, frozen, 1e-7), atol=1e-6)


def _project(point: np.ndarray) -> np.ndarray:
    """Nearest point of the permutahedron, as the best mixture of all permutations (non-negative least squares)."""
    corners = np.array(list(permutations(np.arange(1.0, len(point) + 1)))).T
    heavy = 1e4  # the mixture's weights sum to 1
    weights, _ = optimize.nnls(np.vstack([corners, np.full(corners.shape[1], heavy)]), np.append(point, heavy))
    return corners @ weights


@pytest.mark.parametrize("strength", [0.02, 0.3, 1.0, 5.0])
def test_soft_ranks_are_the_projection_onto_all_permutations(strength: float) -> None:
    generator = np.random.default_rng(1)
    values = generator.normal(size=(6, 4))
    values[0, 1] = values[0, 2]
    mask = torch.ones(6, 4, dtype=torch.bool)
    actual = soft_ranks(torch.tensor(values), mask, strength=strength).numpy()
    for row, soft in zip(values, actual, strict=True):
        point = -(row - row.mean()) / row.std() * 4 / np.sqrt(12) / strength
        np.testing.assert_allclose(soft * 4, _project(point), atol=1e-4)
    assert actual[0, 1] == pytest.approx(actual[0, 2])


def test_isotonic_regression_is_scikit_learns() -> None:
    values = np.random.default_rng(0).normal(size=(20, 31)) - np.linspace(0, 1, 31)
    actual = _decreasing_regression(torch.tensor(values)).numpy()
    for row, fitted in zip(values, actual, strict=True):
        expected = IsotonicRegression(increasing=False).fit_transform(np.arange(31), row)
        np.testing.assert_allclose(fitted, expected, atol=1e-12)
    pooled = (np.diff(actual, axis=1) == 0).mean()
    assert 0.2 < pooled < 0.99  # blocks of several sizes were met


def test_soft_rank_loss_goes_from_spearman_to_pearson() -> None:
    x, y = _scores(40)
    assert _value("soft_rank", x, y, strength=1e-4) == pytest.approx(1 - stats.spearmanr(x, y)[0], abs=1e-9)
    linear = 1 - stats.pearsonr(x, -stats.rankdata(-y))[0]
    assert _value("soft_rank", x, y, strength=50.0) == pytest.approx(linear, abs=1e-6)
    assert _value("soft_rank", x, y, l1_weight=1) == pytest.approx(_value("soft_rank", x, y) + np.abs(x - y).mean())


def test_soft_ranks_of_a_thousand_items_stay_in_single_precision() -> None:
    x, _ = _scores(1000)
    mask = torch.ones(1, 1000, dtype=torch.bool)
    double = soft_ranks(torch.tensor(x)[None], mask, strength=0.1)
    single = soft_ranks(torch.tensor(x, dtype=torch.float32)[None], mask, strength=0.1)
    assert (double - single).abs().max() < 1e-4


@pytest.mark.parametrize("kind", ["logistic", "margin"])
@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_pairs_are_those_of_a_plain_loop(kind: str, power: float) -> None:
    x, y = _scores(12)
    total = weight = 0.0
    for i in range(12):
        for j in range(12):
            if y[i] > y[j]:
                lead = (x[i] - x[j]) / 0.2
                penalty = np.log1p(np.exp(-lead)) if kind == "logistic" else max(0.0, 1 - lead)
                total += (y[i] - y[j]) ** power * penalty
                weight += (y[i] - y[j]) ** power
    actual = _value("pairwise", x, y, kind=kind, width=0.2, difference_power=power)
    assert actual == pytest.approx(total / weight)


def _annotations(items: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    n = generator.integers(9, 41, items)
    return generator.uniform(0.05, 0.95, items), generator.binomial(n, 0.8), n


@pytest.mark.parametrize("given", ["scores", "logits"])
def test_binomial_likelihood_is_scipys_up_to_its_constant(given: str) -> None:
    p, k, n = _annotations(30)
    predictions = p if given == "scores" else special.logit(p)
    loss = BinomialLoss(given)  # type: ignore[arg-type]
    value = float(loss(torch.tensor(predictions), torch.tensor(k / n), counts=torch.tensor(n)))
    constant = (special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)).sum()
    assert value * n.sum() == pytest.approx(constant - stats.binom.logpmf(k, n, p).sum())


def test_more_annotations_weigh_more() -> None:
    p, k, n = (torch.tensor(each) for each in _annotations(2))
    predictions = p.requires_grad_()
    loss = BinomialLoss()
    few = torch.autograd.grad(loss(predictions, k / n, counts=torch.tensor([10.0, 10.0])), predictions)[0]
    many = torch.autograd.grad(loss(predictions, k / n, counts=torch.tensor([10.0, 40.0])), predictions)[0]
    torch.testing.assert_close(many / few, torch.tensor([0.4, 1.6], dtype=torch.float64))


def test_unknown_counts_and_the_clamp() -> None:
    predictions, targets = torch.tensor([0.7, 0.2]), torch.tensor([1.0, 0.0])
    counts = torch.tensor([10.0, torch.nan])
    for unknown in (1.0, 30.0):
        value = BinomialLoss(unknown_count=unknown)(predictions, targets, counts=counts)
        expected = -(10 * np.log(0.7) + unknown * np.log(0.8)) / (10 + unknown)
        assert float(value) == pytest.approx(expected)
    for clamp in (1e-3, 1e-2):
        outside = torch.tensor([0.0, 1.2, 0.5], requires_grad=True)
        value = BinomialLoss(clamp=clamp)(outside, torch.tensor([1.0, 0.5, 0.5]), counts=torch.full((3,), 9.0))
        (gradient,) = torch.autograd.grad(value, outside)
        assert gradient[0] == pytest.approx(-1 / clamp / 3)
        assert gradient[1] > 0  # back inside


def test_binomial_needs_counts_of_the_right_shape() -> None:
    predictions, targets = torch.tensor([0.7, 0.2]), torch.tensor([1.0, 0.0])
    with pytest.raises(ValueError, match="needs counts"):
        BinomialLoss()(predictions, targets)
    with pytest.raises(ValueError, match="counts must be"):
        BinomialLoss()(predictions, targets, counts=torch.ones(3))


def test_the_defaults_are_the_documented_ones() -> None:
    x, y = _scores(12)
    pairs = [(x[i] - x[j]) / 0.1 for i in range(12) for j in range(12) if y[i] > y[j]]
    assert _value("pairwise", x, y) == pytest.approx(np.mean(np.log1p(np.exp(-np.array(pairs)))))
    assert _value("soft_rank", x, y) == _value("soft_rank", x, y, strength=1.0)
    predictions, targets = torch.tensor([0.7, 0.2]), torch.tensor([1.0, 0.0])
    value = float(BinomialLoss()(predictions, targets, counts=torch.tensor([10.0, torch.nan])))
    assert value == pytest.approx(-(10 * np.log(0.7) + np.log(0.8)) / 11)


def _repeated_comparison(x: np.ndarray, sharpness: list[float]) -> np.ndarray:
    for each in sharpness:
        z = (x - x.mean()) / x.std()
        ranks = (special.expit(each * (z[None, :] - z[:, None])).sum(axis=1) + 0.5) / len(x)
        x = -ranks
    return ranks


@pytest.mark.parametrize("name", ["comparison_soft", "comparison"])
@pytest.mark.parametrize("spread", [2e-4, 1e-3, 0.2])
def test_the_comparison_sorter_is_its_formula_above_the_floor(name: str, spread: float) -> None:
    sorter = load_sorter(name)
    sharpness = (sorter.max_sharpness * sorter.sharpness_logits.sigmoid()).tolist()
    x, y = _scores(40)
    x = 0.7 + spread * (x - x.mean()) / x.std()
    error = np.mean((_repeated_comparison(x, sharpness) - stats.rankdata(-y) / 40) ** 2)
    assert _value("sodeep", x, y, sorter=name, l1_weight=0) == pytest.approx(error, abs=1e-6)


@pytest.mark.parametrize("name", ["exact", "comparison_soft", "comparison"])
def test_the_gradient_of_nearly_equal_scores_is_bounded(name: str) -> None:
    """Of equal scores it is that of one comparison with the floor 1e-4 as standard deviation, in closed form."""
    _, y = _scores(32)
    ranks = stats.rankdata(-y) / 32
    bound = 2 / 32 * 6.8 / 4 / 1e-4 * np.linalg.norm(ranks - ranks.mean())
    noise = np.random.default_rng(3).normal(size=32)
    for spread in (0.0, 1e-9, 1e-6):
        predictions = torch.tensor(0.7 + spread * noise, requires_grad=True)
        build_loss("sodeep", sorter=name, l1_weight=0)(predictions, torch.tensor(y)).backward()
        assert predictions.grad is not None
        norm = float(predictions.grad.norm())
        assert norm == pytest.approx(bound, rel=0.05), spread
        assert norm < 2000
        # It still points to the right order: lower where an item should rise.
        assert stats.spearmanr(-predictions.grad.numpy(), y)[0] > 0.9


@pytest.mark.parametrize("strength", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("spread", [0.0, 1e-9, 1e-6, 5e-5])
def test_the_soft_rank_gradient_of_nearly_equal_scores_is_bounded(spread: float, strength: float) -> None:
    """One minus the covariance of the ranks with the scores in units of the floor 1e-4, in closed form."""
    x, y = _scores(32)
    x = 0.7 + spread * (x - x.mean()) / x.std()
    z = stats.zscore(-stats.rankdata(-y))
    predictions = torch.tensor(x, requires_grad=True)
    loss = build_loss("soft_rank", strength=strength)(predictions, torch.tensor(y))
    assert loss.item() == pytest.approx(1 - np.mean(x / 1e-4 * z), abs=1e-9)
    (gradient,) = torch.autograd.grad(loss, predictions)
    np.testing.assert_allclose(gradient.numpy(), -z / 32 / 1e-4, rtol=1e-6)
    assert gradient.norm() == pytest.approx(1e4 / np.sqrt(32), rel=1e-6)


@pytest.mark.parametrize("spread", [1.1e-4, 1e-3, 0.2])
def test_soft_ranks_do_not_see_the_floor_above_it(spread: float) -> None:
    x, y = _scores(40)
    x = 0.7 + spread * (x - x.mean()) / x.std()
    mask = torch.ones(1, 40, dtype=torch.bool)
    soft = soft_ranks(torch.tensor(x)[None], mask, strength=1.0)[0].numpy()
    assert _value("soft_rank", x, y) == pytest.approx(1 - stats.pearsonr(soft, stats.rankdata(-y))[0], abs=1e-9)
