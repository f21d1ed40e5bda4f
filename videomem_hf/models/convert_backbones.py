"""Checkpoints of networks trained for something else, as backbones to learn memorability with."""

import re
from pathlib import Path

from .checkpoints import CheckpointError, Converted, Tensors, count, drop, fill, read_tensors, rename, take
from .configuration_c3d import C3DConfig
from .configuration_resnet3d import DEPTHS, ResNet3DConfig
from .configuration_semantic_embedding import SemanticEmbeddingConfig
from .configuration_squalli import VGG16, VGG19, SqualliConfig
from .convert_images import IMAGENET, square
from .modeling_c3d import C3DModel
from .modeling_resnet3d import ResNet3DModel
from .modeling_semantic_embedding import SemanticEmbeddingModel
from .modeling_squalli import SqualliModel
from .video_processing_memorability import MemorabilityVideoProcessor

HORIZONS = ("short_term", "long_term")
_UNTRAINED = "What learns memorability ({}) starts untrained: train the model before you use its scores."
_C3D_LAYERS = {
    **{"features.0.": "conv1.", "features.3.": "conv2.", "features.6.": "conv3a.", "features.8.": "conv3b."},
    **{"features.11.": "conv4a.", "features.13.": "conv4b.", "features.16.": "conv5a.", "features.18.": "conv5b."},
    **{"classifier.0.": "fc6.", "classifier.3.": "fc7.", "classifier.6.": "fc8."},
}
"""Names of the port that writes C3D as lists of layers, and ours."""
_RESNET_PARTS = {"conv1.": "0.", "bn1.": "1.", "layer1.": "4.", "layer2.": "5.", "layer3.": "6.", "layer4.": "7."}
"""A torchvision ResNet's parts, and their positions in the list that it is a chain of."""
_SEMANTIC_PARTS = {"img_emb.base_layer.0.": "trunk.", "img_emb.base_layer.1.": "last_conv.", "fc.": "projection."}
_RESNETS: dict[tuple[bool, tuple[int, ...]], str] = {
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
}


def convert_resnet3d(path: Path, horizons: tuple[str, ...] = HORIZONS) -> Converted:
    """ResNet3D in both generations of its authors' checkpoints; the classes are left out.

    2018 (Kinetics-400; names begin with `module.`): pixels from 0 to 255 minus their means. Since 2020: pixels in
    [0, 1], mean and standard deviation.
    """
    raw = read_tensors(path, keep_prefix=True)
    tensors = rename(raw, {"module.": ""})
    kind = "bottleneck" if "layer1.0.conv3.weight" in tensors else "basic"
    blocks = tuple(count(tensors, rf"layer{stage}\.(\d+)\.") for stage in range(1, 5))
    depths = [depth for depth, architecture in DEPTHS.items() if architecture == (kind, blocks)]
    if not depths:
        raise CheckpointError(f"{path}: no ResNet3D has stages of {blocks} {kind} blocks")
    stages = take(tensors, path, *(f"layer{stage}.0.conv1.weight" for stage in range(1, 5)), "fc.weight")
    shortcut = "B" if any(".downsample." in name for name in tensors) else "A"
    config = ResNet3DConfig(
        horizons=horizons,
        depth=depths[0],
        shortcut=shortcut,
        hidden_sizes=[shape[0] for shape in stages[:4]],
    )
    first_generation = shortcut == "A" or tensors.keys() != raw.keys()
    if first_generation:
        scale = {"do_rescale": False, "image_mean": [114.7748, 107.7354, 99.475], "image_std": [1.0, 1.0, 1.0]}
    else:
        scale = {"image_mean": [0.4345, 0.4051, 0.3775], "image_std": [0.2768, 0.2713, 0.2737]}
    notes = (
        f"Depth {depths[0]}, shortcut {shortcut}, preprocessing of {'2018' if first_generation else '2020'}.",
        f"The head of {stages[4][0]} classes was left out. {_UNTRAINED.format('fc')}",
    )
    processor = _clips(config.segment_length, 112, **scale)
    return fill(ResNet3DModel(config), drop(tensors, "fc."), path, processor, notes, new=["fc."])


def convert_c3d(path: Path) -> Converted:
    """C3D in the layouts of its PyTorch ports: conv1 to conv5b and fc6 to fc8, or features.N and classifier.N."""
    tensors = rename(read_tensors(path), _C3D_LAYERS)
    names = [f"conv{layer}.weight" for layer in ("1", "2", "3a", "4a", "5a")]
    *convolutions, fc6, fc8 = take(tensors, path, *names, "fc6.weight", "fc8.weight")
    side = round((fc6[1] // convolutions[4][0]) ** 0.5)
    config = C3DConfig(
        num_classes=fc8[0],
        hidden_sizes=[shape[0] for shape in convolutions],
        fc_size=fc6[0],
        image_size=112 if side == 4 else max(16, 32 * (side - 1)),
    )
    mean = {"do_rescale": False, "image_mean": [107.76, 102.86, 95.14], "image_std": [1.0, 1.0, 1.0]}
    # VideoMem's released features are of a clip's first 16 frames.
    processor = _clips(config.segment_length, config.image_size, max_segments=1, **mean)
    notes = ["A feature extractor: it gives class probabilities, fc6 and fc7, not memorability."]
    return fill(C3DModel(config), tensors, path, processor, notes)


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
    return _semantic(config, tensors, path, new=["mlp.", "attention_conv."], notes=["The text branch was left out."])


def convert_resnet(path: Path, horizons: tuple[str, ...] = HORIZONS, attention: bool = False) -> Converted:
    """A ResNet of torchvision (the paper's: ResNet-152) as the trunk of the semantic model, without its classes."""
    parts = rename(drop(read_tensors(path), "fc."), _RESNET_PARTS)
    config = SemanticEmbeddingConfig(horizons=horizons, trunk=_resnet_name(parts, path), attention=attention)
    new = ["last_conv.", "projection.", "mlp.", "attention_conv."]
    return _semantic(config, rename(parts, {"": "trunk."}), path, new, notes=["The head of classes was left out."])


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
    notes = [_UNTRAINED.format("caption_projection and mlp")]
    return fill(SqualliModel(config), merged, path, processor, notes, new=["caption_projection.", "mlp."])


def _semantic(
    config: SemanticEmbeddingConfig, tensors: Tensors, path: Path, new: list[str], notes: list[str]
) -> Converted:
    processor = MemorabilityVideoProcessor(size=square(400), **IMAGENET)
    untrained = ", ".join(part.rstrip(".") for part in new if config.attention or part != "attention_conv.")
    notes = [*notes, _UNTRAINED.format(untrained)]
    return fill(SemanticEmbeddingModel(config), tensors, path, processor, notes, new)


def _resnet_name(parts: Tensors, path: Path) -> str:
    """Which of torchvision's ResNets has these parts, named by their positions in the chain."""
    blocks = tuple(count(parts, rf"{position}\.(\d+)\.conv1\.") for position in (4, 5, 6, 7))
    name = _RESNETS.get((any(re.match(r"4\.0\.conv3\.", n) for n in parts), blocks))
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


def _clips(length: int, side: int, **changes: object) -> MemorabilityVideoProcessor:
    """Segments of consecutive frames, one each second; short side to `side` and the middle of it."""
    return MemorabilityVideoProcessor(
        size={"shortest_edge": side}, do_center_crop=True, crop_size=square(side), segment_length=length, **changes
    )
