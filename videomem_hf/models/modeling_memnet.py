"""MemNet: image memorability from an AlexNet, and the first row of VideoMem's Table 1.

Aditya Khosla, Akhil S. Raju, Antonio Torralba and Aude Oliva, "Understanding and Predicting Image Memorability at a
Large Scale", ICCV 2015. Applied to video as in VideoMem, Sec. 5.1: seven frames, one per second, averaged.
"""

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional
from transformers.initialization import copy_

from .alexnet import LocalResponseNorm, add_convolutions, apply_convolutions, map_side
from .clip_frames import check_side
from .configuration_memnet import MemNetConfig
from .modeling_memorability import FeaturesAndMaps, FrameMemorabilityModel, MapInfo
from .scoring import at_least_float32, clamp_scores


class WideLinear(nn.Linear):
    """A linear layer in float32: half precision rounds a score of .7 by .002, and MemNet's scale doubles it."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return functional.linear(*(at_least_float32(each) for each in (input, self.weight, self.bias)))


class MemNetModel(FrameMemorabilityModel):
    """MemNet on the frames of a clip: RGB in [0, 1], `image_size` x `image_size`, not normalised.

    The mean image, which belongs to the weights, is subtracted and the crops are taken here rather than in the video
    processor: ten crops are eight times the pixels of the frame they come from.

    Modules carry the names of the public PyTorch port's state dict (conv1 to conv5, fc6 to fc8).
    """

    config: MemNetConfig
    head_modules = ("fc8",)
    minimal_head: ClassVar = {"hidden_size": 1}
    attribution_layers = ("conv5",)
    published_training = "photographs (LaMem)"
    hidden_state_modules = ("conv1", "conv2", "conv3", "conv4", "conv5")

    def __init__(self, config: MemNetConfig) -> None:
        super().__init__(config)
        channels = config.conv_channels[-1]
        self.map_info = MapInfo(channels, stride=16, window=35)  # conv1 and two poolings, all unpadded
        self.register_buffer("mean_image", _flat_image(config))
        add_convolutions(self, config.conv_channels, conv3_groups=1)
        self.norm = LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=1.0)
        self.dropout = nn.Dropout(config.dropout)
        self.fc6 = nn.Linear(channels * map_side(config.crop_size) ** 2, config.hidden_size)
        self.fc7 = nn.Linear(config.hidden_size, config.hidden_size)
        self.fc8 = WideLinear(config.hidden_size, len(config.horizons))
        self.post_init()

    def frame_backbone(self) -> nn.Module:
        return MemNetMap(self)

    def crop_frames(self, frames: torch.Tensor) -> torch.Tensor:
        """The crops that are averaged, in the order of `ten_crop`."""
        return ten_crop(frames, self.config.crop_size)[: self.config.crops]

    def embed_frames(self, pixels: torch.Tensor, output_attentions: bool = False) -> FeaturesAndMaps:
        """Map frames `(n, 3, image_size, image_size)` to fc7 `(n, hidden_size)`, the mean over the crops."""
        centred = centre(self, pixels)
        if self.training:
            return self._fc7(random_crop(centred, self.config.crop_size)), None
        crops = self.crop_frames(centred)
        # fc8 is linear: the mean of its ten outputs is its output for the mean of its ten inputs
        return self._fc7(crops.flatten(0, 1)).unflatten(0, crops.shape[:2]).mean(dim=0), None

    def score_features(self, features: torch.Tensor) -> torch.Tensor:
        x = self.fc8(features)
        return clamp_scores((x - self.config.output_mean) * self.config.output_scale + self.config.output_bias)

    def _fc7(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(apply_convolutions(self, x))
        x = self.dropout(self.fc6(x.flatten(1)).relu())
        return self.dropout(self.fc7(x).relu())

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, MemNetModel | MemNetMap):
            copy_(module.mean_image, _flat_image(self.config))
        elif module is self.fc8:
            # starts at the training scores' mean, whatever is done to the output afterwards
            nn.init.normal_(module.weight, std=1e-3)
            start = (torch.tensor(self.config.score_means) - self.config.output_bias) / self.config.output_scale
            copy_(module.bias, start + self.config.output_mean)
        else:
            super()._init_weights(module)


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
        return apply_convolutions(self, centre(self, pixels))


def centre(network: MemNetModel | MemNetMap, pixels: torch.Tensor) -> torch.Tensor:
    """Red, green, blue from 0 to 1, as blue, green, red from 0 to 255 (as in Caffe) less the mean image."""
    check_side(pixels, network.mean_image.shape[-1])
    return pixels.flip(1) * 255 - network.mean_image


def ten_crop(images: torch.Tensor, size: int) -> torch.Tensor:
    """`(10, n, channels, size, size)` of images `(n, channels, height, width)`: the centre, the corners (top left, top
    right, bottom left, bottom right), and the same five mirrored left to right.
    """
    height, width = images.shape[-2:]
    bottom, right = height - size, width - size
    corners = [(bottom // 2, right // 2), (0, 0), (0, right), (bottom, 0), (bottom, right)]
    crops = torch.stack([images[..., y : y + size, x : x + size] for y, x in corners])
    return torch.cat([crops, crops.flip(-1)])


def random_crop(images: torch.Tensor, size: int) -> torch.Tensor:
    """Cut a random square out of each image `(n, channels, height, width)`; mirror half of them."""
    n, _, height, width = images.shape
    top, left = (torch.randint(limit - size + 1, (n, 1), device=images.device) for limit in (height, width))
    steps = torch.arange(size, device=images.device)
    mirrored = torch.rand(n, 1, device=images.device) < 0.5
    rows, columns = top + steps, left + torch.where(mirrored, steps.flip(0), steps)
    clip = torch.arange(n, device=images.device)
    return images[clip[:, None, None], :, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def _flat_image(config: MemNetConfig) -> torch.Tensor:
    return torch.tensor(config.mean_bgr)[:, None, None].repeat(1, config.image_size, config.image_size)
