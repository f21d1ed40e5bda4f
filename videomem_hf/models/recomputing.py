"""Gradient checkpointing: activations of a backbone's blocks are computed again when their gradients are needed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_FRAMES_AT_ONCE = 8
_checkpoint = torch.compiler.disable(checkpoint)  # which Dynamo traces without contexts and the state of dropout


class Recomputing:
    """Mixed into the class of a block whose activations are not kept; gradients are equal to those without it."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        compute = super().forward  # type: ignore[misc]
        if not torch.is_grad_enabled():
            return compute(*args, **kwargs)

        def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
            return nullcontext(), keep_batch_statistics(self)  # type: ignore[arg-type]

        return _checkpoint(compute, *args, use_reentrant=False, context_fn=contexts, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:  # the class was made here, where pickle does not find it
        return _empty_block, (type(self).__mro__[2],), self.__dict__


def recompute_blocks(model: nn.Module, enable: bool, every: int = 1) -> int:
    """Turn recomputing on for every so many blocks of a network, or off for all; returns how many blocks it has."""
    blocks = list(network_blocks(model))
    for number, block in enumerate(blocks):
        wanted = enable and number % every == 0
        if wanted and not isinstance(block, Recomputing):
            block.__class__ = _recomputing(type(block))  # type: ignore[arg-type]
        elif isinstance(block, Recomputing) and not wanted:
            block.__class__ = type(block).__mro__[2]
    return len(blocks)


def recompute_in_parts(compute: Callable[..., Any], frames: torch.Tensor, *args: Any) -> Any:
    """Compute what a function gives for frames, a few at a time, without keeping its activations.

    `compute` maps frames `(n, ...)` and `args` to a tensor `(n, ...)`, or to a tuple of such tensors and None.
    """
    if not torch.is_grad_enabled():
        return compute(frames, *args)
    parts = [_checkpoint(compute, part, *args, use_reentrant=False) for part in frames.split(_FRAMES_AT_ONCE)]
    if isinstance(parts[0], torch.Tensor):
        return torch.cat(parts)
    return tuple(None if each[0] is None else torch.cat(each) for each in zip(*parts, strict=True))


def has_batch_norm(model: nn.Module) -> bool:
    """Whether a network's output for one item depends on the others in training."""
    return any(isinstance(module, _BATCH_NORMS) for module in model.modules())


def network_blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The blocks of a network: children of a container with at least two layers of parameters, no container itself."""
    for child in module.children():
        layers = sum(1 for each in child.modules() if next(each.parameters(recurse=False), None) is not None)
        if isinstance(module, _CONTAINERS) and not isinstance(child, _CONTAINERS) and layers > 1:
            yield child
        else:
            yield from network_blocks(child)


@cache
def _recomputing(kind: type[nn.Module]) -> type[nn.Module]:
    return type(kind.__name__, (Recomputing, kind), {})


def _empty_block(kind: type[nn.Module]) -> nn.Module:
    block: nn.Module = object.__new__(_recomputing(kind))  # type: ignore[arg-type]
    return block


@contextmanager
def keep_batch_statistics(block: nn.Module) -> Iterator[None]:
    """Keep the running statistics of batch normalisation, for the first or second of two equal computations."""
    norms = [each for each in block.modules() if isinstance(each, _BATCH_NORMS)]
    kept = [(each.momentum, each.num_batches_tracked) for each in norms]
    try:
        for each in norms:
            each.momentum = 0.0
            each.num_batches_tracked = None if each.num_batches_tracked is None else each.num_batches_tracked.clone()
        yield
    finally:
        for each, (momentum, tracked) in zip(norms, kept, strict=True):
            each.momentum, each.num_batches_tracked = momentum, tracked
