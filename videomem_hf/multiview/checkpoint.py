"""Finished steps of a fit, kept on disk, so that an interrupted run goes on and gives equal results."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from videomem_hf.multiview.kernel_ridge import Solution
from videomem_hf.multiview.kernel_search import Choices
from videomem_hf.schema import InputError
from videomem_hf.system import atomic_write

_FOLDER = "checkpoint-fit"


class FitCheckpoint:
    """The choices and the solved kernel ridge models of a fit; without a folder nothing is kept.

    Args:
        folder: Where files are written, made if missing.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def choices(self, choose: Callable[[], Choices]) -> Choices:
        """The choices of before; else those that `choose` makes."""
        path = self._path("choices.json")
        if path is not None and path.is_file():
            return Choices.from_dict(json.loads(path.read_text(encoding="utf-8")))
        made = choose()
        if path is not None:
            with atomic_write(path) as partial:
                partial.write_text(json.dumps(asdict(made)), encoding="utf-8")
        return made

    def solution(self, name: str, solve: Callable[[], Solution]) -> Solution:
        """The float64 solution of this name of before; else what `solve` gives."""
        from safetensors.torch import load_file, save_file

        path = self._path(f"{name}.safetensors")
        if path is not None and path.is_file():
            return Solution(**load_file(path))
        solution = solve()
        arrays = {"coefficients": solution.coefficients, "held_out": solution.held_out}
        doubled = {key: each.double().contiguous() for key, each in arrays.items()}
        if path is not None:
            with atomic_write(path) as partial:
                save_file(doubled, partial)
        return Solution(**doubled)

    def _path(self, name: str) -> Path | None:
        if self._folder is None:
            return None
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / name


def checkpoint_folder(output: Path) -> Path:
    """Where a run keeps the steps of its fits until it is finished."""
    return output / _FOLDER


def check_same_arrays(folder: Path, arrays: Mapping[str, Any]) -> None:
    """Note a digest of the arrays of a run in its checkpoint's folder, or compare them with those that it began with.

    Raises:
        InputError: The arrays differ.
    """
    digest = hashlib.blake2b()
    for name, values in arrays.items():
        array = np.ascontiguousarray(values)
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.view(np.uint8).data if array.size else b"")
    path = folder / "data.txt"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            partial.write_text(digest.hexdigest(), encoding="utf-8")
    elif path.read_text(encoding="utf-8") != digest.hexdigest():
        raise InputError(f"{folder.parent}: the data have changed since the run was stopped; start again elsewhere")
