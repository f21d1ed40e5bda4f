"""Trunks by name, from torchvision, timm or transformers, without weights."""

import importlib
import importlib.util
from functools import cache
from typing import Any

import torch
from torch import nn

from .transformers_trunks import TransformersTrunk
from .trunk_configs import TIMM_PREFIX, is_of_transformers, resolve_config

_AFTER_THE_MAP = ("avgpool", "flatten", "dropout", "fc", "classifier", "head", "heads")


def build_trunk(name: str, arguments: dict[str, Any]) -> tuple[nn.Module, int]:
    """Build the part of a classification network that ends with a map `(n, channels, height, width)`.

    Args:
        name: A network of torchvision, such as "resnet152"; of timm with "timm/" before its name; or of transformers,
            see `resolve_config`.
        arguments: Go to the network's constructor; of transformers, fields of its configuration.

    Returns:
        The trunk and the channels of its map. A torchvision trunk is the list of the network's parts: a ResNet's are 0
        (conv1), 1 (bn1), 4 (layer1), ..., 7 (layer4).

    Raises:
        ValueError: There is no such network, or it has no map.
        ModuleNotFoundError: timm is not installed.
    """
    if name.startswith(TIMM_PREFIX):
        timm_trunk = TimmTrunk(name.removeprefix(TIMM_PREFIX), arguments)
        return timm_trunk, timm_trunk.model.num_features
    if is_of_transformers(name):
        trunk = TransformersTrunk(resolve_config(name, arguments))
        return trunk, trunk.channels
    with torch.device("meta"), torch.no_grad():
        try:
            probe = _torchvision_trunk(name, arguments).eval()
        except NotImplementedError:  # computes with its own weights while it is built
            raise ValueError(f"torchvision's {name!r} cannot be built without memory; take timm's") from None
        small, large = (probe(torch.zeros(1, 3, *sides)).shape for sides in ((128, 192), (192, 256)))
    if len(small) != 4 or small[1] != large[1] or small[2] == large[2]:
        raise ValueError(f"trunk {name!r} gives no map (batch, channels, height, width) but {tuple(small)}")
    return _torchvision_trunk(name, arguments), small[1]


@cache
def torchvision() -> Any:
    """The package, which models without a network of it do not need."""
    try:
        return importlib.import_module("torchvision")
    except ImportError:
        raise ModuleNotFoundError("networks of torchvision need that package: pip install torchvision") from None


@cache
def trunk_parts(name: str) -> dict[str, str]:
    """Names of the parts of a torchvision network that its trunk has, to their positions in it."""
    with torch.device("meta"):
        return {part: str(position) for position, (part, _) in enumerate(_chain(build_network(name, {})))}


def is_chain(network: nn.Module) -> bool:
    """Whether a classification network of torchvision is a chain of layers up to its map."""
    transformer = isinstance(network, torchvision().models.VisionTransformer)
    return not transformer and not any(isinstance(part, nn.ModuleList) for _, part in _chain(network))


def build_network(name: str, arguments: dict[str, Any]) -> nn.Module:
    """A classification network of torchvision, with new weights; raises a ValueError if there is none of this name."""
    if name not in torchvision().models.list_models(module=torchvision().models):
        raise ValueError(f"torchvision has no classification network {name!r}; for one of timm write 'timm/{name}'")
    if name in ("googlenet", "inception_v3"):
        arguments = {"init_weights": False} | arguments  # the truncated normal one takes a minute
    return torchvision().models.get_model(name, weights=None, **arguments)


def _chain(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """The parts of a network up to its map, by their names."""
    parts = []
    for name, part in network.named_children():
        if name in _AFTER_THE_MAP:
            break
        if not name.lower().startswith("aux"):
            parts.append((name, part))
    return parts


def _torchvision_trunk(name: str, arguments: dict[str, Any]) -> nn.Sequential:
    network = build_network(name, arguments)
    parts = [part for _, part in _chain(network)]
    if isinstance(network, torchvision().models.DenseNet):
        parts.append(nn.ReLU())  # done in the network's forward
    if not is_chain(network):
        raise ValueError(f"torchvision's {name!r} is not a chain of layers that ends with a map; take one of timm's")
    return nn.Sequential(*parts)


class TimmTrunk(nn.Module):
    """A timm network without its head; `model` has timm's names."""

    def __init__(self, name: str, arguments: dict[str, Any]) -> None:
        super().__init__()
        if importlib.util.find_spec("timm") is None:
            raise ModuleNotFoundError(f"trunk 'timm/{name}' needs the timm package: pip install timm")
        timm = importlib.import_module("timm")
        if not timm.is_model(name):
            raise ValueError(f"timm has no network {name!r}")
        self.model = timm.create_model(name, pretrained=False, num_classes=0, **arguments)
        # Called as a module, so that Accelerate brings weights of its own that lie elsewhere.
        self.model.forward = self.model.forward_features

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.model(pixels)
        if x.ndim == 3:  # tokens, the first of them for the class
            height, width = self.model.patch_embed.dynamic_feat_size(pixels.shape[-2:])
            tokens = x[:, self.model.num_prefix_tokens :]
            return tokens.transpose(1, 2).unflatten(2, (height, width))
        return x if x.shape[1] == self.model.num_features else x.movedim(3, 1)
