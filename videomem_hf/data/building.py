"""What the builders of the three data sets share on the side of `datasets`."""

import hashlib
import importlib
from pathlib import Path
from typing import Any

import datasets
from datasets.exceptions import DatasetGenerationError

from videomem_hf.schema import InputError


class GenerationInputError(InputError, DatasetGenerationError):
    """Bad input found while rows are generated: being `datasets`' own kind of error, it reaches the user as it is."""


class CopyBuilder(datasets.ArrowBasedBuilder):
    """Builds a data set from a user's own copy of it."""

    DATASET_NAME: str

    def __init__(self, *args: Any, dataset_name: str | None = None, hash: str | None = None, **kwargs: Any) -> None:
        # With no hash in its path, preparing this builder would delete what `load_dataset` has cached of the same data.
        super().__init__(*args, dataset_name=dataset_name or self.DATASET_NAME, hash=hash or code_hash(), **kwargs)


def code_hash() -> str:
    """Hash the code that reads releases: a new version of it does not use what an older one cached."""
    state = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        state.update(path.read_bytes())
    return state.hexdigest()[:16]


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
