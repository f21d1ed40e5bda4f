"""The names of the losses, for configurations that are checked before torch is loaded."""

from collections.abc import Mapping
from typing import Any, Final

LOSS_NAMES: Final = ("mse", "l1", "sodeep", "soft_rank", "pairwise", "binomial")
MODEL_LOSS: Final = "model"
"""The squared error in units of the scores' variance that every predictor computes itself."""


def check_loss_section(loss: Mapping[str, Any]) -> None:
    """Raise ValueError for a section `loss` of an unknown `type`, or with options of the model's own loss."""
    names = (MODEL_LOSS, *LOSS_NAMES)
    if loss.get("type") not in names:
        raise ValueError(f"loss must be a section with a type, one of {', '.join(names)}, got {dict(loss)}")
    if loss["type"] == MODEL_LOSS and len(loss) > 1:
        raise ValueError(f"loss must be without options for the type {MODEL_LOSS}, got {dict(loss)}")
