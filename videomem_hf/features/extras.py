"""Libraries and weights that only some features need: where one is missing, the error says how to install it."""

import importlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from huggingface_hub import constants

from videomem_hf.schema import InputError

_EXTRAS: Final = {
    "cv2": ("OpenCV", "features"),
    "skimage": ("scikit-image", "features"),
    "timm": ("timm", "timm"),
    "sentence_transformers": ("sentence-transformers", "titles"),
}


def library(module: str, feature: str) -> ModuleType:
    """Import a library of an extra, or a submodule such as `skimage.transform`, for a feature.

    Raises an InputError with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        title, extra = _EXTRAS[module.partition(".")[0]]
        raise InputError(
            f"{feature} needs {title}, which cannot be imported ({error}): pip install 'videomem_hf[{extra}]'"
        ) from None


@cache
def numba_kernels() -> ModuleType | None:
    """Import `videomem_hf.features.compiled`; None without numba, where NumPy does the same more slowly."""
    try:
        return importlib.import_module("videomem_hf.features.compiled")
    except (ImportError, RuntimeError):  # numba raises RuntimeError where it finds no folder to keep the code in
        return None


def model_files(name: str) -> list[Any]:
    """What tells a model from a later one of its name: its files on disk, or its commit in the Hub cache."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        owner = "" if "/" in name else "sentence-transformers/"
        main = Path(constants.HF_HUB_CACHE) / f"models--{owner}{name}".replace("/", "--") / "refs" / "main"
        return [main.read_text()] if main.is_file() else []
    files = [(path, path.stat()) for path in sorted(folder.resolve().rglob("*")) if path.is_file()]
    return [[str(path), status.st_size, status.st_mtime_ns] for path, status in files]


def load_weights(model: Any, path: str | None, published: Callable[[], Any], feature: str, remedy: str) -> None:
    """Fill a torchvision network with weights.

    Args:
        model: The network.
        path: safetensors or a PyTorch file without code; None for the published weights.
        published: Returns those, from torchvision's folder or by download.
        feature: What needs them, for the message, as is `remedy`.
        remedy: What to do where they can be neither found nor downloaded.

    Raises:
        InputError: The file does not fit, or there is none.
    """
    if path is None:
        try:
            model.load_state_dict(published())
        except OSError as error:  # no network: urllib's error is one
            raise InputError(f"{feature} needs weights that cannot be downloaded ({error}); {remedy}") from None
        return
    from videomem_hf.models.checkpoint_files import CheckpointError, read_tensors
    from videomem_hf.models.checkpoints import load_strictly

    try:
        load_strictly(model, read_tensors(Path(path)), Path(path))
    except CheckpointError as error:
        raise InputError(str(error)) from None
