"""ResNet3D: memorability from 16 consecutive frames.

Kensho Hara, Hirokatsu Kataoka and Yutaka Satoh, "Learning Spatio-Temporal Features with 3D Residual Networks for Action
Recognition", ICCV workshops 2017. VideoMem, Sec. 5.2, replaces the last fully connected layer of the 34-layer network
and trains it alone, then everything.
"""

from itertools import pairwise

import torch
from torch import nn

from .configuration_resnet3d import DEPTHS, ResNet3DConfig
from .modeling_memorability import Conv3d, FrameMemorabilityModel, MapInfo


class ShortcutA(nn.Module):
    """Every second position in time, height and width; the channels that are missing are zeros."""

    def __init__(self, out_channels: int, stride: int) -> None:
        super().__init__()
        self.out_channels, self.stride = out_channels, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x[:, :, :: self.stride, :: self.stride, :: self.stride]
        return nn.functional.pad(x, (0, 0, 0, 0, 0, 0, 0, self.out_channels - x.shape[1]))


class BasicBlock(nn.Module):
    """Two 3x3x3 convolutions and the shortcut."""

    expansion = 1

    def __init__(self, n_in: int, n_mid: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = Conv3d(n_in, n_mid, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm3d(n_mid)
        self.conv2 = Conv3d(n_mid, n_mid, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(n_mid)
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.bn1(self.conv1(x)).relu_()
        return self.bn2(self.conv2(x)).add_(shortcut).relu_()


class Bottleneck(nn.Module):
    """A 3x3x3 convolution between two of 1x1x1, and the shortcut."""

    expansion = 4

    def __init__(self, n_in: int, n_mid: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = Conv3d(n_in, n_mid, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(n_mid)
        self.conv2 = Conv3d(n_mid, n_mid, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(n_mid)
        self.conv3 = Conv3d(n_mid, n_mid * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(n_mid * self.expansion)
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.bn1(self.conv1(x)).relu_()
        x = self.bn2(self.conv2(x)).relu_()
        return self.bn3(self.conv3(x)).add_(shortcut).relu_()


class ResNet3DModel(FrameMemorabilityModel):
    """Memorability of a clip as the mean over its segments of `segment_length` consecutive frames.

    Modules carry the names of the published checkpoints (conv1, bn1, layer1 to layer4, fc).
    """

    config: ResNet3DConfig
    head_modules = ("fc",)
    attribution_layers = ("layer4",)
    hidden_state_modules = ("maxpool", "layer1", "layer2", "layer3", "layer4")

    def __init__(self, config: ResNet3DConfig) -> None:
        super().__init__(config)
        kind, blocks = DEPTHS[config.depth]
        block = BasicBlock if kind == "basic" else Bottleneck
        widths = [config.hidden_sizes[0], *(n * block.expansion for n in config.hidden_sizes)]
        # All three strides are those for clips of fewer than 32 frames: time is first halved by the pooling.
        self.conv1 = Conv3d(3, widths[0], kernel_size=7, stride=(1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(widths[0])
        self.maxpool = nn.MaxPool3d(kernel_size=3, stride=2, padding=1)
        for stage, (n_in, n_out) in enumerate(pairwise(widths)):
            stride = 1 if stage == 0 else 2
            first = block(n_in, n_out // block.expansion, stride, _shortcut(config.shortcut, n_in, n_out, stride))
            rest = (block(n_out, n_out // block.expansion, 1, None) for _ in range(blocks[stage] - 1))
            self.add_module(f"layer{stage + 1}", nn.Sequential(first, *rest))
        self.map_info = MapInfo(widths[-1], stride=32)
        self.fc = nn.Linear(widths[-1], len(config.horizons))
        self.post_init()

    def embed_frames(self, pixels: torch.Tensor, output_attentions: bool = False) -> tuple[torch.Tensor, None]:
        """Map segments `(n, 3, segment_length, height, width)` to features `(n, size)`: means over time and space."""
        x = self.maxpool(self.bn1(self.conv1(pixels)).relu_())
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x.mean(dim=(2, 3, 4)), None

    def _init_weights(self, module: nn.Module) -> None:
        if module is self.fc:
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
        else:
            super()._init_weights(module)


def _shortcut(kind: str, n_in: int, n_out: int, stride: int) -> nn.Module | None:
    if stride == 1 and n_in == n_out:
        return None
    if kind == "A":
        return ShortcutA(n_out, stride)
    return nn.Sequential(Conv3d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm3d(n_out))
