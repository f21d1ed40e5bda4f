"""Configuration of the small frame network with spatial attention."""

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig, check_choice


@strict
class FrameAttentionConfig(MemorabilityConfig):
    """Sizes of `FrameAttentionModel`; horizons and score statistics as in `MemorabilityConfig`.

    Attributes:
        hidden_sizes: Channels of the convolutions before the last one. Each has stride 2 until the map is
            `output_stride` times smaller than the frame.
        feature_size: Channels of the last convolution, whose map the attention weighs.
        output_stride: Pixels of the frame, in height and width, for which a position of the attention map stands.
        dropout: Probability in training that a feature is left out before the last layer.
    """

    model_type = "frame_attention"

    hidden_sizes: list[int] | tuple[int, ...] = (16, 32, 64, 64)
    feature_size: int = 96
    output_stride: int = 8
    dropout: float = 0.0

    def validate_sizes(self) -> None:
        if not self.hidden_sizes or min(*self.hidden_sizes, self.feature_size) < 1:
            sizes = f"{list(self.hidden_sizes)} and {self.feature_size}"
            raise ValueError(f"hidden_sizes (at least one) and feature_size must be 1 or more, got {sizes}")
        check_choice(self, output_stride=[2**i for i in range(1, len(self.hidden_sizes) + 1)])
