"""ViTMem: image memorability from a vision transformer.

Thomas Hagen and Thomas Espeseth, "Image Memorability Prediction with Vision Transformers", 2023. Applied to video as in
VideoMem, Sec. 5.1: one frame per second, the clip's score is the mean of its frame scores.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .clip_frames import check_side
from .configuration_vitmem import ViTMemConfig
from .modeling_memorability import FeaturesAndMaps, FrameMemorabilityModel, MapInfo
from .scoring import at_least_float32


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention written out: what each query takes `(n, tokens, heads, size)`, and its weights."""
    weights = (query @ key.transpose(-1, -2) * scaling).softmax(dim=-1, dtype=torch.float32).to(query.dtype)
    return (weights @ value).transpose(1, 2), weights


class Attention(nn.Module):
    """Self-attention of all tokens, in the implementation that the configuration names."""

    is_causal = False

    def __init__(self, config: ViTMemConfig) -> None:
        super().__init__()
        self.config = config
        self.heads = config.num_attention_heads
        self.scaling = (config.hidden_size // config.num_attention_heads) ** -0.5
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=config.qkv_bias)
        self.proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: torch.Tensor, with_map: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Mix tokens `(n, tokens, size)`; if asked, also what the first token takes from each, `(n, tokens)`.

        The latter sums to 1 and is the mean of the heads, whatever the implementation.
        """
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)
        mixed, _ = attend(self, query, key, value, None, scaling=self.scaling, dropout=0.0)
        mixed = self.proj(mixed.flatten(2))
        if not with_map:
            return mixed, None
        logits = (query[:, :, :1] * self.scaling) @ key.transpose(-1, -2)  # (n, heads, 1, tokens)
        return mixed, logits.float().softmax(dim=-1).mean(dim=(1, 2))


class Perceptron(nn.Module):
    """Two linear layers on each token."""

    def __init__(self, config: ViTMemConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class Block(nn.Module):
    """Attention and perceptron, each on normalised input and added to it."""

    def __init__(self, config: ViTMemConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attn = Attention(config)
        self.norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = Perceptron(config)

    def forward(self, x: torch.Tensor, with_map: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Tokens, and what the first one takes from each of them in this block, `(n, tokens)`, if asked."""
        mixed, weights = self.attn(self.norm1(x), with_map)
        x = x + mixed
        return x + self.mlp(self.norm2(x)), weights


class PatchEmbedding(nn.Module):
    """A linear map of each patch."""

    def __init__(self, config: ViTMemConfig) -> None:
        super().__init__()
        self.side = config.image_size
        self.proj = nn.Conv2d(3, config.hidden_size, kernel_size=config.patch_size, stride=config.patch_size)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        check_side(pixels, self.side)
        return self.proj(pixels).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    """ViT (Dosovitskiy et al., 2021); modules carry timm's names."""

    def __init__(self, config: ViTMemConfig) -> None:
        super().__init__()
        self.side = config.image_size // config.patch_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.hidden_size))
        self.pos_embed = nn.Parameter(torch.zeros(1, self.side**2 + 1, config.hidden_size))
        self.patch_embed = PatchEmbedding(config)
        self.pos_drop = nn.Identity()  # the place of the first hidden state
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.head = nn.Linear(config.hidden_size, len(config.horizons))

    def forward(self, pixels: torch.Tensor, with_map: bool = False) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Map `(n, 3, image_size, image_size)` to the class token `(n, hidden_size)` and a map `(n, side, side)`."""
        x = self.patch_embed(pixels)
        x = self.pos_drop(torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embed)
        for block in self.blocks[:-1]:
            x, _ = block(x)
        x, weights = self.blocks[-1](x, with_map)
        if weights is not None:
            weights = weights[:, 1:]
            weights = (weights / weights.sum(dim=1, keepdim=True)).unflatten(1, (self.side, self.side))
        return self.norm(x)[:, 0], weights


class ViTMemModel(FrameMemorabilityModel):
    """ViTMem on the frames of a clip: RGB in [0, 1], not normalised.

    Its attention maps are what the class token takes from each patch in the last block, mean of the heads.
    """

    config: ViTMemConfig
    head_modules = ("vit.head",)
    published_training = "photographs (LaMem and MemCat)"
    has_attention = True
    _supports_sdpa = True
    _supports_attention_backend = True

    def __init__(self, config: ViTMemConfig) -> None:
        super().__init__(config)
        self.map_info = MapInfo(config.hidden_size, stride=config.patch_size, window=config.patch_size)
        self.vit = VisionTransformer(config)
        self.hidden_state_modules = ("vit.pos_drop", *(f"vit.blocks.{n}" for n in range(config.num_hidden_layers)))
        self.post_init()

    def frame_backbone(self) -> nn.Module:
        return ViTMemMap(self)

    def embed_frames(self, pixels: torch.Tensor, output_attentions: bool = False) -> FeaturesAndMaps:
        """Map frames `(n, 3, image_size, image_size)` to the class token `(n, hidden_size)`."""
        return self.vit(pixels, output_attentions)

    def score_features(self, features: torch.Tensor) -> torch.Tensor:
        return at_least_float32(self.vit.head(features)).sigmoid()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, VisionTransformer | ViTMemMap):
            nn.init.trunc_normal_(module.pos_embed, std=0.02)
            nn.init.trunc_normal_(module.cls_token, std=0.02)


class ViTMemMap(nn.Module):
    """ViTMem's patch tokens behind the last block, each at its position."""

    def __init__(self, model: ViTMemModel) -> None:
        super().__init__()
        vit = model.vit
        self.cls_token, self.pos_embed, self.side = vit.cls_token, vit.pos_embed, vit.side
        self.patch_embed, self.blocks, self.norm = vit.patch_embed, vit.blocks, vit.norm

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map `(n, 3, image_size, image_size)` to `(n, hidden_size, side, side)`."""
        x = self.patch_embed(pixels)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x, _ = block(x)
        return self.norm(x)[:, 1:].transpose(1, 2).unflatten(2, (self.side, self.side))
