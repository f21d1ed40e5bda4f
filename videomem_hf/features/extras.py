"""Libraries and weights that some features need and that not everybody has: one sentence where they are missing."""

import importlib
from functools import cache
from types import ModuleType
from typing import Final

from videomem_hf.schema import InputError

_EXTRAS: Final = {
    "cv2": ("OpenCV", "features"),
    "skimage": ("scikit-image", "features"),
    "timm": ("timm", "timm"),
    "sentence_transformers": ("sentence-transformers", "titles"),
}


def library(module: str, feature: str) -> ModuleType:
    """Import a library of an extra.

    Args:
        module: Its name; a submodule (`skimage.transform`) belongs to the extra of its package.
        feature: What needs it, for the message.

    Raises:
        InputError: It is not installed; names the command.
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
    """Give `videomem_hf.features.compiled`, if numba is installed: without it, NumPy does the same more slowly."""
    try:
        return importlib.import_module("videomem_hf.features.compiled")
    except (ImportError, RuntimeError):  # numba raises RuntimeError where it finds no folder to keep the code in
        return None
