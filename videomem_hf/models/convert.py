"""Published checkpoints turned into this package's models: all kinds, by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from .checkpoints import CheckpointError, Converted
from .convert_backbones import convert_c3d, convert_resnet, convert_resnet3d, convert_semantic_embedding, convert_vgg16
from .convert_images import convert_amnet, convert_memnet, convert_resmem, convert_vitmem

KINDS: Final[dict[str, tuple[Callable[..., Converted], str, tuple[str, ...]]]] = {
    "memnet": (convert_memnet, "MemNet, layout of its PyTorch ports", ("mean_image",)),
    "resmem": (convert_resmem, "ResMem, the resmem package's model.pt", ()),
    "vitmem": (convert_vitmem, "ViTMem, or a timm vision transformer to start from", ()),
    "amnet": (convert_amnet, "AMNet with ResNet-50, its authors' layout", ()),
    "resnet3d": (convert_resnet3d, "ResNet3D, checkpoints of 2018 and of 2020", ("horizons",)),
    "c3d": (convert_c3d, "C3D, layouts of its PyTorch ports; a feature extractor", ()),
    "semantic-embedding": (
        convert_semantic_embedding,
        "the semantic embedding, its authors' layout",
        ("horizons", "attention"),
    ),
    "resnet": (
        convert_resnet,
        "torchvision's ResNet-152 (or another) for the semantic embedding model",
        ("horizons", "attention"),
    ),
    "vgg16": (convert_vgg16, "torchvision's VGG16 for the two-stream model", ("horizons", "caption_vgg")),
}
"""Function, description and options of each kind of checkpoint."""


def convert(kind: str, path: Path, **options: Any) -> Converted:
    """Read a published checkpoint.

    Args:
        kind: One of `KINDS`.
        path: The file: safetensors, or one of `torch.save` that holds no code.
        options: Those of the kind: `horizons`, `attention`, `mean_image`, `caption_vgg`.

    Raises:
        CheckpointError: The kind or an option is unknown, or the file does not fit; the message names what.
    """
    if kind not in KINDS:
        raise CheckpointError(f"no kind of checkpoint is called {kind!r}; there are {', '.join(KINDS)}")
    function, _, allowed = KINDS[kind]
    if unknown := options.keys() - set(allowed):
        raise CheckpointError(f"checkpoints of kind {kind} have no option {', '.join(sorted(unknown))}")
    return function(path, **options)
