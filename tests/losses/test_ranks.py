"""Ranks against scipy's, comparisons against a plain loop, standardising against numpy."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from videomem_hf.losses.ranking import comparison_ranks, ranks, standardize


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=30))
def test_ranks_equal_scipys_with_ties_and_gaps(items: list[tuple[int, bool]]) -> None:
    values = np.array([value for value, _ in items], dtype=float)
    known = np.array([known for _, known in items])
    expected = np.zeros(len(items))
    expected[known] = stats.rankdata(-values[known]) / max(known.sum(), 1)
    actual = ranks(torch.tensor(values)[None], torch.tensor(known)[None])[0]
    np.testing.assert_allclose(actual.numpy(), expected)


def test_the_best_of_n_has_rank_one_nth_and_the_worst_one() -> None:
    assert ranks(torch.tensor([0.3, 0.9, 0.1, 0.5])).tolist() == [0.75, 0.25, 1.0, 0.5]
    assert ranks(torch.tensor([0.5])).tolist() == [1.0]
    assert ranks(torch.tensor([0.5, 0.5])).tolist() == [0.75, 0.75]


def test_rows_are_ranked_apart() -> None:
    values = torch.randn(2, 3, 9, generator=torch.Generator().manual_seed(0))
    rows = torch.stack([ranks(row) for row in values.reshape(6, 9)])
    assert torch.equal(ranks(values), rows.reshape(2, 3, 9))


def test_half_precision_scores_are_ranked_in_single_precision() -> None:
    values = torch.arange(400).flip(0).to(torch.bfloat16)
    assert ranks(values).dtype == torch.float32
    assert ranks(values).unique().numel() > 200  # bfloat16 has 256 values in (0.5, 1]


def test_comparisons_equal_a_plain_loop() -> None:
    generator = np.random.default_rng(0)
    values, known = generator.normal(size=7), np.array([1, 1, 0, 1, 1, 1, 0], dtype=bool)
    actual = comparison_ranks(torch.tensor(values), torch.tensor(known))
    for i in range(7):
        below = [1 / (1 + math.exp(values[i] - values[j])) for j in range(7) if known[j] and j != i]
        expected = (1 + sum(below)) / 5 if known[i] else 0.0
        assert math.isclose(actual[i].item(), expected, abs_tol=1e-12)


def test_standardizing_looks_at_labelled_items_alone() -> None:
    values, mask = torch.tensor([1.0, 50.0, 2.0, 6.0]), torch.tensor([True, False, True, True])
    known = np.array([1.0, 2.0, 6.0])
    expected = (known - known.mean()) / known.std()
    np.testing.assert_allclose(standardize(values, mask)[mask].numpy(), expected, rtol=1e-6)
    assert standardize(values, mask)[1] == 0


def test_a_detached_scale_is_a_constant_in_the_gradient() -> None:
    values = torch.tensor([1.0, 2.0, 6.0], requires_grad=True)
    weights, mask = torch.tensor([1.0, 5.0, 2.0]), torch.ones(3, dtype=torch.bool)
    (gradient,) = torch.autograd.grad((weights * standardize(values, mask, detach_scale=True)).sum(), values)
    expected = (weights - weights.mean()) / np.std([1.0, 2.0, 6.0])
    torch.testing.assert_close(gradient, expected)
    (through,) = torch.autograd.grad((weights * standardize(values, mask)).sum(), values)
    assert abs((through * values.detach()).sum().item()) < 1e-6  # scaling the scores changes nothing
    assert abs((gradient * values.detach()).sum().item()) > 0.1


def test_scores_that_are_nearly_equal_are_standardized_by_the_floor() -> None:
    values = torch.tensor([0.0, 2e-6], dtype=torch.float64)
    actual = standardize(values, torch.ones(2, dtype=torch.bool))
    np.testing.assert_allclose(actual.numpy(), [-1e-6 / 1e-4, 1e-6 / 1e-4])
