"""ResMem's published weights, read from the installed `resmem` package."""

import importlib.util
import logging
from functools import cache
from pathlib import Path

import torch

from .configuration_resmem import ResMemConfig
from .convert_images import middle_of_256
from .modeling_resmem import ResMemModel
from .video_processing_memorability import MemorabilityVideoProcessor

logger = logging.getLogger(__name__)

PACKAGE = "resmem"
LICENSE_NOTICE = (
    "ResMem's weights are (c) 2021 The University of Chicago and licensed for non-commercial use only "
    "(ResMem Non-commercial License, in the resmem package). Commercial rights: Brain Bridge Lab, same university."
)


def find_resmem_package() -> Path | None:
    """Folder of the installed `resmem` package, without importing it; None if it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    return Path(spec.origin).parent if spec and spec.origin else None


def load_resmem() -> tuple[ResMemModel, MemorabilityVideoProcessor]:
    """Build ResMem with the package's weights, in evaluation mode, and its preprocessing. Logs the licence once.

    Raises a ModuleNotFoundError if the `resmem` package is not installed.
    """
    folder = find_resmem_package()
    if folder is None:
        raise ModuleNotFoundError("the resmem package is not installed: pip install resmem")
    _show_licence()
    with torch.device("meta"):
        model = ResMemModel(ResMemConfig())
    # Only tensors are read (weights_only), mapped from disk so that 528 MB are not held twice.
    state = torch.load(folder / "model.pt", map_location="cpu", weights_only=True, mmap=True)
    model.load_state_dict(state, strict=True, assign=True)
    model.config.name_or_path = model.name_or_path = PACKAGE
    return model.eval(), resmem_processor()


def resmem_processor() -> MemorabilityVideoProcessor:
    """ResMem's preprocessing: 256x256 pixels, of which the middle 227x227, in [0, 1]."""
    return middle_of_256(ResMemConfig().image_size)


@cache
def _show_licence() -> None:
    logger.warning(LICENSE_NOTICE)
