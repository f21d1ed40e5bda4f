"""ResNet3D: memorability from 16 consecutive frames.

Kensho Hara, Hirokatsu Kataoka and Yutaka Satoh, "Learning Spatio-Temporal Features with 3D Residual Networks for Action
Recognition", ICCV workshops 2017. VideoMem, Sec. 5.2, replaces the last fully connected layer of the 34-layer network
and trains it alone, then everything.
"""

from itertools import pairwise

import torch
from torch import nn

from .configuration_resnet3d import DEPTHS, ResNet3DConfig
from .modeling_memorability import (
    MemorabilityModel,
    check_shape,
    init_batch_norm,
    init_convolution,
    one_of,
    place_in_clips,
    split_clips,
)
from .modeling_outputs import MemorabilityOutput
from .scoring import mean_over_frames, scores_around_mean


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
        self.conv1 = nn.Conv3d(n_in, n_mid, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm3d(n_mid)
        self.conv2 = nn.Conv3d(n_mid, n_mid, 3, padding=1, bias=False)
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
        self.conv1 = nn.Conv3d(n_in, n_mid, 1, bias=False)
        self.bn1 = nn.BatchNorm3d(n_mid)
        self.conv2 = nn.Conv3d(n_mid, n_mid, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm3d(n_mid)
        self.conv3 = nn.Conv3d(n_mid, n_mid * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm3d(n_mid * self.expansion)
        self.downsample = downsample

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.bn1(self.conv1(x)).relu_()
        x = self.bn2(self.conv2(x)).relu_()
        return self.bn3(self.conv3(x)).add_(shortcut).relu_()


class ResNet3DModel(MemorabilityModel):
    """Memorability of a clip as the mean over its segments of `segment_length` consecutive frames.

    Modules carry the names of the published checkpoints (conv1, bn1, layer1 to layer4, fc).
    """

    config_class = ResNet3DConfig
    config: ResNet3DConfig
    base_model_prefix = "resnet3d"
    head_modules = ("fc",)
    attribution_layers = ("layer4",)

    def __init__(self, config: ResNet3DConfig) -> None:
        super().__init__(config)
        kind, blocks = DEPTHS[config.depth]
        block = BasicBlock if kind == "basic" else Bottleneck
        widths = [config.hidden_sizes[0], *(n * block.expansion for n in config.hidden_sizes)]
        # All three strides are those for clips of fewer than 32 frames: time is first halved by the pooling.
        self.conv1 = nn.Conv3d(3, widths[0], kernel_size=7, stride=(1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(widths[0])
        self.maxpool = nn.MaxPool3d(kernel_size=3, stride=2, padding=1)
        for stage, (n_in, n_out) in enumerate(pairwise(widths)):
            stride = 1 if stage == 0 else 2
            first = block(n_in, n_out // block.expansion, stride, _shortcut(config.shortcut, n_in, n_out, stride))
            rest = (block(n_out, n_out // block.expansion, 1, None) for _ in range(blocks[stage] - 1))
            self.add_module(f"layer{stage + 1}", nn.Sequential(first, *rest))
        self.fc = nn.Linear(widths[-1], len(config.horizons))
        self.post_init()

    def forward(
        self,
        pixel_values_videos: torch.Tensor | None = None,
        features: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        annotation_counts: torch.Tensor | None = None,
        frame_mask: torch.Tensor | None = None,
        output_attentions: bool = False,
    ) -> MemorabilityOutput:
        """Predict the memorability of clips. Give either pixels or features.

        Args:
            pixel_values_videos: `(batch, frames, 3, height, width)`, as the model's video processor makes them;
                frames is a multiple of `config.segment_length`.
            features: `(batch, segments, size)`, what `embed_clips` gave: trains or runs the head alone.
            labels: `(batch, horizons)` in [0, 1]; NaN for an unknown score. Gives the loss.
            annotation_counts: `(batch, horizons)`, answers behind each label; see `memorability_loss`.
            frame_mask: `(batch, frames)` bool (`(batch, segments)` with features), False for the padding of clips that
                are shorter than others; a segment counts if all its frames do.
            output_attentions: Must be False.

        Returns:
            `frame_scores` gives every frame the score of its segment; there are none with `features`.
        """
        if output_attentions:
            raise ValueError("ResNet3D has no attention maps")
        source = one_of(pixel_values_videos, features)
        check_shape(source, 5 if features is None else 3, frame_mask)
        length = self.config.segment_length if features is None else 1
        if features is None:
            source, frame_mask = split_clips(source, length, frame_mask)
        kept = source.flatten(0, 1) if frame_mask is None else source[frame_mask]
        kept = self.embed_clips(kept) if features is None else kept
        clip_scores = place_in_clips(self.score_features(kept), source.shape[:2], frame_mask)
        scores = mean_over_frames(clip_scores, frame_mask)
        return MemorabilityOutput(
            loss=self._loss(scores, labels, annotation_counts),
            scores=scores,
            frame_scores=clip_scores.repeat_interleave(length, dim=1) if features is None else None,
        )

    def embed_clips(self, clips: torch.Tensor) -> torch.Tensor:
        """Map `(n, 3, segment_length, height, width)` to features `(n, size)`, averaged over time and space."""
        x = self.maxpool(self.bn1(self.conv1(clips)).relu_())
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return x.mean(dim=(2, 3, 4))

    def score_features(self, features: torch.Tensor) -> torch.Tensor:
        """Map features `(n, size)` to scores `(n, horizons)` in [0, 1]."""
        return scores_around_mean(self.fc(features), self.config.score_means, self.config.score_stds)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv3d):
            init_convolution(module)
        elif isinstance(module, nn.BatchNorm3d):
            init_batch_norm(module)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)


def _shortcut(kind: str, n_in: int, n_out: int, stride: int) -> nn.Module | None:
    if stride == 1 and n_in == n_out:
        return None
    if kind == "A":
        return ShortcutA(n_out, stride)
    return nn.Sequential(nn.Conv3d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm3d(n_out))
