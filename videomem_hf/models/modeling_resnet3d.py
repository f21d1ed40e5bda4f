"""ResNet3D: memorability from 16 consecutive frames.

Kensho Hara, Hirokatsu Kataoka and Yutaka Satoh, "Learning Spatio-Temporal Features with 3D Residual Networks for Action
Recognition", ICCV workshops 2017. VideoMem, Sec. 5.2, replaces the last fully connected layer of the 34-layer network
and trains it alone, then everything.
"""

import importlib
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from .configuration_resnet3d import DEPTHS, R2PLUS1D, TORCHVISION, ResNet3DConfig
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

    def __init__(self, n_in: int, n_mid: int, n_out: int, stride: int, downsample: nn.Module | None) -> None:
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

    def __init__(
        self, n_in: int, n_mid: int, n_out: int, stride: int, downsample: nn.Module | None, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv1 = Conv3d(n_in, n_mid, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(n_mid)
        self.conv2 = Conv3d(n_mid, n_mid, 3, stride, padding=1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm3d(n_mid)
        self.conv3 = Conv3d(n_mid, n_out, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(n_out)
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.bn1(self.conv1(x)).relu_()
        x = self.bn2(self.conv2(x)).relu_()
        return self.bn3(self.conv3(x)).add_(shortcut).relu_()


class SplitBasicBlock(nn.Module):
    """A basic block of R(2+1)D: each convolution split into one of space and one of time."""

    def __init__(self, n_in: int, n_mid: int, n_out: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        _add_split(self, "1", n_in, n_mid, 3, stride, stride)
        _add_split(self, "2", n_mid, n_mid, 3, 1, 1)
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        return _apply_split(self, "2", _apply_split(self, "1", x).relu_()).add_(shortcut).relu_()


class SplitBottleneck(nn.Module):
    """A bottleneck of R(2+1)D."""

    def __init__(self, n_in: int, n_mid: int, n_out: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = Conv3d(n_in, n_mid, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(n_mid)
        _add_split(self, "2", n_mid, n_mid, 3, stride, stride)
        self.conv3 = Conv3d(n_mid, n_out, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(n_out)
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.bn1(self.conv1(x)).relu_()
        return self.bn3(self.conv3(_apply_split(self, "2", x).relu_())).add_(shortcut).relu_()


class ResNet3DModel(FrameMemorabilityModel):
    """Memorability of a clip as the mean over its segments of `segment_length` consecutive frames.

    Modules carry the names of the published checkpoints: conv1 and bn1, or conv1_s to bn1_t, or torchvision's stem; and
    layer1 to layer4, fc.
    """

    config: ResNet3DConfig
    head_modules = ("fc",)
    attribution_layers = ("layer4",)

    def __init__(self, config: ResNet3DConfig) -> None:
        super().__init__(config)
        self.is_torchvision, self.is_split = config.network in TORCHVISION, config.network == R2PLUS1D
        if self.is_torchvision:
            torchvision = importlib.import_module("torchvision")  # the other networks do not need it
            network = torchvision.models.get_model(config.network, weights=None)
            for name in ("stem", "layer1", "layer2", "layer3", "layer4"):
                self.add_module(name, getattr(network, name))
            self.map_info = MapInfo(network.fc.in_features, stride=16)
        else:
            self.map_info = MapInfo(self._add_layers(config), stride=32)
        self.fc = nn.Linear(self.map_info.channels, len(config.horizons))
        stem = "stem" if self.is_torchvision else "maxpool"
        self.hidden_state_modules = (stem, "layer1", "layer2", "layer3", "layer4")
        self.post_init()

    def _add_layers(self, config: ResNet3DConfig) -> int:
        """Add the layers of a network of Hara et al.; returns the channels of the last."""
        kind, blocks = DEPTHS[config.depth]
        expansion = config.expansion if kind == "bottleneck" else 1
        widths = [config.stem_size or config.hidden_sizes[0], *(n * expansion for n in config.hidden_sizes)]
        # All three strides are those for clips of fewer than 32 frames: time is first halved by the pooling.
        if self.is_split:
            _add_split(self, "1", 3, widths[0], 7, 2, 1)
        else:
            self.conv1 = Conv3d(3, widths[0], kernel_size=7, stride=(1, 2, 2), padding=3, bias=False)
            self.bn1 = nn.BatchNorm3d(widths[0])
        self.maxpool = nn.MaxPool3d(kernel_size=3, stride=2, padding=1)
        grouped = {"groups": config.groups} if kind == "bottleneck" and not self.is_split else {}
        for stage, (n_in, n_out) in enumerate(pairwise(widths)):
            block, stride = _BLOCKS[kind, self.is_split], 1 if stage == 0 else 2
            n_mid, shortcut = config.hidden_sizes[stage], _shortcut(config.shortcut, n_in, n_out, stride)
            first = block(n_in, n_mid, n_out, stride, shortcut, **grouped)
            rest = (block(n_out, n_mid, n_out, 1, None, **grouped) for _ in range(blocks[stage] - 1))
            self.add_module(f"layer{stage + 1}", nn.Sequential(first, *rest))
        return widths[-1]

    def embed_frames(self, pixels: torch.Tensor, output_attentions: bool = False) -> tuple[torch.Tensor, None]:
        """Map segments `(n, 3, segment_length, height, width)` to features `(n, size)`: means over time and space."""
        if self.is_torchvision:
            x = self.stem(pixels)
        else:
            x = _apply_split(self, "1", pixels) if self.is_split else self.bn1(self.conv1(pixels))
            x = self.maxpool(x.relu_())
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


def _add_split(module: Any, name: str, n_in: int, n_out: int, side: int, stride: int, time_stride: int) -> None:
    """Give a module a convolution over space and one over time, with as many parameters as one over both."""
    n_mid = n_in * n_out * side**3 // (n_in * side**2 + side * n_out)
    half, over_space, over_time = side // 2, (1, side, side), (side, 1, 1)
    space = Conv3d(n_in, n_mid, over_space, (1, stride, stride), padding=(0, half, half), bias=False)
    time = Conv3d(n_mid, n_out, over_time, (time_stride, 1, 1), padding=(half, 0, 0), bias=False)
    parts = {f"conv{name}_s": space, f"bn{name}_s": nn.BatchNorm3d(n_mid)}
    parts |= {f"conv{name}_t": time, f"bn{name}_t": nn.BatchNorm3d(n_out)}
    for each, part in parts.items():
        module.add_module(each, part)


def _apply_split(module: Any, name: str, x: torch.Tensor) -> torch.Tensor:
    for axis in ("s", "t"):
        x = getattr(module, f"bn{name}_{axis}")(getattr(module, f"conv{name}_{axis}")(x if axis == "s" else x.relu_()))
    return x


_BLOCKS: Any = {
    ("basic", False): BasicBlock,
    ("bottleneck", False): Bottleneck,
    ("basic", True): SplitBasicBlock,
    ("bottleneck", True): SplitBottleneck,
}
"""Class of a block, by the depth's kind and whether its convolutions are split."""
