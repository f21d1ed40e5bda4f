"""Configuration of the small frame network with spatial attention."""

from typing import Any

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig, check_choice
from .trunk_configs import resolve_trunk


@strict
class FrameAttentionConfig(MemorabilityConfig):
    """Sizes of `FrameAttentionModel`; horizons and score statistics as in `MemorabilityConfig`.

    Attributes:
        hidden_sizes: Channels of the convolutions before the last one. Each has stride 2 until the map is
            `output_stride` times smaller than the frame.
        feature_size: Channels of the last convolution, whose map the attention weighs.
        output_stride: Pixels of the frame, in height and width, for which a position of the attention map stands.
        dropout: Probability in training that a feature is left out before the last layer.
        trunk: Another network in place of these convolutions, as of `SemanticEmbeddingConfig`, with its `trunk_kwargs`
            and `segment_length`.
    """

    model_type = "frame_attention"

    hidden_sizes: list[int] | tuple[int, ...] = (16, 32, 64, 64)
    feature_size: int = 96
    output_stride: int = 8
    dropout: float = 0.0
    trunk: str | None = None
    trunk_kwargs: dict[str, Any] | None = None
    segment_length: int | None = None

    def validate_trunk(self) -> None:
        if self.trunk is not None:
            self.trunk_kwargs, self.segment_length = resolve_trunk(self.trunk, self.trunk_kwargs, self.segment_length)

    def validate_sizes(self) -> None:
        if not self.hidden_sizes or min(*self.hidden_sizes, self.feature_size) < 1:
            sizes = f"{list(self.hidden_sizes)} and {self.feature_size}"
            raise ValueError(f"hidden_sizes (at least one) and feature_size must be 1 or more, got {sizes}")
        check_choice(self, output_stride=[2**i for i in range(1, len(self.hidden_sizes) + 1)])
