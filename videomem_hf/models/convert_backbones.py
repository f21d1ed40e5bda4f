"""Checkpoints of image networks trained for something else, as backbones to learn memorability with."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from .checkpoint_files import CheckpointError, Tensors, read_tensors
from .checkpoints import HORIZONS, UNTRAINED, Converted, count, drop, fill, rename, take
from .configuration_semantic_embedding import SemanticEmbeddingConfig
from .configuration_squalli import VGG16, VGG19, SqualliConfig
from .convert_images import IMAGENET, square
from .modeling_semantic_embedding import SemanticEmbeddingModel
from .modeling_squalli import SqualliModel
from .video_processing_memorability import MemorabilityVideoProcessor

_RESNET_PARTS = {"conv1.": "0.", "bn1.": "1.", "layer1.": "4.", "layer2.": "5.", "layer3.": "6.", "layer4.": "7."}
"""A torchvision ResNet's parts, and their positions in the list that it is a chain of."""
SEMANTIC_HEAD: Final = ("last_conv.", "projection.", "mlp.", "attention_conv.")
"""What follows the trunk of a semantic model."""
NO_CLASSES: Final = "The head of classes was left out."
_SEMANTIC_PARTS = {"img_emb.base_layer.0.": "trunk.", "img_emb.base_layer.1.": "last_conv.", "fc.": "projection."}
RESNETS: Final[dict[tuple[bool, tuple[int, ...]], str]] = {
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
}
"""torchvision's ResNets, by whether they have bottlenecks and the blocks of their stages."""


def convert_semantic_embedding(path: Path, horizons: tuple[str, ...] = HORIZONS, attention: bool = False) -> Converted:
    """The semantic embedding in its authors' layout; the text branch is left out."""
    plain = rename(drop(read_tensors(path), "cap_emb."), {"img_emb.module.": "img_emb.", "fc.module.": "fc."})
    tensors = rename(plain, _SEMANTIC_PARTS)
    (last_conv, projection) = take(tensors, path, "last_conv.weight", "projection.weight")
    config = SemanticEmbeddingConfig(
        horizons=horizons,
        trunk=_resnet_name({n.removeprefix("trunk."): t for n, t in tensors.items() if n.startswith("trunk.")}, path),
        map_size=last_conv[0],
        embedding_size=projection[0],
        attention=attention,
    )
    return semantic_model(
        SemanticEmbeddingModel(config),
        tensors,
        path,
        new=["mlp.", "attention_conv."],
        notes=["The text branch was left out."],
    )


def convert_resnet(path: Path, horizons: tuple[str, ...] = HORIZONS, attention: bool = False) -> Converted:
    """A ResNet of torchvision (the paper's: ResNet-152) as the trunk of the semantic model, without its classes."""
    parts = rename(drop(read_tensors(path), "fc."), _RESNET_PARTS)
    config = SemanticEmbeddingConfig(horizons=horizons, trunk=_resnet_name(parts, path), attention=attention)
    return semantic_model(SemanticEmbeddingModel(config), rename(parts, {"": "trunk."}), path)


def convert_vgg16(path: Path, horizons: tuple[str, ...] = HORIZONS, caption_vgg: Path | None = None) -> Converted:
    """A VGG16 of torchvision for the two-stream model.

    `caption_vgg` is a VGG19 for the caption stream; without one this stream shares fc7 of the first.
    """
    tensors = read_tensors(path)
    sizes = _vgg_sizes(tensors, path, VGG16)
    *_, classes = take(tensors, path, "classifier.6.weight")
    merged = rename(tensors, {"": "vgg."})
    caption_layers: tuple[int, ...] = ()
    if caption_vgg is not None:
        caption = read_tensors(caption_vgg)
        if _vgg_sizes(caption, caption_vgg, VGG19) != sizes:
            raise CheckpointError(f"{caption_vgg}: its layers are not as wide as those of {path}")
        merged |= rename(drop(caption, "classifier.6."), {"": "caption_vgg."})
        caption_layers = VGG19
    config = SqualliConfig(horizons=horizons, vgg_classes=classes[0], caption_layers=caption_layers, **sizes)
    processor = MemorabilityVideoProcessor(size=square(config.image_size), **IMAGENET)
    notes = [UNTRAINED.format("caption_projection and mlp")]
    return fill(SqualliModel(config), merged, path, processor, notes, new=["caption_projection.", "mlp."])


def semantic_model(
    model: SemanticEmbeddingModel,
    tensors: Tensors,
    path: Path,
    new: Iterable[str] = SEMANTIC_HEAD,
    notes: Iterable[str] = (NO_CLASSES,),
    processor: MemorabilityVideoProcessor | None = None,
) -> Converted:
    """Give a new model these weights, and the processor of the semantic embedding unless another is given."""
    processor = processor or MemorabilityVideoProcessor(size=square(400), **IMAGENET)
    untrained = ", ".join(part.rstrip(".") for part in new if model.config.attention or part != "attention_conv.")
    return fill(model, tensors, path, processor, [*notes, UNTRAINED.format(untrained)], new)


def _resnet_name(parts: Tensors, path: Path) -> str:
    """Which of torchvision's ResNets has these parts, named by their positions in the chain."""
    blocks = tuple(count(parts, rf"{position}\.(\d+)\.conv1\.") for position in (4, 5, 6, 7))
    name = RESNETS.get((any(re.match(r"4\.0\.conv3\.", n) for n in parts), blocks))
    if name is None:
        raise CheckpointError(f"{path}: no ResNet of torchvision has stages of {blocks} blocks")
    return name


def _vgg_sizes(tensors: Tensors, path: Path, layers: tuple[int, ...]) -> dict[str, object]:
    """Sizes of a VGG with so many convolutions in its five groups."""
    positions, position = [], 0
    for repeats in layers:
        positions.append(position)
        position += 2 * repeats + 1
    groups = take(tensors, path, *(f"features.{first}.weight" for first in positions), "classifier.0.weight")
    channels = [shape[0] for shape in groups[:5]]
    side = round((groups[5][1] // channels[4]) ** 0.5)
    return {"vgg_channels": channels, "vgg_fc_size": groups[5][0], "image_size": 32 * side}
