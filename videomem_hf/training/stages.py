"""What a stage of training uses: its loss, its optimiser and the course of its learning rate."""

import math

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from videomem_hf.training.config import StageConfig

LBFGS_ITERATIONS = 5
"""Of each step, which is an epoch."""
LBFGS_HISTORY = 10
"""Updates that the Hessian is estimated from, as scipy's default; PyTorch's 100 cost more than the network itself."""


def make_optimizer(stage: StageConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of what the stage trains."""
    parameters = [each for each in model.parameters() if each.requires_grad]
    if stage.optimizer == "lbfgs":
        return torch.optim.LBFGS(
            parameters, max_iter=LBFGS_ITERATIONS, history_size=LBFGS_HISTORY, line_search_fn="strong_wolfe"
        )
    groups = [
        # A decayed bias or normalisation would only pull the scores.
        {"params": [each for each in parameters if each.ndim > 1], "weight_decay": stage.weight_decay},
        {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
    ]
    if stage.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=stage.learning_rate, momentum=stage.momentum)
    kind = torch.optim.AdamW if stage.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, lr=stage.learning_rate)


def make_scheduler(
    stage: StageConfig, optimizer: torch.optim.Optimizer, steps_per_epoch: int, epochs_before: int
) -> LambdaLR:
    """The course of the learning rate, set after every step; `epochs_before`, of earlier stages, count for `step`."""
    steps = stage.epochs * steps_per_epoch
    warmup = round(stage.warmup * steps)

    def factor(step: int) -> float:
        if step < warmup:
            return step / warmup
        if stage.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup))))
        if stage.schedule == "step":
            return stage.step_factor ** ((epochs_before + step // steps_per_epoch) // stage.step_epochs)
        return 1.0

    return LambdaLR(optimizer, factor)


def l2_penalty(stage: StageConfig, model: nn.Module) -> torch.Tensor:
    """Half the weight decay times the squared weights, as a part of the loss: L-BFGS needs the whole function."""
    squares = [each.square().sum() for each in model.parameters() if each.requires_grad and each.ndim > 1]
    return 0.5 * stage.weight_decay * torch.stack(squares).sum()
