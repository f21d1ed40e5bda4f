"""What MemNet and ResMem share of AlexNet (Krizhevsky, Sutskever and Hinton, NIPS 2012)."""

from typing import Any

import torch
from torch import nn

from .scoring import at_least_float32


class LocalResponseNorm(nn.LocalResponseNorm):
    """Local response normalisation in float32: torch has none in half precision on the CPU, and squares overflow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keep the shape and the type."""
        return super().forward(at_least_float32(x)).to(x.dtype)


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
