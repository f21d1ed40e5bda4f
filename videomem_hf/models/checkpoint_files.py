"""Reading the files of published checkpoints safely: whatever wraps the weights is taken off, and no code is run."""

import argparse
import glob
import json
import pickle
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

Tensors = dict[str, torch.Tensor]

WRAPPERS: Final = (
    "state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "module", "state_dict_ema",
    "model_ema", "ema_state_dict", "ema", "params_ema", "teacher",
)  # fmt: skip
"""Where training scripts put the weights in the dictionary that they save, one in another also; those that were trained
come before their moving average."""
PREFIXES: Final = ("module.", "model.", "net.", "network.", "backbone.", "_orig_mod.", "_fsdp_wrapped_module.")
"""What wrappers of a network put before all names: `DataParallel`, Lightning modules, `torch.compile` and others."""
_FOLDER_FILES: Final = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
)  # fmt: skip
_INDEX: Final = ".index.json"
_SHARD: Final = re.compile(r"-\d{5}-of-(\d{5})(?=\.\w+$)")
_COUNTERS: Final = ("n_averaged",)
"""Beside the weights in what `torch.optim.swa_utils.AveragedModel` saves."""

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

_BEGINNINGS: Final = {
    b"\x89HDF": "an HDF5 file, as Keras writes",
    b"GGUF": "a GGUF file",
    b"\x93NUMPY": "a NumPy array",
    b"version https://git-lfs": "a pointer of Git LFS; fetch the file that it stands for: git lfs pull",
    b"<!DOCTYPE": "a web page; download the file itself",
    b"<html": "a web page; download the file itself",
    b"\x1f\x8b": "a gzip archive; unpack it first",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
}
_ENDINGS: Final = {
    ".onnx": "an ONNX graph", ".caffemodel": "a Caffe model", ".h5": "a Keras model", ".keras": "a Keras model",
    ".pb": "a TensorFlow graph", ".tflite": "a TensorFlow Lite graph", ".t7": "a file of Lua Torch",
    ".mat": "a MATLAB file", ".msgpack": "a Flax checkpoint", ".index": "a TensorFlow checkpoint",
}  # fmt: skip
_ELSEWHERE: Final = "save the weights as safetensors, or with torch.save(model.state_dict(), FILE)"
_SHOWN = 5
_BLOCK: Final = 1 << 20


class CheckpointError(ValueError):
    """A file that cannot be used as a checkpoint; the message says what was found and what is expected."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights by name, and the `prefixes` that were taken off all names, the outermost first."""

    tensors: Tensors
    prefixes: tuple[str, ...] = ()


def read_tensors(path: Path) -> Tensors:
    """Read named tensors; see `read_checkpoint`."""
    return read_checkpoint(path).tensors


def read_checkpoint(path: Path) -> Checkpoint:
    """Read named tensors: safetensors, or a file of `torch.save` as far as it holds plain data (no code is run).

    A checkpoint in parts is read from its index, from any part beside the others, or from its folder. The dictionaries
    that training scripts put around the weights are taken off, and so are `PREFIXES` that all names share.

    Raises:
        CheckpointError: There is no such file, it is damaged, of another format, holds objects that need code, or no
            tensors; or a part is missing.
    """
    tensors: Tensors = {}
    for part in _parts(path):
        tensors |= _named_tensors(part)
    prefixes = []
    while shared := next((each for each in PREFIXES if _share(tensors, each)), None):
        tensors = {name.removeprefix(shared): value for name, value in tensors.items() if name not in _COUNTERS}
        prefixes.append(shared)
    return Checkpoint(tensors, tuple(prefixes))


def list_names(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _share(tensors: Tensors, prefix: str) -> bool:
    named = [name for name in tensors if name not in _COUNTERS]
    return bool(named) and all(name.startswith(prefix) for name in named)


def _parts(path: Path) -> Iterator[Path]:
    """The files of a checkpoint: itself, or its parts."""
    if path.is_dir():
        found = next((path / name for name in _FOLDER_FILES if (path / name).is_file()), None)
        if found is None:
            raise CheckpointError(f"{path}: a folder without weights; it needs one of {', '.join(_FOLDER_FILES)}")
        yield from _parts(found)
    elif not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    elif path.name.endswith(_INDEX):
        yield from _parts_of_index(path)
    elif shard := _SHARD.search(path.name):
        pattern = _SHARD.sub(f"-[0-9][0-9][0-9][0-9][0-9]-of-{shard[1]}", glob.escape(path.name))
        beside = sorted(path.parent.glob(pattern))
        if len(beside) != int(shard[1]):
            raise CheckpointError(
                f"{path}: is one of {int(shard[1])} parts, and {len(beside)} lie here; put all into one folder"
            )
        yield from beside
    else:
        yield path


def _parts_of_index(path: Path) -> Iterator[Path]:
    try:
        names = sorted({str(name) for name in json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()})
    except (ValueError, KeyError, AttributeError, TypeError):
        raise CheckpointError(f"{path}: is no index of a checkpoint in parts, which has a weight_map") from None
    for name in names:
        part = path.parent / name
        if Path(name).name != name or not part.is_file():
            raise CheckpointError(f"{path}: names the part {name}, which does not lie beside it; put it there")
        yield part


def _named_tensors(path: Path) -> Tensors:
    content = _read_safetensors(path) if _is_safetensors(path) else _read_torch(path)
    while isinstance(content, dict):
        inner = next((content[name] for name in WRAPPERS if isinstance(content.get(name), dict)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, not weights by name; {_ELSEWHERE}")
    if {"state", "param_groups"} <= content.keys():
        raise CheckpointError(f"{path}: is the state of an optimizer, without the weights; {_ELSEWHERE}")
    if not any(isinstance(value, torch.Tensor) for value in content.values()):
        held = f"{list_names([str(name) for name in content])}, and no weights" if content else "no weights"
        raise CheckpointError(f"{path}: holds {held}; {_ELSEWHERE}")
    if any(".lora_" in str(name) for name in content):
        raise CheckpointError(
            f"{path}: is an adapter of PEFT, without the network that it adapts; load both, and save what "
            "merge_and_unload() gives"
        )
    if others := [str(name) for name, value in content.items() if not isinstance(value, torch.Tensor)]:
        raise CheckpointError(f"{path}: not only weights by name; {list_names(others)} is something else")
    if unnamed := [repr(name) for name in content if not isinstance(name, str)]:
        raise CheckpointError(f"{path}: weights are named by text, here {list_names(unnamed)} stands for a name")
    return content


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return path.suffix == ".safetensors" or head[8:9] == b"{"


def _read_safetensors(path: Path) -> Tensors:
    try:
        _refuse_other_formats(path)
        return load_file(path)
    except (SafetensorError, json.JSONDecodeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"{path}: a damaged safetensors file ({error})") from None


def _read_torch(path: Path) -> object:
    try:
        _refuse_other_formats(path)
        if zipfile.is_zipfile(path):
            _compare_checksums(path)
        with torch.serialization.safe_globals(_HARMLESS), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # on the age of the file's format
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        if found is None:
            raise CheckpointError(
                f"{path}: is no file of torch.save, or damaged, and is refused; {_ELSEWHERE}"
            ) from None
        raise CheckpointError(
            f"{path}: holds objects that need code ({found[1]}) and is refused; where it comes from, save only the "
            "weights: torch.save(model.state_dict(), FILE)"
        ) from None
    except Exception as error:  # a damaged file raises whatever its bytes lead to
        raise CheckpointError(f"{path}: is no file of torch.save, or damaged, and is refused; {_ELSEWHERE}") from error


def _compare_checksums(path: Path) -> None:
    """Raise a CheckpointError for a file whose content has changed: `torch.load` takes changed weights as they are."""
    with zipfile.ZipFile(path) as archive:
        for record in archive.infolist():
            if record.CRC == 0:  # `torch.save` computes none on request
                continue
            try:
                with archive.open(record) as content:
                    while content.read(_BLOCK):
                        pass
            except (zipfile.BadZipFile, zlib.error, EOFError):
                raise CheckpointError(
                    f"{path}: is damaged, its part {record.filename} has another checksum; fetch it again"
                ) from None


def _refuse_other_formats(path: Path) -> None:
    """Name a file of another format."""
    if not path.stat().st_size:
        raise CheckpointError(f"{path}: is empty; fetch it again")
    with path.open("rb") as file:
        head = file.read(64)
    is_zip = zipfile.is_zipfile(path)
    what = next((text for begin, text in _BEGINNINGS.items() if head.lower().startswith(begin.lower())), None)
    if what is None and is_zip:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(name.endswith("constants.pkl") for name in names):
            raise CheckpointError(
                f"{path}: is a TorchScript program and is refused, as it holds code; where you trust it, save its "
                "weights: torch.save(torch.jit.load(FILE).state_dict(), OUT)"
            )
        if not any(name.endswith("data.pkl") for name in names):
            what = _ENDINGS.get(path.suffix.lower(), f"an archive of {list_names(names)}; unpack it first")
    if what is None and not is_zip:
        what = _ENDINGS.get(path.suffix.lower())
    if what is not None:
        raise CheckpointError(f"{path}: is {what}" + ("" if ";" in what else f"; where it comes from, {_ELSEWHERE}"))
