"""Gradients of a batch that is computed in parts, to save memory."""

from contextlib import nullcontext
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from videomem_hf.losses import Criterion
from videomem_hf.models.recomputing import keep_batch_statistics

if TYPE_CHECKING:
    from accelerate import Accelerator

Batch = dict[str, torch.Tensor]


def accumulate_gradients(
    accelerator: "Accelerator", model: Any, criterion: Criterion, batch: Batch, count: int
) -> torch.Tensor:
    """Add the gradients of a batch, computed in `count` parts of nearly equal size; returns its loss.

    The model's own loss is a mean over clips. Any other is of the whole batch and takes two passes: the first gives the
    loss and its gradient with respect to each score; the second, with the same random state, takes that to the weights.
    """
    if count == 1:
        loss = criterion(model, batch)
        accelerator.backward(loss)
        return loss.detach().float()
    size = len(batch["labels"])
    edges = np.linspace(0, size, min(count, size) + 1).round().astype(int).tolist()
    parts = [{name: value[low:high] for name, value in batch.items()} for low, high in pairwise(edges)]
    if len(parts) > 1 and criterion.loss is not None:
        return _in_two_passes(accelerator, model, criterion, batch, parts)
    total = torch.zeros((), device=accelerator.device)
    for number, part in enumerate(parts, start=1):
        share = len(part["labels"]) / size
        with nullcontext() if number == len(parts) else accelerator.no_sync(model):
            loss = criterion(model, part)
            accelerator.backward(loss * share)
        total += loss.detach().float() * share
    return total


def _in_two_passes(
    accelerator: "Accelerator", model: Any, criterion: Criterion, batch: Batch, parts: list[Batch]
) -> torch.Tensor:
    devices = [accelerator.device] if accelerator.device.type == "cuda" else []
    with torch.no_grad(), keep_batch_statistics(model), torch.random.fork_rng(devices):
        scores = [criterion.scores(model, part) for part in parts]
    everything = torch.cat(scores).requires_grad_()
    loss = criterion.score_loss(everything, batch)
    (gradient,) = torch.autograd.grad(loss, everything)
    shares = gradient.split([len(each) for each in scores])
    for number, (part, share) in enumerate(zip(parts, shares, strict=True), start=1):
        with nullcontext() if number == len(parts) else accelerator.no_sync(model):
            accelerator.backward((criterion.scores(model, part) * share).sum())
    return loss.detach().float()
