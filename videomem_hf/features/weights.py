"""Weights of networks that features need: from a file of the user's, or from where the network's library keeps them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from videomem_hf.schema import InputError


def load_weights(model: Any, path: str | None, published: Callable[[], Any], feature: str, remedy: str) -> None:
    """Fill a torchvision network with weights.

    Args:
        model: The network.
        path: Weights by the network's own names: safetensors, or a PyTorch file that holds no code; None for the
            published ones.
        published: Gives those, from torchvision's folder or by download.
        feature: For the message.
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
    from videomem_hf.models.checkpoints import CheckpointError, load_strictly, read_tensors

    try:
        load_strictly(model, read_tensors(Path(path)), Path(path))
    except CheckpointError as error:
        raise InputError(str(error)) from None


def first_line(error: Exception) -> str:
    """Give a library's message short enough for one sentence."""
    return str(error).strip().split("\n")[0][:300]
