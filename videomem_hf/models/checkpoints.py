"""Reading published checkpoints safely, and loading them strictly."""

import argparse
import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from transformers import PreTrainedModel
from transformers.video_processing_utils import BaseVideoProcessor

Tensors = dict[str, torch.Tensor]

WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Where training scripts put the weights in the dictionary that they save."""

_NUMBER = np.float64(0).__reduce__()[0]
_HARMLESS: list[Any] = [
    argparse.Namespace,  # a script's options
    np.dtype,
    *(type(np.dtype(name)) for name in ("float32", "float64", "int32", "int64")),
    # a single number, under its names in NumPy 1 and 2
    (_NUMBER, "numpy.core.multiarray.scalar"),
    (_NUMBER, "numpy._core.multiarray.scalar"),
]
"""What published checkpoints hold beside tensors and plain Python values: bags of values and numbers, no code."""

_SHOWN = 5


class CheckpointError(ValueError):
    """A file that cannot be used as a checkpoint; the message says what was found and what is expected."""


def read_tensors(path: Path, keep_prefix: bool = False) -> Tensors:
    """Read named tensors: safetensors, or a file of `torch.save` as far as it holds plain data (no code is run).

    The outer dictionary that a training script may put around the weights is taken off, and so is the prefix `module.`
    that `DataParallel` gives to all names, unless it is to be kept.

    Raises:
        CheckpointError: There is no such file, it is damaged, holds objects that need code, or no tensors.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    content = _read_safetensors(path) if _is_safetensors(path) else _read_torch(path)
    if isinstance(content, dict):
        content = next((content[name] for name in WRAPPERS if isinstance(content.get(name), dict)), content)
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, not weights by name")
    if others := [str(name) for name, value in content.items() if not isinstance(value, torch.Tensor)]:
        raise CheckpointError(f"{path}: not only weights by name; {_list(others)} is something else")
    has_prefix = all(name.startswith("module.") for name in content)
    return rename(content, {"module.": ""}) if has_prefix and not keep_prefix else content


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
        CheckpointError: A name is missing, left over, or has another shape; it is named.
    """
    own = model.state_dict()
    # Checkpoints from before PyTorch 0.4.1 have no such counters; only training with a cumulative average reads them.
    expected = {n for n in own if not n.startswith(tuple(new)) and not n.endswith("num_batches_tracked")}
    shapes = [n for n in sorted(own.keys() & tensors.keys()) if own[n].shape != tensors[n].shape]
    found = {
        "missing": sorted(expected - tensors.keys()),
        "not known": sorted(tensors.keys() - own.keys()),
        "of another shape": [f"{n} {tuple(tensors[n].shape)} instead of {tuple(own[n].shape)}" for n in shapes],
    }
    if any(found.values()):
        problems = "; ".join(f"{kind}: {_list(names)}" for kind, names in found.items() if names)
        raise CheckpointError(f"{path}: does not fit {type(model).__name__}; {problems}")
    model.load_state_dict(tensors, strict=False)


def take(tensors: Tensors, path: Path, *names: str) -> list[torch.Size]:
    """Shapes of tensors that tell a network's sizes; raises a CheckpointError if one is missing."""
    if missing := [name for name in names if name not in tensors]:
        raise CheckpointError(f"{path}: this kind of checkpoint has {_list(missing)}, found {_list(sorted(tensors))}")
    return [tensors[name].shape for name in names]


def count(tensors: Tensors, pattern: str) -> int:
    """How many different numbers the pattern's one group takes in the names: the number of a network's blocks."""
    return len({match[1] for name in tensors if (match := re.match(pattern, name))})


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or head[8:9] == b"{"


def _read_safetensors(path: Path) -> Tensors:
    try:
        return load_file(path)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path}: a damaged safetensors file ({error})") from None


def _read_torch(path: Path) -> object:
    try:
        with torch.serialization.safe_globals(_HARMLESS), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # on the age of the file's format
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"objects that need code ({found[1]})" if found else "objects that need code, or is damaged"
        raise CheckpointError(
            f"{path}: holds {what} and is refused; where it comes from, save only the weights: "
            "torch.save(model.state_dict(), FILE)"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        cause = str(error).strip().split("\n")[0] or "it ends too early"
        raise CheckpointError(f"{path}: not a checkpoint that torch can read ({cause})") from None


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


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
