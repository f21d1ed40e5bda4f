"""Families of random sequences: those that sorters are trained on, and others to evaluate them on.

Each function gives `(batch, length)` from a generator, in float32.
"""

from collections.abc import Callable
from typing import Final

import torch

Family = Callable[[int, int, torch.Generator], torch.Tensor]


def uniform(batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    return 2 * torch.rand(batch, length, generator=generator) - 1


def normal(batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(batch, length, generator=generator)


def ramp(batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Even steps up or down between two random ends in [-1, 1]."""
    first, last = uniform(batch, 2, generator).split(1, dim=-1)
    return first + (last - first) * torch.linspace(0, 1, length)


def shuffled_ramp(batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    order = torch.rand(batch, length, generator=generator).argsort(dim=-1)
    return ramp(batch, length, generator).gather(-1, order)


def two_parts(batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Two of the families above, one up to a random cut and the other from there."""
    parts = (uniform, normal, ramp, shuffled_ramp)
    cut = torch.randint(0, length + 1, (batch, 1), generator=generator)
    halves = (_draw(parts, batch, length, generator) for _ in range(2))
    return torch.where(torch.arange(length) < cut, next(halves), next(halves))


def fixed_ramp(batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """-1 to 1 in even steps, always the same."""
    return torch.linspace(-1, 1, length).expand(batch, -1)


def log_normal(batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Skewed: a long tail of high values."""
    return normal(batch, length, generator).exp()


def heavy_tailed(batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Student's t with 2 degrees of freedom: outliers on both sides."""
    halved_chi_square = -torch.log1p(-torch.rand(batch, length, generator=generator))
    return normal(batch, length, generator) / halved_chi_square.sqrt()


def two_clusters(batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Two narrow groups of about equal size, far apart."""
    side = torch.randint(0, 2, (batch, length), generator=generator) * 2 - 1
    return side + 0.1 * normal(batch, length, generator)


def clip_scores(batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Like a predictor's scores for clips: most are high, some far lower, within (0, 1) by a logistic curve."""
    return torch.sigmoid(1.8 + 0.9 * normal(batch, length, generator))


def ten_annotations(batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Like long-term scores: k of 10 annotations, so that most items are tied."""
    chance = clip_scores(batch, length, generator)
    hits = torch.rand(batch, length, 10, generator=generator) < chance[..., None]
    return hits.float().mean(dim=-1)


TRAINING_FAMILIES: Final[dict[str, Family]] = {
    family.__name__: family for family in (uniform, normal, ramp, shuffled_ramp, two_parts, fixed_ramp)
}
"""SoDeep's families."""

HELD_OUT_FAMILIES: Final[dict[str, Family]] = {
    family.__name__: family for family in (log_normal, heavy_tailed, two_clusters, clip_scores, ten_annotations)
}
"""Not SoDeep's; no sorter is trained on them."""


def training_batch(batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Sequences of SoDeep's families, each row's family drawn uniformly: `(batch, length)`."""
    return _draw(tuple(TRAINING_FAMILIES.values()), batch, length, generator)


def _draw(families: tuple[Family, ...], batch: int, length: int, generator: torch.Generator) -> torch.Tensor:
    family = torch.randint(0, len(families), (batch,), generator=generator)
    rows = torch.empty(batch, length)
    for index, draw in enumerate(families):
        chosen = family == index
        rows[chosen] = draw(int(chosen.sum()), length, generator)
    return rows
