"""Optimisers, schedules and losses of a stage, against what the recipes say of them."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from videomem_hf.losses import Criterion
from videomem_hf.schema import InputError
from videomem_hf.training.config import StageConfig
from videomem_hf.training.loop import best_epoch
from videomem_hf.training.stages import l2_penalty, make_optimizer, make_scheduler


def _rates(stage: StageConfig, steps_per_epoch: int, epochs_before: int = 0) -> list[float]:
    optimizer = make_optimizer(stage, nn.Linear(2, 1))
    scheduler = make_scheduler(stage, optimizer, steps_per_epoch, epochs_before)
    rates = []
    for _ in range(stage.epochs * steps_per_epoch):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_the_rate_is_halved_every_three_epochs_of_the_run() -> None:
    stage = StageConfig(epochs=4, optimizer="adam", learning_rate=1e-3, schedule="step", step_epochs=3)
    assert _rates(stage, 2) == pytest.approx([1e-3] * 6 + [5e-4] * 2)
    # After ten epochs of another stage: epochs 10 and 11 are in the fourth third, 12 and 13 in the fifth.
    assert _rates(stage, 2, epochs_before=10) == pytest.approx([1.25e-4] * 4 + [6.25e-5] * 4)


def test_cosine_with_warmup() -> None:
    rates = _rates(StageConfig(epochs=10, learning_rate=1.0, schedule="cosine", warmup=0.2), 1)
    assert rates[:3] == pytest.approx([0.0, 0.5, 1.0])
    np.testing.assert_allclose(rates[2:], [0.5 * (1 + np.cos(np.pi * step / 8)) for step in range(8)])


def test_biases_do_not_decay_and_frozen_parameters_are_left_out() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    model[0].requires_grad_(False)
    for kind, wanted in {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}.items():
        optimizer = make_optimizer(StageConfig(epochs=1, optimizer=kind, weight_decay=0.1), model)
        assert type(optimizer) is wanted
        decayed, plain = optimizer.param_groups
        assert decayed["params"] == [model[1].weight]
        assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)
        assert plain["params"] == [model[1].bias]


def test_the_penalty_is_half_the_squared_weights() -> None:
    model = nn.Linear(2, 1)
    model.weight.data.copy_(torch.tensor([[3.0, 4.0]]))
    assert float(l2_penalty(StageConfig(epochs=1, weight_decay=0.1), model)) == pytest.approx(0.05 * 25)


class Fixed(nn.Module):
    """Stands for a model: gives scores, and a loss of its own where it gets labels."""

    def forward(self, features: torch.Tensor, labels: Any = None, annotation_counts: Any = None) -> Any:
        loss = None if labels is None else torch.tensor(7.0)
        return type("Output", (), {"scores": features, "loss": loss})()


def test_losses_are_the_models_own_or_those_of_the_package() -> None:
    scores, labels = torch.tensor([[0.5], [0.9]]), torch.tensor([[0.6], [0.7]])
    batch = {"features": scores, "labels": labels}
    assert float(Criterion({"type": "model"})(Fixed(), batch)) == 7.0
    assert float(Criterion({"type": "l1"})(Fixed(), batch)) == pytest.approx(0.15)
    assert float(Criterion({"type": "mse"})(Fixed(), batch)) == pytest.approx(0.025)
    with pytest.raises(InputError, match="sorters"):
        Criterion({"type": "sodeep", "sorters": "exact"})


def test_the_best_epoch() -> None:
    nan = float("nan")
    looked = [
        {"epoch": 1, "short_term": nan, "long_term": 0.9},
        {"epoch": 2, "short_term": 0.5, "long_term": 0.1},
        {"epoch": 3, "short_term": 0.5, "long_term": 0.3},
        {"epoch": 4, "short_term": 0.4, "long_term": 0.4},
    ]
    assert [best_epoch(looked, keep) for keep in ("short_term", "long_term", "mean")] == [2, 1, 3]
    assert best_epoch([], "mean") is None
