"""Published checkpoints turned into this package's models: all kinds, by name."""

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any, Final

from .checkpoints import CheckpointError, Converted
from .convert_backbones import convert_c3d, convert_resnet, convert_resnet3d, convert_semantic_embedding, convert_vgg16
from .convert_images import convert_amnet, convert_memnet, convert_resmem, convert_vitmem

KINDS: Final[dict[str, Callable[..., Converted]]] = {
    "memnet": convert_memnet,
    "resmem": convert_resmem,
    "vitmem": convert_vitmem,
    "amnet": convert_amnet,
    "resnet3d": convert_resnet3d,
    "c3d": convert_c3d,
    "semantic-embedding": convert_semantic_embedding,
    "resnet": convert_resnet,
    "vgg16": convert_vgg16,
}


def convert(kind: str, path: Path, **options: Any) -> Converted:
    """Read a published checkpoint: safetensors, or a file of `torch.save` that holds no code.

    Args:
        kind: One of `KINDS`.
        options: Arguments of the kind's function: `horizons`, `attention`, `mean_image`, `caption_vgg`.

    Raises:
        CheckpointError: The kind or an option is unknown, or the file does not fit; the message names what.
    """
    if kind not in KINDS:
        raise CheckpointError(f"no kind of checkpoint is called {kind!r}; there are {', '.join(KINDS)}")
    if unknown := options.keys() - signature(KINDS[kind]).parameters.keys():
        raise CheckpointError(f"checkpoints of kind {kind} have no option {', '.join(sorted(unknown))}")
    return KINDS[kind](path, **options)
