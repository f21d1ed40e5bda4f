"""What the builders of the three data sets share: where the copy is, its state, batches and the video column."""

import hashlib
import importlib
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import datasets
import pyarrow as pa
from datasets.exceptions import DatasetGenerationError

from videomem_hf.schema import InputError

MAX_BATCH_ROWS: Final = 256
MIN_BATCHES: Final = 8

PATH_TYPE: Final = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""How `datasets` stores a video or an image; `bytes` is null for a file referred to by its path."""

T = TypeVar("T")


class GenerationInputError(InputError, DatasetGenerationError):
    """Bad input found while rows are generated: being `datasets`' own kind of error, it reaches the user as it is."""


def data_dir_or_variable(dataset: str, data_dir: str | None, variable: str) -> str:
    """Give the folder of a user's copy: `data_dir`, or what an environment variable names.

    Raises:
        InputError: Neither is given.
    """
    found = data_dir or os.environ.get(variable)
    if not found:
        raise InputError(
            f"{dataset} is not downloaded, its licence does not allow that: give data_dir=, the folder of your own "
            f"copy, or set {variable}."
        )
    return found


def code_hash() -> str:
    """Hash the code that reads releases: a new version of it does not use what an older one cached."""
    state = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


def files_state(paths: Iterable[Path], folders: Iterable[Path] = ()) -> bytes:
    """Digest name, size and time of some files, and of every file in some folders: another digest, another content.

    Raises:
        InputError: A file that is not there or cannot be looked at.
    """
    state = hashlib.sha256()

    def add(path: str, status: os.stat_result) -> None:
        state.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))

    try:
        for path in sorted(paths):
            add(str(path), path.stat())
        for folder in sorted(folders):
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if not entry.is_dir():
                        add(entry.path, entry.stat())
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}); check the path.") from None
    return state.digest()


def batches(records: Sequence[T]) -> list[list[T]]:
    """Cut records into batches, small enough for memory and several of them for parallel workers."""
    rows = max(1, min(MAX_BATCH_ROWS, -(-len(records) // MIN_BATCHES)))
    return [list(records[start : start + rows]) for start in range(0, len(records), rows)]


def video_feature() -> Any:
    """Give the type of the video column: decoded where this installation can, else the path alone.

    Decoding by `datasets` needs torchcodec and FFmpeg's shared libraries; the path can be decoded with PyAV.
    """
    return datasets.Video() if _has_torchcodec() else datasets.Video(decode=False)


def _has_torchcodec() -> bool:
    if int(datasets.__version__.split(".")[0]) < 4:  # decoded with other libraries
        return False
    try:
        importlib.import_module("torchcodec")
    except (ImportError, RuntimeError, OSError):  # torchcodec raises RuntimeError where it does not find FFmpeg
        return False
    return True


def video_column(paths: Sequence[Path | None]) -> pa.Array:
    """Refer to video or image files by their paths; null where there is none."""
    return pa.array([None if path is None else {"bytes": None, "path": str(path)} for path in paths], PATH_TYPE)


def warn_of_missing(column: str, missing: Sequence[str], expected: int) -> None:
    """Warn once of the rows, or frames, that will be null because the copy has no file for them."""
    if missing:
        warnings.warn(
            f"{len(missing)} of {expected} files for the column '{column}' are not in this copy (first: {missing[0]}); "
            "their entries are null.",
            stacklevel=3,
        )
