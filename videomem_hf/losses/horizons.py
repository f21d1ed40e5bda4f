"""From a model's scores of two horizons, on several processes, to the sequences that losses take."""

import torch
from torch import distributed, nn

from videomem_hf.losses.base import MemorabilityLoss


class HorizonLoss(nn.Module):
    """A loss of a model's `(batch, horizons)`: each horizon is a sequence whose clips are ranked against each other.

    On several processes the loss is that of the whole global batch, on each of them: scores are gathered, and the
    gradient is scaled so that the mean over processes, which data-parallel training takes, is the whole gradient.
    """

    def __init__(self, loss: MemorabilityLoss) -> None:
        super().__init__()
        self.loss = loss

    def forward(
        self, scores: torch.Tensor, labels: torch.Tensor, annotation_counts: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Compute the loss over all clips of all processes, whose batches have one size.

        Args:
            scores: `(batch, horizons)`.
            labels: The same shape; NaN for an unknown score.
            annotation_counts: The same shape; NaN where unknown. Needed by the binomial likelihood, else ignored.
        """
        rows, targets = (gather_batch(values).T for values in (scores, labels))
        if not self.loss.needs_counts:
            return self.loss(rows, targets)
        if annotation_counts is None:
            raise ValueError("this loss needs annotation_counts, the annotations behind each label")
        return self.loss(rows, targets, counts=gather_batch(annotation_counts).T)


def gather_batch(values: torch.Tensor) -> torch.Tensor:
    """The global batch, `(processes * batch, ...)`, of which every process must compute the same.

    The gradient of this process's part is multiplied by the number of processes.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return values
    return _Gather.apply(values)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, values: torch.Tensor) -> torch.Tensor:
        parts = [torch.empty_like(values) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, values.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: torch.Tensor) -> torch.Tensor:
        # Every process holds the same gradient of the same loss: nothing needs to be communicated.
        processes = distributed.get_world_size()
        return gradient.chunk(processes)[distributed.get_rank()] * processes
