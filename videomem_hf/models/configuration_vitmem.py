"""Configuration of ViTMem."""

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig, check_least


@strict
class ViTMemConfig(MemorabilityConfig):
    """Sizes of ViTMem (Hagen and Espeseth, 2023). The defaults are those of the published weights.

    Attributes:
        horizons: ViTMem was trained on image memorability measured minutes after the first view.
        image_size: Side in pixels of the square input; a multiple of `patch_size`.
        patch_size: Side in pixels of a patch.
        hidden_size: Numbers that describe a patch; a multiple of `num_attention_heads`.
        num_hidden_layers: Blocks.
        num_attention_heads: Heads of a block's attention.
        qkv_bias: Whether queries, keys and values have biases; the published network's have none.
        intermediate_size: Outputs of the first linear layer of a block's perceptron.
        layer_norm_eps: Added to the variance in layer normalisation.
    """

    model_type = "vitmem"

    horizons: list[str] | tuple[str, ...] = ("short_term",)
    image_size: int = 224
    patch_size: int = 16
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    qkv_bias: bool = False
    intermediate_size: int = 3072
    layer_norm_eps: float = 1e-6

    def validate_sizes(self) -> None:
        if self.image_size % self.patch_size or self.image_size < self.patch_size:
            raise ValueError(f"image_size={self.image_size} must be a multiple of patch_size={self.patch_size}")
        if self.hidden_size % self.num_attention_heads:
            heads = self.num_attention_heads
            raise ValueError(f"num_attention_heads={heads} must divide hidden_size={self.hidden_size}")
        check_least(self, num_hidden_layers=1)
