"""Backbones of the predictors of frames: what maps a frame, before memorability is read from it."""

from collections import OrderedDict
from typing import Any, Final

import torch
from torch import nn

from .configuration_memorability import MemorabilityConfig
from .modeling_amnet import AMNetModel
from .modeling_frame_attention import FrameAttentionModel
from .modeling_memnet import MemNetModel
from .modeling_resmem import ResMemModel
from .modeling_semantic_embedding import SemanticEmbeddingModel
from .modeling_squalli import SqualliModel
from .modeling_vitmem import ViTMemModel

_MODELS: Final[dict[str, Any]] = {
    "amnet": AMNetModel,
    "frame_attention": FrameAttentionModel,
    "memnet": MemNetModel,
    "resmem": ResMemModel,
    "semantic_embedding": SemanticEmbeddingModel,
    "squalli": SqualliModel,
    "vitmem": ViTMemModel,
}
_LEAST_HEAD: Final[dict[str, dict[str, Any]]] = {
    "memnet": {"hidden_size": 1},
    "resmem": {"hidden_sizes": [1]},
    "semantic_embedding": {"map_size": 1, "embedding_size": 1, "mlp_size": 1},
    "squalli": {"caption_layers": [], "caption_size": 1, "vgg_fc_size": 1, "vgg_classes": 1},
}
"""What makes a predictor small behind its backbone: its head is built only to be left out."""


def build_backbone(config: MemorabilityConfig) -> tuple[nn.Module, int]:
    """Build the backbone of a predictor of frames, with new weights.

    Args:
        config: The predictor's configuration.

    Returns:
        What maps frames `(n, 3, height, width)` to `(n, channels, height', width')`, and the channels.
    """
    values = config.to_dict() | _LEAST_HEAD.get(config.model_type, {})
    model = _MODELS[config.model_type](type(config)(**values))
    return backbone_of(model), _channels(model)


def backbone_of(model: Any) -> nn.Module:
    """The backbone of a predictor of frames; it shares the model's weights.

    Raises:
        ValueError: The model is no predictor of frames with maps.
    """
    kind = model.config.model_type
    if kind in ("frame_attention", "semantic_embedding"):
        return model.trunk
    if kind == "amnet":
        return model.core_cnn
    if kind == "squalli":
        return model.vgg.features
    if kind == "resmem":
        parts = OrderedDict(model.features.named_children())
        return nn.Sequential(OrderedDict((name, parts[name]) for name in parts if name not in ("avgpool", "fc")))
    if kind == "memnet":
        return MemNetMap(model)
    if kind == "vitmem":
        return ViTMemMap(model)
    raise ValueError(f"{kind} gives no maps of frames; those that do are {', '.join(_MODELS)}")


def _channels(model: Any) -> int:
    return {
        "amnet": lambda: model.inconv.in_channels,
        "frame_attention": lambda: model.last_conv.conv.in_channels,
        "memnet": lambda: model.conv5.out_channels,
        "resmem": lambda: model.features.fc.in_features,
        "semantic_embedding": lambda: model.last_conv.in_channels,
        "squalli": lambda: model.config.vgg_channels[-1],
        "vitmem": lambda: model.config.hidden_size,
    }[model.config.model_type]()


class MemNetMap(nn.Module):
    """MemNet's convolutions on the whole frame, in place of its crops; up to conv5, before the last pooling."""

    def __init__(self, model: MemNetModel) -> None:
        super().__init__()
        self.mean_image: torch.Tensor
        self.register_buffer("mean_image", model.mean_image)
        self.conv1, self.conv2, self.conv3 = model.conv1, model.conv2, model.conv3
        self.conv4, self.conv5, self.pool, self.norm = model.conv4, model.conv5, model.pool, model.norm

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map `(n, 3, image_size, image_size)` to `(n, channels, side, side)`."""
        if pixels.shape[-2:] != self.mean_image.shape[-2:]:
            size = " x ".join(map(str, self.mean_image.shape[-2:]))
            raise ValueError(f"MemNet needs frames of {size} pixels, got {tuple(pixels.shape[-2:])}")
        x = pixels.flip(1) * 255 - self.mean_image
        x = self.norm(self.pool(self.conv1(x).relu()))
        x = self.norm(self.pool(self.conv2(x).relu()))
        return self.conv5(self.conv4(self.conv3(x).relu()).relu()).relu()


class ViTMemMap(nn.Module):
    """ViTMem's patch tokens behind the last block, each at its place."""

    def __init__(self, model: ViTMemModel) -> None:
        super().__init__()
        vit, self.image_size = model.vit, model.config.image_size
        self.cls_token, self.pos_embed, self.side = vit.cls_token, vit.pos_embed, vit.side
        self.patch_embed, self.blocks, self.norm = vit.patch_embed, vit.blocks, vit.norm

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map `(n, 3, image_size, image_size)` to `(n, hidden_size, side, side)`."""
        if pixels.shape[-2:] != (self.image_size, self.image_size):
            size = f"{self.image_size} x {self.image_size}"
            raise ValueError(f"ViTMem needs frames of {size} pixels, got {tuple(pixels.shape[-2:])}")
        x = self.patch_embed(pixels)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.norm(x)[:, 1:].transpose(1, 2).unflatten(2, (self.side, self.side))
