"""Configuration of ResNet3D."""

from typing import ClassVar, Final

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
    200: ("bottleneck", (3, 24, 36, 3)),
}
"""Kind of block and number of blocks in the four stages, for each depth."""
RESNET3D: Final = "resnet3d"
R2PLUS1D: Final = "r2plus1d"
TORCHVISION: Final = ("r3d_18", "mc3_18", "r2plus1d_18")


@strict
class ResNet3DConfig(MemorabilityConfig):
    """Sizes of ResNet3D (Hara et al., 2017). The defaults are VideoMem's ResNet34 with the 2018 shortcut.

    Attributes:
        network: "resnet3d"; "r2plus1d", its convolutions split into those of space and of time (both as Hara et al.
            published them); or one of torchvision by its name: "r3d_18", "mc3_18", "r2plus1d_18" (Tran et al., "A
            Closer Look at Spatiotemporal Convolutions", CVPR 2018), of which the next six fields do not tell.
        depth: Layers of the network: 10, 18, 34, 50, 101, 152 or 200.
        shortcut: What a block adds where the size changes: "A", every second position and channels of zeros, without
            parameters (checkpoints of 2018); "B", a 1x1x1 convolution with batch normalisation (checkpoints of 2020).
        hidden_sizes: Channels of the four stages' 3x3x3 convolutions.
        stem_size: Channels of the first convolution; None takes the first of `hidden_sizes`.
        expansion: Outputs of a bottleneck for each channel of its 3x3x3 convolution: 4, in wide networks and ResNeXt 2.
        groups: Of a bottleneck's 3x3x3 convolution; 32 in ResNeXt.
        segment_length: Consecutive frames that are seen together. A longer input is cut into segments of this length,
            whose scores are averaged (how the paper sampled is not known: ours).
    """

    model_type = "resnet3d"
    attribute_map: ClassVar[dict[str, str]] = FORMER_NAMES

    network: str = RESNET3D
    depth: int = 34
    shortcut: str = "A"
    hidden_sizes: list[int] | tuple[int, ...] = (64, 128, 256, 512)
    stem_size: int | None = None
    expansion: int = 4
    groups: int = 1
    segment_length: int = 16

    def validate_architecture(self) -> None:
        check_choice(self, network=(RESNET3D, R2PLUS1D, *TORCHVISION), depth=DEPTHS, shortcut=("A", "B"))
        check_length(self, hidden_sizes=4)
        check_least(self, segment_length=1, expansion=1, groups=1)
        if any(size % self.groups for size in self.hidden_sizes):
            raise ValueError(f"groups={self.groups} must divide hidden_sizes, got {list(self.hidden_sizes)}")
