"""ResMem: image memorability from an AlexNet-like branch joined with the logits of a ResNet-152.

Coen D. Needell and Wilma A. Bainbridge, "Embracing New Techniques in Deep Learning for Estimating Image Memorability",
Computational Brain & Behavior 5, 2022. Applied to video as in VideoMem, Sec. 5.1: one frame per second, the clip's
score is the mean of its frame scores.
"""

from collections import OrderedDict
from itertools import pairwise
from typing import ClassVar

import torch
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet

from .alexnet import LocalResponseNorm, add_convolutions, apply_convolutions, map_side
from .configuration_resmem import ResMemConfig
from .modeling_memorability import FeaturesAndMaps, FrameMemorabilityModel, MapInfo
from .scoring import at_least_float32


class ResMemModel(FrameMemorabilityModel):
    """ResMem on the frames of a clip: RGB in [0, 1], not normalised.

    Modules carry the names of the published state dict, so that it loads strictly and unchanged.
    """

    config: ResMemConfig
    minimal_head: ClassVar = {"hidden_sizes": [1]}
    attribution_layers = ("features.layer4",)
    """The published weights hardly use the other branch: Grad-CAM at conv5 is thousands of times smaller."""
    published_training = "photographs (LaMem and MemCat)"
    hidden_state_modules = ("features.maxpool", *(f"features.layer{stage}" for stage in (1, 2, 3, 4)))
    published_frame_noise = (0.037, 0.67)
    """Standard deviation of the score about a clip's own level, and correlation of one second with the next.

    Measured by `measure_frame_noise` on three real clips of 5 to 30 s, 39 pairs of seconds. A frame that is held,
    under noise of 3 of 255 levels and shifts of up to 2 pixels, varies by .003: most of it is what moves in a shot.
    """

    def __init__(self, config: ResMemConfig) -> None:
        super().__init__(config)
        self.features = ResNet(Bottleneck, list(config.resnet_layers), num_classes=config.resnet_classes)
        self.map_info = MapInfo(self.features.fc.in_features, stride=32)
        add_convolutions(self, config.conv_channels, conv3_groups=2)
        self.norm = LocalResponseNorm(5)
        self.dropout = nn.Dropout(config.dropout)
        joined = config.conv_channels[-1] * map_side(config.image_size) ** 2 + config.resnet_classes
        sizes = [joined, *config.hidden_sizes, len(config.horizons)]
        # fc6 to fc12, counted on from conv5 as in the published state dict
        self.head_modules = tuple(f"fc{6 + i}" for i in range(len(sizes) - 1))
        for name, (n_in, n_out) in zip(self.head_modules, pairwise(sizes), strict=True):
            self.add_module(name, nn.Linear(n_in, n_out))
        self.post_init()

    def frame_backbone(self) -> nn.Module:
        """The ResNet's layers before its pooling: the other branch hardly counts in the published weights."""
        parts = OrderedDict(self.features.named_children())
        return nn.Sequential(OrderedDict((name, parts[name]) for name in parts if name not in ("avgpool", "fc")))

    def embed_frames(self, pixels: torch.Tensor, output_attentions: bool = False) -> FeaturesAndMaps:
        """Map frames `(n, 3, image_size, image_size)` to both branches side by side, `(n, size)`."""
        x = self.pool(apply_convolutions(self, pixels))
        return torch.cat([x.flatten(1), self.features(pixels)], dim=1), None

    def score_features(self, features: torch.Tensor) -> torch.Tensor:
        x = features
        *hidden, last = (self.get_submodule(name) for name in self.head_modules)
        for depth, layer in enumerate(hidden):
            x = layer(x).relu()
            x = self.dropout(x) if depth < 2 else x
        return at_least_float32(last(x)).sigmoid()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
        else:
            super()._init_weights(module)
