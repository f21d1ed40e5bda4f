"""Ranks and comparisons of sequences, batched.

The convention is SoDeep's: descending, divided by the number of items, so that the best of n has 1/n and the worst 1;
ties share their average.
"""

from typing import Final

import torch

SPREAD_FLOOR: Final = 1e-4
"""Standard deviation below which a sequence counts as this wide: equal scores then have bounded gradients."""


def ranks(values: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Rank the items of each sequence; no gradient.

    Args:
        values: `(..., items)`, finite where labelled.
        mask: The same shape, boolean; False for an item to leave out of the order.

    Returns:
        `(..., items)` in (0, 1], descending, ties by average; 0 where `mask` is False. In the type of `values`, at
        least float32.
    """
    mask = torch.ones_like(values, dtype=torch.bool) if mask is None else mask
    keys = (-values.detach()).masked_fill(~mask, torch.inf).contiguous()
    ordered = keys.sort(dim=-1).values
    above = torch.searchsorted(ordered, keys)
    not_below = torch.searchsorted(ordered, keys, right=True)
    positions = (above + not_below + 1).to(torch.promote_types(values.dtype, torch.float32)) / 2
    return (positions / mask.sum(dim=-1, keepdim=True).clamp_min(1)).masked_fill(~mask, 0.0)


def standardize(values: torch.Tensor, mask: torch.Tensor, *, detach_scale: bool = False) -> torch.Tensor:
    """Bring each sequence `(..., items)` to mean 0 and standard deviation 1 over its labelled items; 0 elsewhere.

    `detach_scale` takes the standard deviation as a constant in the gradient.
    """
    count = mask.sum(dim=-1, keepdim=True).clamp_min(1)
    mean = values.masked_fill(~mask, 0.0).sum(dim=-1, keepdim=True) / count
    centred = (values - mean).masked_fill(~mask, 0.0)
    variance = centred.square().sum(dim=-1, keepdim=True) / count
    if detach_scale:
        variance = variance.detach()
    return centred / variance.clamp_min(SPREAD_FLOOR**2).sqrt()


def nearly_equal(standardized: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Whether `standardize` took `SPREAD_FLOOR` as the standard deviation of each sequence: `(..., 1)` boolean."""
    # Otherwise the squares of the labelled items sum to their number.
    return standardized.detach().square().sum(dim=-1, keepdim=True) < 0.99 * mask.sum(dim=-1, keepdim=True)


def comparison_ranks(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Soft ranks of `(..., items)`: an item's rank is the sum of sigmoids of its differences to all others.

    The larger the differences, the closer to hard ranks. In (0, 1], descending; 0 where `mask` is False.
    """
    others = values.masked_fill(~mask, -torch.inf)  # beat nobody
    beaten_by = torch.sigmoid(others[..., None, :] - values[..., :, None]).sum(dim=-1)  # (..., item, other)
    # An item "beats itself" by sigmoid(0) = 1/2; another half makes ranks count from 1.
    return ((beaten_by + 0.5) / mask.sum(dim=-1, keepdim=True).clamp_min(1)).masked_fill(~mask, 0.0)
