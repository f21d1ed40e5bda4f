"""Configuration of the small frame network with spatial attention."""

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig


@strict
class FrameAttentionConfig(MemorabilityConfig):
    """Sizes of `FrameAttentionModel`; horizons and score statistics as in `MemorabilityConfig`.

    Attributes:
        hidden_sizes: Channels of the convolutions before the last one. Each has stride 2 until the map is
            `output_stride` times smaller than the frame.
        feature_size: Channels of the last convolution, whose map the attention weighs.
        output_stride: Pixels of the frame, in height and width, for which a position of the attention map stands.
        norm_groups: Groups of the group normalisation; divides every channel number.
        dropout: Probability in training that a feature is left out before the last layer.
    """

    model_type = "frame_attention"

    hidden_sizes: list[int] | tuple[int, ...] = (16, 32, 64)
    feature_size: int = 96
    output_stride: int = 8
    norm_groups: int = 8
    dropout: float = 0.0

    def validate_sizes(self) -> None:
        """Refuse sizes that do not fit together; runs whenever a configuration is made."""
        channels = [*self.hidden_sizes, self.feature_size]
        if not self.hidden_sizes or any(size < 1 or size % self.norm_groups for size in channels):
            raise ValueError(f"norm_groups={self.norm_groups} must divide every channel number, got {channels}")
        strides = [2**i for i in range(1, len(self.hidden_sizes) + 1)]
        if self.output_stride not in strides:
            raise ValueError(f"output_stride must be one of {strides} here, got {self.output_stride}")
