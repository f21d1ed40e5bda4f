"""What MemNet and ResMem share of AlexNet (Krizhevsky, Sutskever and Hinton, NIPS 2012)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from .scoring import at_least_float32


class LocalResponseNorm(nn.LocalResponseNorm):
    """Local response normalisation in float32: torch has none in half precision on the CPU, and squares overflow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(at_least_float32(x)).to(x.dtype)


def add_convolutions(network: Any, channels: Sequence[int], conv3_groups: int) -> None:
    """Give a network conv1 to conv5, of so many output channels each, and `pool`."""
    c1, c2, c3, c4, c5 = channels
    network.conv1 = nn.Conv2d(3, c1, kernel_size=11, stride=4)
    network.conv2 = nn.Conv2d(c1, c2, kernel_size=5, padding=2, groups=2)
    network.conv3 = nn.Conv2d(c2, c3, kernel_size=3, padding=1, groups=conv3_groups)
    network.conv4 = nn.Conv2d(c3, c4, kernel_size=3, padding=1, groups=2)
    network.conv5 = nn.Conv2d(c4, c5, kernel_size=3, padding=1, groups=2)
    network.pool = nn.MaxPool2d(kernel_size=3, stride=2)


def apply_convolutions(network: Any, x: torch.Tensor) -> torch.Tensor:
    """Apply conv1 to conv5 of a network, with its `pool` and `norm`, up to before the last pooling."""
    x = network.norm(network.pool(network.conv1(x).relu()))
    x = network.norm(network.pool(network.conv2(x).relu()))
    return network.conv5(network.conv4(network.conv3(x).relu()).relu()).relu()


def map_side(image_size: int) -> int:
    """Side of the map after conv1 and the three poolings; 6 for 227 pixels."""
    side = (image_size - 11) // 4 + 1
    for _ in range(3):
        side = (side - 3) // 2 + 1
    return side
