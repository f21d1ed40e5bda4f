"""A small frame network with the spatial attention of VideoMem (Cohendet et al., ICCV 2019, Sec. 5.5 and Fig. 7).

In parallel with the last convolution a second one gives a single map; its softmax over positions is multiplied into the
map of the last convolution. The paper puts this branch on a ResNet-152; the trunk here is small enough to be trained on
a CPU within minutes.
"""

import math
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from .configuration_frame_attention import FrameAttentionConfig
from .modeling_memorability import FeaturesAndMaps, FrameMemorabilityModel, MapInfo, init_layer
from .scoring import scores_around_mean
from .trunks import build_trunk

RELU_GAIN = (2 / (1 - 1 / math.pi)) ** 0.5
"""One over the standard deviation of a rectified standard normal variable."""


class DerivedConv2d(nn.Conv2d):
    """A convolution with kernels that are computed from its weights.

    PEFT makes the matrices beside a convolution by its class, with the arguments of `nn.Conv2d`, `bias` among them; it
    then gets a plain one.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return nn.Conv2d(*args, **kwargs) if "bias" in kwargs else super().__new__(cls)


class StandardizedConv2d(DerivedConv2d):
    """A convolution whose kernels are standardised and scaled by a learned gain (Brock et al., ICLR 2021).

    It replaces activation normalisation: group normalisation divides by the contrast of the frame, on which scores
    depend; batch normalisation makes a frame's score in training depend on the other frames.

    Kernels that reach half a cell of the attention map or further are symmetric, as attention otherwise settles a cell
    or two beside the thing it is about, where the features still see it.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, symmetric: bool) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2)
        self.symmetric = symmetric
        self.gain = nn.Parameter(torch.ones(out_channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = mirrored_mean(self.weight) if self.symmetric else self.weight
        inputs = weight[0].numel()
        variance, mean = torch.var_mean(weight, dim=(1, 2, 3), keepdim=True)
        scale = self.gain.view(-1, 1, 1, 1) * torch.rsqrt(variance * inputs + 1e-4)
        return self._conv_forward(x, (weight - mean) * scale, self.bias)


def mirrored_mean(kernels: torch.Tensor) -> torch.Tensor:
    """Mean of kernels `(n_out, n_in, height, width)` and their mirror images, left to right and top to bottom."""
    across = kernels + kernels.flip(-1)
    return (across + across.flip(-2)) / 4


class ConvBlock(nn.Module):
    """Standardised convolution and a ReLU scaled to keep the variance of a standard normal input."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int, symmetric: bool) -> None:
        super().__init__()
        self.conv = StandardizedConv2d(in_channels, out_channels, kernel_size, stride, symmetric)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).relu() * RELU_GAIN


class ChannelNorm(nn.Module):
    """Zero mean and unit variance over the channels of each position: maps of published networks have any scale."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Keep the shape `(n, channels, height, width)`."""
        return nn.functional.layer_norm(maps.movedim(1, -1), maps.shape[1:2]).movedim(-1, 1)


class AttentionConv(DerivedConv2d):
    """A convolution to a single map, with symmetric kernels."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 1, kernel_size=3, padding=1, bias=False)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(maps, mirrored_mean(self.weight), None)


def attend(maps: torch.Tensor, last_conv: nn.Module, attention_conv: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum what `last_conv` gives over the positions of maps `(n, channels, height, width)`, weighted by attention.

    Returns:
        Features `(n, size)`, and the attention `(n, height, width)` float32, which sums to 1.
    """
    plain = last_conv(maps)
    logits = attention_conv(maps).float()
    attention = logits.flatten(1).softmax(dim=1).view(-1, *plain.shape[-2:])
    return (plain * attention[:, None]).sum(dim=(2, 3)).to(plain.dtype), attention


def init_near_mean(module: nn.Module) -> None:
    """Near 0, so that training starts from attention to everything and from the mean of the scores."""
    if isinstance(module, StandardizedConv2d):
        init_layer(module)
        nn.init.ones_(module.gain)
    elif isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class FrameAttentionModel(FrameMemorabilityModel):
    """Memorability of a clip from its frames, with a map per frame of where it comes from."""

    config: FrameAttentionConfig
    head_modules = ("head",)
    backbone_module = "trunk"
    attribution_layers = ("last_conv",)
    has_attention = True

    def __init__(self, config: FrameAttentionConfig) -> None:
        super().__init__(config)
        channels = self._add_trunk(config)
        self.last_conv = ConvBlock(channels, config.feature_size, 3, 1, symmetric=True)
        self.attention_conv = AttentionConv(channels)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.feature_size, len(config.horizons))
        self.hidden_state_modules = (*(f"trunk.{depth}" for depth in range(len(self.trunk))), "last_conv")
        self.post_init()

    def _add_trunk(self, config: FrameAttentionConfig) -> int:
        """Add what maps frames; returns the channels of its maps."""
        if config.trunk is not None:
            network, channels = build_trunk(config.trunk, config.trunk_kwargs or {})
            self.trunk, self.map_info = nn.Sequential(network, ChannelNorm()), MapInfo(channels)
            return channels
        sizes = [3, *config.hidden_sizes]
        self.map_info = MapInfo(sizes[-1], config.output_stride)
        halvings = config.output_stride.bit_length() - 1
        self.trunk = nn.Sequential()
        for depth, (n_in, n_out) in enumerate(pairwise(sizes)):
            kernel_size, reach = (5, 2) if depth == 0 else (3, 2 ** min(depth, halvings))  # of a kernel, in pixels
            symmetric = reach >= config.output_stride / 2
            self.trunk.append(ConvBlock(n_in, n_out, kernel_size, 2 if depth < halvings else 1, symmetric))
        return sizes[-1]

    def embed_frames(self, pixels: torch.Tensor, output_attentions: bool = False) -> FeaturesAndMaps:
        """Map frames `(n, 3, height, width)`, or segments of a network of videos, to features `(n, feature_size)` and
        maps `(n, height', width')`.

        Nothing bypasses the attention: a network that also sees the plain map's mean turns attention to the background.
        """
        features, attention = attend(self.trunk(pixels), self.last_conv, self.attention_conv)
        return features, attention if output_attentions else None

    def score_features(self, features: torch.Tensor) -> torch.Tensor:
        offsets = self.head(self.dropout(features))
        return scores_around_mean(offsets, self.config.score_means, self.config.score_stds)

    def _init_weights(self, module: nn.Module) -> None:
        is_own = self.config.trunk is None or isinstance(module, StandardizedConv2d)
        if is_own or module is self.attention_conv or module is self.head:
            init_near_mean(module)
        else:
            init_layer(module)
