"""The way from outputs to scores and their loss, against closed forms and finite differences."""

import numpy as np
import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError

from videomem_hf.models.configuration_memorability import MemorabilityConfig
from videomem_hf.models.scoring import clamp_scores, mean_over_frames, memorability_loss, scores_around_mean

MEANS, STDS = [0.859, 0.778], [0.082, 0.145]


def test_an_offset_of_zero_is_the_mean_and_the_slope_there_the_standard_deviation() -> None:
    offsets = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    scores = scores_around_mean(offsets, MEANS, STDS)
    scores.sum().backward()
    np.testing.assert_allclose(scores.detach(), [MEANS] * 3, rtol=1e-12)
    assert offsets.grad is not None
    np.testing.assert_allclose(offsets.grad, [STDS] * 3, rtol=1e-12)


def test_scores_stay_in_range_and_are_at_least_float32() -> None:
    scores = scores_around_mean(torch.tensor([[-90.0, 90.0], [-3.0, 3.0]], dtype=torch.bfloat16), MEANS, STDS)
    assert scores.dtype == torch.float32
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_bounded_clips_and_lets_gradients_through_that_lead_back() -> None:
    values = torch.tensor([-0.5, 0.25, 1.5], requires_grad=True)
    out = clamp_scores(values)
    assert out.tolist() == [0.0, 0.25, 1.0]
    out.backward(torch.tensor([-1.0, -1.0, 1.0]))  # descent moves all three inwards
    assert values.grad is not None
    assert values.grad.tolist() == [-1.0, -1.0, 1.0]
    values.grad = None
    clamp_scores(values).backward(torch.tensor([1.0, 1.0, -1.0]))
    assert values.grad.tolist() == [0.0, 1.0, 0.0]


def test_loss_of_the_mean_is_the_variance_ratio() -> None:
    rng = np.random.default_rng(0)
    labels = np.clip(rng.normal(MEANS, STDS, (5000, 2)), 0, 1)
    scores = torch.tensor([MEANS] * 5000, dtype=torch.float64)
    expected = np.mean((labels - MEANS) ** 2 / np.square(STDS))
    loss = memorability_loss(scores, torch.from_numpy(labels), None, MEANS, STDS)
    assert float(loss) == pytest.approx(expected, rel=1e-9)
    assert float(loss) == pytest.approx(1.0, abs=0.1)


def test_counts_weigh_a_label_by_its_share_of_true_variance() -> None:
    """n answers of noise m(1-m)/n against true variance s^2: weight = s^2 / (s^2 + noise)."""
    scores = torch.tensor([[0.5, 0.5], [0.6, 0.9]], dtype=torch.float64)
    labels = torch.tensor([[0.9, 0.7], [0.8, 0.6]], dtype=torch.float64)
    counts = torch.tensor([[33, 10], [90, 40]])
    mean, variance = np.array(MEANS), np.square(STDS)
    weights = variance / (variance + mean * (1 - mean) / counts.numpy())
    expected = np.mean(weights * (scores - labels).numpy() ** 2 / variance)
    assert float(memorability_loss(scores, labels, counts, MEANS, STDS)) == pytest.approx(expected, rel=1e-12)


def test_unknown_labels_and_counts() -> None:
    nan = float("nan")
    scores = torch.tensor([[0.5, 0.5], [0.6, 0.9]], requires_grad=True)
    labels = torch.tensor([[0.9, nan], [nan, 0.6]])
    loss = memorability_loss(scores, labels, None, MEANS, STDS)
    loss.backward()
    assert loss.item() == pytest.approx(((0.4 / 0.082) ** 2 + (0.3 / 0.145) ** 2) / 4, rel=1e-5)
    assert scores.grad is not None
    assert (scores.grad == 0).tolist() == [[False, True], [True, False]]
    same = memorability_loss(scores, labels, torch.full((2, 2), nan), MEANS, STDS)
    assert same.item() == loss.item()
    scores.grad = None
    nothing = memorability_loss(scores, torch.full((2, 2), nan), torch.full((2, 2), 20.0), MEANS, STDS)
    nothing.backward()
    assert nothing.item() == 0
    assert scores.grad.abs().max() == 0


def test_a_zero_count_has_no_weight() -> None:
    scores, labels = torch.tensor([[0.5], [0.5]]), torch.tensor([[0.9], [0.7]])
    loss = memorability_loss(scores, labels, torch.tensor([[0], [20]]), MEANS[:1], STDS[:1])
    alone = memorability_loss(scores[1:], labels[1:], torch.tensor([[20]]), MEANS[:1], STDS[:1])
    assert float(loss) == pytest.approx(float(alone) / 2)


def test_loss_refuses_wrong_shapes() -> None:
    scores = torch.zeros(3, 2)
    with pytest.raises(ValueError, match=r"labels must be .*\(3, 2\), got \(3,\)"):
        memorability_loss(scores, torch.zeros(3), None, MEANS, STDS)
    with pytest.raises(ValueError, match="annotation_counts"):
        memorability_loss(scores, torch.zeros(3, 2), torch.zeros(3), MEANS, STDS)


def test_masked_mean_leaves_padding_out() -> None:
    frame_scores = torch.tensor([[[0.2], [0.4], [9.0]], [[0.1], [0.2], [0.6]]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    np.testing.assert_allclose(mean_over_frames(frame_scores, mask), [[0.3], [0.3]], rtol=1e-6)
    np.testing.assert_allclose(mean_over_frames(frame_scores[1:], None), [[0.3]], rtol=1e-6)


def test_configuration_fills_in_videomem_statistics_and_refuses_nonsense() -> None:
    assert list(MemorabilityConfig(horizons=["long_term"]).score_means) == [0.778]
    assert list(MemorabilityConfig(horizons=["week", "short_term"]).score_means) == [0.5, 0.859]
    assert MemorabilityConfig(score_stds=[0.1, 0.2]).score_stds == [0.1, 0.2]
    for wrong in (
        {"horizons": []},
        {"horizons": ["short_term", "short_term"]},
        {"horizons": ["after a week"]},
        {"score_means": [0.5]},
        {"score_means": [0.5, 1.0]},
        {"score_stds": [0.1, 0.0]},
    ):
        with pytest.raises(StrictDataclassClassValidationError):
            MemorabilityConfig(**wrong)
    with pytest.raises(TypeError, match="did you mean 'horizons'"):
        MemorabilityConfig(horizon=["short_term"])
