"""Memorability from what is in a frame and from what a caption would say about it: two streams merged by a perceptron.

Hammad Squalli-Houssaini, Ngoc Q. K. Duong, Marquant Gwenaelle and Claire-Helene Demarty, "Deep Learning for
Predicting Image Memorability", ICASSP 2018; the second row of VideoMem's Table 1. The caption stream: Ryan Kiros,
Ruslan Salakhutdinov and Richard Zemel, "Unifying Visual-Semantic Embeddings with Multimodal Neural Language Models",
2014.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional

from .clip_frames import check_side
from .configuration_squalli import SqualliConfig
from .modeling_memorability import FeaturesAndMaps, FrameMemorabilityModel, MapInfo


class VGG(nn.Module):
    """VGG (Simonyan and Zisserman, 2015) of any size; modules carry torchvision's names."""

    def __init__(self, config: SqualliConfig, layers: Sequence[int], with_fc8: bool) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        n_in = 3
        for repeats, n_out in zip(layers, config.vgg_channels, strict=True):
            for _ in range(repeats):
                parts += [nn.Conv2d(n_in, n_out, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
                n_in = n_out
            parts.append(nn.MaxPool2d(kernel_size=2))
        self.features = nn.Sequential(*parts)
        size, side = config.vgg_fc_size, config.image_size // 32
        fc6, fc7 = nn.Linear(n_in * side**2, size), nn.Linear(size, size)
        self.classifier = nn.Sequential(fc6, nn.ReLU(), nn.Dropout(), fc7, nn.ReLU(), nn.Dropout())
        if with_fc8:
            self.classifier.append(nn.Linear(size, config.vgg_classes))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map `(n, 3, image_size, image_size)` to fc7 and to the last layer."""
        x = self.features(pixels).flatten(1)
        for layer in self.classifier[:6]:
            x = layer(x)
        return x, self.classifier[6](x) if len(self.classifier) > 6 else x


class SqualliModel(FrameMemorabilityModel):
    """The two streams on the frames of a clip: RGB, normalised with ImageNet's mean and standard deviation.

    Each stream is brought to zero mean and unit variance before they are joined (ours: logits and an embedding of
    length 1 differ a hundredfold).
    """

    config: SqualliConfig
    head_modules = ("mlp",)
    backbone_module = "vgg.features"
    minimal_head: ClassVar = {"caption_layers": [], "caption_size": 1, "vgg_fc_size": 1, "vgg_classes": 1}
    attribution_layers = ("vgg.features",)

    def __init__(self, config: SqualliConfig) -> None:
        super().__init__(config)
        self.map_info = MapInfo(config.vgg_channels[-1], stride=32, window=32)
        self.vgg = VGG(config, config.vgg_layers, with_fc8=config.vgg_features == "fc8")
        self.caption_vgg = VGG(config, config.caption_layers, with_fc8=False) if config.caption_layers else None
        self.caption_projection = nn.Linear(config.vgg_fc_size, config.caption_size)
        self.vgg_size = config.vgg_classes if config.vgg_features == "fc8" else config.vgg_fc_size
        sizes = [self.vgg_size + config.caption_size, *config.mlp_sizes]
        self.mlp = nn.Sequential()
        for n_in, n_out in pairwise(sizes):
            self.mlp.extend([nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(config.dropout)])
        self.mlp.append(nn.Linear(sizes[-1], len(config.horizons)))
        pools = (n for n, layer in enumerate(self.vgg.features) if isinstance(layer, nn.MaxPool2d))
        self.hidden_state_modules = tuple(f"vgg.features.{number}" for number in pools)
        self.post_init()

    def embed_frames(self, pixels: torch.Tensor, output_attentions: bool = False) -> FeaturesAndMaps:
        """Map frames `(n, 3, image_size, image_size)` to both streams side by side, `(n, size)`."""
        check_side(pixels, self.config.image_size)
        fc7, last = self.vgg(pixels)
        if self.caption_vgg is not None:
            fc7, _ = self.caption_vgg(pixels)
        caption = functional.normalize(self.caption_projection(fc7), dim=1)
        streams = [functional.layer_norm(stream, stream.shape[1:]) for stream in (last, caption)]
        return torch.cat(streams, dim=1), None
