"""Configuration of ResNet3D."""

from typing import ClassVar

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig, check_choice, check_least, check_length
from .former_names import FORMER_NAMES

DEPTHS = {
    10: ("basic", (1, 1, 1, 1)),
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}
"""Kind of block and number of blocks in the four stages, for each depth."""


@strict
class ResNet3DConfig(MemorabilityConfig):
    """Sizes of ResNet3D (Hara et al., 2017). The defaults are VideoMem's ResNet34 with the 2018 shortcut.

    Attributes:
        depth: Layers of the network: 10, 18, 34, 50, 101 or 152.
        shortcut: What a block adds where the size changes: "A", every second position and channels of zeros, without
            parameters (checkpoints of 2018); "B", a 1x1x1 convolution with batch normalisation (checkpoints of 2020).
        hidden_sizes: Channels of the four stages' 3x3x3 convolutions.
        segment_length: Consecutive frames that are seen together. A longer input is cut into segments of this length,
            whose scores are averaged (how the paper sampled is not known: ours).
    """

    model_type = "resnet3d"
    attribute_map: ClassVar[dict[str, str]] = FORMER_NAMES

    depth: int = 34
    shortcut: str = "A"
    hidden_sizes: list[int] | tuple[int, ...] = (64, 128, 256, 512)
    segment_length: int = 16

    def validate_architecture(self) -> None:
        check_choice(self, depth=DEPTHS, shortcut=("A", "B"))
        check_length(self, hidden_sizes=4)
        check_least(self, segment_length=1)
