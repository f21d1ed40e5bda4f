"""Loading published checkpoints strictly: every name must match."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

from .checkpoint_files import CheckpointError, Tensors, list_names
from .configuration_memorability import MemorabilityConfig

HORIZONS: Final = tuple(MemorabilityConfig().horizons)
"""What the new head of a backbone predicts unless others are named."""
UNTRAINED: Final = "What learns memorability ({}) starts untrained: train the model before you use its scores."


def rename(tensors: Tensors, beginnings: Mapping[str, str]) -> Tensors:
    """Replace the beginnings of names by a table; other names stay."""
    pattern = re.compile(f"^({'|'.join(map(re.escape, beginnings))})")
    return {pattern.sub(lambda found: beginnings[found[0]], name): tensor for name, tensor in tensors.items()}


def drop(tensors: Tensors, *beginnings: str) -> Tensors:
    """Leave out tensors by the beginnings of their names."""
    return {name: tensor for name, tensor in tensors.items() if not name.startswith(beginnings)}


def load_strictly(model: nn.Module, tensors: Tensors, path: Path, new: Iterable[str] = ()) -> None:
    """Load weights into a model; every name must match, in both directions.

    Args:
        path: Is named in messages.
        new: Beginnings of the model's names that the checkpoint lacks; they keep their start values.

    Raises:
        CheckpointError: A name is missing, left over, or has another shape or no plain numbers; it is named.
    """
    own = model.state_dict()
    # Checkpoints from before PyTorch 0.4.1 have no such counters; only training with a cumulative average reads them.
    expected = {n for n in own if not n.startswith(tuple(new)) and not n.endswith("num_batches_tracked")}
    shapes = [n for n in sorted(own.keys() & tensors.keys()) if own[n].shape != tensors[n].shape]
    faults = {n: _fault(own[n], tensors[n]) for n in sorted(own.keys() & tensors.keys())}
    found = {
        "missing": sorted(expected - tensors.keys()),
        "not known": sorted(tensors.keys() - own.keys()),
        "of another shape": [f"{n} {tuple(tensors[n].shape)} instead of {tuple(own[n].shape)}" for n in shapes],
        "not usable": [f"{n} ({fault})" for n, fault in faults.items() if fault],
    }
    if any(found.values()):
        problems = "; ".join(f"{kind}: {list_names(names)}" for kind, names in found.items() if names)
        raise CheckpointError(f"{path}: does not fit {type(model).__name__}; {problems}")
    model.load_state_dict(tensors, strict=False)


def _fault(own: torch.Tensor, given: torch.Tensor) -> str | None:
    """Why a tensor cannot take the place of the model's: copied into it, these become other numbers, or none."""
    if given.is_meta:
        return "saved without its numbers"
    if given.layout != torch.strided:
        return "a sparse tensor"
    if not own.is_floating_point():
        return None
    if not given.is_floating_point():
        return f"{str(given.dtype).removeprefix('torch.')}, not floating-point numbers"
    return "with NaN" if bool(given.isnan().any()) else None


def take(tensors: Tensors, path: Path, *names: str) -> list[torch.Size]:
    """Shapes of tensors that tell a network's sizes; raises a CheckpointError if one is missing."""
    if missing := [name for name in names if name not in tensors]:
        found = list_names(sorted(tensors))
        raise CheckpointError(f"{path}: this kind of checkpoint has {list_names(missing)}, found {found}")
    return [tensors[name].shape for name in names]


def count(tensors: Tensors, pattern: str) -> int:
    """How many different numbers the pattern's one group takes in the names: the number of a network's blocks."""
    return len({match[1] for name in tensors if (match := re.match(pattern, name))})


@dataclass(frozen=True)
class Converted:
    """What a checkpoint became: a model in evaluation mode, and its sampling and preprocessing.

    `notes` say what was left out of the checkpoint and what of the model starts untrained, a sentence each.
    """

    model: PreTrainedModel
    processor: BaseVideoProcessor
    notes: tuple[str, ...] = ()


def fill(
    model: PreTrainedModel,
    tensors: Tensors,
    path: Path,
    processor: BaseVideoProcessor,
    notes: Iterable[str] = (),
    new: Iterable[str] = (),
) -> Converted:
    """Load a checkpoint's weights into a new model; arguments and errors as of `load_strictly` and `Converted`."""
    load_strictly(model, tensors, path, new)
    return Converted(model.eval(), processor, tuple(notes))
