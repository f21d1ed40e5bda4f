"""Configuration of C3D."""

from typing import ClassVar

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from .configuration_memorability import check_least, check_length
from .former_names import FORMER_NAMES


@strict
class C3DConfig(PreTrainedConfig):
    """Sizes of C3D (Tran et al., 2015). The defaults are those of the network trained on Sports-1M.

    Attributes:
        num_classes: 487 for Sports-1M, 101 for UCF-101 (the classes of VideoMem's released features).
        hidden_sizes: Channels of the five groups of convolutions.
        fc_size: Outputs of fc6 and fc7.
        segment_length: Consecutive frames that are seen together.
        image_size: Side in pixels of the frames.
        dropout: Probability after fc6 and fc7, in training.
    """

    model_type = "c3d"
    attribute_map: ClassVar[dict[str, str]] = FORMER_NAMES

    _auto_class: ClassVar[str] = "AutoConfig"  # as in MemorabilityConfig

    num_classes: int = 487
    hidden_sizes: list[int] | tuple[int, ...] = (64, 128, 256, 512, 512)
    fc_size: int = 4096
    segment_length: int = 16
    image_size: int = 112
    dropout: float = 0.5

    def validate_sizes(self) -> None:
        check_length(self, hidden_sizes=5)
        check_least(self, segment_length=16, image_size=16)
