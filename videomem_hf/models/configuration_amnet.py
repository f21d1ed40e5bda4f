"""Configuration of AMNet."""

from huggingface_hub.dataclasses import strict

from .configuration_memorability import MemorabilityConfig, check_least, check_length


@strict
class AMNetConfig(MemorabilityConfig):
    """Sizes of AMNet (Fajtl et al., 2018). The defaults are those of the published LaMem weights.

    Attributes:
        horizons: AMNet was trained on image memorability measured minutes after the first view.
        image_size: Side in pixels of the square input; 224 gives the 14 x 14 = 196 positions of the published `eh1`.
        resnet_layers: Blocks in the three stages of the ResNet that are used; (3, 4, 6) is ResNet-50.
        attention_size: Channels of the map that attention weighs.
        lstm_size: Hidden units of the LSTM.
        lstm_steps: Glimpses at the frame.
        regression_size: Hidden units of the perceptron that follows each step.
        output_scale: The score is x / output_scale + output_mean, clipped to [0, 1]; x is the mean over the steps.
        output_mean: See `output_scale`; the default is the mean of LaMem's scores.
    """

    model_type = "amnet"

    horizons: list[str] | tuple[str, ...] = ("short_term",)
    image_size: int = 224
    resnet_layers: list[int] | tuple[int, ...] = (3, 4, 6)
    attention_size: int = 1024
    lstm_size: int = 1024
    lstm_steps: int = 3
    regression_size: int = 512
    output_scale: float = 2.0
    output_mean: float = 0.754

    def validate_sizes(self) -> None:
        check_least(self, image_size=16, lstm_steps=1)
        check_length(self, resnet_layers=3)
