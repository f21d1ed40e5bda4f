"""Configuration of ResMem."""

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig, check_least


@strict
class ResMemConfig(MemorabilityConfig):
    """Sizes of ResMem (Needell and Bainbridge, 2022). The defaults are those of the published weights.

    Attributes:
        horizons: What is predicted; ResMem was trained on image memorability measured minutes after the first view.
        image_size: Side in pixels of the square input; 227 gives the 6 x 6 map that the published `fc6` expects.
        conv_channels: Output channels of conv1 to conv5 of the AlexNet-like branch.
        resnet_layers: Blocks in the four stages of the ResNet branch; (3, 8, 36, 3) is ResNet-152.
        resnet_classes: Logits of the ResNet branch that join the regression.
        hidden_sizes: Outputs of the fully connected layers before the last one.
        dropout: Probability after the first two fully connected layers, in training.
    """

    model_type = "resmem"

    horizons: list[str] | tuple[str, ...] = ("short_term",)
    image_size: int = 227
    conv_channels: list[int] | tuple[int, ...] = (48, 256, 384, 384, 256)
    resnet_layers: list[int] | tuple[int, ...] = (3, 8, 36, 3)
    resnet_classes: int = 1000
    hidden_sizes: list[int] | tuple[int, ...] = (4096, 4096, 2048, 1024, 512, 256)
    dropout: float = 0.5

    def validate_sizes(self) -> None:
        check_least(self, image_size=67)
