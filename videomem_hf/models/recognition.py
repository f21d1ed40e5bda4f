"""Which network a checkpoint is of, by the names and shapes of its weights."""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import torch

from .checkpoint_files import Tensors
from .convert_backbones import RESNETS
from .trunks import build_network, is_chain, torchvision, trunk_parts

_OLD_DENSENET: Final = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.((?:[12])\.\w+)$")
"""Names in the published DenseNets, which torchvision rewrites as it loads them."""


@dataclass(frozen=True)
class Network:
    """What a checkpoint is of.

    Attributes:
        name: For people.
        kind: The kind of checkpoint, of `convert`, that it fits; None: there is none.
    """

    name: str
    kind: str | None = None


_LAYOUTS: Final[tuple[tuple[Network, tuple[str, ...]], ...]] = (
    (Network("a semantic embedding with its text branch", "semantic-embedding"), ("img_emb", "cap_emb")),
    (Network("AMNet", "amnet"), ("core_cnn.core_cnn.conv1.weight", "regnet4.weight")),
    (Network("ResMem", "resmem"), ("conv5.weight", "features.fc.weight")),
    (Network("C3D", "c3d"), ("conv3a.weight/5", "fc6.weight")),
    (Network("C3D", "c3d"), ("features.18.weight/5", "classifier.6.weight")),
    (Network("MemNet", "memnet"), ("conv5.weight/4", "fc6.weight", "fc8.weight")),
    (Network("an R(2+1)D of torchvision", "resnet3d"), ("stem.0.weight/5", "layer1.0.conv1.0.3.weight")),
    (Network("a 3D ResNet of torchvision (R3D or MC3)", "resnet3d"), ("stem.0.weight/5", "layer1.0.conv1.0.weight/5")),
    (Network("an R(2+1)D of Hara et al.", "resnet3d"), ("conv1_s.weight/5", "layer1")),
    (Network("a 3D ResNet of Hara et al.", "resnet3d"), ("conv1.weight/5", "layer1.0.conv1.weight/5")),
    (Network("a 3D DenseNet"), (r"features.denseblock1.denselayer1.conv1.weight/5",)),
    (Network("I3D"), ("Mixed_3b.b0.conv3d.weight",)),
    (Network("S3D"), ("features.0.0.0.weight/5",)),
    (Network("a SlowFast or X3D network of PyTorchVideo"), ("blocks.0.multipathway_blocks",)),
    (Network("a multiscale vision transformer of torchvision"), ("conv_proj.weight/5", "pos_encoding")),
    (Network("a video Swin transformer"), ("patch_embed.proj.weight/5", "relative_position_bias_table")),
    (Network("VideoMAE in its authors' layout"), ("patch_embed.proj.weight/5", "blocks.0.attn")),
    (Network("a CLIP model in its authors' layout"), ("visual.conv1.weight", "text_projection")),
    (Network("a vision transformer of timm", "vitmem"), ("pos_embed", "blocks.0.attn", "patch_embed.proj.weight/4")),
    (Network("a vision transformer of torchvision"), ("class_token", "encoder.layers.encoder_layer_0")),
    (Network("a network of transformers", "backbone"), ("embeddings.patch_embedding",)),
    (Network("a network of transformers", "backbone"), ("vision_model.embeddings",)),
)  # fmt: skip
"""Networks, and what the names of their weights contain; after a slash the number of axes of such a weight."""


def recognize(tensors: Tensors) -> Network | None:
    """Which network these weights are of; None for one that is not known here."""
    for network, parts in _LAYOUTS:
        if all(_has(tensors, part) for part in parts):
            return network
    name = torchvision_network(tensors)
    if name is None:
        return None
    kind = {"vgg16": "vgg16"}.get(name, "resnet" if name in RESNETS.values() else "backbone")
    return Network(f"{name} of torchvision", kind)


def torchvision_network(tensors: Tensors) -> str | None:
    """Name of the classification network of torchvision whose trunk has these weights; None for another."""
    wanted = _shapes(modern_names(tensors))
    for name in torchvision().models.list_models(module=torchvision().models):
        trunk = _trunk_shapes(name)
        if trunk and trunk.items() <= wanted.items() and _mine(wanted, name) == trunk.keys():
            return str(name)
    return None


def modern_names(tensors: Tensors) -> Tensors:
    """Weights under the names that torchvision has today."""
    return {_OLD_DENSENET.sub(r"\1\2", name): value for name, value in tensors.items()}


def _has(tensors: Tensors, part: str) -> bool:
    text, _, axes = part.partition("/")
    return any(text in name and (not axes or value.ndim == int(axes)) for name, value in tensors.items())


def _shapes(tensors: Any) -> dict[str, tuple[int, ...]]:
    return {n: tuple(value.shape) for n, value in tensors.items() if not n.endswith("num_batches_tracked")}


def _mine(names: Any, network: str) -> set[str]:
    parts = trunk_parts(network)
    return {name for name in names if name.partition(".")[0] in parts}


@cache
def _trunk_shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights of a network's trunk by torchvision's names; empty for one that is no chain."""
    try:
        with torch.device("meta"):
            network = build_network(name, {})
    except NotImplementedError:  # computes with its own weights while it is built
        return {}
    if not is_chain(network):
        return {}
    found = _shapes(network.state_dict())
    return {each: found[each] for each in _mine(found, name)}
