"""Losses of a model's `(batch, horizons)`, on one process and on two."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from videomem_hf.losses import HorizonLoss, build_loss

TWO_PROCESSES = """
import sys, torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from videomem_hf.losses import HorizonLoss, build_loss
distributed.init_process_group("gloo")
rank = distributed.get_rank()
inputs, labels, counts = torch.load(sys.argv[1])
mine = slice(4 * rank, 4 * rank + 4)
for name, options in {"mse": {}, "sodeep": {}, "pairwise": {}, "soft_rank": {}, "binomial": {}}.items():
    torch.manual_seed(0)
    model = DistributedDataParallel(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Sigmoid()))
    loss = HorizonLoss(build_loss(name, **options))(model(inputs[mine]), labels[mine], counts[mine])
    loss.backward()
    gradient = torch.cat([each.grad.flatten() for each in model.parameters()])
    torch.save((loss.detach(), gradient), f"{sys.argv[2]}/{name}-{rank}.pt")
distributed.destroy_process_group()
"""


def _batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.rand(8, 2, generator=generator)
    labels[[1, 2, 3], 1] = torch.nan  # the first process has one long-term score, the second four
    return torch.randn(8, 3, generator=generator), labels, torch.full((8, 2), 9.0)


def test_each_horizon_is_a_sequence() -> None:
    _, labels, _ = _batch()
    scores = torch.rand(8, 2, generator=torch.Generator().manual_seed(1))
    for name in ("sodeep", "soft_rank", "pairwise"):
        loss = build_loss(name)
        assert torch.equal(HorizonLoss(loss)(scores, labels), loss(scores.T, labels.T))
        assert not torch.allclose(HorizonLoss(loss)(scores, labels), loss(scores, labels))


def test_counts_reach_the_likelihood_and_no_other_loss() -> None:
    _, labels, counts = _batch()
    scores = torch.full((8, 2), 0.7)
    binomial = HorizonLoss(build_loss("binomial"))
    counts[0] = 90.0
    assert binomial(scores, labels, counts) != binomial(scores, labels, torch.full_like(counts, 9.0))
    with pytest.raises(ValueError, match="needs annotation_counts"):
        binomial(scores, labels)
    assert HorizonLoss(build_loss("mse"))(scores, labels, counts) == HorizonLoss(build_loss("mse"))(scores, labels)


def test_two_processes_have_the_loss_and_the_gradient_of_one(tmp_path: Path) -> None:
    inputs, labels, counts = _batch()
    torch.save((inputs, labels, counts), tmp_path / "batch.pt")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = []
    for rank in range(2):
        environment = os.environ | {
            "RANK": str(rank),
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        command = [sys.executable, "-c", TWO_PROCESSES, str(tmp_path / "batch.pt"), str(tmp_path)]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    for name in ("mse", "sodeep", "pairwise", "soft_rank", "binomial"):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Sigmoid())
        loss = HorizonLoss(build_loss(name))(model(inputs), labels, counts)
        loss.backward()
        gradient = torch.cat([each.grad.flatten() for each in model.parameters()])  # type: ignore[union-attr]
        assert gradient.abs().max() > 0
        for rank in range(2):
            value, gathered = torch.load(tmp_path / f"{name}-{rank}.pt")
            torch.testing.assert_close(value, loss.detach())
            torch.testing.assert_close(gathered, gradient)
