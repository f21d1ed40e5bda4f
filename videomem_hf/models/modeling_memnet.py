"""MemNet: image memorability from an AlexNet, and the first row of VideoMem's Table 1.

Aditya Khosla, Akhil S. Raju, Antonio Torralba and Aude Oliva, "Understanding and Predicting Image Memorability at a
Large Scale", ICCV 2015. Applied to video as in VideoMem, Sec. 5.1: seven frames, one per second, averaged.
"""

import torch
from torch import nn

from .configuration_memnet import MemNetConfig
from .modeling_memorability import FrameMemorabilityModel, init_convolution, init_linear
from .scoring import bounded


class MemNetModel(FrameMemorabilityModel):
    """MemNet on the frames of a clip: RGB in [0, 1], `image_size` x `image_size`, not normalised.

    The mean image is subtracted and the crops are taken here rather than in the video processor: the mean image is
    256 x 256 pixels and belongs to the weights, and ten crops are eight times the pixels of the frame they come from.

    Modules carry the names of the public PyTorch port's state dict (conv1 to conv5, fc6 to fc8).
    """

    config_class = MemNetConfig
    config: MemNetConfig
    base_model_prefix = "memnet"
    head_modules = ("fc8",)
    attribution_layers = ("conv5",)

    def __init__(self, config: MemNetConfig) -> None:
        super().__init__(config)
        c1, c2, c3, c4, c5 = config.conv_channels
        self.register_buffer("mean_image", _flat_image(config))
        self.conv1 = nn.Conv2d(3, c1, kernel_size=11, stride=4)
        self.conv2 = nn.Conv2d(c1, c2, kernel_size=5, padding=2, groups=2)
        self.conv3 = nn.Conv2d(c2, c3, kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(c3, c4, kernel_size=3, padding=1, groups=2)
        self.conv5 = nn.Conv2d(c4, c5, kernel_size=3, padding=1, groups=2)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2)
        self.norm = nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=1.0)
        self.dropout = nn.Dropout(config.dropout)
        self.fc6 = nn.Linear(c5 * map_side(config.crop_size) ** 2, config.hidden_size)
        self.fc7 = nn.Linear(config.hidden_size, config.hidden_size)
        self.fc8 = nn.Linear(config.hidden_size, len(config.horizons))
        self.post_init()

    def embed_frames(
        self, pixels: torch.Tensor, output_attentions: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Map frames `(n, 3, image_size, image_size)` to fc7 `(n, hidden_size)`, the mean over the crops."""
        side = self.config.image_size
        if pixels.shape[-2:] != (side, side):
            raise ValueError(f"MemNet needs frames of {side} x {side} pixels, got {tuple(pixels.shape[-2:])}")
        centred = pixels.flip(1) * 255 - self.mean_image  # blue, green, red, as in Caffe
        if self.training:
            return self._fc7(random_crop(centred, self.config.crop_size)), None
        crops = ten_crop(centred, self.config.crop_size)[: self.config.crops]
        # fc8 is linear: the mean of its ten outputs is its output for the mean of its ten inputs
        return self._fc7(crops.flatten(0, 1)).unflatten(0, crops.shape[:2]).mean(dim=0), None

    def score_features(self, features: torch.Tensor) -> torch.Tensor:
        """Map fc7 `(n, hidden_size)` to scores `(n, horizons)` in [0, 1]."""
        x = self.fc8(features)
        return bounded((x - self.config.output_mean) * self.config.output_scale + self.config.output_bias)

    def _fc7(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.pool(self.conv1(x).relu()))
        x = self.norm(self.pool(self.conv2(x).relu()))
        x = self.conv3(x).relu()
        x = self.conv4(x).relu()
        x = self.pool(self.conv5(x).relu())
        x = self.dropout(self.fc6(x.flatten(1)).relu())
        return self.dropout(self.fc7(x).relu())

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, MemNetModel):
            module.mean_image.copy_(_flat_image(self.config))
        elif module is self.fc8:
            # starts at the training scores' mean, whatever is done to the output afterwards
            nn.init.normal_(module.weight, std=1e-3)
            start = (torch.tensor(self.config.score_means) - self.config.output_bias) / self.config.output_scale
            nn.init.zeros_(module.bias)
            module.bias.data += start + self.config.output_mean
        elif isinstance(module, nn.Linear):
            init_linear(module)
        elif isinstance(module, nn.Conv2d):
            init_convolution(module)


def ten_crop(images: torch.Tensor, size: int) -> torch.Tensor:
    """Cut the centre and the four corners out of images `(n, channels, height, width)`, and mirror all five.

    Returns:
        `(10, n, channels, size, size)`: the centre, the corners (top left, top right, bottom left, bottom right), and
        the same five mirrored left to right.
    """
    height, width = images.shape[-2:]
    bottom, right = height - size, width - size
    corners = [(bottom // 2, right // 2), (0, 0), (0, right), (bottom, 0), (bottom, right)]
    crops = torch.stack([images[..., y : y + size, x : x + size] for y, x in corners])
    return torch.cat([crops, crops.flip(-1)])


def random_crop(images: torch.Tensor, size: int) -> torch.Tensor:
    """Cut one place at random out of each image `(n, channels, height, width)`; mirror half of them."""
    n, _, height, width = images.shape
    top, left = (torch.randint(limit - size + 1, (n, 1), device=images.device) for limit in (height, width))
    steps = torch.arange(size, device=images.device)
    mirrored = torch.rand(n, 1, device=images.device) < 0.5
    rows, columns = top + steps, left + torch.where(mirrored, steps.flip(0), steps)
    clip = torch.arange(n, device=images.device)
    return images[clip[:, None, None], :, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def map_side(crop_size: int) -> int:
    """Side of the map after conv1 and the three poolings; 6 for 227 pixels."""
    side = (crop_size - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return side


def _flat_image(config: MemNetConfig) -> torch.Tensor:
    return torch.tensor(config.mean_bgr)[:, None, None].repeat(1, config.image_size, config.image_size)
