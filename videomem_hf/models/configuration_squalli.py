"""Configuration of the two-stream model of Squalli-Houssaini et al."""

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig, check_choice, check_least, check_length

VGG16 = (2, 2, 3, 3, 3)
VGG19 = (2, 2, 4, 4, 4)


@strict
class SqualliConfig(MemorabilityConfig):
    """Sizes of `SqualliModel`. What the paper does not say is ours, and said so.

    Attributes:
        image_size: Side in pixels of the square input.
        vgg_layers: Convolutions in the five groups of the first stream's VGG; the default is VGG16.
        vgg_channels: Channels of the five groups, in both streams.
        vgg_fc_size: Outputs of fc6 and fc7, in both streams.
        vgg_classes: Outputs of fc8.
        vgg_features: What the first stream gives: "fc8" (the logits) or "fc7". The paper says "last layer".
        caption_layers: Convolutions in the groups of the caption encoder's VGG; the default is VGG19, as in the
            encoder that Kiros et al. released. Empty: the encoder's linear map is applied to fc7 of the first stream.
        caption_size: Numbers of the image-caption embedding; its length is 1. (Released encoder: 1,024.)
        mlp_sizes: Hidden units of the perceptron that merges the streams (widths and depth unknown: ours).
        dropout: Probability after each hidden layer of the perceptron, in training (ours).
    """

    model_type = "squalli"

    image_size: int = 224
    vgg_layers: list[int] | tuple[int, ...] = VGG16
    vgg_channels: list[int] | tuple[int, ...] = (64, 128, 256, 512, 512)
    vgg_fc_size: int = 4096
    vgg_classes: int = 1000
    vgg_features: str = "fc8"
    caption_layers: list[int] | tuple[int, ...] = VGG19
    caption_size: int = 1024
    mlp_sizes: list[int] | tuple[int, ...] = (512,)
    dropout: float = 0.5

    def validate_sizes(self) -> None:
        check_choice(self, vgg_features=("fc7", "fc8"))
        check_length(self, vgg_layers=5, vgg_channels=5)
        check_least(self, image_size=32)
        if len(self.caption_layers) not in (0, 5) or not self.mlp_sizes:
            raise ValueError("caption_layers must be five numbers or none, mlp_sizes at least one")
