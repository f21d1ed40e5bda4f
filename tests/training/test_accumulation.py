"""A batch in parts has the gradients of the whole batch, also where a loss ranks all its clips."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from videomem_hf.losses import Criterion
from videomem_hf.models.scoring import memorability_loss
from videomem_hf.training.accumulation import Batch, accumulate_gradients

RANKING = [{"type": "pairwise"}, {"type": "soft_rank"}, {"type": "sodeep", "sorter": "exact"}]
MEANS = [{"type": "mse"}, {"type": "l1"}, {"type": "binomial"}]  # over labelled clips, or over annotations


class Network(nn.Module):
    """Scores features through one hidden layer."""

    def __init__(self, *middle: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(5, 8), *middle, nn.Tanh(), nn.Linear(8, 2), nn.Sigmoid())
        self.passes = 0

    def forward(self, features: torch.Tensor, **labels: torch.Tensor) -> Any:
        self.passes += 1
        scores = self.layers(features)
        loss = memorability_loss(scores, **labels, means=[0.8, 0.7], stds=[0.1, 0.2]) if labels else None
        return SimpleNamespace(scores=scores, loss=loss)


@pytest.fixture
def accelerator() -> Accelerator:
    return Accelerator(cpu=True)


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    labels = torch.rand(10, 2, generator=generator)
    labels[3, 1] = labels[6:9, 0] = torch.nan
    counts = torch.randint(5, 40, (10, 2), generator=generator).float()
    return {"features": torch.randn(10, 5, generator=generator), "labels": labels, "annotation_counts": counts}


def _gradients(model: nn.Module) -> list[torch.Tensor]:
    return [each.grad for each in model.parameters() if each.grad is not None]


@pytest.mark.parametrize("loss", RANKING + MEANS, ids=lambda loss: loss["type"])
def test_parts_have_the_loss_of_one_batch(accelerator: Accelerator, batch: Batch, loss: dict[str, Any]) -> None:
    whole, parted, criterion = Network(), Network(), Criterion(loss)
    expected = criterion(whole, batch)
    expected.backward()
    found = accumulate_gradients(accelerator, parted, criterion, batch, 3)
    assert found.item() == pytest.approx(expected.item(), abs=1e-6)
    assert len(_gradients(parted)) == 4
    torch.testing.assert_close(_gradients(parted), _gradients(whole), atol=1e-6, rtol=1e-5)
    # The parts alone have another order or other numbers of labels, and so another gradient.
    alone = Network()
    for rows in ((0, 3), (3, 7), (7, 10)):
        part = {name: value[slice(*rows)] for name, value in batch.items()}
        (criterion(alone, part) * (rows[1] - rows[0]) / 10).backward()
    assert (_gradients(alone)[0] - _gradients(whole)[0]).abs().max() > 1e-4


def test_dropout_is_drawn_once(accelerator: Accelerator, batch: Batch) -> None:
    replayed, parted, criterion = Network(nn.Dropout(0.5)), Network(nn.Dropout(0.5)), Criterion({"type": "pairwise"})
    torch.manual_seed(2)
    scores = torch.cat([replayed(features).scores for features in batch["features"].split([3, 4, 3])])
    criterion.score_loss(scores, batch).backward()
    after = torch.rand(1)
    torch.manual_seed(2)
    accumulate_gradients(accelerator, parted, criterion, batch, 3)
    torch.testing.assert_close(_gradients(parted), _gradients(replayed), atol=1e-6, rtol=1e-5)
    assert torch.equal(torch.rand(1), after)  # what follows draws on as after one pass


def test_statistics_of_batch_normalisation_are_updated_once(accelerator: Accelerator, batch: Batch) -> None:
    once, parted = Network(nn.BatchNorm1d(8)), Network(nn.BatchNorm1d(8))
    for features in batch["features"].split([3, 4, 3]):
        once(features)
    accumulate_gradients(accelerator, parted, Criterion({"type": "pairwise"}), batch, 3)
    statistics = dict(parted.named_buffers())
    assert statistics["layers.1.num_batches_tracked"] == 3
    torch.testing.assert_close(statistics, dict(once.named_buffers()))


def test_the_loss_of_the_model_is_a_sum_over_clips_and_takes_one_pass(accelerator: Accelerator, batch: Batch) -> None:
    whole, parted, criterion = Network(), Network(), Criterion({"type": "model"})
    criterion(whole, batch).backward()
    accumulate_gradients(accelerator, parted, criterion, batch, 3)
    assert parted.passes == 3
    torch.testing.assert_close(_gradients(parted), _gradients(whole), atol=1e-6, rtol=1e-5)
