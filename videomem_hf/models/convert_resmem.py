"""ResMem's published weights, read from the installed `resmem` package."""

import importlib.util
import logging
from functools import cache
from pathlib import Path
from typing import Final

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

FRAME_SD: Final = 0.021
"""Standard deviation of ResMem's score from one second of a clip to the next where nothing is cut.

Measured as the root mean square of successive differences, divided by the square root of 2: 39 pairs of three real
clips (5 to 30 s), .011 to .041 in each. A frame that is held, under noise of 3 of 255 levels and shifts of up to 2
pixels, gives .003: most of it is what moves in a shot.
"""


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
    return model.eval(), resmem_processor()


def resmem_processor() -> MemorabilityVideoProcessor:
    """ResMem's preprocessing: 256x256 pixels, of which the middle 227x227, in [0, 1]."""
    return middle_of_256(ResMemConfig().image_size)


@cache
def _show_licence() -> None:
    logger.warning(LICENSE_NOTICE)
